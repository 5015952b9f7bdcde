"""The command line as a user types it: simulate, train, export, bench, and what can go wrong."""

import json
from importlib.util import find_spec

import cv2
import numpy as np
import pytest
from command_line import Command, fishrt
from typer.testing import CliRunner

from fishrt import __version__
from fishrt.cli import app
from fishrt.errors import ExitCode
from fishrt.recording import load_recording
from fishrt.simulate import SimulatedTank, TankSpec, stack_states

SMALL = ["--set", "clip.height=30", "--set", "clip.width=40", "--set", "clip.steps=4"]


@pytest.fixture
def here(monkeypatch, capfd):
    """Runs a command in this process, which has loaded TensorFlow already or needs to but once."""
    return Command(monkeypatch, capfd)


def assert_one_sentence(done, code, *words):
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    sentence = done.stderr.strip().splitlines()[-1]
    assert sentence.startswith("fishrt: ")
    for word in words:
        assert word in done.stderr


@pytest.fixture(scope="module")
def tank(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings") / "tank"
    shares = ["--set", "split.train=0.4", "--set", "split.validation=0.3"]
    done = fishrt("simulate", "-o", folder, "--minutes", "1.2", "--seed", "4", *SMALL, *shares)
    assert done.returncode == 0, done.stderr
    return folder


def test_help_and_version(here):
    assert fishrt("--version").stdout.strip() == f"fishrt {__version__}"
    for flag in ("-h", "--help"):
        listed = here(flag).out
        commands = "prepare simulate train evaluate export parity live predict bench doctor"
        for command in commands.split():
            assert command in listed
            assert "Usage" in here(command, flag).out


def test_simulate_writes_the_tank_and_its_true_state(tank):
    recording = load_recording(tank)
    assert recording.frames.shape == (2160, 30, 40)
    truth = {path.stem: np.load(path, allow_pickle=False) for path in (tank / "truth").iterdir()}
    simulated, states = SimulatedTank(TankSpec(seed=4)), []
    for index in range(50):
        states.append(simulated.advance())
        small = cv2.resize(simulated.render(states[-1]), (40, 30), interpolation=cv2.INTER_AREA)
        assert np.array_equal(recording.frames[index], small)
    for name, expected in stack_states(states).items():
        assert np.array_equal(truth[name][:50], expected), name
    assert cv2.imread(str(tank / "report.png")).shape[0] > 800
    example = cv2.imread(str(tank / "examples" / "00000000.png"), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(example, simulated.render(states[0]))


def test_simulate_writes_a_video(tmp_path):
    done = fishrt("simulate", "-o", tmp_path / "tank.mp4", "--minutes", "0.05", "--seed", "4")
    assert done.returncode == 0, done.stderr
    capture = cv2.VideoCapture(str(tmp_path / "tank.mp4"))
    there, first = capture.read()
    assert there
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 90
    tank = SimulatedTank(TankSpec(seed=4))
    error = np.abs(first[:, :, 0].astype(float) - tank.render(tank.advance()))
    assert error.mean() < 1.5  # the codec's loss; measured: 0.5 grey levels
    assert len(np.load(tmp_path / "tank.truth.npz", allow_pickle=False)["phase"]) == 90


def test_from_recording_to_live(tank, tmp_path, here):
    pytest.importorskip("tf2onnx", reason="the export extra is not installed")
    settings = [
        *SMALL, "--set", "model.filters=[3, 4]", "--set", "train.epochs=1",
        "--set", "train.clips_per_epoch=32", "--set", "train.batch_size=16",
    ]  # fmt: skip
    trained = here("train", tank, "--test", tank, "-o", tmp_path / "run", *settings)
    assert trained.code == 0, trained.err
    assert "motion, gradient boosting" in trained.err
    still = tmp_path / "still"  # by its label rule nothing in it is a burst
    rule = ("--set", "label.threshold=0.9")
    assert here("simulate", "-o", still, "--minutes", "0.2", *SMALL, *rule).code == 0
    calm = here("train", tank, "--test", still, "-o", tmp_path / "calm", *settings)
    assert calm.code == 0, calm.err
    assert "not scored: every scored frame" in calm.err
    exported = here("export", tmp_path / "run", "--recording", tank)
    assert exported.code == 0, exported.err
    again = here("export", tmp_path / "run", "--recording", tank)
    assert again.code == ExitCode.OUTPUT
    assert "--overwrite" in again.sentence
    bundle = tmp_path / "run" / "bundle"
    live = here(
        "live", "-c", "demo:4", "-b", bundle, "--frames", "60", "--as-fast-as-possible", "-o", "-"
    )
    assert live.code == 0, live.err
    assert [line["valid"] for line in live.lines] == [False] * 15 + [True] * 45
    timed = here("bench", bundle, "--backend", "cpu", "--frames", "10", "--no-keras", "--json")
    assert timed.code == 0, timed.err
    names = [row["way"] for row in json.loads(timed.out)["rows"]]
    assert names == ["stream", "exact, every 3", "exact lanes", "clip again"]
    other = here("train", tank, "-o", tmp_path / "b", *settings, "--set", "label.threshold=0.9")
    assert other.code == ExitCode.TRAINING
    assert "`label` differ" in other.sentence
    again = here("train", tank, "-o", tmp_path / "run", *settings)
    assert again.code == ExitCode.TRAINING
    assert "already holds a run" in again.sentence


def test_no_recording_is_said_before_tensorflow_is_loaded(tmp_path, here, monkeypatch):
    pytest.importorskip("tensorflow", reason="the train extra is not installed")
    monkeypatch.setattr(
        "fishrt.cli.extras.import_tensorflow_quietly", lambda: pytest.fail("loaded")
    )
    assert here("train", tmp_path / "none").code == ExitCode.RECORDING
    assert here("train", tmp_path / "none", "--config", "none").code == ExitCode.CONFIG


def test_training_on_nothing(tmp_path, here):
    pytest.importorskip("tensorflow", reason="the train extra is not installed")
    (tmp_path / "empty").mkdir()
    for command, folder, code, words in (
        ("train", "none", ExitCode.RECORDING, "recording.yaml"),
        ("train", "empty", ExitCode.RECORDING, "fishrt simulate"),
        ("export", "empty", ExitCode.USAGE, "neither a run nor a bundle"),
        ("export", "typo", ExitCode.USAGE, "there is no folder"),
    ):
        ended = here(command, tmp_path / folder)
        assert ended.code == code
        assert words in ended.sentence


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--tensorrt", "--fp16"], "--fp16 would do nothing"),
        (["--tensorrt", "-o", "elsewhere"], "-o would do nothing"),
        (["--footage", "tank", "--recording", "tank"], "--recording would do nothing"),
        (["--tensorrt", "--overwrite"], "--overwrite would do nothing"),
        ([], "add --tensorrt"),
    ],
)
def test_what_a_bundle_cannot_be_exported_with(tmp_path, here, options, word):
    (tmp_path / "bundle.yaml").touch()
    ended = here("export", tmp_path, *options)
    assert ended.code == ExitCode.USAGE
    # the box that typer draws breaks the lines
    assert word in " ".join(ended.err.replace("│", " ").split())


@pytest.mark.skipif(find_spec("tensorrt") is not None, reason="TensorRT is installed here")
def test_engines_that_cannot_be_built_are_told_before_the_export(tmp_path, here):
    (tmp_path / "config.yaml").touch()
    ended = here("export", tmp_path, "--tensorrt")
    assert ended.code == ExitCode.MISSING_EXTRA
    assert "leave --tensorrt away" in ended.sentence
    assert "--backend" not in ended.sentence


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--set", "train.bach_size=8"], "batch_size"),
        (["--set", "train.batch_size=many"], "train.batch_size"),
        (["--set", "nonsense"], "section.key=value"),
        (["--config", "nowhere"], "demo"),
        (["--set", "preprocess.background=median"], "no background"),
    ],
)
def test_wrong_settings(tmp_path, options, word):
    done = fishrt("simulate", "-o", tmp_path / "tank", *options)
    assert_one_sentence(done, ExitCode.CONFIG, word)
    assert not list(tmp_path.iterdir())


def test_outputs_that_cannot_be_written(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    done = fishrt("simulate", "-o", tmp_path / "mine", "--minutes", "0.05")
    assert_one_sentence(done, ExitCode.OUTPUT, "something else")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"
    (tmp_path / "mine.mp4").write_text("precious")
    done = fishrt("simulate", "-o", tmp_path / "mine.mp4", "--minutes", "0.05")
    assert_one_sentence(done, ExitCode.OUTPUT, "already exists")
    assert (tmp_path / "mine.mp4").read_text() == "precious"
    done = fishrt("simulate", "-o", tmp_path / "none" / "x.mp4", "--minutes", "0.05")
    assert_one_sentence(done, ExitCode.OUTPUT, "does not exist")


@pytest.mark.parametrize(
    ("command", "option", "choices"),
    [
        ("live", "--backend", "cpu|cuda|tensorrt-rtx|tensorrt"),
        ("live", "--precision", "fp32|fp16"),
        ("live", "--mode", "window|stream"),
        ("predict", "--mode", "window|stream"),
        ("bench", "--backend", "cpu|cuda|tensorrt-rtx|tensorrt"),
        ("bench", "--precision", "fp32|fp16"),
    ],
)
def test_choices_are_shown_and_nothing_else_is_taken(command, option, choices):
    runner = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"})
    shown = runner.invoke(app, [command, "-h"]).output
    assert any(option in line and choices in line for line in shown.splitlines())
    wrong = runner.invoke(app, [command, option, "none"])
    assert wrong.exit_code == ExitCode.USAGE
    assert "'none' is not one" in wrong.output


def test_a_usage_error_is_no_traceback():
    done = fishrt("simulate", "--minuets", "3")
    assert done.returncode == ExitCode.USAGE
    assert "Traceback" not in done.stderr
