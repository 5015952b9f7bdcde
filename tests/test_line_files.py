"""Files of lines whose other side changes in a run: emptied, wanted by two, a pipe."""

import errno
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from sink_items import forecast, until, update

from fishrt import storage
from fishrt.errors import OutputError
from realtime.sinks import video_file
from realtime.sinks.jsonl import JsonlSink
from realtime.sinks.named_pipe import readers_awaited
from realtime.sinks.video import CameraRecorder
from realtime.update import Update

needs_locks = pytest.mark.skipif(storage.fcntl is None, reason="this system has no such locks")


def lines(*frames: int) -> str:
    return "".join(f"{forecast(frame).to_json()}\n" for frame in frames)


def test_a_log_that_is_emptied_meanwhile_goes_on_at_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    sink = JsonlSink(str(path))
    sink.write(update(1))
    os.truncate(path, 0)  # as logrotate does with copytruncate
    sink.write(update(2))
    sink.close()
    assert path.read_text() == lines(2)


@needs_locks
def test_a_log_that_is_being_written_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    sink = JsonlSink(str(path))
    sink.write(update(1))
    for _ in range(2):
        with pytest.raises(OutputError, match="is being written already"):
            JsonlSink(str(path), overwrite=True)
    sink.write(update(2))
    sink.close()
    assert path.read_text() == lines(1, 2)
    JsonlSink(str(path), overwrite=True).close()


@needs_locks
def test_a_disk_without_locks_holds_logs_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    path = tmp_path / "log.jsonl"
    sink = JsonlSink(str(path))
    sink.write(update(1))
    sink.close()
    assert path.read_text() == lines(1)


@needs_locks
@pytest.mark.skipif(not video_file.can_fragment(), reason="PyAV is not installed (extra video)")
def test_a_video_that_is_being_written_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "camera.mp4"
    picture = np.zeros((48, 64), np.uint8)

    def shown(frame: int) -> Update:
        return Update(forecast(frame), picture, picture)

    first = CameraRecorder(path, 30.0, may_drop=False)
    for frame in range(40):  # more than a fragment, which the second would cut off
        first.write(shown(frame))
    until(lambda: path.exists() and path.stat().st_size)
    second = CameraRecorder(path, 30.0, may_drop=False, overwrite=True)
    second.write(shown(0))
    with pytest.raises(OutputError, match=r"timestamps\.csv is being written already"):
        second.close()
    first.close()
    rows = (tmp_path / "camera.timestamps.csv").read_text().splitlines()
    assert len(rows) == 1 + 40
    video, pictures = cv2.VideoCapture(str(path)), 0
    while video.read()[0]:
        pictures += 1
    assert pictures == 40


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_written_if_somebody_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with pytest.raises(OutputError, match=f"nobody reads {path}; start its reader first"):
        JsonlSink(str(path))
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with readers_awaited([str(path)], pytest.fail, lambda: True):
        sink = JsonlSink(str(path))
    assert os.get_blocking(sink._file._descriptor or 0)  # a reader that is slow is no failure
    sink.write(update(1))
    assert os.read(reader, 10_000).decode() == lines(1)
    os.close(reader)
    with pytest.raises(OutputError, match=f"cannot write {path}: its reader has left"):
        sink.write(update(2))
    sink.close()
