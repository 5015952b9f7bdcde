"""`fishrt live` on what is stored says what `fishrt predict` says, in every mode."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command_line import Command, quiet_opencv
from tiny_bundle import make_tiny_bundle
from tiny_footage import write_recording, write_video

from fishrt.bundle import Bundle, load_bundle
from fishrt.clip import ClipGeometry
from fishrt.cut import Cut
from fishrt.errors import ExitCode
from fishrt.recording import SourceRecord, load_recording
from fishrt.video.stored import StoredFrames

TIME_CHANNEL = ClipGeometry(steps=3, frames_per_step=2, height=12, width=16)
SINGLE_CHANNEL = ClipGeometry(steps=5, frames_per_step=1, height=12, width=16)
PRINTED_ALIKE = ("frame", "source_frame", "probability", "valid", "reason", "repeated")
STREAM = ("--mode", "stream", "--allow-untrained-stream")
MODES = {
    "window": (),
    **{f"every {k}": ("--every", str(k)) for k in (2, 3, 4, 7)},
    "stream": STREAM,
}
FRAMES = 60
SOURCES = (  # three sources, one of them with two holes
    SourceRecord(name="a", first=0, stop=14),
    SourceRecord(name="b", first=14, stop=45, gaps=(25, 28)),
    SourceRecord(name="c", first=45, stop=FRAMES),
)


@pytest.fixture
def fishrt(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    with quiet_opencv():
        yield Command(monkeypatch, capfd)


def fused_bundle(folder: Path) -> Bundle:
    """A real one, with a motion branch beside the pictures; its network is as it was born."""
    pytest.importorskip("keras", reason="the train extra is not installed")
    pytest.importorskip("tf2onnx", reason="the export extra is not installed")
    from export.bundle import export_run
    from fishrt.config import ClipConfig, Config, ModelConfig
    from training.forecaster import Forecaster
    from training.run import Run

    config = Config(
        clip=ClipConfig(steps=3, frames_per_step=2, height=12, width=16),
        model=ModelConfig(filters=(2,), motion_units=3),
    )
    model = Forecaster(config.clip, config.model)
    export_run(Run(folder.parent / "run", config, model, {}, None), folder)
    return load_bundle(folder)


@pytest.fixture(scope="module", params=["time channel", "single channel", "fused"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    if request.param == "fused":
        return fused_bundle(folder)
    geometry = SINGLE_CHANNEL if request.param == "single channel" else TIME_CHANNEL
    return make_tiny_bundle(folder, geometry)


@pytest.fixture(scope="module")
def recording(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings") / "noise"
    write_recording(folder, FRAMES, SOURCES, bundle.metadata.config.clip.geometry)
    np.save(folder / "repeated.npy", np.array([20, 33]))
    return folder


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / "slow.avi", 40, fps=25.0)


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def assert_live_says_what_predict_says(
    fishrt: Command, bundle: Bundle, option: str, source: Path, mode: tuple, folder: Path
) -> list[dict]:
    rows, log = folder / "rows.jsonl", folder / "log.jsonl"
    assert fishrt("predict", bundle.folder, source, "-o", rows, *mode).code == 0
    live = ("live", option, source, "-b", bundle.folder, "-o", log, "--no-window", *mode)
    ended = fishrt(*live, "--as-fast-as-possible")
    assert ended.code == 0, ended.err
    said, expected = read_lines(log), read_lines(rows)
    assert len(said) == len(expected)
    for line, row in zip(said, expected, strict=True):
        # to the bit: both are printed with all digits
        assert {name: line[name] for name in PRINTED_ALIKE} == {
            name: row[name] for name in PRINTED_ALIKE
        }
        assert line["media_time"] == pytest.approx(row["time_s"], abs=1e-6)
    for line, row in zip(said[1:], expected, strict=False):
        # live knows the change from the frame before, predict that to the next one
        assert line["change"] == row["motion_energy"]
    assert np.ptp([line["probability"] for line in said if line["valid"]]) > 1e-4
    return said


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_a_replayed_recording(
    fishrt: Command, bundle: Bundle, recording: Path, mode: tuple, tmp_path: Path
) -> None:
    said = assert_live_says_what_predict_says(fishrt, bundle, "--replay", recording, mode, tmp_path)
    clip = bundle.metadata.config.clip.geometry.frames
    assert len(said) == FRAMES
    assert [line["frame"] for line in said if line["repeated"]] == [20, 33]
    for first, reason in ((0, "filling"), (14, "filling"), (25, "gap"), (45, "filling")):
        begun = [line["reason"] for line in said[first : first + clip - 1]]
        assert set(begun[: 3 if first == 25 else clip]) == {reason}
        assert said[first]["change"] is None


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_a_video_slower_than_the_model(
    fishrt: Command, bundle: Bundle, video: Path, mode: tuple, tmp_path: Path
) -> None:
    said = assert_live_says_what_predict_says(fishrt, bundle, "--camera", video, mode, tmp_path)
    assert any(line["repeated"] for line in said)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle whose preprocessing would change every frame that it is given."""
    preprocess = {"polarity": "dark", "roi": [1, 1, 8, 8]}
    folder = tmp_path_factory.mktemp("bundles") / "dark"
    return make_tiny_bundle(folder, TIME_CHANNEL, preprocess=preprocess)


def test_stored_frames_are_not_preprocessed_again(
    fishrt: Command, plain: Bundle, tmp_path: Path
) -> None:
    recording = write_recording(tmp_path / "r", FRAMES, SOURCES, TIME_CHANNEL)
    assert_live_says_what_predict_says(fishrt, plain, "--replay", recording, (), tmp_path)


def test_a_replay_keeps_the_recordings_time(fishrt: Command, plain: Bundle, tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "r", FRAMES, SOURCES, TIME_CHANNEL)
    log = tmp_path / "log.jsonl"
    ended = fishrt("live", "--replay", recording, "-b", plain.folder, "-o", log, "--no-window")
    assert ended.code == 0, ended.err
    lines = read_lines(log)
    assert len(lines) == FRAMES
    lasted = lines[-1]["capture_time"] - lines[0]["capture_time"]
    assert lasted > 0.9 * (FRAMES - 1) / 30  # it waits for no frame longer than a camera would


def test_the_stored_frames_are_a_source(tmp_path: Path) -> None:
    recording = load_recording(write_recording(tmp_path / "r", FRAMES, SOURCES, TIME_CHANNEL))
    source = StoredFrames(recording)
    assert (source.info.frame_count, source.info.is_live) == (FRAMES, False)
    assert source.skip() == 0.0
    pictures = [source.read() for _ in range(FRAMES - 1)]
    assert (source.read(), source.skip(), source.ended_early) == (None, None, None)
    assert {picture.index: picture.cut for picture in pictures if picture.cut} == {
        14: Cut.SOURCE, 25: Cut.GAP, 28: Cut.GAP, 45: Cut.SOURCE,
    }  # fmt: skip
    for picture in pictures:
        assert picture.timestamp == pytest.approx(picture.index / 30)
        assert np.array_equal(picture.image, recording.frames[picture.index])
        assert not isinstance(picture.image, np.memmap)  # read where it was asked for


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--replay", "{none}"), ExitCode.RECORDING, "fishrt prepare"),
        (("--camera", "{r}"), ExitCode.SOURCE, "--replay"),
        (("--replay", "{r}", "--set", "preprocess.polarity=dark"), ExitCode.CONFIG, "already"),
        (("--replay", "{slow}"), ExitCode.RECORDING, "16x12 at 25 frames/s"),
    ],
)
def test_what_cannot_be_replayed_is_one_sentence(
    fishrt: Command, plain: Bundle, tmp_path: Path, options: tuple, code: ExitCode, words: str
) -> None:
    whole = (SourceRecord(name="a", first=0, stop=9),)
    write_recording(tmp_path / "r", 9, whole, TIME_CHANNEL)
    write_recording(tmp_path / "slow", 9, whole, TIME_CHANNEL, fps=25.0)
    names = {name: tmp_path / name for name in ("r", "slow", "none")}
    given = [option.format(**names) for option in options]
    ended = fishrt("live", *given, "-b", plain.folder, "--no-window")
    assert (ended.code, ended.out) == (code, "")
    assert words in ended.sentence


def test_a_camera_and_a_replay_exclude_each_other(fishrt: Command) -> None:
    ended = fishrt("live", "--camera", "demo", "--replay", "x")
    assert ended.code == ExitCode.USAGE
    assert "either --camera or --replay" in ended.err


def test_a_recording_shorter_than_a_clip_is_said(
    fishrt: Command, plain: Bundle, tmp_path: Path
) -> None:
    whole = (SourceRecord(name="a", first=0, stop=4),)
    folder = write_recording(tmp_path / "r", 4, whole, TIME_CHANNEL)
    ended = fishrt("live", "--replay", folder, "-b", plain.folder, "--no-window", "-o", "-")
    assert ended.code == ExitCode.SOURCE
    assert len(ended.lines) == 4
    assert f"{folder} ended after 4 frames" in ended.sentence
