"""The motion forecaster as exported: weights as constants, static shapes, written for tracing.

In an FP16 graph the hidden dense layers compute in half precision; motion energy, its features
and the log odds stay float32.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from export.cell import DTYPES, dense, log_energy, scale
from fishrt.bundle import GraphPrecision
from training.motion_forecaster import FEATURE_LIMIT, MotionForecaster, motion_features

Tensor = Any
Array = NDArray[np.float32]


@dataclass(frozen=True)
class FrozenMotionForecaster:
    """The whole network as numbers.

    Attributes:
        levels: float32 `(levels,)`, log motion energies that bursts are counted by.
        mean: float32 `(features,)`, subtracted from the features.
        scale: float32 `(features,)`, multiplied with them after.
        members: Kernel and bias of every dense layer of every member; all but a member's last
            have a ReLU.
    """

    levels: Array
    mean: Array
    scale: Array
    members: tuple[tuple[tuple[Array, Array], ...], ...]


def freeze_motion(model: MotionForecaster) -> FrozenMotionForecaster:
    """Takes a motion forecaster's weights out as numbers."""
    return FrozenMotionForecaster(
        model.levels.numpy(),
        model.feature_mean.numpy(),
        model.feature_scale.numpy(),
        tuple(
            tuple((layer.kernel.numpy(), layer.bias.numpy()) for layer in layers)
            for layers in model.members
        ),
    )


def motion_step(
    network: FrozenMotionForecaster,
    precision: GraphPrecision,
    time_step: Tensor,
    last: Tensor,
    seen: Tensor,
    past: Tensor,
) -> tuple[Tensor, ...]:
    """One time step for all lanes; the lanes share the time step.

    Args:
        network: The network.
        precision: What the hidden dense layers compute in.
        time_step: uint8 `(1, 1, H, W)`.
        last: The frame before, float32 `(lanes, 1, H, W)`.
        seen: Whether there is one, float32 `(lanes, 1, 1, 1)`.
        past: Log motion energies, float32 `(lanes, 900)`.

    Returns:
        Probability float32 `(lanes,)`, then the new states in the same order.
    """
    frame = scale(time_step)
    energy = tf.reduce_mean(tf.abs(frame - last), axis=[1, 2, 3], keepdims=True) * seen
    newest = log_energy(tf.squeeze(energy, [2, 3]))
    new_past = tf.concat([past[:, 1:], newest], axis=1)
    next_seen = tf.minimum(seen + tf.constant(1.0), tf.constant(1.0))
    # the product spreads the shared frame over the lanes, however many they are
    return _probability(network, precision, new_past), frame * next_seen, next_seen, new_past


def motion_clip(
    network: FrozenMotionForecaster, precision: GraphPrecision, frames: Tensor
) -> tuple[Tensor]:
    """A whole clip from zero state.

    Args:
        network: The network.
        precision: What the hidden dense layers compute in.
        frames: uint8 `(1, 901, 1, H, W)`.

    Returns:
        Probability float32 `(1,)`.
    """
    # TensorRT takes uint8 in Cast alone
    pictures = scale(frames)[0, :, 0]
    energies = tf.reduce_mean(tf.abs(pictures[1:] - pictures[:-1]), axis=[1, 2])
    past = tf.expand_dims(log_energy(energies), 0)
    return (_probability(network, precision, past),)


def _probability(
    network: FrozenMotionForecaster, precision: GraphPrecision, past: Tensor
) -> Tensor:
    features = motion_features(past, tf.constant(network.levels)) - tf.constant(network.mean)
    features = features * tf.constant(network.scale)
    features = tf.clip_by_value(features, -FEATURE_LIMIT, FEATURE_LIMIT)
    features = tf.cast(features, DTYPES[precision])
    odds = []
    for *inner, last in network.members:
        x = features
        for layer in inner:
            x = tf.nn.relu(dense(x, layer, precision))
        odds.append(dense(tf.cast(x, tf.float32), last, GraphPrecision.FP32))
    mean = tf.add_n(odds) * tf.constant(1.0 / len(odds))
    return tf.sigmoid(tf.squeeze(mean, axis=-1))
