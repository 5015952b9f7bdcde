"""The ConvLSTM layer: a whole sequence at once, or one time step at a time.

The cell is that of Shi et al. 2015 (https://arxiv.org/abs/1506.04214) without peepholes, as in
Keras' `ConvLSTM2D`: weights in the stock layout, gates in the order i, f, c, o, no bias, 'valid'
input convolution and 'same' recurrent convolution. Two things differ from the stock layer:

- the recurrent activation is the hard sigmoid of 2021's Keras, clip(0.2 x + 0.5, 0, 1), which
  the published weights need. Keras 3's `hard_sigmoid` is another function, clip(x / 6 + 0.5);
- it is computed in fewer operations. The hard sigmoid is relu6(1.2 x + 3) / 6, whose factor goes
  into the kernels once for all steps and whose gradient is one operation; on a GPU a step costs
  one convolution instead of eight small ones. See `Gates`.
"""

import enum
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

HARD_SIGMOID_ALPHA = 0.2
HARD_SIGMOID_BETA = 0.5

Tensor = Any
CellState = tuple[Tensor, Tensor]


class Gates(enum.StrEnum):
    """How the convolutions of the four gates are grouped.

    `together`: one convolution for all gates, and the input's for all time steps at once, so that
    a step launches one. The best on a GPU. `apart`: one for each gate and step, so that nothing
    is split and joined and a step's numbers stay in the cache. The best on a CPU.
    """

    TOGETHER = "together"
    APART = "apart"

    @property
    def groups(self) -> int:
        """Convolutions that share the four gates among them."""
        return 1 if self is Gates.TOGETHER else 4


def fastest_gates() -> Gates:
    """What is fastest on this machine's devices."""
    return Gates.TOGETHER if keras.distribution.list_devices("gpu") else Gates.APART


def hard_sigmoid_2021(x: Tensor) -> Tensor:
    """The hard sigmoid of 2021's Keras: clip(0.2 x + 0.5, 0, 1)."""
    return ops.clip(HARD_SIGMOID_ALPHA * x + HARD_SIGMOID_BETA, 0.0, 1.0)


def cell_update(gates: Tensor, cell: Tensor, *, channel_axis: int = -1) -> CellState:
    """The LSTM update, once the convolutions are done.

    Args:
        gates: Sum of input and recurrent convolution, four blocks of channels i, f, c, o.
        cell: Previous cell state, a quarter of the channels of `gates`.
        channel_axis: Where the channels are: -1 (channels last) or 1 (channels first).

    Returns:
        The new hidden state and the new cell state, each shaped like `cell`.
    """
    filters = cell.shape[channel_axis]
    pair, candidate, output = ops.split(gates, [2 * filters, 3 * filters], axis=channel_axis)
    write, keep = ops.split(hard_sigmoid_2021(pair), 2, axis=channel_axis)
    new_cell = keep * cell + write * ops.tanh(candidate)
    return hard_sigmoid_2021(output) * ops.tanh(new_cell), new_cell


def scaled_update(gates: list[Tensor], cell: Tensor | None) -> CellState:
    """The same update from gates that went through `hard_sigmoid_scale` and `..._shift`.

    Args:
        gates: i, f, c, o: 1.2 x + 3 for the ones with a hard sigmoid, x for the candidate.
        cell: Previous cell state, or None for zeros.

    Returns:
        The new hidden state and the new cell state, each shaped like a gate.
    """
    write, keep, candidate, output = gates
    new_cell = ops.relu6(write) * ops.tanh(candidate)
    if cell is not None:
        new_cell = ops.relu6(keep) * cell + new_cell
    new_cell = new_cell * (1 / 6)
    return ops.relu6(output) * ops.tanh(new_cell) * (1 / 6), new_cell


def hard_sigmoid_scale(filters: int) -> NDArray[np.float32]:
    """What the kernels' last axis is multiplied with, float32 `(4 * filters,)`."""
    gate = 6 * HARD_SIGMOID_ALPHA
    return np.repeat(np.array([gate, gate, 1.0, gate], np.float32), filters)


def hard_sigmoid_shift(filters: int) -> NDArray[np.float32]:
    """What is added to the gates then, float32 `(4 * filters,)`."""
    gate = 6 * HARD_SIGMOID_BETA
    return np.repeat(np.array([gate, gate, 0.0, gate], np.float32), filters)


@keras.saving.register_keras_serializable(package="fishrt")
class ConvLSTM(keras.layers.Layer):  # type: ignore[misc]
    """Convolutional LSTM over `(batch, steps, height, width, channels)`, channels last.

    Attributes:
        filters: Channels of the hidden and the cell state.
        kernel_size: Side of the square kernels, odd.
        kernel: float32 `(k, k, channels, 4 * filters)`.
        recurrent_kernel: float32 `(k, k, filters, 4 * filters)`.
        gates: How the gates' convolutions are grouped, or None for the fastest.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        penalty: Any = None,
        gates: Gates | None = None,
        **options: Any,
    ) -> None:
        """Takes the size, a Keras regularizer for both kernels, and the grouping."""
        super().__init__(**options)
        self.filters = filters
        self.kernel_size = kernel_size
        self.penalty = keras.regularizers.get(penalty)
        self.gates = gates

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the two kernels for `(batch, steps, height, width, channels)`."""
        side = self.kernel_size
        self.kernel = self.add_weight(
            name="kernel",
            shape=(side, side, input_shape[-1], 4 * self.filters),
            initializer="glorot_uniform",
            regularizer=self.penalty,
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(side, side, self.filters, 4 * self.filters),
            initializer="orthogonal",
            regularizer=self.penalty,
        )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, steps, height, width, filters)` after the 'valid' convolution."""
        batch, steps, height, width, _ = input_shape
        lost = self.kernel_size - 1
        return (
            batch,
            steps,
            height - lost if height else None,
            width - lost if width else None,
            self.filters,
        )

    def call(self, inputs: Tensor) -> Tensor:
        """Runs a whole sequence from zero state.

        Args:
            inputs: float `(batch, steps, height, width, channels)`.

        Returns:
            The hidden state after every step, float `(batch, steps, height', width', filters)`.
        """
        return self.sequence(inputs)[0]

    def sequence(
        self, inputs: Tensor, state: CellState | None = None, wanted: int | None = None
    ) -> tuple[Tensor, CellState]:
        """Runs a sequence from a given state.

        Args:
            inputs: float `(batch, steps, height, width, channels)`.
            state: Hidden and cell state, float32 `(batch, height', width', filters)` each, or
                None for zeros.
            wanted: Give the hidden state after the last so many steps only; None for all.

        Returns:
            The hidden state after those steps, float `(batch, wanted, height', width', filters)`,
            and the state after the last step, float32.
        """
        grouping = self.gates or fastest_gates()
        kernel, recurrent_kernel = (
            ops.cast(weight * hard_sigmoid_scale(self.filters), inputs.dtype)
            for weight in (self.kernel, self.recurrent_kernel)
        )
        shift = ops.cast(hard_sigmoid_shift(self.filters), inputs.dtype)
        recurrent_kernels = ops.split(recurrent_kernel, grouping.groups, axis=-1)
        outputs = []
        for drives in _drives(inputs, kernel, shift, grouping):
            if state is not None:
                hidden = ops.cast(state[0], inputs.dtype)
                drives = [
                    ops.conv(hidden, part, padding="same") + drive
                    for drive, part in zip(drives, recurrent_kernels, strict=True)
                ]
            # The state stays float32 whatever the convolutions compute in: what is carried on for
            # hours must not lose its small changes.
            gates = [
                ops.cast(gate, "float32")
                for drive in drives
                for gate in ops.split(drive, 4 // grouping.groups, axis=-1)
            ]
            state = scaled_update(gates, None if state is None else state[1])
            outputs.append(state[0])
        assert state is not None  # a sequence has at least one step
        kept = outputs[-(wanted or len(outputs)) :]
        return ops.cast(ops.stack(kept, axis=1), inputs.dtype), state

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "penalty": keras.regularizers.serialize(self.penalty),
            "gates": self.gates,
        }


def _drives(
    inputs: Tensor, kernel: Tensor, shift: Tensor, grouping: Gates
) -> Iterator[list[Tensor]]:
    """The input's share of the gates, shifted: for every step one tensor for each group."""
    if grouping is Gates.TOGETHER:
        steps, height, width, channels = inputs.shape[1:]
        pictures = ops.reshape(inputs, (-1, height, width, channels))
        drive = ops.conv(pictures, kernel, padding="valid") + shift
        # unstacked, not indexed: the gradient of an index is as large as the whole sequence
        for step in ops.unstack(ops.reshape(drive, (-1, steps, *drive.shape[1:])), axis=1):
            yield [step]
        return
    groups = grouping.groups
    parts = list(zip(ops.split(kernel, groups, axis=-1), ops.split(shift, groups), strict=True))
    for picture in ops.unstack(inputs, axis=1):
        yield [ops.conv(picture, part, padding="valid") + add for part, add in parts]
