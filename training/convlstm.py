"""The ConvLSTM layer: a whole sequence at once, or one time step at a time.

The cell is that of Shi et al. 2015 (https://arxiv.org/abs/1506.04214) without peepholes, as in
Keras' `ConvLSTM2D`: weights in the stock layout, gates in the order i, f, c, o, no bias, 'valid'
input convolution and 'same' recurrent convolution. Two things differ from the stock layer:

- the input convolution of all time steps is one convolution, so a step costs one recurrent
  convolution instead of eight small ones;
- the recurrent activation is the hard sigmoid of 2021's Keras, clip(0.2 x + 0.5, 0, 1), which
  the published weights need. Keras 3's `hard_sigmoid` is another function, clip(x / 6 + 0.5).
"""

from typing import Any

import keras
from keras import ops

HARD_SIGMOID_ALPHA = 0.2
HARD_SIGMOID_BETA = 0.5

Tensor = Any
CellState = tuple[Tensor, Tensor]


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


@keras.saving.register_keras_serializable(package="fishrt")
class ConvLSTM(keras.layers.Layer):  # type: ignore[misc]
    """Convolutional LSTM over `(batch, steps, height, width, channels)`, channels last.

    Attributes:
        filters: Channels of the hidden and the cell state.
        kernel_size: Side of the square kernels, odd.
        kernel: float32 `(k, k, channels, 4 * filters)`.
        recurrent_kernel: float32 `(k, k, filters, 4 * filters)`.
    """

    def __init__(
        self, filters: int, kernel_size: int = 3, penalty: Any = None, **options: Any
    ) -> None:
        """Takes the size, and a Keras regularizer for both kernels."""
        super().__init__(**options)
        self.filters = filters
        self.kernel_size = kernel_size
        self.penalty = keras.regularizers.get(penalty)

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

    def sequence(self, inputs: Tensor, state: CellState | None = None) -> tuple[Tensor, CellState]:
        """Runs a sequence from a given state.

        Args:
            inputs: float `(batch, steps, height, width, channels)`.
            state: Hidden and cell state, float32 `(batch, height', width', filters)` each, or
                None for zeros.

        Returns:
            The hidden state after every step, float `(batch, steps, height', width', filters)`,
            and the state after the last step, float32.
        """
        steps, height, width, channels = inputs.shape[1:]
        drive = self.input_convolution(ops.reshape(inputs, (-1, height, width, channels)))
        # unstacked, not indexed: the gradient of an index is as large as the whole sequence
        drives = ops.unstack(ops.reshape(drive, (-1, steps, *drive.shape[1:])), axis=1)
        outputs = []
        for step_drive in drives:
            state = self.advance(step_drive, state)
            outputs.append(state[0])
        assert state is not None  # a sequence has at least one step
        return ops.cast(ops.stack(outputs, axis=1), inputs.dtype), state

    def input_convolution(self, inputs: Tensor) -> Tensor:
        """The input's share of the gates, float `(batch, height', width', 4 * filters)`."""
        return ops.conv(inputs, ops.cast(self.kernel, inputs.dtype), padding="valid")

    def advance(self, drive: Tensor, state: CellState | None) -> CellState:
        """One step, given the input's share of the gates; no state is a state of zeros.

        The state stays float32 whatever the convolutions compute in: what is carried on for
        hours must not lose its small changes.
        """
        if state is None:
            gates = ops.cast(drive, "float32")
            return cell_update(gates, ops.zeros_like(gates[..., : self.filters]))
        hidden, cell = state
        kernel = ops.cast(self.recurrent_kernel, drive.dtype)
        recurrent = ops.conv(ops.cast(hidden, drive.dtype), kernel, padding="same")
        return cell_update(ops.cast(drive + recurrent, "float32"), cell)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "penalty": keras.regularizers.serialize(self.penalty),
        }
