"""The forecaster against the published network, put together from stock Keras layers."""

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="the train extra is not installed")

from fishrt.config import ClipConfig, ModelConfig  # noqa: E402
from fishrt.motion import motion_energy  # noqa: E402
from training.convlstm import hard_sigmoid_2021  # noqa: E402
from training.forecaster import Forecaster  # noqa: E402
from training.motion_branch import motion_energies  # noqa: E402

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
        # a flattened picture has thousands of features: the sum of them must not saturate
        spread = 0.3 if len(weight.shape) != 2 else 3 / max(weight.shape[0], 10) ** 0.5
        value = rng.normal(0, spread, weight.shape)
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
@pytest.mark.parametrize(
    "settings",
    [{}, {"motion_units": 4}, {"head": "flatten", "dense": (6,), "dropout": 0.4}],
    ids=["published", "fused", "flatten"],
)
def test_steps_equal_the_clip(layers, settings):
    clip = ClipConfig(steps=30, frames_per_step=2, height=64, width=66)
    model = Forecaster(clip, ModelConfig(filters=(4, 3, 3, 2)[:layers], **settings), loss_steps=30)
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


@pytest.mark.parametrize("per_step", [1, 4])
def test_the_motion_branch_sees_the_motion_energy_of_the_label_rule(per_step):
    rng = np.random.default_rng(3)
    footage = rng.integers(0, 256, (2, 24, 9, 11)).astype(np.uint8)
    frames = footage.reshape(2, -1, per_step, 9, 11).transpose(0, 1, 3, 4, 2) / np.float32(255)
    got = np.asarray(motion_energies(frames, np.zeros((2, 9, 11), np.float32), np.zeros((2, 1))))
    for stream in range(2):
        expected = np.concatenate([[0.0], motion_energy(footage[stream])])
        # measured: 3e-8
        np.testing.assert_allclose(got[stream].ravel(), expected, atol=1e-6)


def test_mixed_precision_keeps_states_and_probabilities_in_float32():
    settings = ModelConfig(filters=(3, 2), motion_units=3)
    exact = Forecaster(CLIP, settings)
    randomise(exact)
    mixed = Forecaster(CLIP, settings, precision="mixed_bfloat16")
    mixed.set_weights(exact.get_weights())
    batch = clips()
    probability = mixed(batch)
    # bfloat16 has 8 bits; measured: 0.004
    np.testing.assert_allclose(np.asarray(probability), np.asarray(exact(batch)), atol=0.03)
    assert np.abs(np.asarray(probability) - np.asarray(exact(batch))).max() > 1e-6
    _, states = mixed.run(batch)
    dtypes = {keras.backend.standardize_dtype(state.dtype) for state in states}
    assert dtypes == {"float32"}
    assert keras.backend.standardize_dtype(probability.dtype) == "float32"


def test_penalties_enter_the_loss():
    model = Forecaster(CLIP, ModelConfig(filters=(3, 2), l1=0.1, l2=0.01))
    kernels = [w for w in model.trainable_weights if "kernel" in w.name]
    expected = sum(
        0.1 * np.abs(np.asarray(k)).sum() + 0.01 * (np.asarray(k) ** 2).sum() for k in kernels
    )
    assert float(sum(np.asarray(loss) for loss in model.losses)) == pytest.approx(expected)


def test_dropout_works_in_training_only():
    model = Forecaster(CLIP, ModelConfig(filters=(3, 2), dropout=0.5))
    randomise(model)
    batch = clips()
    np.testing.assert_array_equal(np.asarray(model(batch)), np.asarray(model(batch)))
    one, two = (np.asarray(model(batch, training=True)) for _ in range(2))
    assert np.abs(one - two).max() > 1e-4
