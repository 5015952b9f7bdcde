"""Logs whose disk is full for a while: kept, tried again, written on, counted."""

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sink_items import PATIENCE_S, WatchedWorker, alarm, until, update

from fishrt.errors import OutputError, output_error
from realtime.event import EventKind
from realtime.sinks.files import open_event_log, open_log
from realtime.sinks.log import LogSink, PatientLogSink
from realtime.sinks.outbox import Outbox
from realtime.sinks.queued import WhenFull

ROOM = 5
NO_ROOM = "cannot write log: the disk is full; free some space, or write to another disk"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.sinks.log.RETRY_S", 0.01)


def full() -> OutputError:
    error = output_error("log", OSError(errno.ENOSPC, "no space"))
    error.__cause__ = OSError(errno.ENOSPC, "no space")
    return error


def log(worker: WatchedWorker, outbox: Outbox | None) -> LogSink:
    return LogSink("log", worker, lambda update: update, ROOM, outbox=outbox)


def told(outbox: Outbox) -> list[tuple[EventKind, str]]:
    return [(event.kind, event.text) for event in outbox.drain()]


def test_what_the_queue_holds_is_written_late_and_in_order() -> None:
    worker, outbox = WatchedWorker(), Outbox()
    sink = log(worker, outbox)
    sink.write(update(0))
    until(lambda: worker.got == [0])
    worker.error = full()
    for frame in range(1, 5):
        sink.write(update(frame))
        sink.event(alarm(True))  # is not for this log
    until(lambda: sink._full)
    time.sleep(0.05)  # several tries
    assert told(outbox) == [(EventKind.SINK_FAILED, f"{NO_ROOM}; fishrt tries again")]
    worker.error = None
    until(lambda: worker.got == [0, 1, 2, 3, 4])
    until(lambda: sink._full is None)
    sink.write(update(5))
    sink.close()
    assert worker.got == [0, 1, 2, 3, 4, 5]
    assert told(outbox) == [(EventKind.SINK_BACK, "log is written again")]
    report = sink.report()
    assert (report.dropped, report.lost_events, report.failures) == (0, 0, 1)
    assert report.error is None


def test_what_the_queue_cannot_hold_is_counted_and_is_a_failure_at_the_end() -> None:
    worker, outbox = WatchedWorker(), Outbox()
    worker.error = full()
    sink = log(worker, outbox)
    sink.write(update(0))
    until(lambda: sink._full)
    for frame in range(1, 20):
        sink.write(update(frame))
    worker.error = None
    until(lambda: len(worker.got) == 1 + ROOM)
    sink.close()
    assert worker.got == [0, 15, 16, 17, 18, 19]
    report = sink.report()
    assert (report.dropped, report.failures) == (14, 1)
    assert report.error is not None
    assert report.error.startswith("log lacks lines, because the disk was full")
    assert [kind for kind, _ in told(outbox)] == [EventKind.SINK_FAILED, EventKind.SINK_BACK]


@pytest.mark.parametrize("freed", [False, True])
def test_at_the_end_of_the_run_it_is_tried_once_more(
    monkeypatch: pytest.MonkeyPatch, freed: bool
) -> None:
    monkeypatch.setattr("realtime.sinks.log.RETRY_S", 600.0)
    worker, outbox = WatchedWorker(), Outbox()
    worker.error = full()
    sink = log(worker, outbox)
    sink.write(update(0))
    until(lambda: sink._full)
    for frame in range(1, 4):
        sink.write(update(frame))
    if freed:
        worker.error = None
    began = time.monotonic()
    sink.close()
    assert time.monotonic() - began < PATIENCE_S
    report = sink.report()
    assert (worker.got, report.dropped) == (([0, 1, 2, 3], 0) if freed else ([], 4))
    assert report.error == (None if freed else f"{NO_ROOM}.")
    assert report.failures == 1


def test_a_log_of_events_keeps_them() -> None:
    worker, outbox = WatchedWorker(), Outbox()
    worker.error = full()
    sink = PatientLogSink("log", worker, lambda _: None, ROOM, outbox=outbox)
    sink.event(alarm(True))
    until(lambda: sink._full)
    sink.event(alarm(False))
    worker.error = None
    until(lambda: worker.got == ["alarm-start", "alarm-end"])
    sink.close()
    assert sink.report().error is None


@pytest.mark.parametrize(("error", "outbox"), [(full(), None), (OutputError("odd."), Outbox())])
def test_over_footage_and_for_any_other_reason_it_ends_at_once(
    error: OutputError, outbox: Outbox | None
) -> None:
    worker = WatchedWorker()
    worker.error = error
    sink = log(worker, outbox)
    sink.write(update(0))
    until(lambda: worker.closed, "closing")
    assert sink.report().error == str(error)


Write = Callable[[int, memoryview], int]


def test_real_files_are_whole_after_a_disk_that_was_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk with 700 bytes left, until it has more: no line is torn, none is missing."""
    space, one_at_a_time = [700], threading.Lock()
    write: Write = os.write

    def limited(descriptor: int, data: memoryview) -> int:
        with one_at_a_time:
            if not space[0]:
                raise OSError(errno.ENOSPC, "no space")
            written = write(descriptor, data[: space[0]])
            space[0] -= written
            return written

    monkeypatch.setattr("realtime.sinks.jsonl.os.write", limited)
    outbox = Outbox()
    logs = [
        open_log(str(tmp_path / name), False, WhenFull.DROP_OLDEST, outbox, outbox)
        for name in ("log.jsonl", "log.csv")
    ]
    events = open_event_log(str(tmp_path / "events.jsonl"), False, outbox)
    sinks = [*logs, events]
    for frame in range(20):
        for sink in sinks:
            sink.write(update(frame))
            sink.event(alarm(True, frame))
    until(lambda: all(sink._full for sink in sinks), "filling the disk")
    space[0] = 1 << 20
    for sink in sinks:
        sink.close()
        assert sink.report().error is None
    assert (tmp_path / "log.csv").read_bytes().count(b"\n") == 1 + 20
    for name in ("log.jsonl", "events.jsonl"):
        frames = [line.partition('"frame":')[2] for line in (tmp_path / name).open()]
        assert [int(text.partition(",")[0]) for text in frames] == list(range(20))
