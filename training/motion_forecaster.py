"""The motion forecaster: what motion energy alone can tell, as a network that runs live.

Features of the last thirty seconds of log motion energy, standardised, go into a few small dense
networks whose log odds are averaged. At frame t only m up to t - 1 is used, which frame t
completes. The forecast depends on nothing older, so a carried state and a window say the same.
"""

from typing import Any

import keras
import numpy as np
from keras import ops
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
JITTER_WINDOWS = (5, 10, 20, 45, 90)
"""Lengths over which the size of changes and their persistence (tail beats) are features."""
LONG_WINDOWS = (300, 600, 900)
"""Lengths over which only mean and spread are features."""
LEVEL_QUANTILES = (0.5, 0.75, 0.95, 0.99)
"""Quantiles of the training footage that serve as levels: what is a burst in one tank is calm in
another."""
SHARE_WINDOWS = (180, 900)
"""Lengths over which the share of frames above a level is a feature."""
LEVEL_WIDTH = 0.05
"""Of the soft comparison with a level, so that rounding cannot make a forecast jump."""
FEATURE_LIMIT = 4.0
"""Standard deviations to which features are held: a lamp that goes on is no extreme burst."""


def motion_features(past: Tensor, levels: Tensor) -> Tensor:
    """Features of past log motion energy.

    Args:
        past: float32 `(N, 900)`, oldest first.
        levels: float32 `(levels,)`, see `LEVEL_QUANTILES`.

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
    return ops.concatenate([*columns, *_jitter(past), *_long_term(past, levels)], axis=1)


def _jitter(past: Tensor) -> list[Tensor]:
    change = past[:, 1:] - past[:, :-1]
    columns = []
    for length in JITTER_WINDOWS:
        late, early = change[:, -length:], change[:, -length - 1 : -1]
        columns += [
            ops.sqrt(ops.mean(late * late, axis=1, keepdims=True)),
            ops.mean(late * early, axis=1, keepdims=True),
        ]
    return columns


def _long_term(past: Tensor, levels: Tensor) -> list[Tensor]:
    columns = []
    for length in LONG_WINDOWS:
        window = past[:, -length:]
        mean = ops.mean(window, axis=1, keepdims=True)
        spread = ops.sqrt(ops.mean((window - mean) * (window - mean), axis=1, keepdims=True))
        columns += [mean, spread]
    for number in range(len(LEVEL_QUANTILES)):
        above = ops.sigmoid((past - levels[number]) * (1.0 / LEVEL_WIDTH))
        columns += [ops.mean(above[:, -n:], axis=1, keepdims=True) for n in SHARE_WINDOWS]
    return columns


FEATURES = (
    len(LAGS)
    + 7 * len(WINDOWS)
    + 2 * len(JITTER_WINDOWS)
    + 2 * len(LONG_WINDOWS)
    + len(LEVEL_QUANTILES) * len(SHARE_WINDOWS)
)


def past_energies(energy: NDArray[np.float64], frames: NDArray[np.int64]) -> NDArray[np.float32]:
    """Log motion energy before every frame.

    Args:
        energy: Motion energy m, float64 `(T - 1,)`.
        frames: Frames t, int64 `(N,)`, each at least 1; where less than 900 values lie before
            one, those that do are mirrored, back and forth, to fill the rest.

    Returns:
        float32 `(N, 900)`: m[t-900 .. t-1], oldest first, as `log_energy` scales it.

    Raises:
        ValueError: If nothing, or not everything, is known before a frame.
    """
    if len(frames) and (frames.min() < 1 or frames.max() > len(energy)):
        raise ValueError(f"frames must lie between 1 and {len(energy)}.")
    scaled = np.asarray(log_energy(energy.astype(np.float32)))
    newest = np.asarray(frames)[:, None] - 1
    back = np.arange(MOTION_PAST - 1, -1, -1)[None] % np.maximum(2 * newest, 1)
    return np.asarray(scaled[newest - np.minimum(back, np.maximum(2 * newest - back, 0))])


class MotionForecaster(keras.Model):  # type: ignore[misc]
    """Probability that a burst starts soon, from motion energy; like `Forecaster` in use.

    Attributes:
        clip: The clip settings that it was built from.
        settings: The model settings that it was built from.
        loss_steps: How many of a clip's last time steps give a probability in `call`.
        levels: float32 `(levels,)`, log motion energies that bursts are counted by.
        feature_mean: float32 `(features,)`, subtracted from the features.
        feature_scale: float32 `(features,)`, multiplied with them after.
        members: Dense layers of each member, the last without an activation.
    """

    def __init__(self, clip: ClipConfig, model: ModelConfig, loss_steps: int = 1) -> None:
        super().__init__(name="motion_forecaster")
        self.clip = clip
        self.settings = model
        self.loss_steps = loss_steps
        self.levels = self.add_weight(
            name="levels", shape=(len(LEVEL_QUANTILES),), initializer="zeros", trainable=False
        )
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
        """Mean log odds of the members, float32 `(N,)`, for past energies `(N, 900)`."""
        return ops.mean(ops.stack(self.member_log_odds(past), axis=0), axis=0)

    def member_log_odds(self, past: Tensor) -> list[Tensor]:
        """Log odds of each member, float32 `(N,)`, for past energies `(N, 900)`."""
        features = (motion_features(past, self.levels) - self.feature_mean) * self.feature_scale
        features = ops.clip(features, -FEATURE_LIMIT, FEATURE_LIMIT)
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
