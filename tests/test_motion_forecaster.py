"""The motion forecaster: what it sees, how good it is, and that it runs live."""

import numpy as np
import pytest

pytest.importorskip("keras", reason="the train extra is not installed")
pytest.importorskip("tf2onnx", reason="the export extra is not installed")

from export.bundle import export_run
from fishrt.bundle import GraphPrecision, load_bundle
from fishrt.config import load_config
from fishrt.errors import ConfigError, TrainingError
from fishrt.metrics import roc_auc
from fishrt.motion import LabelRule, burst_labels
from fishrt.recording import load_recording
from fishrt.simulate import TankSpec
from realtime.lanes import CarriedState, ExactLanes
from realtime.stepper import load_stepper
from training.baselines import algorithmic_baseline
from training.dataset import ClipSet
from training.evaluation import evaluate, forecast_clips, forecast_stream
from training.fit import FitOptions
from training.fit_motion import fit_members, fit_motion, predict
from training.motion_branch import CENTRE, FLOOR
from training.motion_forecaster import (
    FEATURES,
    LAGS,
    WINDOWS,
    MotionForecaster,
    motion_features,
    past_energies,
)
from training.run import load_run
from training.simulated import record_simulation

SMALL = ("clip.height=24", "clip.width=32", "train.epochs=1", "model.members=2")
QUIET = FitOptions(report=lambda _: None)


def config(*changes):
    return load_config("motion", (*SMALL, *changes))


def test_features_equal_a_plain_loop():
    past = np.random.default_rng(0).normal(size=(4, 180)).astype(np.float32)
    got = np.asarray(motion_features(past))
    assert got.shape == (4, FEATURES)
    for row, features in zip(past.astype(float), got, strict=True):
        expected = [row[180 - lag] for lag in LAGS]
        for length in WINDOWS:
            w = row[180 - length :]
            span = w.max() - w.min()
            half = length // 2
            expected += [
                w.mean(),
                row[-1] - w.mean(),
                w.std(),
                w.min(),
                w.max(),
                (row[-1] - w.min()) / (span + 1e-3),
                w[half:].mean() - w[:half].mean(),
            ]
        np.testing.assert_allclose(features, expected, atol=1e-4)  # measured: 2e-6


def test_the_past_of_a_frame_ends_just_before_it():
    energy = np.random.default_rng(0).random(400)
    past = past_energies(energy, np.array([3, 180, 400]))
    scaled = np.log((energy + FLOOR) / CENTRE)
    np.testing.assert_allclose(past[1], scaled[:180], atol=1e-5)
    np.testing.assert_allclose(past[2], scaled[220:], atol=1e-5)
    np.testing.assert_allclose(past[0], [*[scaled[0]] * 177, *scaled[:3]], atol=1e-5)


def randomised(settings):
    model = MotionForecaster(settings.clip, settings.model)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if len(weight.shape) == 2:
            weight.assign(rng.normal(0, 1 / weight.shape[0] ** 0.5, weight.shape))
    return model


def test_no_forecast_knows_the_future():
    model = randomised(config())
    energy = np.random.default_rng(1).random(600) * 0.01
    frames = np.arange(181, 600)
    before = predict(model, energy, frames)
    for at in (200, 333, 599):
        changed = energy.copy()
        changed[at:] = 0.02
        after = predict(model, changed, frames)
        np.testing.assert_array_equal(before[frames <= at], after[frames <= at])
        assert (before[frames > at] != after[frames > at]).all()


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recording") / "tank"
    split = ("split.train=0.5", "split.validation=0.2")
    record_simulation(TankSpec(seed=4), 3600, config(*split), folder)
    return load_recording(folder)


@pytest.fixture(scope="module")
def run(recording, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    result = fit_motion(recording, config(), folder, QUIET)
    assert np.isfinite(result.validation_loss)
    return load_run(folder)


def test_the_network_on_frames_says_what_the_fit_saw(run, recording):
    geometry = run.config.clip.geometry
    ends = recording.labelled_ends(None, geometry)[:400:40]
    clips = ClipSet(recording.frames, recording.burst_label, ends, geometry)
    expected = predict(run.model, recording.motion_energy, ends)
    assert expected.std() > 1e-3
    # measured: 2e-7
    np.testing.assert_allclose(forecast_clips(run.model, clips), expected, atol=1e-5)
    np.testing.assert_allclose(forecast_stream(run.model, clips), expected, atol=1e-5)


def test_it_is_scored_like_any_other_model(run, recording):
    scores = evaluate(run.model, run.config, recording, recording, stride=40)
    assert 0 <= scores["model"]["roc_auc"]["value"] <= 1


def test_its_bundle_runs_live_and_equals_keras(run, recording, tmp_path):
    done = export_run(run, tmp_path / "bundle", recording, tuple(GraphPrecision))
    assert done.parity.worst(GraphPrecision.FP32) < 1e-5  # measured: 2e-7
    assert 1e-7 < done.parity.worst(GraphPrecision.FP16) < 1e-2  # measured: 5e-5
    bundle = load_bundle(done.folder)
    geometry = run.config.clip.geometry
    frames = recording.frames[:260]
    stream = CarriedState(load_stepper(bundle, 1), geometry)
    said = [stream.push(frame).probability for frame in frames]
    assert said[:180] == [None] * 180
    ends = np.arange(180, 260)
    expected = predict(run.model, recording.motion_energy, ends)
    np.testing.assert_allclose(np.array(said[180:], float), expected, atol=1e-5)
    # a window is all that it looks at, so lanes say the same
    lanes = ExactLanes(load_stepper(bundle, geometry.steps), geometry)
    by_lanes = [lanes.push(frame).probability for frame in frames]
    np.testing.assert_allclose(np.array(by_lanes[180:], float), expected, atol=1e-5)


def test_what_makes_no_sense_is_a_sentence(recording, run, tmp_path):
    with pytest.raises(ConfigError, match=r"clip\.steps=181"):
        config("clip.steps=30")
    for options in (FitOptions(resume=True), FitOptions(start=run)):
        with pytest.raises(TrainingError, match="trains in a minute"):
            fit_motion(recording, config(), tmp_path / "run", options)
    with pytest.raises(TrainingError, match="already holds a run"):
        fit_motion(recording, config(), run.folder, QUIET)


@pytest.mark.slow
def test_it_beats_the_published_baseline_on_the_published_validation_part(reference):
    def load(part):
        folder = reference / "published_targets" / part
        return np.load(folder / "motion_energy.npy"), np.load(folder / "burst_label.npy")

    energy, labels = load("train")
    settings = load_config("motion")
    model = MotionForecaster(settings.clip, settings.model)
    fit_members(model, energy, labels, np.arange(119, len(energy) - 46), settings, (1.0, 1.0))
    unseen, truth = load("validation")
    frames = np.arange(119, len(unseen) - 46)
    assert (burst_labels(unseen, LabelRule())[frames] == truth[frames]).all()
    auc = roc_auc(truth[frames], predict(model, unseen, frames))
    baseline = roc_auc(truth[frames], algorithmic_baseline(unseen, frames))
    print(f"validation AUC {auc:.4f}, published rule {baseline:.4f}")
    assert baseline == pytest.approx(0.786, abs=0.001)
    assert auc >= 0.84  # measured: see docs/evaluation.md
