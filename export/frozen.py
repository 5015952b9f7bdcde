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

from fishrt.config import Head
from training.convlstm import cell_update
from training.forecaster import Forecaster
from training.motion_branch import CENTRE, FLOOR

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
class FrozenMotion:
    """The motion branch as numbers: kernels and bias of its LSTM, gates i, f, c, o.

    Attributes:
        kernel: float32 `(frames_per_step, 4 * units)`.
        recurrent_kernel: float32 `(units, 4 * units)`.
        bias: float32 `(4 * units,)`.
    """

    kernel: Array
    recurrent_kernel: Array
    bias: Array


@dataclass(frozen=True)
class FrozenForecaster:
    """The whole network as numbers.

    Attributes:
        layers: First to last.
        motion: The motion branch, or None.
        head: How the last picture becomes features.
        dense: Kernel `(features, units)` and bias `(units,)` of every dense layer; all but the
            last have a ReLU. A kernel behind a flattened picture takes it channels first.
    """

    layers: tuple[FrozenLayer, ...]
    motion: FrozenMotion | None
    head: Head
    dense: tuple[tuple[Array, Array], ...]


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
    motion = None
    if model.motion is not None:
        branch = model.motion
        motion = FrozenMotion(
            branch.kernel.numpy(), branch.recurrent_kernel.numpy(), branch.bias.numpy()
        )
    dense = [(layer.kernel.numpy(), layer.bias.numpy()) for layer in [*model.dense, model.head]]
    if model.settings.head is Head.FLATTEN:
        dense[0] = (_channels_first(dense[0][0], model.picture_shapes[-1]), dense[0][1])
    return FrozenForecaster(tuple(layers), motion, model.settings.head, tuple(dense))


def step(frozen: FrozenForecaster, time_step: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
    """One time step for all lanes; the lanes share the time step.

    Args:
        frozen: The network.
        time_step: uint8 `(1, frames_per_step, H, W)`.
        *states: h0, c0, h1, c1, ..., float32 `(lanes, filters, height, width)`, then those of
            the motion branch.

    Returns:
        Probability float32 `(lanes,)`, then the new states in the same order.
    """
    frames = x = scale(time_step)
    new_states: list[Tensor] = []
    pictures, rest = states[: 2 * len(frozen.layers)], states[2 * len(frozen.layers) :]
    for layer, hidden, cell in zip(frozen.layers, pictures[0::2], pictures[1::2], strict=True):
        gates = _conv(x, layer.kernel, "VALID") + _conv(hidden, layer.recurrent_kernel, "SAME")
        hidden, cell = cell_update(gates, cell, channel_axis=1)
        new_states += [hidden, cell]
        x = _behind(layer, hidden)
    motion = None
    if frozen.motion is not None:
        motion_states = _motion_step(frozen.motion, frames, *rest)
        motion = motion_states[2]
        new_states += motion_states
    return (_head(frozen, x, motion), *new_states)


def clip(frozen: FrozenForecaster, frames: Tensor) -> tuple[Tensor]:
    """A whole clip from zero state, all steps unrolled.

    Args:
        frozen: The network.
        frames: uint8 `(1, steps, frames_per_step, H, W)`.

    Returns:
        Probability float32 `(1,)`.
    """
    scaled = x = scale(frames[0])  # the time steps are the batch of the input convolutions
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
    motion = None if frozen.motion is None else _motion_clip(frozen.motion, scaled)
    return (_head(frozen, x, motion),)


def _motion_step(
    motion: FrozenMotion, frames: Tensor, last: Tensor, seen: Tensor, hidden: Tensor, cell: Tensor
) -> list[Tensor]:
    """New states of the motion branch after one time step `(1, frames_per_step, H, W)`."""
    # the first difference is each lane's own, the others all lanes share
    across = tf.reduce_mean(tf.abs(frames[:, :1] - last), axis=[1, 2, 3], keepdims=True) * seen
    drive = tf.matmul(log_energy(tf.squeeze(across, [2, 3])), tf.constant(motion.kernel[:1]))
    if frames.shape[1] > 1:
        within = tf.reduce_mean(tf.abs(frames[:, 1:] - frames[:, :-1]), axis=[2, 3])
        drive += tf.matmul(log_energy(within), tf.constant(motion.kernel[1:]))
    gates = drive + tf.matmul(hidden, tf.constant(motion.recurrent_kernel))
    hidden, cell = cell_update(gates + tf.constant(motion.bias), cell)
    next_seen = tf.minimum(seen + tf.constant(1.0), tf.constant(1.0))
    # the product spreads the shared frame over the lanes, however many they are
    return [frames[:, -1:] * next_seen, next_seen, hidden, cell]


def _motion_clip(motion: FrozenMotion, frames: Tensor) -> Tensor:
    """The motion branch's features `(1, units)` after a clip `(steps, frames_per_step, H, W)`."""
    steps, per_step = frames.shape[:2]
    flat = tf.reshape(frames, (steps * per_step, *frames.shape[2:]))
    energies = tf.reduce_mean(tf.abs(flat[1:] - flat[:-1]), axis=[1, 2])
    energies = tf.concat([tf.constant([0.0]), energies], axis=0)
    features = log_energy(tf.reshape(energies, (steps, per_step)))
    drives = tf.matmul(features, tf.constant(motion.kernel)) + tf.constant(motion.bias)
    zeros = tf.constant(0.0, tf.float32, (1, motion.recurrent_kernel.shape[0]))
    hidden, cell = zeros, zeros
    for drive in tf.split(drives, steps, axis=0):
        gates = drive + tf.matmul(hidden, tf.constant(motion.recurrent_kernel))
        hidden, cell = cell_update(gates, cell)
    return hidden


def log_energy(energies: Tensor) -> Tensor:
    """`training.motion_branch.log_energy`, with constants made inside the traced function."""
    return tf.math.log((energies + tf.constant(FLOOR)) * tf.constant(1.0 / CENTRE))


def _channels_first(kernel: Array, picture: tuple[int, int, int]) -> Array:
    """A dense kernel whose first rows are a picture `(h, w, c)`, for a picture `(c, h, w)`."""
    height, width, filters = picture
    size = height * width * filters
    rows = kernel[:size].reshape(height, width, filters, -1).transpose(2, 0, 1, 3)
    return np.concatenate([rows.reshape(size, -1), kernel[size:]])


def _norm(norm: Any) -> tuple[Array, Array]:
    scale = 1.0 / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    shift = -norm.moving_mean.numpy() * scale
    shape = (1, -1, 1, 1)
    return scale.reshape(shape).astype(np.float32), shift.reshape(shape).astype(np.float32)


def scale(frames: Tensor) -> Tensor:
    """uint8 frames as float32 0 .. 1."""
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


def _head(frozen: FrozenForecaster, x: Tensor, motion: Tensor | None) -> Tensor:
    match frozen.head:
        case Head.MAX_POOL:
            features = tf.reduce_max(x, axis=[2, 3])
        case Head.AVERAGE_POOL:
            features = tf.reduce_mean(x, axis=[2, 3])
        case Head.FLATTEN:
            features = tf.reshape(x, (-1, int(np.prod(x.shape[1:]))))
    if motion is not None:
        features = tf.concat([features, motion], axis=1)
    *inner, (kernel, bias) = frozen.dense
    for inner_kernel, inner_bias in inner:
        features = tf.nn.relu(tf.matmul(features, tf.constant(inner_kernel)) + inner_bias)
    logits = tf.matmul(features, tf.constant(kernel))
    return tf.sigmoid(tf.squeeze(logits + tf.constant(bias), axis=-1))
