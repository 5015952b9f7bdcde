"""The arithmetic that all exported networks share, written for tracing.

Constants are made inside the traced functions: TensorFlow turns others into graph inputs.
"""

from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from fishrt.bundle import GraphPrecision
from training.convlstm import HARD_SIGMOID_ALPHA, HARD_SIGMOID_BETA
from training.motion_branch import CENTRE, FLOOR

Tensor = Any

DTYPES = {GraphPrecision.FP32: tf.float32, GraphPrecision.FP16: tf.float16}


def constant(value: Any, precision: GraphPrecision = GraphPrecision.FP32) -> Tensor:
    """A constant of the graph, rounded once from float32."""
    return tf.constant(value, DTYPES[precision])


def hard_sigmoid(x: Tensor) -> Tensor:
    """The hard sigmoid of 2021's Keras; `export.graphs` makes one HardSigmoid of it."""
    line = x * tf.constant(HARD_SIGMOID_ALPHA) + tf.constant(HARD_SIGMOID_BETA)
    return tf.clip_by_value(line, tf.constant(0.0), tf.constant(1.0))


def cell_update(gates: Tensor, cell: Tensor | None) -> tuple[Tensor, Tensor]:
    """The LSTM update of `training.convlstm.cell_update`, channels in axis 1, always in float32.

    Args:
        gates: float32 `(lanes, 4 * filters, ...)`, blocks i, f, c, o.
        cell: float32 `(lanes, filters, ...)`, or None for zeros.

    Returns:
        The new hidden state and the new cell state, float32.
    """
    # one split into four: what ONNX Runtime copies least in
    write, keep, candidate, output = tf.split(gates, 4, axis=1)
    new_cell = hard_sigmoid(write) * tf.tanh(candidate)
    if cell is not None:
        new_cell = hard_sigmoid(keep) * cell + new_cell
    return hard_sigmoid(output) * tf.tanh(new_cell), new_cell


def scale(frames: Tensor) -> Tensor:
    """uint8 frames as float32 0 .. 1."""
    return tf.cast(frames, tf.float32) * tf.constant(1.0 / 255.0)


def log_energy(energies: Tensor) -> Tensor:
    """`training.motion_branch.log_energy`, with constants made inside the traced function."""
    return tf.math.log((energies + tf.constant(FLOOR)) * tf.constant(1.0 / CENTRE))


def dense(x: Tensor, layer: tuple[NDArray[Any], NDArray[Any]], precision: GraphPrecision) -> Tensor:
    """A dense layer: kernel `(features, units)` and bias `(units,)`, float32."""
    kernel, bias = layer
    return tf.matmul(x, constant(kernel, precision)) + constant(bias, precision)
