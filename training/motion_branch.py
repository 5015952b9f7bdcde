"""The motion branch: motion energy from the frames themselves, and a small LSTM over it.

Motion energy is that of design's label rule, m[t] = mean |frame[t+1] - frame[t]| / 255, so the
network is handed what the motion baselines live on and spends its convolutions on the rest. At
every time step the LSTM sees the `frames_per_step` motion energies that the step's frames end:
the first of them needs the last frame of the step before, which is one of the states.
"""

from typing import Any

import keras
from keras import ops

from fishrt.bundle import StateSpec
from fishrt.config import ClipConfig
from training.convlstm import cell_update

Tensor = Any

FLOOR = 1e-4
"""Added before the logarithm: well below the motion energy of fish, above that of noise-free
pictures, for which it is zero."""
CENTRE = 1e-3
"""Motion energy that becomes a feature of about 0."""


class MotionBranch(keras.layers.Layer):  # type: ignore[misc]
    """LSTM over log motion energy, always in float32.

    Attributes:
        units: Features that it gives.
        kernel: float32 `(frames_per_step, 4 * units)`, gates i, f, c, o.
        recurrent_kernel: float32 `(units, 4 * units)`.
        bias: float32 `(4 * units,)`.
    """

    def __init__(self, units: int) -> None:
        super().__init__(name="motion_branch", dtype="float32")
        self.units = units

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights for `(batch, steps, height, width, frames_per_step)`."""
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], 4 * self.units), initializer="glorot_uniform"
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, 4 * self.units),
            initializer="orthogonal",
        )
        self.bias = self.add_weight(name="bias", shape=(4 * self.units,), initializer="zeros")

    def sequence(
        self, frames: Tensor, states: list[Tensor] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Runs time steps in a row.

        Args:
            frames: float32 0 .. 1, `(batch, steps, height, width, frames_per_step)`.
            states: Last frame `(batch, height, width)`, whether there is one `(batch, 1, 1, 1)`,
                hidden and cell state `(batch, units)`; None for zeros.

        Returns:
            Features float32 `(batch, steps, units)` and the new states.
        """
        last, seen, hidden, cell = states or self._zeros(frames)
        features = log_energy(motion_energies(frames, last, ops.reshape(seen, (-1, 1))))
        # outside a layer's own call, mixed precision would hand out halved weights
        kernel, recurrent, bias = (
            ops.cast(weight, "float32")
            for weight in (self.kernel, self.recurrent_kernel, self.bias)
        )
        outputs = []
        for drive in ops.unstack(ops.matmul(features, kernel) + bias, axis=1):
            hidden, cell = cell_update(drive + ops.matmul(hidden, recurrent), cell)
            outputs.append(hidden)
        new_last = frames[:, -1, :, :, -1]
        return ops.stack(outputs, axis=1), [new_last, ops.ones_like(seen), hidden, cell]

    def _zeros(self, frames: Tensor) -> list[Tensor]:
        picture = ops.zeros_like(frames[:, 0, :, :, 0])
        corner = picture[:, 0, :1]
        units = ops.tile(corner, (1, self.units))
        return [picture, ops.reshape(corner, (-1, 1, 1, 1)), units, units]

    def state_shapes(self, clip: ClipConfig) -> list[tuple[int, ...]]:
        """Shapes of the states without the batch."""
        return [(clip.height, clip.width), (1, 1, 1), (self.units,), (self.units,)]

    def state_specs(self, clip: ClipConfig) -> list[StateSpec]:
        """Names and channels-first shapes of the states, as exported."""
        return [
            StateSpec(name="motion_frame", shape=(1, clip.height, clip.width)),
            StateSpec(name="motion_seen", shape=(1, 1, 1)),
            StateSpec(name="motion_h", shape=(self.units,)),
            StateSpec(name="motion_c", shape=(self.units,)),
        ]


def motion_energies(frames: Tensor, last: Tensor, seen: Tensor) -> Tensor:
    """Motion energy between every frame and the one before.

    Args:
        frames: float32 0 .. 1, `(batch, steps, height, width, frames_per_step)`.
        last: The frame before the first, `(batch, height, width)`.
        seen: 1 where there is such a frame, 0 where there is none, `(batch, 1)`.

    Returns:
        float32 `(batch, steps, frames_per_step)`; 0 where there is no frame before.
    """
    before = ops.concatenate([ops.expand_dims(last, 1), frames[:, :-1, :, :, -1]], axis=1)
    across = ops.mean(ops.abs(frames[..., 0] - before), axis=(2, 3))
    across = ops.concatenate([across[:, :1] * seen, across[:, 1:]], axis=1)
    within = ops.mean(ops.abs(frames[..., 1:] - frames[..., :-1]), axis=(2, 3))
    return ops.concatenate([ops.expand_dims(across, -1), within], axis=-1)


def log_energy(energies: Tensor) -> Tensor:
    """log((m + FLOOR) / CENTRE): tanks differ in motion energy by factors, not by sums."""
    return ops.log((energies + FLOOR) * (1.0 / CENTRE))
