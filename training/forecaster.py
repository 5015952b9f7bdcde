"""The forecaster: the published network, built from the config.

ConvLSTM -> [max pool -> batch norm -> ConvLSTM] ... -> global max pool -> dense -> probability.
A network of one layer has its batch norm behind that layer (the published "upbeat-snowflake").
"""

from typing import Any

import keras
from keras import ops

from fishrt.bundle import StateSpec
from fishrt.config import ClipConfig, ModelConfig
from training.convlstm import CellState, ConvLSTM

Tensor = Any
States = list[CellState]


class Forecaster(keras.Model):  # type: ignore[misc]
    """Probability that a burst starts soon, for a whole clip or one time step at a time.

    Attributes:
        clip: The clip settings that it was built from.
        settings: The model settings that it was built from.
        cells: The ConvLSTM layers, first to last.
        norms: Batch norms, without centre and scale: one behind every cell but the last, or
            behind the only one. Plain `BatchNormalization` on the 5-D tensor has the published
            statistics; `TimeDistributed` would keep them for every time step.
        head: Dense layer to one probability.
        loss_steps: How many of a clip's last time steps give a probability in `call`.
    """

    def __init__(self, clip: ClipConfig, model: ModelConfig, loss_steps: int = 1) -> None:
        super().__init__(name="forecaster")
        self.clip = clip
        self.settings = model
        self.loss_steps = loss_steps
        self.cells = [ConvLSTM(filters, model.kernel_size) for filters in model.filters]
        self.norms = [
            keras.layers.BatchNormalization(center=False, scale=False)
            for _ in range(max(len(model.filters) - 1, 1))
        ]
        self.pool = keras.layers.MaxPooling3D((1, model.pool_size, model.pool_size))
        self.head = keras.layers.Dense(1, activation="sigmoid")
        self.build((None, *clip.geometry.clip_shape))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes all weights for `(batch, steps, height, width, frames_per_step)`."""
        shape = input_shape
        for layer, cell in enumerate(self.cells):
            cell.build(shape)
            shape = cell.compute_output_shape(shape)
            if layer < len(self.cells) - 1:
                shape = self.pool.compute_output_shape(shape)
            if layer < len(self.norms):
                self.norms[layer].build(shape)
        self.head.build((None, self.cells[-1].filters))
        self.built = True

    def call(self, clips: Tensor, training: bool = False) -> Tensor:
        """Runs whole clips from zero state.

        Args:
            clips: uint8 `(batch, steps, height, width, frames_per_step)`.
            training: Whether batch norm uses and learns the batch's statistics.

        Returns:
            Probabilities after the last `loss_steps` time steps, float32 `(batch, loss_steps)`.
        """
        x = scale(clips)
        for layer, cell in enumerate(self.cells):
            x = cell(x)
            if layer < len(self.cells) - 1:
                x = self.pool(x)
                x = self.norms[layer](x, training=training)
        x = x[:, -self.loss_steps :]
        if len(self.cells) == 1:
            x = self.norms[0](x, training=training)
        return ops.squeeze(self.head(ops.max(x, axis=(2, 3))), axis=-1)

    def step(self, time_steps: Tensor, states: States) -> tuple[Tensor, States]:
        """Runs one time step (inference only).

        Args:
            time_steps: uint8 `(batch, height, width, frames_per_step)`.
            states: Hidden and cell state of every layer, as `zero_states` gives them.

        Returns:
            Probabilities float32 `(batch,)` and the new states.
        """
        x = scale(time_steps)
        new_states: States = []
        for layer, (cell, state) in enumerate(zip(self.cells, states, strict=True)):
            hidden, memory = cell.step(x, state)
            new_states.append((hidden, memory))
            x = hidden
            if layer < len(self.cells) - 1:
                x = ops.max_pool(x, self.settings.pool_size)
            if layer < len(self.norms):
                # the norms were built for clips: one time step is a clip of one
                x = ops.squeeze(self.norms[layer](ops.expand_dims(x, 1), training=False), 1)
        return ops.squeeze(self.head(ops.max(x, axis=(1, 2))), axis=-1), new_states

    def zero_states(self, batch: int) -> States:
        """Zero hidden and cell states, float32 `(batch, height, width, filters)` each."""
        return [
            (ops.zeros((batch, *shape)), ops.zeros((batch, *shape))) for shape in self.state_shapes
        ]

    @property
    def state_shapes(self) -> list[tuple[int, int, int]]:
        """Shape `(height, width, filters)` of each layer's hidden (and cell) state."""
        height, width = self.clip.height, self.clip.width
        shapes = []
        for layer, cell in enumerate(self.cells):
            if layer:
                height, width = height // self.settings.pool_size, width // self.settings.pool_size
            height, width = height - cell.kernel_size + 1, width - cell.kernel_size + 1
            shapes.append((height, width, cell.filters))
        return shapes

    @property
    def state_specs(self) -> tuple[StateSpec, ...]:
        """Names and channels-first shapes of the states, as exported: h0, c0, h1, c1, ..."""
        return tuple(
            StateSpec(name=f"{kind}{layer}", shape=(filters, height, width))
            for layer, (height, width, filters) in enumerate(self.state_shapes)
            for kind in ("h", "c")
        )


def scale(frames: Tensor) -> Tensor:
    """Frames as the network sees them: uint8 0 .. 255 becomes float32 0 .. 1."""
    return ops.cast(frames, "float32") * (1.0 / 255.0)
