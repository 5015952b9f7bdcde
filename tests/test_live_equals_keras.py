"""What `fishrt live` says of a file is what the Keras model says of the same clips."""

import json
import sys

import cv2
import numpy as np
import pytest

pytest.importorskip("keras", reason="the train extra is not installed")
pytest.importorskip("tf2onnx", reason="the export extra is not installed")

from export.bundle import export_run
from fishrt.area_mean import area_mean
from fishrt.config import ClipConfig, Config, ModelConfig, TrainConfig
from fishrt.simulate import TankSpec
from fishrt.simulate.video import write_video
from fishrt.video import open_source
from training.forecaster import Forecaster
from training.run import Run

LIMIT = 1e-4  # of the issue; measured: 2e-7 and below
CONFIG = Config(
    clip=ClipConfig(height=36, width=48),
    model=ModelConfig(filters=(4, 6)),
    train=TrainConfig(loss_steps=1),
)
GEOMETRY = CONFIG.clip.geometry


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An untrained network with weights that make its probabilities vary."""
    model = Forecaster(CONFIG.clip, CONFIG.model)
    rng = np.random.default_rng(5)
    for weight in model.weights:
        value = rng.normal(0, 0.5, weight.shape)
        weight.assign(np.abs(value) + 0.05 if "variance" in weight.name else value)
    return Run(tmp_path_factory.mktemp("run"), CONFIG, model, {}, None)


@pytest.fixture(scope="module")
def bundle(run, tmp_path_factory):
    return export_run(run, tmp_path_factory.mktemp("bundles") / "bundle").folder


@pytest.fixture(scope="module")
def tank_video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "tank.mp4"
    write_video(TankSpec(seed=21), 200, path)
    return path


def live_lines(monkeypatch, capsys, tmp_path, camera, bundle, *options):
    """Runs the command line in this process and reads its log."""
    from fishrt.cli import app

    log = tmp_path / "log.jsonl"
    arguments = ["live", "--camera", str(camera), "--bundle", str(bundle), "-o", str(log)]
    monkeypatch.setattr(sys, "argv", ["fishrt", *arguments, "--as-fast-as-possible", *options])
    with pytest.raises(SystemExit) as ended:
        app()
    assert ended.value.code == 0, capsys.readouterr().err
    return [json.loads(line) for line in log.read_text().splitlines()]


def greys(camera, most=None):
    """The pictures of a file, grey by OpenCV."""
    capture, pictures = cv2.VideoCapture(str(camera)), []
    while len(pictures) != most:
        there, image = capture.read()
        if not there:
            break
        pictures.append(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    return pictures


def resized(pictures):
    """Frames of the network's size, `(T, 36, 48)`."""
    # not OpenCV's own: means halfway between two grey levels may go either way there, which moves
    # these probabilities by up to 1e-3; tests/test_area_mean.py holds the resizing to a naive sum
    return np.stack([area_mean(p, 36, 48) for p in pictures])


def check_against_keras(lines, frames, run):
    first = GEOMETRY.frames - 1
    assert [line["frame"] for line in lines] == list(range(len(frames)))
    assert all(line["reason"] == "filling" and not line["valid"] for line in lines[:first])
    assert all(line["reason"] is None and line["valid"] for line in lines[first:])
    said = np.array([line["probability"] for line in lines[first:]])
    ends = np.arange(first, len(frames))
    clips = np.stack([frames[end - first : end + 1] for end in ends])
    clips = clips.reshape(len(ends), 30, 4, 36, 48).transpose(0, 1, 3, 4, 2)
    expected = np.asarray(run.model.predict(clips, batch_size=32, verbose=0))[:, -1]
    assert expected.std() > 1e-3
    np.testing.assert_allclose(said, expected, atol=LIMIT)


def test_simulated_tank(monkeypatch, capsys, tmp_path, tank_video, bundle, run):
    lines = live_lines(monkeypatch, capsys, tmp_path, tank_video, bundle)
    assert len(lines) == 200
    check_against_keras(lines, resized(greys(tank_video)), run)


def test_real_footage(monkeypatch, capsys, tmp_path, reference, bundle, run):
    video = reference / "video" / "school_overhead_1024_30fps.mp4"
    pictures = greys(video, 320)
    background = np.median(pictures[::20], axis=0).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "background.png"), background)
    lines = live_lines(
        monkeypatch, capsys, tmp_path, video, bundle,
        "--set", "preprocess.polarity=dark",
        "--set", "preprocess.background=image",
        "--set", f"preprocess.background_image={tmp_path / 'background.png'}",
        "--frames", "320",
    )  # fmt: skip
    # dark fish on a light ground: what is darker than the background, 0 elsewhere
    frames = resized(
        [np.where(p < background, background - p, 0).astype(np.uint8) for p in pictures]
    )
    check_against_keras(lines, frames, run)


def test_every_third_frame_is_the_same_but_for_what_it_skips(
    monkeypatch, capsys, tmp_path, tank_video, bundle
):
    full = live_lines(monkeypatch, capsys, tmp_path, tank_video, bundle)
    third = live_lines(
        monkeypatch, capsys, tmp_path, tank_video, bundle, "--every", "3", "--overwrite"
    )
    for index, (one, other) in enumerate(zip(full, third, strict=True)):
        if index >= 119 and (index - 119) % 3 == 0:
            assert other["probability"] == pytest.approx(one["probability"], abs=1e-6)
        elif index >= 119:
            assert (other["valid"], other["reason"]) == (False, "skipped")


def test_stream_forecasts_carry_the_state_of_each_phase(
    monkeypatch, capsys, tmp_path, tank_video, bundle, run
):
    lines = live_lines(
        monkeypatch, capsys, tmp_path, tank_video, bundle,
        "--mode", "stream", "--allow-untrained-stream",
    )  # fmt: skip
    frames = resized(greys(tank_video))
    for phase in range(4):
        states = run.model.zero_states(1)
        for end in range(phase + 4 if phase < 3 else 3, 200, 4):
            step = np.moveaxis(frames[end - 3 : end + 1], 0, -1)[None]
            probability, states = run.model.step(step, states)
            if end >= 119:
                said = lines[end]["probability"]
                assert said == pytest.approx(float(np.asarray(probability)[0]), abs=LIMIT)


def test_the_demo_tank_is_the_simulated_one():
    source = open_source("demo:21")
    first = [source.read().image for _ in range(3)]
    again = open_source("demo:21")
    assert all(np.array_equal(image, again.read().image) for image in first)
