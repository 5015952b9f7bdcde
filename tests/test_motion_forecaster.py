"""The motion forecaster: what it sees, how good it is, and that it runs live."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("keras", reason="the train extra is not installed")
pytest.importorskip("tf2onnx", reason="the export extra is not installed")

from export.bundle import export_run
from fishrt.bootstrap import block_bootstrap
from fishrt.bundle import GraphPrecision, load_bundle
from fishrt.config import load_config
from fishrt.errors import ConfigError, TrainingError
from fishrt.metrics import brier_skill, roc_auc
from fishrt.motion import LabelRule, burst_labels
from fishrt.motion_baselines import algorithmic_baseline
from fishrt.recording import Split, load_recording
from fishrt.simulate import TankSpec
from realtime.lanes import CarriedState, ExactLanes
from realtime.stepper import load_stepper
from training.dataset import ClipSet
from training.evaluation import forecast_clips, forecast_stream, run_candidate
from training.fit import FitOptions
from training.fit_any import fit_any
from training.fit_motion import fit_members, fit_motion, predict
from training.motion_branch import CENTRE, FLOOR
from training.motion_forecaster import (
    FEATURES,
    JITTER_WINDOWS,
    LAGS,
    LONG_WINDOWS,
    SHARE_WINDOWS,
    WINDOWS,
    MotionForecaster,
    motion_features,
    past_energies,
)
from training.run import load_run
from training.scoring.evaluate import Wanted, evaluate
from training.scoring.rivals import Rival
from training.simulated import record_simulation
from training.soft_labels import soft_labels

SMALL = ("clip.height=24", "clip.width=32", "train.epochs=1", "model.members=2")
QUIET = FitOptions(report=lambda _: None)


def config(*changes):
    return load_config("motion", (*SMALL, *changes))


def test_features_equal_a_plain_loop():
    past = np.random.default_rng(0).normal(size=(4, 900)).astype(np.float32)
    levels = np.array([-0.5, 0.0, 0.7, 1.5], np.float32)
    got = np.asarray(motion_features(past, levels))
    assert got.shape == (4, FEATURES)
    for row, features in zip(past.astype(float), got, strict=True):
        expected = [row[900 - lag] for lag in LAGS]
        for length in WINDOWS:
            w = row[900 - length :]
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
        change = np.diff(row)
        for n in JITTER_WINDOWS:
            expected.append(np.sqrt(np.mean(change[-n:] ** 2)))
            expected.append(np.mean([change[-i] * change[-i - 1] for i in range(1, n + 1)]))
        for n in LONG_WINDOWS:
            expected += [row[-n:].mean(), row[-n:].std()]
        for level in levels:
            above = 1 / (1 + np.exp(-(row - level) / 0.05))
            expected += [above[-n:].mean() for n in SHARE_WINDOWS]
        np.testing.assert_allclose(features, expected, atol=1e-4)  # measured: 2e-6


def test_the_past_of_a_frame_ends_just_before_it():
    energy = np.random.default_rng(0).random(1200)
    past = past_energies(energy, np.array([1, 3, 700, 900, 1200]))
    scaled = np.log((energy + FLOOR) / CENTRE)
    np.testing.assert_allclose(past[3], scaled[:900], atol=1e-5)
    np.testing.assert_allclose(past[4], scaled[300:], atol=1e-5)
    # where less is known, it is mirrored back and forth
    np.testing.assert_allclose(past[0], [scaled[0]] * 900, atol=1e-5)
    np.testing.assert_allclose(past[2], np.pad(scaled[:700], (200, 0), "reflect"), atol=1e-5)
    np.testing.assert_allclose(past[1], np.pad(scaled[:3], (897, 0), "reflect"), atol=1e-5)
    for frame in (0, 1201):
        with pytest.raises(ValueError, match="between 1 and 1200"):
            past_energies(energy, np.array([frame]))


@given(
    st.integers(0, 2**31),
    st.builds(
        LabelRule,
        st.integers(1, 60),
        st.sampled_from([0.0, 0.05, 0.1, 0.5]),
        st.sampled_from([0.0, 0.001, 0.003]),
    ),
)
def test_soft_labels_agree_with_the_rule_on_every_clear_case(seed, rule):
    energy = np.random.default_rng(seed).gamma(4, 0.0004, 200)
    soft, hard = soft_labels(energy, rule), burst_labels(energy, rule)
    assert soft.shape == hard.shape
    assert ((soft >= 0) & (soft <= 1)).all()
    # a burst is on the inner side of both borders, where each factor is at least one half
    assert (soft[hard == 1] >= 0.25 - 1e-9).all()
    assert (soft[hard == 0] <= 0.5 + 1e-9).all()
    tenfold = soft_labels(energy * 10, replace(rule, threshold=rule.threshold * 10))
    np.testing.assert_allclose(soft, tenfold, atol=1e-9)


def test_soft_labels_equal_a_plain_loop():
    energy = np.random.default_rng(2).gamma(4, 0.0003, 300)
    expected = []
    for t in range(300 - 45):
        window = energy[t : t + 46]
        span = window.max() - window.min()
        rises = (span - 0.001) / 0.0001
        is_low = (0.1 - (energy[t] - window.min()) / span) / 0.03
        expected.append(1 / (1 + math.exp(-rises)) / (1 + math.exp(-is_low)))
    np.testing.assert_allclose(soft_labels(energy, LabelRule()), expected, rtol=0, atol=1e-12)
    assert soft_labels(energy[:45], LabelRule()).shape == (0,)


def randomised(settings):
    model = MotionForecaster(settings.clip, settings.model)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if len(weight.shape) == 2:
            weight.assign(rng.normal(0, 1 / weight.shape[0] ** 0.5, weight.shape))
    return model


def test_no_forecast_knows_the_future():
    model = randomised(config())
    energy = np.random.default_rng(1).random(1300) * 0.01
    frames = np.arange(1, 1300)
    before = predict(model, energy, frames)
    for at in (50, 200, 933, 1299):
        changed = energy.copy()
        changed[at:] = 0.02
        after = predict(model, changed, frames)
        np.testing.assert_array_equal(before[frames <= at], after[frames <= at])
        assert (before[frames > at] != after[frames > at]).all()


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recording") / "tank"
    split = ("split.train=0.4", "split.validation=0.3")
    record_simulation(TankSpec(seed=4), 4500, config(*split), folder)
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
    wanted = Wanted(every=40, rivals=(Rival.PUBLISHED, Rival.DENSE))
    result = evaluate(run_candidate(run), recording, None, recording, wanted)
    assert 0 <= result.model.scores.roc_auc <= 1
    assert Rival.DENSE not in result.forecasts  # it is no rival of itself


def test_its_bundle_runs_live_and_equals_keras(run, recording, tmp_path):
    done = export_run(run, tmp_path / "bundle", recording, tuple(GraphPrecision))
    assert done.parity.worst(GraphPrecision.FP32) < 1e-5  # measured: 2e-7
    assert 1e-7 < done.parity.worst(GraphPrecision.FP16) < 1e-2  # measured: 5e-5
    bundle = load_bundle(done.folder)
    geometry = run.config.clip.geometry
    frames = recording.frames[:1000]
    stream = CarriedState(load_stepper(bundle, 1), geometry)
    said = [stream.push(frame).probability for frame in frames]
    assert said[:900] == [None] * 900
    ends = np.arange(900, 1000)
    expected = predict(run.model, recording.motion_energy, ends)
    np.testing.assert_allclose(np.array(said[900:], float), expected, atol=1e-5)
    # a window is all that it looks at, so lanes say the same; every thirtieth frame, for speed
    lanes = ExactLanes(load_stepper(bundle, 31), geometry, every=30)
    by_lanes = [lanes.push(frame).probability for frame in frames]
    np.testing.assert_allclose(np.array(by_lanes[900::30], float), expected[::30], atol=1e-5)


def test_what_makes_no_sense_is_a_sentence(recording, run, tmp_path):
    with pytest.raises(ConfigError, match=r"clip\.steps=901"):
        config("clip.steps=30")
    for options in (FitOptions(resume=True), FitOptions(start=run)):
        with pytest.raises(TrainingError, match="trains in a minute"):
            fit_motion(recording, config(), tmp_path / "run", options)
    with pytest.raises(TrainingError, match="already holds a run"):
        fit_motion(recording, config(), run.folder, QUIET)
    weights = (run.folder / "best.weights.h5").read_bytes()
    with pytest.raises(TrainingError, match="is not resumed"):
        fit_any(recording, load_config(None), run.folder, FitOptions(resume=True))
    assert (run.folder / "best.weights.h5").read_bytes() == weights


def test_a_sweep_draws_its_settings(recording, tmp_path):
    pytest.importorskip("optuna", reason="the sweep extra is not installed")
    from training.sweep import load_sweep, run_sweep

    file = tmp_path / "sweep.yaml"
    file.write_text("trials: 2\nparameters: {model.members: {low: 1, high: 2}}\n")
    folder = tmp_path / "sweep"
    best = run_sweep(recording, config(), load_sweep(file, config()), folder, options=QUIET)
    for trial in best:
        assert np.isfinite(trial.value)
        model = load_run(folder / f"trial-{trial.number:04d}").model
        assert isinstance(model, MotionForecaster)
        assert len(model.members) == trial.params["model.members"]
    assert len(best) == 2


@pytest.mark.slow
def test_a_sweep_compares_it_with_a_network_on_pictures(recording, tmp_path):
    pytest.importorskip("optuna", reason="the sweep extra is not installed")
    from training.sweep import load_sweep, run_sweep

    file, folder = tmp_path / "sweep.yaml", tmp_path / "sweep"
    file.write_text(
        "trials: 2\nseed: 0\ncompare_by: auc\n"
        "parameters: {model.kind: {choices: [convlstm, motion]}}\n"
    )
    settings = config("model.filters=[2]", "train.batch_size=2", "train.clips_per_epoch=4")
    best = run_sweep(recording, settings, load_sweep(file, settings), folder, options=QUIET)
    models = [load_run(folder / f"trial-{trial.number:04d}").model for trial in best]
    assert sum(isinstance(model, MotionForecaster) for model in models) == 1
    first, stop = recording.metadata.splits[Split.VALIDATION]
    frames = np.arange(first + 900, stop - 46, 5)
    for trial, model in zip(best, models, strict=True):
        if isinstance(model, MotionForecaster):
            said = predict(model, recording.motion_energy, frames)
        else:
            clips = ClipSet(recording.frames, recording.burst_label, frames, settings.clip.geometry)
            said = forecast_stream(model, clips)
        expected = roc_auc(recording.burst_label[frames], said)
        # measured: 0; two frames that trade places would be 4e-3
        assert trial.value == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
def test_it_beats_the_published_baseline_on_the_published_validation_part(reference):
    def load(part):
        folder = reference / "published_targets" / part
        return np.load(folder / "motion_energy.npy"), np.load(folder / "burst_label.npy")

    energy, _ = load("train")
    settings = load_config("motion")
    model = MotionForecaster(settings.clip, settings.model)
    targets = soft_labels(energy, settings.label.rule)
    fit_members(model, energy, targets, np.arange(119, len(energy) - 46), settings, (1.0, 1.0))
    unseen, truth = load("validation")
    frames = np.arange(119, len(unseen) - 46)
    assert (burst_labels(unseen, LabelRule())[frames] == truth[frames]).all()
    forecast = predict(model, unseen, frames)
    auc = roc_auc(truth[frames], forecast)
    interval = block_bootstrap(roc_auc, truth[frames], forecast, block=300)
    skill = brier_skill(truth[frames], forecast)
    baseline = roc_auc(truth[frames], algorithmic_baseline(unseen, frames))
    print(f"validation AUC {auc:.4f} ({interval.low:.3f} .. {interval.high:.3f})")
    print(f"Brier skill {skill:.3f}, mean {forecast.mean():.3f}; published rule {baseline:.4f}")
    assert baseline == pytest.approx(0.786, abs=0.001)
    assert auc >= 0.85  # measured: 0.8559
