"""The forecaster as exported: channels first, weights as constants, static shapes.

One source for both graphs: the weights are the Keras model's, the cell update is the Keras
layer's own function, and only the convolutions are told that channels come first. It is written
for tracing; TensorFlow on a CPU cannot run channels-first convolutions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.convlstm import cell_update
from training.forecaster import Forecaster

Tensor = Any
Array = NDArray[np.float32]


@dataclass(frozen=True)
class FrozenLayer:
    """One ConvLSTM layer and what comes behind it, as numbers.

    Attributes:
        kernel: float32 `(k, k, channels, 4 * filters)`.
        recurrent_kernel: float32 `(k, k, filters, 4 * filters)`.
        pool_size: Side of the max pool behind the layer, or None.
        norm_scale: float32 `(1, filters, 1, 1)`, what batch norm multiplies with, or None.
        norm_shift: float32 `(1, filters, 1, 1)`, what batch norm adds, or None.
    """

    kernel: Array
    recurrent_kernel: Array
    pool_size: int | None
    norm_scale: Array | None
    norm_shift: Array | None


@dataclass(frozen=True)
class FrozenForecaster:
    """The whole network as numbers.

    Attributes:
        layers: First to last.
        head_kernel: float32 `(filters, 1)`.
        head_bias: float32 `(1,)`.
    """

    layers: tuple[FrozenLayer, ...]
    head_kernel: Array
    head_bias: Array


def freeze(model: Forecaster) -> FrozenForecaster:
    """Takes a Keras forecaster's weights out as numbers."""
    layers = []
    for index, cell in enumerate(model.cells):
        has_norm = index < len(model.norms)
        scale, shift = _norm(model.norms[index]) if has_norm else (None, None)
        layers.append(
            FrozenLayer(
                cell.kernel.numpy(),
                cell.recurrent_kernel.numpy(),
                model.settings.pool_size if index < len(model.cells) - 1 else None,
                scale,
                shift,
            )
        )
    return FrozenForecaster(tuple(layers), model.head.kernel.numpy(), model.head.bias.numpy())


def step(frozen: FrozenForecaster, time_step: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
    """One time step for all lanes; the lanes share the time step.

    Args:
        frozen: The network.
        time_step: uint8 `(1, frames_per_step, H, W)`.
        *states: h0, c0, h1, c1, ..., float32 `(lanes, filters, height, width)`.

    Returns:
        Probability float32 `(lanes,)`, then the new states in the same order.
    """
    x = _scale(time_step)
    new_states: list[Tensor] = []
    for layer, hidden, cell in zip(frozen.layers, states[0::2], states[1::2], strict=True):
        gates = _conv(x, layer.kernel, "VALID") + _conv(hidden, layer.recurrent_kernel, "SAME")
        hidden, cell = cell_update(gates, cell, channel_axis=1)
        new_states += [hidden, cell]
        x = _behind(layer, hidden)
    return (_head(frozen, x), *new_states)


def clip(frozen: FrozenForecaster, frames: Tensor) -> tuple[Tensor]:
    """A whole clip from zero state, all steps unrolled.

    Args:
        frozen: The network.
        frames: uint8 `(1, steps, frames_per_step, H, W)`.

    Returns:
        Probability float32 `(1,)`.
    """
    x = _scale(frames[0])  # the time steps are the batch of the input convolutions
    for layer in frozen.layers:
        drives = tf.split(_conv(x, layer.kernel, "VALID"), x.shape[0], axis=0)
        filters = layer.recurrent_kernel.shape[2]
        zeros = tf.constant(0.0, tf.float32, (1, filters, *drives[0].shape[2:]))
        hidden, cell = cell_update(drives[0], zeros, channel_axis=1)
        sequence = [hidden]
        for drive in drives[1:]:
            gates = drive + _conv(hidden, layer.recurrent_kernel, "SAME")
            hidden, cell = cell_update(gates, cell, channel_axis=1)
            sequence.append(hidden)
        last_layer = layer is frozen.layers[-1]
        x = _behind(layer, hidden if last_layer else tf.concat(sequence, axis=0))
    return (_head(frozen, x),)


def _norm(norm: Any) -> tuple[Array, Array]:
    scale = 1.0 / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    shift = -norm.moving_mean.numpy() * scale
    shape = (1, -1, 1, 1)
    return scale.reshape(shape).astype(np.float32), shift.reshape(shape).astype(np.float32)


def _scale(frames: Tensor) -> Tensor:
    return tf.cast(frames, tf.float32) * tf.constant(1.0 / 255.0, tf.float32)


def _conv(x: Tensor, kernel: Array, padding: str) -> Tensor:
    # the constant must be made inside the traced function, else it becomes a graph input
    return tf.nn.conv2d(x, tf.constant(kernel), 1, padding, data_format="NCHW")


def _behind(layer: FrozenLayer, x: Tensor) -> Tensor:
    if layer.pool_size is not None:
        x = tf.nn.max_pool2d(x, layer.pool_size, layer.pool_size, "VALID", data_format="NCHW")
    if layer.norm_scale is not None and layer.norm_shift is not None:
        x = x * tf.constant(layer.norm_scale) + tf.constant(layer.norm_shift)
    return x


def _head(frozen: FrozenForecaster, x: Tensor) -> Tensor:
    logits = tf.matmul(tf.reduce_max(x, axis=[2, 3]), tf.constant(frozen.head_kernel))
    return tf.sigmoid(tf.squeeze(logits + tf.constant(frozen.head_bias), axis=-1))
