"""The motion forecaster: what motion energy alone can tell, as a network that runs live.

Features of the last six seconds of log motion energy, standardised, go into a few small dense
networks whose log odds are averaged. At frame t only m up to t - 1 is used, which frame t
completes.
"""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fishrt.bundle import StateSpec
from fishrt.config import MOTION_PAST, ClipConfig, ModelConfig
from training.motion_branch import log_energy, motion_energies
from training.scaling import scale

Tensor = Any
States = list[Tensor]

LAGS = (*range(1, 16), 20, 25, 30, 45, 60, 90)
"""Single values that are features: so many frames back."""
WINDOWS = (5, 10, 20, 30, 45, 60, 90, 120, 180)
"""Lengths in frames over which mean, spread, extremes and slope are features."""
SPAN_FLOOR = 1e-3


def motion_features(past: Tensor) -> Tensor:
    """Features of past log motion energy.

    Args:
        past: float32 `(N, 180)`, oldest first.

    Returns:
        float32 `(N, features)`.
    """
    last = past[:, -1:]
    columns = [past[:, -lag : MOTION_PAST - lag + 1] for lag in LAGS]
    for length in WINDOWS:
        window = past[:, -length:]
        mean = ops.mean(window, axis=1, keepdims=True)
        low, high = ops.min(window, axis=1, keepdims=True), ops.max(window, axis=1, keepdims=True)
        spread = ops.sqrt(ops.mean((window - mean) * (window - mean), axis=1, keepdims=True))
        early, late = window[:, : length // 2], window[:, length // 2 :]
        slope = ops.mean(late, axis=1, keepdims=True) - ops.mean(early, axis=1, keepdims=True)
        place = (last - low) / (high - low + SPAN_FLOOR)
        columns += [mean, last - mean, spread, low, high, place, slope]
    return ops.concatenate(columns, axis=1)


FEATURES = len(LAGS) + 7 * len(WINDOWS)


def past_energies(energy: NDArray[np.float64], frames: NDArray[np.int64]) -> NDArray[np.float32]:
    """Log motion energy before every frame.

    Args:
        energy: Motion energy m, float64 `(T - 1,)`.
        frames: Frames t, int64 `(N,)`; where less than 180 values lie before one, the first value
            stands in.

    Returns:
        float32 `(N, 180)`: m[t-180 .. t-1], oldest first, as `log_energy` scales it.
    """
    scaled = np.asarray(log_energy(energy.astype(np.float32)))
    padded = np.concatenate([np.repeat(scaled[:1], MOTION_PAST), scaled])
    return np.asarray(sliding_window_view(padded, MOTION_PAST)[frames])


class MotionForecaster(keras.Model):  # type: ignore[misc]
    """Probability that a burst starts soon, from motion energy; like `Forecaster` in use.

    Attributes:
        clip: The clip settings that it was built from.
        settings: The model settings that it was built from.
        loss_steps: How many of a clip's last time steps give a probability in `call`.
        feature_mean: float32 `(features,)`, subtracted from the features.
        feature_scale: float32 `(features,)`, multiplied with them after.
        members: Dense layers of each member, the last without an activation.
    """

    def __init__(self, clip: ClipConfig, model: ModelConfig, loss_steps: int = 1) -> None:
        super().__init__(name="motion_forecaster")
        self.clip = clip
        self.settings = model
        self.loss_steps = loss_steps
        self.feature_mean = self.add_weight(
            name="feature_mean", shape=(FEATURES,), initializer="zeros", trainable=False
        )
        self.feature_scale = self.add_weight(
            name="feature_scale", shape=(FEATURES,), initializer="ones", trainable=False
        )
        penalty = keras.regularizers.L2(model.l2) if model.l2 else None
        self.members = [
            [keras.layers.Dense(n, "relu", kernel_regularizer=penalty) for n in model.dense]
            + [keras.layers.Dense(1, kernel_regularizer=penalty)]
            for _ in range(model.members)
        ]
        for layers in self.members:
            size = FEATURES
            for layer in layers:
                layer.build((None, size))
                size = layer.units
        self.built = True

    def call(self, clips: Tensor, training: bool = False) -> Tensor:
        """Runs whole clips from zero state; see `Forecaster.call`."""
        return self.run(clips, None, training, self.loss_steps)[0]

    def run(
        self,
        time_steps: Tensor,
        states: States | None = None,
        training: bool = False,
        wanted: int | None = None,
    ) -> tuple[Tensor, States]:
        """Runs time steps in a row from given states; see `Forecaster.run`."""
        del training
        frames = scale(time_steps)
        last, seen, past = states or self._zeros(frames)
        energies = motion_energies(frames, last, ops.reshape(seen, (-1, 1)))[:, :, 0]
        whole = ops.concatenate([past, log_energy(energies)], axis=1)
        steps = time_steps.shape[1]
        first = steps - (wanted or steps)
        windows = [whole[:, step + 1 : step + 1 + MOTION_PAST] for step in range(first, steps)]
        odds = self.log_odds(ops.reshape(ops.stack(windows, axis=1), (-1, MOTION_PAST)))
        new_states = [frames[:, -1, :, :, -1], ops.ones_like(seen), whole[:, -MOTION_PAST:]]
        return ops.sigmoid(ops.reshape(odds, (-1, len(windows)))), new_states

    def step(self, time_steps: Tensor, states: States) -> tuple[Tensor, States]:
        """Runs one time step; see `Forecaster.step`."""
        probability, new_states = self.run(ops.expand_dims(time_steps, 1), states)
        return probability[:, 0], new_states

    def log_odds(self, past: Tensor) -> Tensor:
        """Mean log odds of the members, float32 `(N,)`, for past energies `(N, 180)`."""
        return ops.mean(ops.stack(self.member_log_odds(past), axis=0), axis=0)

    def member_log_odds(self, past: Tensor) -> list[Tensor]:
        """Log odds of each member, float32 `(N,)`, for past energies `(N, 180)`."""
        features = (motion_features(past) - self.feature_mean) * self.feature_scale
        odds = []
        for layers in self.members:
            x = features
            for layer in layers:
                x = layer(x)
            odds.append(ops.squeeze(x, axis=-1))
        return odds

    def _zeros(self, frames: Tensor) -> States:
        picture = ops.zeros_like(frames[:, 0, :, :, 0])
        corner = picture[:, 0, :1]
        return [
            picture,
            ops.reshape(corner, (-1, 1, 1, 1)),
            ops.tile(corner, (1, MOTION_PAST)),
        ]

    def zero_states(self, batch: int) -> States:
        """Zero states, float32 `(batch, ...)` each, in the order of `state_specs`."""
        shapes = [(self.clip.height, self.clip.width), (1, 1, 1), (MOTION_PAST,)]
        return [ops.zeros((batch, *shape)) for shape in shapes]

    @property
    def state_specs(self) -> tuple[StateSpec, ...]:
        """Names and channels-first shapes of the states, as exported."""
        return (
            StateSpec(name="motion_frame", shape=(1, self.clip.height, self.clip.width)),
            StateSpec(name="motion_seen", shape=(1, 1, 1)),
            StateSpec(name="motion_past", shape=(MOTION_PAST,)),
        )
