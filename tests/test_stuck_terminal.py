"""A terminal that is not read or is gone, a pipe whose reader left: the run goes on."""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import MAIN, RUN
from rich.console import Console
from sink_items import until, update
from tiny_footage import noise, write_video

from fishrt.bundle import Bundle
from fishrt.patient_stderr import ROOM, PatientStderr, last_words
from realtime.event import Event, EventKind
from realtime.sinks.status import StatusSink
from realtime.stats import LiveStats

PATIENCE_S = 30.0  # for another process on a busy machine


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal that nobody reads."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, slave
    for end in (master, slave):
        with contextlib.suppress(OSError):  # a test has closed it
            os.close(end)


def fill(end: int) -> None:
    """Writes until nothing more goes in: whoever writes now hangs."""
    os.set_blocking(end, False)
    while put(end):
        time.sleep(0.05)  # the system passes on what it took, which makes room again
    os.set_blocking(end, True)


def put(end: int) -> int:
    """Writes what goes in at once; returns how much that was."""
    written = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            written += os.write(end, b"." * 256)
    return written


def start(bundle: Bundle, log: Path, stderr: int, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(*RUN, "live", "--camera", "demo", "--no-window"),
            *("--bundle", str(bundle.folder), "-o", str(log), *options),
        ],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )


def lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def stopped(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(PATIENCE_S)


# -- whole runs --------------------------------------------------------------------------------


def test_a_run_goes_on_and_ends_while_its_terminal_is_not_read(
    bundle: Bundle, tmp_path: Path, terminal: tuple[int, int]
) -> None:
    log = tmp_path / "log.jsonl"
    fill(terminal[1])
    process = start(bundle, log, terminal[1])
    until(lambda: lines(log) > 15, "logging")
    began = time.monotonic()
    assert stopped(process) == 130
    assert time.monotonic() - began < 10.0
    assert json.loads(log.read_text().splitlines()[-1])["frame"] == lines(log) - 1


@pytest.mark.parametrize("what", ["terminal", "pipe"])
def test_a_run_outlives_its_terminal_and_the_reader_of_its_stderr(
    bundle: Bundle, tmp_path: Path, terminal: tuple[int, int], what: str
) -> None:
    log = tmp_path / "log.jsonl"
    reading, writing = terminal if what == "terminal" else os.pipe()
    process = start(bundle, log, writing, "--frames", "40")
    os.close(writing)
    until(lambda: lines(log) > 2, "logging")
    os.close(reading)
    assert process.wait(PATIENCE_S) == 0
    assert lines(log) == 40


def test_an_error_that_nobody_can_read_still_has_its_code(bundle: Bundle, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start(bundle, tmp_path / "nowhere" / "log.jsonl", writing)
    os.close(writing)
    assert process.wait(PATIENCE_S) == 7


NO_ROOM = f"import realtime.sinks.files as files; files.LINE_ROOM = 5; {MAIN}"


@pytest.mark.parametrize("outputs", [["-"], ["-", "pipe"]])
@pytest.mark.parametrize("code", [MAIN, NO_ROOM])
def test_the_second_signal_ends_a_run_over_footage_whose_reader_has_stalled(
    bundle: Bundle, tmp_path: Path, code: str, outputs: list[str]
) -> None:
    """With room for its lines the run ends by the first, and waits; without it waits for room."""
    video = write_video(tmp_path / "tank.avi", noise(300), fps=30.0)
    log, pipe = tmp_path / "log.jsonl", tmp_path / "pipe"
    os.mkfifo(pipe)
    ends = os.open(pipe, os.O_RDWR), *os.pipe()
    for end in (ends[0], ends[2]):
        fill(end)
    options = [word for each in [*outputs, "log.jsonl"] for word in ("-o", each)]
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", code, "live", "--camera", str(video), "--no-window"),
            *("--bundle", str(bundle.folder), "--frames", "250", *options),
        ],
        stdout=ends[2],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    until(lambda: lines(log) > 2, "logging")
    time.sleep(1.0)
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.5)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert time.monotonic() - began < 10.0  # measured: 1.3 s
    assert (process.returncode, err.splitlines()[-1]) == (130, "fishrt: interrupted.")
    assert json.loads(log.read_text().splitlines()[-1])["frame"] == lines(log) - 1
    for end in ends:
        os.close(end)


# -- the stream --------------------------------------------------------------------------------


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch, terminal: tuple[int, int]) -> tuple[int, int]:
    """The terminal as this process's stderr."""
    monkeypatch.setattr("fishrt.patient_stderr.stderr_descriptor", lambda: os.dup(terminal[1]))
    return terminal


def read(end: int, last: str) -> str:
    """What has been written, up to `last`."""
    text = b""
    while last.encode() not in text:
        assert select.select([end], [], [], PATIENCE_S)[0], f"{last} did not come after {text!r}"
        text += os.read(end, 4096)
    return text.decode()


def test_what_is_written_arrives_in_order(stderr: tuple[int, int]) -> None:
    stream = PatientStderr()
    for number in range(20):
        stream.write(f"{number}é\n")
    stream.close()
    assert not stream._thread.is_alive()
    assert read(stderr[0], "19é").split() == [f"{number}é" for number in range(20)]


def test_a_stuck_reader_gets_the_newest_and_holds_up_nobody(stderr: tuple[int, int]) -> None:
    fill(stderr[1])
    stream = PatientStderr()
    stream.write("held\n")
    until(lambda: stream._writing)
    for number in range(3 * ROOM):
        stream.write(f"{number}\n")
    stream.close(0.05)
    began = time.monotonic()
    last_words("fishrt: the end.")
    assert time.monotonic() - began < 5.0
    text = read(stderr[0], f"{3 * ROOM - 1}\n").lstrip(".")
    # the last words are another writer's, and may come in between
    ours = [word for word in text.split() if word == "held" or word.isdecimal()]
    assert ours[:2] == ["held", str(2 * ROOM)]


def test_the_status_line_is_the_newest_once_it_can_be_shown(stderr: tuple[int, int]) -> None:
    fill(stderr[1])
    stream = PatientStderr()
    console = Console(file=stream, force_terminal=True, width=200)  # type: ignore[arg-type]
    clock = iter(range(1000))
    sink = StatusSink(LiveStats(30.0, 120).snapshot, 0.5, console, lambda: next(clock))
    for frame in range(300):
        sink.write(update(frame, 0.42))
    sink.event(Event(EventKind.WARNING, 0.0, "told meanwhile"))
    waiting = "".join(stream._texts)
    assert "told meanwhile" in waiting
    assert waiting.count(" fps ") <= 1  # not hundreds
    os.read(stderr[0], 1 << 16)
    text = read(stderr[0], "told meanwhile")
    until(lambda: not stream.is_behind)
    sink.write(update(300, 0.42))
    text += read(stderr[0], "frame 300")
    assert "frame 299" not in text
    sink.close()
    stream.close()


def test_off_a_terminal_a_lost_camera_is_said_until_it_is_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("realtime.sinks.status.PLAIN_INTERVAL_S", 0.02)
    said = tmp_path / "err"
    with said.open("w") as file:
        console = Console(file=file, force_terminal=False)
        sink = StatusSink(LiveStats(30.0, 120).snapshot, 0.5, console)
        sink.event(Event(EventKind.CAMERA_LOST, 0.0, "gone"))
        until(lambda: said.read_text().count("camera lost since") >= 3, "reminding")
        sink.event(Event(EventKind.CAMERA_BACK, 0.0, "here again"))
        before = said.read_text().count("camera lost since")
        time.sleep(0.1)
        assert said.read_text().count("camera lost since") <= before + 1
        sink.event(Event(EventKind.CAMERA_LOST, 0.0, "gone"))
        sink.close()
        assert sink._lost_still is not None
        assert sink._lost_still.is_set()
