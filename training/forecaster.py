"""The forecaster: the published network and its variants, built from the config.

ConvLSTM -> [max pool -> batch norm -> ConvLSTM] ... -> head -> [dense ...] -> probability.
A network of one layer has its batch norm behind that layer (the published "upbeat-snowflake").
With a motion branch, its features join those of the head before the dense layers.
"""

from typing import Any

import keras
from keras import ops

from fishrt.bundle import StateSpec
from fishrt.config import ClipConfig, Head, ModelConfig
from training.convlstm import ConvLSTM
from training.motion_branch import MotionBranch
from training.scaling import scale

Tensor = Any
States = list[Tensor]


class Forecaster(keras.Model):  # type: ignore[misc]
    """Probability that a burst starts soon, for a whole clip or from a carried state.

    Attributes:
        clip: The clip settings that it was built from.
        settings: The model settings that it was built from.
        cells: The ConvLSTM layers, first to last.
        norms: Batch norms, without centre and scale: one behind every cell but the last, or
            behind the only one. Plain `BatchNormalization` on the 5-D tensor has the published
            statistics; `TimeDistributed` would keep them for every time step.
        motion: The motion branch, or None.
        dense: Dense layers (ReLU) before the last one.
        head: Dense layer to one probability.
        loss_steps: How many of a clip's last time steps give a probability in `call`.
    """

    def __init__(
        self,
        clip: ClipConfig,
        model: ModelConfig,
        loss_steps: int = 1,
        precision: str = "float32",
    ) -> None:
        super().__init__(name="forecaster", dtype=precision)
        self.clip = clip
        self.settings = model
        self.loss_steps = loss_steps
        options: dict[str, Any] = {"dtype": precision}
        penalty = keras.regularizers.L1L2(model.l1, model.l2) if model.l1 or model.l2 else None
        self.cells = [
            ConvLSTM(filters, model.kernel_size, penalty, **options) for filters in model.filters
        ]
        self.norms = [
            keras.layers.BatchNormalization(center=False, scale=False, **options)
            for _ in range(max(len(model.filters) - 1, 1))
        ]
        self.motion = MotionBranch(model.motion_units) if model.motion_units else None
        # one mask for all steps of a clip, as the features of one moment are those of the next
        self.channel_dropout = keras.layers.Dropout(
            model.dropout, noise_shape=(None, 1, 1, 1, None), **options
        )
        self.feature_dropout = keras.layers.Dropout(
            model.dropout, noise_shape=(None, 1, None), **options
        )
        self.dense = [
            keras.layers.Dense(units, "relu", kernel_regularizer=penalty, **options)
            for units in model.dense
        ]
        # float32 even in mixed precision: a probability near 0 or 1 has no room in half
        self.head = keras.layers.Dense(1, "sigmoid", kernel_regularizer=penalty, dtype="float32")
        self.build((None, *clip.geometry.clip_shape))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes all weights for `(batch, steps, height, width, frames_per_step)`."""
        shape = input_shape
        for layer, cell in enumerate(self.cells):
            cell.build(shape)
            shape = cell.compute_output_shape(shape)
            if layer < len(self.cells) - 1:
                height, width, filters = self.picture_shapes[layer]
                side = self.settings.pool_size
                shape = (*shape[:2], height // side, width // side, filters)
            if layer < len(self.norms):
                self.norms[layer].build(shape)
        features = self.feature_count
        if self.motion is not None:
            self.motion.build(input_shape)
        for layer in [*self.dense, self.head]:
            layer.build((None, None, features))
            features = layer.units
        self.built = True

    @property
    def feature_count(self) -> int:
        """Features before the dense layers, those of the motion branch included."""
        height, width, filters = self.picture_shapes[-1]
        count = height * width * filters if self.settings.head is Head.FLATTEN else filters
        return count + self.settings.motion_units

    def call(self, clips: Tensor, training: bool = False) -> Tensor:
        """Runs whole clips from zero state.

        Args:
            clips: uint8 `(batch, steps, height, width, frames_per_step)`.
            training: Whether batch norm uses and learns the batch's statistics.

        Returns:
            Probabilities after the last `loss_steps` time steps, float32 `(batch, loss_steps)`.
        """
        return self.run(clips, None, training, self.loss_steps)[0]

    def run(
        self,
        time_steps: Tensor,
        states: States | None = None,
        training: bool = False,
        wanted: int | None = None,
    ) -> tuple[Tensor, States]:
        """Runs time steps in a row from given states.

        Args:
            time_steps: uint8 `(batch, steps, height, width, frames_per_step)`.
            states: As `zero_states` gives them and this method returns them; None for zeros.
            training: Whether batch norm uses and learns the batch's statistics.
            wanted: Forecast the last so many steps only; None for all of them.

        Returns:
            Probabilities after those steps, float32 `(batch, wanted)`, and the new states.
        """
        scaled = scale(time_steps)
        new_states: States = []
        x = ops.cast(scaled, self.compute_dtype)
        last = len(self.cells) - 1
        for layer, cell in enumerate(self.cells):
            if layer:
                x = self.channel_dropout(x, training=training)
            state = (states[2 * layer], states[2 * layer + 1]) if states else None
            x, new_state = cell.sequence(x, state, wanted if layer == last else None)
            new_states += new_state
            if layer < last:
                x = self.norms[layer](self.pool(x), training=training)
        kept = slice(-(wanted or time_steps.shape[1]), None)
        if last == 0:
            x = self.norms[0](x, training=training)
        features = self._features(x)
        if self.motion is not None:
            motion, motion_states = self.motion.sequence(
                scaled, states[2 * len(self.cells) :] if states else None
            )
            new_states += motion_states
            motion = ops.cast(motion[:, kept], features.dtype)
            features = ops.concatenate([features, motion], axis=-1)
        for layer in [*self.dense, self.head]:
            features = layer(self.feature_dropout(features, training=training))
        return ops.squeeze(features, axis=-1), new_states

    def step(self, time_steps: Tensor, states: States) -> tuple[Tensor, States]:
        """Runs one time step (inference only).

        Args:
            time_steps: uint8 `(batch, height, width, frames_per_step)`.
            states: As `zero_states` gives them.

        Returns:
            Probabilities float32 `(batch,)` and the new states.
        """
        probability, new_states = self.run(ops.expand_dims(time_steps, 1), states)
        return probability[:, 0], new_states

    def pool(self, x: Tensor) -> Tensor:
        """Max pool of every step's picture, float `(batch, steps, height, width, filters)`."""
        # all steps as one batch of pictures: the 3-D pool has no half precision on a CPU
        steps, height, width, filters = x.shape[1:]
        pooled = ops.max_pool(ops.reshape(x, (-1, height, width, filters)), self.settings.pool_size)
        return ops.reshape(pooled, (-1, steps, *pooled.shape[1:]))

    def _features(self, x: Tensor) -> Tensor:
        """Features float `(batch, steps, count)` of pictures `(batch, steps, h, w, filters)`."""
        match self.settings.head:
            case Head.MAX_POOL:
                return ops.max(x, axis=(2, 3))
            case Head.AVERAGE_POOL:
                return ops.mean(x, axis=(2, 3))
            case Head.FLATTEN:
                steps, height, width, filters = x.shape[1:]
                return ops.reshape(x, (-1, steps, height * width * filters))

    def zero_states(self, batch: int) -> States:
        """Zero states, float32 `(batch, ...)` each, in the order of `state_specs`."""
        pictures = [shape for shape in self.picture_shapes for _ in range(2)]
        motion = self.motion.state_shapes(self.clip) if self.motion is not None else []
        return [ops.zeros((batch, *shape)) for shape in [*pictures, *motion]]

    @property
    def picture_shapes(self) -> list[tuple[int, int, int]]:
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
        pictures = [
            StateSpec(name=f"{kind}{layer}", shape=(filters, height, width), half=kind == "h")
            for layer, (height, width, filters) in enumerate(self.picture_shapes)
            for kind in ("h", "c")
        ]
        motion = self.motion.state_specs(self.clip) if self.motion is not None else []
        return (*pictures, *motion)
