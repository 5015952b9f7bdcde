"""`fishrt predict` of a source that is away for a moment: its rows stay, and it goes on there.

An absent disk shows no file, an empty folder where it was, or an error of the system.
"""

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest
from command_line import Command, Ended, quiet_opencv
from tiny_bundle import GEOMETRY
from tiny_footage import noise, write_recording, write_video

from fishrt.bundle import Bundle
from fishrt.errors import ExitCode
from fishrt.recording import SourceRecord
from fishrt.video import SourceFrame
from fishrt.video.opencv import VideoFile
from realtime.predict import part, work

FRAMES = 30

Run = Callable[..., Ended]


@pytest.fixture
def predict(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    bundle: Bundle,
    tmp_path: Path,
) -> Iterator[Run]:
    """Runs `fishrt predict` on the tiny bundle, in the folder of the test."""
    command = Command(monkeypatch, capfd, "predict", bundle.folder)
    monkeypatch.chdir(tmp_path)
    with quiet_opencv():
        yield lambda *of: command(*of, "--json")


@pytest.fixture(params=["video", "pictures", "recording"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "video":
        return write_video(tmp_path / "tank.avi", noise(FRAMES), fps=30.0)
    if request.param == "recording":
        stretch = SourceRecord(name="a", first=0, stop=FRAMES)
        return write_recording(tmp_path / "tank", FRAMES, (stretch,), GEOMETRY)
    folder = tmp_path / "tank"
    folder.mkdir()
    for number, picture in enumerate(noise(FRAMES)):
        cv2.imwrite(str(folder / f"{number:05d}.png"), picture)
    return folder


def renamed(source: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    away = source.rename(source.with_name("away"))
    return lambda: away.rename(source)


def emptied(source: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    """The folder that a disk is mounted on stays when it is not."""
    back = renamed(source, monkeypatch)
    source.mkdir()
    return lambda: (source.rmdir(), back())


def failing(source: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    """A network disk whose server does not answer."""
    stat, on = os.stat, [True]

    def stale(path: object, *of: object, **more: object) -> os.stat_result:
        if on and str(path).startswith(str(source)):
            raise OSError(errno.ESTALE, "Stale file handle")
        return stat(path, *of, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", stale)
    return on.clear


def stopped_after(rows: int, monkeypatch: pytest.MonkeyPatch, run: Callable[[], Ended]) -> None:
    made, row_of = iter(range(rows)), work.row_of

    def stopping(*of: object) -> object:
        if next(made, None) is None:
            raise KeyboardInterrupt
        return row_of(*of)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(part, "SAFE_EVERY_SECONDS", 0.0)
        patched.setattr(work, "row_of", stopping)
        assert run().code == ExitCode.INTERRUPTED


def rows_kept(output: Path) -> int:
    parts = (output.with_name(output.name + ".partial") / "parts").glob("*/state.json")
    return sum(json.loads(each.read_text())["rows"] for each in parts)


@pytest.mark.parametrize("away", [renamed, emptied, failing])
def test_it_goes_on_when_the_source_is_back(
    predict: Run,
    source: Path,
    away: Callable[[Path, pytest.MonkeyPatch], Callable[[], object]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, expected = tmp_path / "out.csv", tmp_path / "expected.csv"
    assert predict(source.name, "-o", expected).code == 0
    command = (source.name, "-o", out)
    stopped_after(20, monkeypatch, lambda: predict(*command))
    assert rows_kept(out) == 20
    back = away(source, monkeypatch)
    for _ in range(2):
        ended = predict(*command)
        assert ended.code == ExitCode.SOURCE, ended.err
        assert "tank" in ended.sentence
        assert "cannot be read now" in ended.sentence
        assert "(20 frames) is kept" in ended.sentence
        assert rows_kept(out) == 20
    back()
    ended = predict(*command)
    assert ended.code == 0, ended.err
    assert "changed" not in ended.err
    assert json.loads(ended.out)["computed"] == FRAMES - 20
    assert out.read_bytes() == expected.read_bytes()
    assert not out.with_name("out.csv.partial").exists()


def test_what_is_whole_is_not_read_again(predict: Run, source: Path, tmp_path: Path) -> None:
    """Another source failed, so the output is not whole yet."""
    other = tmp_path / "other.avi"
    command = (source.name, other.name, "-o", tmp_path / "out.csv")
    assert predict(*command).code == ExitCode.SOURCE
    away = source.rename(tmp_path / "away")
    write_video(other, noise(9), fps=30.0)
    ended = predict(*command)
    assert ended.code == ExitCode.SOURCE
    assert "1 of 2 sources failed" in ended.sentence
    assert json.loads(ended.out)["computed"] == 9
    # all rows that there are, in the order given
    assert (tmp_path / "out.csv").read_text().count(f"\n{source.name},") == FRAMES
    away.rename(source)
    ended = predict(*command)
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["computed"] == 0


def test_a_disk_that_goes_while_it_is_read_is_no_end(
    predict: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_video(tmp_path / "tank.avi", noise(FRAMES), fps=30.0)
    expected = tmp_path / "expected.csv"
    assert predict(source.name, "-o", expected).code == 0
    command = (source.name, "-o", tmp_path / "out.csv")
    read = VideoFile.read

    def going(self: VideoFile) -> SourceFrame | None:
        if self._index < 12:
            return read(self)
        if source.exists():
            source.rename(tmp_path / "away")
        self.ended_early = "it ended after 12 pictures."
        return None

    with monkeypatch.context() as patched:
        patched.setattr(VideoFile, "read", going)
        ended = predict(*command)
    assert ended.code == ExitCode.SOURCE
    assert "cannot be read now" in ended.sentence
    (tmp_path / "away").rename(source)
    ended = predict(*command)
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["computed"] == FRAMES - 12
    assert (tmp_path / "out.csv").read_bytes() == expected.read_bytes()


def test_one_that_was_changed_is_begun_anew_and_that_is_said(
    predict: Run, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (source.name, "-o", tmp_path / "out.csv")
    stopped_after(20, monkeypatch, lambda: predict(*command))
    for each in [source] if source.is_file() else source.iterdir():
        os.utime(each, (1, 1))
    ended = predict(*command)
    assert ended.code == 0
    assert f"{source.name} was changed since; it is begun anew." in ended.err.splitlines()
    assert json.loads(ended.out)["computed"] == FRAMES


def test_rows_of_sources_that_are_not_named_this_time_stay(
    predict: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_video(tmp_path / "tank.avi", noise(FRAMES), fps=30.0)
    out = tmp_path / "out.csv"
    stopped_after(20, monkeypatch, lambda: predict(source.name, "-o", out))
    assert predict("absent.avi", "-o", out).code == ExitCode.SOURCE
    assert rows_kept(out) == 20
    assert not out.exists()
