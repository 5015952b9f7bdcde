"""Every kind of model, exported, live: lanes and carried states against Keras."""

import numpy as np
import pytest

pytest.importorskip("keras", reason="the train extra is not installed")
pytest.importorskip("tf2onnx", reason="the export extra is not installed")

from export.bundle import export_run
from fishrt.bundle import load_bundle
from fishrt.config import ClipConfig, Config, ModelConfig, TrainConfig
from realtime.lanes import CarriedState, ExactLanes
from realtime.stepper import load_stepper
from training.dataset import ClipSet
from training.evaluation import forecast_clips, forecast_stream
from training.forecaster import Forecaster
from training.run import Run

CLIP = ClipConfig(steps=6, frames_per_step=3, height=24, width=28)
MODELS = {
    "published": {},
    "fused": {"motion_units": 4},
    "fused, one layer, flatten": {"filters": (3,), "motion_units": 4, "head": "flatten"},
    "average, dense": {"head": "average-pool", "dense": (5,)},
}
FRAMES = 90
LIMIT = 1e-5  # measured: 3e-7


@pytest.fixture(scope="module", params=MODELS.values(), ids=MODELS)
def case(request, tmp_path_factory):
    """A random network, its bundle, and frames with motion that varies."""
    settings = ModelConfig.model_validate({"filters": (3, 4), **request.param})
    model = Forecaster(CLIP, settings)
    rng = np.random.default_rng(1)
    for weight in model.weights:
        spread = 0.4 if len(weight.shape) != 2 else 2 / weight.shape[0] ** 0.5
        value = rng.normal(0, spread, weight.shape)
        weight.assign(np.abs(value) + 0.05 if "variance" in weight.name else value)
    config = Config(clip=CLIP, model=settings, train=TrainConfig(mode="stream"))
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    export_run(Run(tmp_path_factory.mktemp("run"), config, model, {}, None), folder)
    still = rng.integers(0, 256, (24, 28))
    change = rng.normal(0, np.linspace(0, 40, FRAMES)[:, None, None], (FRAMES, 24, 28))
    frames = np.clip(still + change, 0, 255).astype(np.uint8)
    geometry = CLIP.geometry
    clips = ClipSet(
        frames, np.zeros(FRAMES, np.uint8), np.arange(geometry.frames - 1, FRAMES), geometry
    )
    return load_bundle(folder), model, clips


def test_exact_lanes_equal_keras_from_zero_state(case):
    bundle, model, clips = case
    lanes = ExactLanes(load_stepper(bundle, CLIP.steps), CLIP.geometry)
    outcomes = [lanes.push(frame) for frame in clips.frames]
    got = np.array([outcome.probability for outcome in outcomes[clips.ends[0] :]], float)
    expected = forecast_clips(model, clips)
    assert expected.std() > 1e-4
    np.testing.assert_allclose(got, expected, atol=LIMIT)


def test_a_carried_state_equals_keras_carried_on(case):
    bundle, model, clips = case
    stream = CarriedState(load_stepper(bundle, 1), CLIP.geometry)
    # as in the live loop, every phase begins with the first frames that it can have
    outcomes = [stream.push(frame) for frame in clips.frames]
    got = np.array([outcome.probability for outcome in outcomes[clips.ends[0] :]], float)
    expected = forecast_stream(model, clips)
    np.testing.assert_allclose(got, expected, atol=LIMIT)
    assert np.abs(expected - forecast_clips(model, clips)).max() > 1e-4


def test_a_lane_that_starts_anew_forgets_the_last_frame(case):
    bundle, model, clips = case
    lanes = ExactLanes(load_stepper(bundle, CLIP.steps), CLIP.geometry)
    for frame in clips.frames[:31]:
        lanes.push(frame)
    lanes.reset()
    got = [lanes.push(frame).probability for frame in clips.frames][clips.ends[0]]
    assert got == pytest.approx(forecast_clips(model, clips)[0], abs=LIMIT)
