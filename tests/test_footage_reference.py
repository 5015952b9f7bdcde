"""What a bundle says of its training footage, measured again by other means."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import make_tiny_bundle

pytest.importorskip("sklearn", reason="the train extra is not installed")

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fishrt.bundle import Bundle, load_bundle, save_metadata
from fishrt.clip import ClipGeometry
from fishrt.config import load_config
from fishrt.errors import ExitCode
from fishrt.metrics import roc_auc
from fishrt.motion_baselines import PAST, motion_features
from fishrt.recording import Recording, Split, load_recording
from fishrt.simulate import TankSpec
from training.footage_reference import fit_baseline, measure_footage
from training.simulated import record_simulation

GEOMETRY = ClipGeometry(steps=4, frames_per_step=4, height=12, width=16)
SETTINGS = ("clip.height=12", "clip.width=16", "clip.steps=4")
HORIZON = 45


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("recordings") / "tank"
    spec = TankSpec(seed=4, width=64, height=48)
    record_simulation(spec, 3000, load_config(None, SETTINGS), folder)
    return load_recording(folder)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_tiny_bundle(tmp_path / "tiny", GEOMETRY)


def export(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "from fishrt.cli import main; main()"
    command = [sys.executable, "-c", code, "export", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_baseline_is_scikit_learns_logistic_regression(recording: Recording) -> None:
    got = fit_baseline(recording)
    assert got is not None
    energy, stop = recording.motion_energy, recording.metadata.splits[Split.TRAIN][1]
    frames = np.arange(PAST, stop - 1 - HORIZON)
    labels = recording.burst_label[frames]
    features = motion_features(energy, frames) / np.median(energy[frames])
    x = np.concatenate([features, np.arcsinh(features)], axis=1)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, labels)
    expected = theirs.predict_proba(x)[:, 1]
    np.testing.assert_allclose(got(energy, frames), expected, rtol=0, atol=1e-9)
    assert roc_auc(labels, expected) > 0.8  # measured 0.84 on what it was fitted to


def test_the_reference_is_of_the_training_part(recording: Recording) -> None:
    got = measure_footage(recording)
    assert got is not None
    train = np.asarray(recording.frames[: recording.metadata.splits[Split.TRAIN][1]])
    assert got.minutes == pytest.approx(len(train) // 300 * 300 / 1800, abs=1e-4)
    # a tenth of the frames is looked at
    assert got.brightness.middle == pytest.approx(train.mean(), rel=1e-3)
    assert got.brightness.low <= got.brightness.middle <= got.brightness.high
    energy = recording.motion_energy[: len(train) - 1]
    assert got.motion_energy.low <= energy.mean() <= got.motion_energy.high
    cells = train[: len(train) // 300 * 300 : 10].reshape(-1, 6, 2, 8, 2).sum(axis=(0, 2, 4))
    np.testing.assert_allclose(got.layout, cells.ravel() / cells.sum(), rtol=2e-3, atol=1e-5)


def test_a_bundle_is_told_later_what_its_footage_looked_like(
    recording: Recording, bundle: Bundle, tmp_path: Path
) -> None:
    graphs = {path.name: path.read_bytes() for path in bundle.folder.glob("*.onnx")}
    assert bundle.metadata.footage is None
    done = export(bundle.folder, "--footage", recording.folder)
    assert done.returncode == 0, done.stderr
    metadata = load_bundle(bundle.folder).metadata
    assert metadata.footage == measure_footage(recording)
    assert metadata.trained_on is not None
    assert metadata.trained_on.recording == "tank"
    learned = recording.labelled_ends(Split.TRAIN, GEOMETRY)
    share = recording.burst_label[learned].mean()
    assert metadata.trained_on.burst_share == pytest.approx(share)
    assert {path.name: path.read_bytes() for path in bundle.folder.glob("*.onnx")} == graphs
    unchanged = {"footage", "trained_on"}
    assert metadata.model_dump(exclude=unchanged) == bundle.metadata.model_dump(exclude=unchanged)
    # the bundle knows its recording now, and takes no other
    other = tmp_path / "other"
    shutil.copytree(recording.folder, other)
    energy = np.load(other / "motion_energy.npy")
    np.save(other / "motion_energy.npy", energy[::-1].copy())
    refused = export(bundle.folder, "--footage", other)
    assert refused.returncode == ExitCode.RECORDING
    assert "is not the recording that the bundle tiny learned from" in refused.stderr


def test_footage_that_cannot_teach_a_baseline_still_is_a_reference(
    recording: Recording, bundle: Bundle, tmp_path: Path
) -> None:
    folder = tmp_path / "calm"
    shutil.copytree(recording.folder, folder)
    np.save(folder / "burst_label.npy", np.zeros_like(recording.burst_label))
    got = measure_footage(load_recording(folder))
    assert got is not None
    assert got.baseline is None
    metadata = bundle.metadata.model_copy(update={"footage": got})
    save_metadata(bundle.folder, metadata)
    assert load_bundle(bundle.folder).metadata == metadata
