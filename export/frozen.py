"""The forecaster as exported: channels first, weights as constants, static shapes.

One source for both graphs and both precisions: the weights are the Keras model's, and what only
multiplies and shifts them (batch norm, the scaling of frames) is folded into them. It is written
for tracing; TensorFlow on a CPU cannot run channels-first convolutions.

In an FP16 graph the convolutions compute in half precision, with half weights and half hidden
states. Cell states, gates, dense layers and the motion branch stay float32: a state that is
carried on for hours must not lose its small changes, motion energy near zero and probabilities
near 0 and 1 have no room in half, and together they are a thousandth of the work.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from export.cell import DTYPES, cell_update, constant, dense, log_energy, scale
from fishrt.bundle import GraphPrecision
from fishrt.config import Head
from training.forecaster import Forecaster

Tensor = Any
Array = NDArray[np.float32]

FP32 = GraphPrecision.FP32
# A uint8 frame is exact in half, and so is a 256th of it; a 255th is not. The first kernel takes
# what is missing. In float32 it takes all of it, which saves an operator.
FRAME_FACTOR = {GraphPrecision.FP32: 1.0, GraphPrecision.FP16: 1.0 / 256.0}


@dataclass(frozen=True)
class FrozenLayer:
    """One ConvLSTM layer and the pool behind it, as numbers.

    Attributes:
        kernel: float32 `(k, k, channels, 4 * filters)`, what multiplies its input folded in.
        bias: float32 `(4 * filters,)`, what shifts its input folded in, or None.
        recurrent_kernel: float32 `(k, k, filters, 4 * filters)`.
        pool_size: Side of the max pool behind the layer, or None.
    """

    kernel: Array
    bias: Array | None
    recurrent_kernel: Array
    pool_size: int | None


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
    """Takes a Keras forecaster's weights out as numbers, batch norms folded into what follows."""
    norms = [_norm(norm) for norm in model.norms]
    layers = []
    for index, cell in enumerate(model.cells):
        kernel, bias = cell.kernel.numpy(), None
        if index:
            factor, shift = norms[index - 1]
            # exact, as the convolution takes no padding: every output sees the whole kernel
            bias = np.einsum("yxcf,c->f", kernel, shift).astype(np.float32)
            kernel = kernel * factor[:, None]
        pool = model.settings.pool_size if index < len(model.cells) - 1 else None
        layers.append(FrozenLayer(kernel, bias, cell.recurrent_kernel.numpy(), pool))
    layers_of_dense = [
        (layer.kernel.numpy(), layer.bias.numpy()) for layer in [*model.dense, model.head]
    ]
    if len(model.cells) == 1:  # its batch norm lies behind it
        layers_of_dense[0] = _behind_norm(layers_of_dense[0], norms[0], model)
    if model.settings.head is Head.FLATTEN:
        kernel, bias = layers_of_dense[0]
        layers_of_dense[0] = (_channels_first(kernel, model.picture_shapes[-1]), bias)
    motion = None
    if model.motion is not None:
        branch = model.motion
        motion = FrozenMotion(
            branch.kernel.numpy(), branch.recurrent_kernel.numpy(), branch.bias.numpy()
        )
    return FrozenForecaster(tuple(layers), motion, model.settings.head, tuple(layers_of_dense))


def step(
    frozen: FrozenForecaster, precision: GraphPrecision, time_step: Tensor, *states: Tensor
) -> tuple[Tensor, ...]:
    """One time step for all lanes; the lanes share the time step.

    Args:
        frozen: The network.
        precision: What the convolutions compute in.
        time_step: uint8 `(1, frames_per_step, H, W)`.
        *states: h0, c0, h1, c1, ..., `(lanes, filters, height, width)`, hidden states in that
            precision and cell states in float32; then those of the motion branch, float32.

    Returns:
        Probability float32 `(lanes,)`, then the new states in the same order.
    """
    x = _pictures(time_step, precision)
    new_states: list[Tensor] = []
    pictures, rest = states[: 2 * len(frozen.layers)], states[2 * len(frozen.layers) :]
    for index, layer in enumerate(frozen.layers):
        hidden, cell = pictures[2 * index : 2 * index + 2]
        drive = _drive(layer, x, precision, is_first=index == 0)
        hidden, cell = _advance(layer, drive, hidden, cell, precision)
        new_states += [hidden, cell]
        x = _pool(layer, hidden)
    motion = None
    if frozen.motion is not None:
        motion_states = _motion_step(frozen.motion, scale(time_step), *rest)
        motion = motion_states[2]
        new_states += motion_states
    return (_head(frozen, x, motion), *new_states)


def clip(frozen: FrozenForecaster, precision: GraphPrecision, frames: Tensor) -> tuple[Tensor, ...]:
    """A whole clip from zero state, all steps unrolled.

    Args:
        frozen: The network.
        precision: What the convolutions compute in.
        frames: uint8 `(1, steps, frames_per_step, H, W)`.

    Returns:
        Probability float32 `(1,)`, then the last hidden state of every layer, `(1, filters,
        height, width)`.
    """
    # the time steps are the batch of the input convolutions; TensorRT takes uint8 in Cast alone
    x = tf.reshape(_pictures(frames, precision), frames.shape[1:])
    last_hidden = []
    for index, layer in enumerate(frozen.layers):
        drives = _drive(layer, x, precision, is_first=index == 0)
        hidden = cell = None
        sequence = []
        for drive in tf.split(drives, x.shape[0], axis=0):
            hidden, cell = _advance(layer, drive, hidden, cell, precision)
            sequence.append(hidden)
        last_hidden.append(hidden)
        is_last = layer is frozen.layers[-1]
        x = _pool(layer, hidden if is_last else tf.concat(sequence, axis=0))
    motion = None
    if frozen.motion is not None:
        motion = _motion_clip(frozen.motion, tf.reshape(scale(frames), frames.shape[1:]))
    return (_head(frozen, x, motion), *last_hidden)


def _pictures(frames: Tensor, precision: GraphPrecision) -> Tensor:
    """uint8 frames as the first convolution takes them."""
    x = tf.cast(frames, DTYPES[precision])
    factor = FRAME_FACTOR[precision]
    return x if factor == 1.0 else x * constant(factor, precision)


def _drive(layer: FrozenLayer, x: Tensor, precision: GraphPrecision, *, is_first: bool) -> Tensor:
    """The input's share of the gates, float32."""
    left_over = 1.0 / 255.0 / FRAME_FACTOR[precision] if is_first else 1.0
    drive = _conv(x, layer.kernel * np.float32(left_over), "VALID", precision)
    if layer.bias is not None:
        drive = tf.nn.bias_add(drive, constant(layer.bias, precision), data_format="NCHW")
    return _as(drive, FP32)


def _advance(
    layer: FrozenLayer,
    drive: Tensor,
    hidden: Tensor | None,
    cell: Tensor | None,
    precision: GraphPrecision,
) -> tuple[Tensor, Tensor]:
    """One step of a layer from given states, or from zeros."""
    gates = drive
    if hidden is not None:
        # added in float32: a sum in half trebles the error on clips where errors grow
        gates = drive + _as(_conv(hidden, layer.recurrent_kernel, "SAME", precision), FP32)
    hidden, cell = cell_update(gates, cell)
    return _as(hidden, precision), cell


def _as(x: Tensor, precision: GraphPrecision) -> Tensor:
    return x if x.dtype == DTYPES[precision] else tf.cast(x, DTYPES[precision])


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
    drives = dense(features, (motion.kernel, motion.bias), FP32)
    hidden = cell = None
    for gates in tf.split(drives, steps, axis=0):
        if hidden is not None:
            gates = gates + tf.matmul(hidden, tf.constant(motion.recurrent_kernel))
        hidden, cell = cell_update(gates, cell)
    return hidden


def _norm(norm: Any) -> tuple[Array, Array]:
    """What batch norm multiplies with and adds, float32 `(filters,)` each."""
    factor = 1.0 / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    return factor.astype(np.float32), (-norm.moving_mean.numpy() * factor).astype(np.float32)


def _behind_norm(
    layer: tuple[Array, Array], norm: tuple[Array, Array], model: Forecaster
) -> tuple[Array, Array]:
    """A dense layer whose features are a head's, for a picture before batch norm.

    The factors are positive, so that the largest value stays the largest one.
    """
    (kernel, bias), (factor, shift) = layer, norm
    height, width, _ = model.picture_shapes[-1]
    repeats = height * width if model.settings.head is Head.FLATTEN else 1
    factors, shifts = np.tile(factor, repeats), np.tile(shift, repeats)
    folded = kernel.copy()  # the motion branch's features come after those of the picture
    folded[: len(factors)] *= factors[:, None]
    return folded, (bias + shifts @ kernel[: len(shifts)]).astype(np.float32)


def _channels_first(kernel: Array, picture: tuple[int, int, int]) -> Array:
    """A dense kernel whose first rows are a picture `(h, w, c)`, for a picture `(c, h, w)`."""
    height, width, filters = picture
    size = height * width * filters
    rows = kernel[:size].reshape(height, width, filters, -1).transpose(2, 0, 1, 3)
    return np.concatenate([rows.reshape(size, -1), kernel[size:]])


def _conv(x: Tensor, kernel: Array, padding: str, precision: GraphPrecision) -> Tensor:
    return tf.nn.conv2d(x, constant(kernel, precision), 1, padding, data_format="NCHW")


def _pool(layer: FrozenLayer, x: Tensor) -> Tensor:
    if layer.pool_size is None:
        return x
    return tf.nn.max_pool2d(x, layer.pool_size, layer.pool_size, "VALID", data_format="NCHW")


def _head(frozen: FrozenForecaster, x: Tensor, motion: Tensor | None) -> Tensor:
    match frozen.head:
        case Head.MAX_POOL:
            features = _as(tf.reduce_max(x, axis=[2, 3]), FP32)  # half has the largest exactly
        case Head.AVERAGE_POOL:
            features = tf.reduce_mean(_as(x, FP32), axis=[2, 3])
        case Head.FLATTEN:
            features = _as(tf.reshape(x, (-1, int(np.prod(x.shape[1:])))), FP32)
    if motion is not None:
        features = tf.concat([features, motion], axis=1)
    *inner, last = frozen.dense
    for layer in inner:
        features = tf.nn.relu(dense(features, layer, FP32))
    return tf.sigmoid(tf.squeeze(dense(features, last, FP32), axis=-1))
