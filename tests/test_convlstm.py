"""Our ConvLSTM layer against the stock Keras layer: outputs and gradients."""

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="the train extra is not installed")
tf = pytest.importorskip("tensorflow", reason="the train extra is not installed")

from fishrt.bundle import HardSigmoid  # noqa: E402
from training.convlstm import (  # noqa: E402
    HARD_SIGMOID_ALPHA,
    HARD_SIGMOID_BETA,
    ConvLSTM,
    Gates,
    hard_sigmoid_2021,
)

TOLERANCE = 1e-5  # measured: 2e-7 for outputs, 3e-6 for gradients
SHAPE = (2, 5, 12, 14, 3)


def stock_layer(filters, kernel_size):
    return keras.layers.ConvLSTM2D(
        filters,
        kernel_size,
        padding="valid",
        activation="tanh",
        recurrent_activation=hard_sigmoid_2021,
        use_bias=False,
        return_sequences=True,
    )


@pytest.fixture(
    params=[(4, 3, Gates.APART), (4, 3, Gates.TOGETHER), (3, 5, Gates.APART), (3, 5, None)],
    ids=["3x3-apart", "3x3-together", "5x5-apart", "5x5-fastest"],
)
def pair(request):
    filters, side, gates = request.param
    stock, ours = stock_layer(filters, side), ConvLSTM(filters, side, gates=gates)
    clips = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    stock(clips), ours(clips)
    # large weights drive the gates into both flat parts of the hard sigmoid
    rng = np.random.default_rng(0)
    weights = [rng.normal(0, 0.4, w.shape).astype(np.float32) for w in stock.get_weights()]
    stock.set_weights(weights)
    ours.set_weights(weights)
    return stock, ours, clips


def test_outputs_equal_the_stock_layer(pair):
    stock, ours, clips = pair
    expected = np.asarray(stock(clips))
    assert expected.std() > 0.1
    np.testing.assert_allclose(np.asarray(ours(clips)), expected, atol=TOLERANCE)


def test_gradients_equal_the_stock_layer(pair):
    def gradients(layer):
        x = tf.constant(clips)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_mean(layer(x)[:, -1] ** 2) + tf.reduce_mean(layer(x))
        return tape.gradient(loss, [x, *[w.value for w in layer.trainable_weights]])

    stock, ours, clips = pair
    pairs = list(zip(gradients(stock), gradients(ours), strict=True))
    assert len(pairs) == 3  # the pictures, the kernel and the recurrent one
    for expected, got in pairs:
        assert float(tf.reduce_max(tf.abs(expected))) > 1e-4
        np.testing.assert_allclose(got.numpy(), expected.numpy(), atol=TOLERANCE)


def test_the_weight_layout_is_the_stock_one(pair):
    stock, ours, _ = pair
    assert [w.shape for w in stock.get_weights()] == [w.shape for w in ours.get_weights()]
    assert len(ours.get_weights()) == 2
    assert [w.name for w in stock.weights] == [w.name for w in ours.weights]


def test_steps_one_by_one_equal_the_sequence(pair):
    _, ours, clips = pair
    sequence = np.asarray(ours(clips))
    state = None
    for step in range(SHAPE[1]):
        output, state = ours.sequence(clips[:, step : step + 1], state)
        # measured: 1e-7
        np.testing.assert_allclose(np.asarray(output[:, 0]), sequence[:, step], atol=1e-6)
        np.testing.assert_array_equal(np.asarray(state[0]), np.asarray(output[:, 0]))


def test_hard_sigmoid_is_that_of_2021():
    x = np.array([-3.0, -2.5, -1.0, 0.0, 1.0, 2.5, 3.0], np.float32)
    expected = [0.0, 0.0, 0.3, 0.5, 0.7, 1.0, 1.0]
    np.testing.assert_allclose(np.asarray(hard_sigmoid_2021(x)), expected, atol=1e-7)
    # Keras 3's own is another function: the trap of design.md
    assert np.abs(np.asarray(keras.ops.hard_sigmoid(x)) - expected).max() > 0.08
    # what is trained here is what bundles are checked for
    assert HardSigmoid() == HardSigmoid(alpha=HARD_SIGMOID_ALPHA, beta=HARD_SIGMOID_BETA)


def test_the_layer_survives_its_config():
    layer = ConvLSTM(4, 5, gates=Gates.TOGETHER)
    again = ConvLSTM.from_config(layer.get_config())
    assert (again.filters, again.kernel_size, again.gates) == (4, 5, Gates.TOGETHER)


def test_only_the_steps_that_are_wanted_are_given(pair):
    _, ours, clips = pair
    everything, state = ours.sequence(clips)
    some, same = ours.sequence(clips, wanted=2)
    np.testing.assert_array_equal(np.asarray(some), np.asarray(everything[:, -2:]))
    np.testing.assert_array_equal(np.asarray(same[1]), np.asarray(state[1]))


def test_output_shape_is_what_is_announced(pair):
    _, ours, clips = pair
    assert tuple(ours(clips).shape) == ours.compute_output_shape(SHAPE)
