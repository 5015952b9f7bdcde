"""The forecaster against the published network, put together from stock Keras layers."""

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="the train extra is not installed")

from fishrt.config import ClipConfig, ModelConfig  # noqa: E402
from training.convlstm import hard_sigmoid_2021  # noqa: E402
from training.forecaster import Forecaster  # noqa: E402

CLIP = ClipConfig(steps=6, frames_per_step=4, height=48, width=52)
TOLERANCE = 1e-5  # measured: 1e-7


def stock(filters):
    """The published network of one or two layers, from stock layers."""
    inputs = keras.Input(CLIP.geometry.clip_shape)
    settings = {"activation": "tanh", "recurrent_activation": hard_sigmoid_2021, "use_bias": False}
    norm = keras.layers.BatchNormalization(center=False, scale=False)
    x = keras.layers.ConvLSTM2D(filters[0], 3, return_sequences=len(filters) == 2, **settings)(
        inputs
    )
    if len(filters) == 2:
        x = keras.layers.TimeDistributed(keras.layers.MaxPooling2D(2))(x)
        x = norm(x)
        x = keras.layers.ConvLSTM2D(filters[1], 3, **settings)(x)
    else:
        x = norm(x)
    x = keras.layers.GlobalMaxPooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))


def randomise(model, seed=0):
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        name = weight.path if "variance" not in weight.name else "variance"
        value = rng.normal(0, 0.3, weight.shape)
        weight.assign(np.abs(value) + 0.1 if name == "variance" else value)


def clips(count=3, geometry=CLIP.geometry):
    rng = np.random.default_rng(2)
    return rng.integers(0, 256, (count, *geometry.clip_shape)).astype(np.uint8)


@pytest.mark.parametrize("filters", [(3,), (3, 5)], ids=["upbeat-snowflake", "visionary-serenity"])
def test_equals_the_published_network(filters):
    ours, published = Forecaster(CLIP, ModelConfig(filters=filters)), stock(filters)
    randomise(ours)
    by_shape = {tuple(w.shape): [] for w in ours.weights}
    for weight in ours.weights:
        by_shape[tuple(weight.shape)].append(np.asarray(weight))
    for weight in published.weights:  # same order within a shape: kernels, then mean and variance
        if len(weight.shape) or weight.dtype == "float32":
            weight.assign(by_shape[tuple(weight.shape)].pop(0))
    batch = clips()
    expected = np.asarray(published(batch.astype(np.float32) / 255.0))
    assert expected.std() > 1e-3
    np.testing.assert_allclose(np.asarray(ours(batch)), expected, atol=TOLERANCE)


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_steps_equal_the_clip(layers):
    clip = ClipConfig(steps=30, frames_per_step=2, height=64, width=66)
    model = Forecaster(clip, ModelConfig(filters=(4, 3, 3, 2)[:layers]), loss_steps=30)
    randomise(model, layers)
    batch = clips(2, clip.geometry)
    expected = np.asarray(model(batch))
    assert expected.shape == (2, 30)
    assert np.abs(np.diff(expected, axis=1)).max() > 1e-3
    states = model.zero_states(2)
    for step in range(30):
        probability, states = model.step(batch[:, step], states)
        # measured: 2e-7
        np.testing.assert_allclose(np.asarray(probability), expected[:, step], atol=TOLERANCE)


def test_batch_norm_learns_once_a_batch_over_all_steps():
    model = Forecaster(CLIP, ModelConfig(filters=(3, 2)))
    randomise(model)
    norm = model.norms[0]
    before = np.asarray(norm.moving_mean)
    batch = clips()
    inside = model.pool(model.cells[0](batch.astype(np.float32) / 255.0))
    model(batch, training=True)
    mean = np.asarray(inside).mean(axis=(0, 1, 2, 3))
    expected = norm.momentum * before + (1 - norm.momentum) * mean
    np.testing.assert_allclose(np.asarray(norm.moving_mean), expected, atol=1e-6)


def test_the_published_size_has_the_published_number_of_weights():
    # 3*3*4*64 + 3*3*16*64 + 3*3*16*128 + 3*3*32*128 + 32 + 1, and 2 * 16 statistics
    model = Forecaster(ClipConfig(), ModelConfig())
    assert model.count_params() == 2304 + 9216 + 18432 + 36864 + 33 + 32


def test_states_have_the_announced_shapes():
    model = Forecaster(ClipConfig(), ModelConfig())
    assert [spec.name for spec in model.state_specs] == ["h0", "c0", "h1", "c1"]
    assert [spec.shape for spec in model.state_specs] == [(16, 118, 158)] * 2 + [(32, 57, 77)] * 2
