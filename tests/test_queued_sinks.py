"""Sinks on threads of their own: what is dropped, kept, waited for, told and counted."""

import errno
import signal
import threading
import time
import tracemalloc

import pytest
from sink_items import PATIENCE_S, WatchedWorker, alarm, until, update

from fishrt.errors import OutputError, output_error
from realtime.event import Event, EventKind
from realtime.sinks.outbox import Outbox
from realtime.sinks.peer import PeerSink
from realtime.sinks.queued import QueuedSink, WhenFull
from realtime.sinks.sink import close_all, close_at_once
from realtime.update import Update, without_pictures

ROOM = 5


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.sinks.peer.FIRST_RETRY_S", 0.01)


def queued(worker: WatchedWorker, **options: object) -> QueuedSink[Update]:
    return QueuedSink("log", worker, lambda update: update, ROOM, **options)  # type: ignore[arg-type]


def peer(worker: WatchedWorker, outbox: Outbox, **options: object) -> PeerSink[Update]:
    return PeerSink(
        "osc://there",
        worker,
        lambda update: update,
        outbox,
        room=ROOM,
        **options,  # type: ignore[arg-type]
    )


def told(outbox: Outbox) -> list[tuple[EventKind, str]]:
    return [(event.kind, event.text) for event in outbox.drain()]


# -- the queue ---------------------------------------------------------------------------------


def test_frames_without_room_go_oldest_first_and_events_never() -> None:
    worker = WatchedWorker(halted=True)
    sink = queued(worker, outbox=Outbox())
    sink.write(update(0))
    assert worker.busy.wait(PATIENCE_S)  # the thread holds frame 0, and the queue is empty
    began = time.monotonic()
    for frame in range(1, 13):
        sink.write(update(frame))
        sink.event(alarm(True))
    assert time.monotonic() - began < PATIENCE_S / 4  # a halted worker keeps nobody waiting
    worker.go_on.set()
    sink.close()
    assert worker.got == [0, *["alarm-start"] * 12, 8, 9, 10, 11, 12]
    report = sink.report()
    assert (report.dropped, report.lost_events, report.error) == (7, 0, None)
    assert worker.closed == 1


def test_where_footage_waits_nothing_is_dropped() -> None:
    worker = WatchedWorker(halted=True)
    sink = queued(worker, when_full=WhenFull.WAIT)

    def write_all() -> None:
        for frame in range(3 * ROOM):
            sink.write(update(frame))

    writing = threading.Thread(target=write_all, daemon=True)
    writing.start()
    assert worker.busy.wait(PATIENCE_S)
    writing.join(0.2)
    assert writing.is_alive()
    worker.go_on.set()
    writing.join(PATIENCE_S)
    sink.close()
    assert worker.got == list(range(3 * ROOM))
    assert sink.report().dropped == 0


def test_who_asks_to_stop_waits_for_no_room_and_loses_nothing() -> None:
    worker, stop = WatchedWorker(halted=True), threading.Event()
    sink = queued(worker, when_full=WhenFull.WAIT)
    sink.stop_asked = stop.is_set
    threading.Timer(0.2, stop.set).start()
    frame = 0
    while not stop.is_set():
        sink.write(update(frame))
        frame += 1
    assert frame > ROOM
    worker.go_on.set()
    sink.close()
    assert worker.got == list(range(frame))
    assert sink.report().dropped == 0


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OutputError("the disk is full."), "the disk is full"),
        (RuntimeError("odd\n thing"), "log failed (RuntimeError: odd thing)"),
    ],
)
def test_with_an_outbox_a_failure_is_told_once_and_the_run_goes_on(
    error: Exception, sentence: str
) -> None:
    worker, outbox = WatchedWorker(), Outbox()
    worker.error = error
    sink = queued(worker, outbox=outbox)
    sink.write(update(0))
    until(lambda: worker.closed, "closing after the failure")
    for frame in range(1, 4):
        sink.write(update(frame))
        sink.event(alarm(True))
    sink.close()
    assert told(outbox) == [(EventKind.SINK_FAILED, sentence)]
    report = sink.report()
    assert (report.error, report.failures, report.dropped) == (f"{sentence}.", 1, 3)
    assert worker.got == []


def test_without_an_outbox_a_failure_is_raised_also_to_a_loop_that_waits() -> None:
    worker = WatchedWorker(halted=True)
    worker.error = OutputError("the disk is full.")
    sink = queued(worker, when_full=WhenFull.WAIT)
    threading.Timer(0.1, worker.go_on.set).start()

    def write_all() -> None:
        for frame in range(3 * ROOM):
            sink.write(update(frame))

    with pytest.raises(OutputError, match="the disk is full"):
        write_all()
    with pytest.raises(OutputError, match="the disk is full"):
        sink.close()


def reader_gone() -> OutputError:
    error = output_error("log", BrokenPipeError(errno.EPIPE, "broken pipe"))
    error.__cause__ = BrokenPipeError(errno.EPIPE, "broken pipe")
    return error


@pytest.mark.parametrize("outbox", [None, Outbox()])
def test_a_reader_who_left_ends_the_run_whatever_the_policy_if_it_is_to(
    outbox: Outbox | None,
) -> None:
    worker = WatchedWorker()
    worker.error = reader_gone()
    sink = queued(worker, outbox=outbox)
    sink.ends_with_reader = True
    sink.write(update(0))
    until(lambda: worker.closed)
    with pytest.raises(BrokenPipeError):
        sink.write(update(1))
    with pytest.raises(BrokenPipeError):
        sink.close()
    assert outbox is None or told(outbox) == []


def test_any_other_reader_who_left_is_a_failure_like_all() -> None:
    worker, outbox = WatchedWorker(), Outbox()
    worker.error = reader_gone()
    sink = queued(worker, outbox=outbox)
    sink.write(update(0))
    until(lambda: worker.closed)
    sink.write(update(1))
    sink.close()
    sentence = "cannot write log: its reader has left; keep it running, or write to a file"
    assert told(outbox) == [(EventKind.SINK_FAILED, sentence)]
    assert sink.report().error == f"{sentence}."


def test_a_worker_that_hangs_at_the_end_is_given_up_and_said() -> None:
    worker = WatchedWorker(halted=True)
    sink = queued(worker, outbox=Outbox(), close_s=0.05)
    for frame in range(3):
        sink.write(update(frame))
    assert worker.busy.wait(PATIENCE_S)
    sink.close()
    report = sink.report()
    assert report.error is not None
    assert "could not be finished within" in report.error
    assert report.dropped == 2
    worker.go_on.set()
    sink._thread.join(PATIENCE_S)
    assert worker.got == [0]


def test_a_sink_that_is_stuck_keeps_no_other_open_nor_takes_its_time() -> None:
    stuck = [WatchedWorker(halted=True) for _ in range(3)]
    quick = WatchedWorker()
    line = peer(quick, Outbox())
    logs = [queued(worker, outbox=Outbox(), close_s=1.0) for worker in stuck]
    for sink in (line, *logs):
        sink.write(update(0))
    assert all(worker.busy.wait(PATIENCE_S) for worker in (quick, *stuck))
    began = time.monotonic()
    closed_after: list[float] = []

    def watch() -> None:
        until(lambda: quick.closed)
        closed_after.append(time.monotonic() - began)

    watching = threading.Thread(target=watch)
    watching.start()
    close_all([line, *logs])  # the last is the first to be waited for
    took = time.monotonic() - began
    watching.join(PATIENCE_S)
    assert 1.0 <= took < 2.5  # one second for all three; measured: 1.00
    assert closed_after[0] < took / 2  # measured: 0.00 s
    assert [sink.report().error is None for sink in (line, *logs)] == [True] + 3 * [False]
    for worker in stuck:
        worker.go_on.set()


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_for_someone_who_does_not_wait_a_stuck_sink_has_a_second(when: str) -> None:
    stuck = [WatchedWorker(halted=True) for _ in range(2)]
    quick = WatchedWorker()
    sinks = [queued(worker, outbox=Outbox(), close_s=60.0) for worker in (quick, *stuck)]
    for sink in sinks:
        sink.write(update(0))
    assert all(worker.busy.wait(PATIENCE_S) for worker in (quick, *stuck))
    began = time.monotonic()
    if when == "before":
        close_at_once(sinks)
    else:
        main = threading.main_thread().ident
        threading.Timer(0.2, signal.pthread_kill, [main, signal.SIGINT]).start()
        with pytest.raises(KeyboardInterrupt):
            close_all(sinks)
    assert time.monotonic() - began < 5.0
    assert quick.closed == 1
    assert [sink.report().error is None for sink in sinks] == [True, False, False]
    for worker in stuck:
        worker.go_on.set()


def test_a_failure_while_closing_is_a_failure() -> None:
    class Unfinished(WatchedWorker):
        def close(self) -> None:
            super().close()
            raise OutputError("no room for the end.")

    sink = queued(Unfinished(), outbox=Outbox())
    sink.write(update(0))
    sink.close()
    assert sink.report().error == "no room for the end."


def test_memory_stays_flat_however_long_a_sink_hangs() -> None:
    """A halted log of 200 lines after 5000 frames with pictures; measured: 0.25 MB more."""
    worker = WatchedWorker(halted=True)
    sink = QueuedSink("log", worker, without_pictures, 200, outbox=Outbox(), close_s=0.01)
    for frame in range(400):
        sink.write(update(frame))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for frame in range(5000):
        sink.write(update(frame))
        sink.event(alarm(True))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    sink.close()
    worker.go_on.set()
    assert grown < 2_000_000
    assert sink.report().lost_events >= 4000  # the last thousand were kept


# -- peers -------------------------------------------------------------------------------------


def test_a_peer_that_is_gone_gets_the_events_late_and_no_old_frames() -> None:
    worker, outbox = WatchedWorker(), Outbox()
    sink = peer(worker, outbox)
    sink.write(update(0))
    until(lambda: worker.got == [0])
    worker.error = worker.unreachable = OutputError("osc://there is not reached: refused.")
    sink.write(update(1))
    until(lambda: worker.closed >= 1, "closing")
    for frame in range(2, 40):  # more than the queue holds
        sink.write(update(frame))
    sink.event(alarm(True))
    sink.event(alarm(False))
    sink.event(Event(EventKind.SINK_FAILED, 1e9, "osc://there is gone"))  # is no news to it
    worker.error = worker.unreachable = None
    until(lambda: len(worker.got) >= 3, "delivery")
    sink.write(update(40))
    sink.close()
    assert worker.got == [0, "alarm-start", "alarm-end", 40]
    assert told(outbox) == [
        (EventKind.SINK_FAILED, "osc://there is not reached: refused; fishrt keeps trying"),
        (EventKind.SINK_BACK, "osc://there is back"),
    ]
    report = sink.report()
    assert (report.dropped, report.lost_events, report.failures) == (39, 0, 1)
    assert report.error is None


def test_a_peer_that_was_never_there_is_said_at_the_end() -> None:
    worker, outbox = WatchedWorker(), Outbox()
    worker.unreachable = OutputError("osc://there is not reached: refused.")
    sink = peer(worker, outbox)
    until(lambda: sink._gone)
    sink.write(update(0))
    sink.event(alarm(True))
    sink.close()
    report = sink.report()
    assert report.error == "osc://there is not reached: refused."
    assert (report.dropped, report.lost_events, worker.got) == (1, 1, [])
    assert [kind for kind, _ in told(outbox)] == [EventKind.SINK_FAILED]


def test_a_peer_whose_pipe_breaks_is_named_and_ends_nothing() -> None:
    worker, outbox = WatchedWorker(), Outbox()
    worker.error = worker.unreachable = BrokenPipeError(errno.EPIPE, "Broken pipe")
    sink = peer(worker, outbox)
    until(lambda: sink._gone)
    worker.unreachable = None  # as a plugin, whose object is made anew at once
    sink.event(alarm(True))
    until(lambda: worker.busy.is_set())
    sink.write(update(0))
    sink.close()
    why = "osc://there failed (BrokenPipeError: [Errno 32] Broken pipe)"
    assert told(outbox)[0] == (EventKind.SINK_FAILED, f"{why}; fishrt keeps trying")
    report = sink.report()
    assert (report.error, report.lost_events) == (f"{why}.", 1)


def test_tries_become_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.sinks.peer.FIRST_RETRY_S", 0.005)
    monkeypatch.setattr("realtime.sinks.peer.LAST_RETRY_S", 0.04)
    worker = WatchedWorker()
    worker.unreachable = OutputError("gone.")
    waits: list[float] = []

    class Noting(PeerSink[Update]):
        def _wait(self) -> bool:
            waits.append(self._retry_s)
            return super()._wait()

    sink = Noting("there", worker, lambda update: update, Outbox())
    until(lambda: len(waits) >= 6)
    worker.unreachable = None
    until(lambda: worker.connections)
    sink.close()
    assert waits[:6] == [0.005, 0.01, 0.02, 0.04, 0.04, 0.04]
    assert sink._retry_s == 0.005  # and begin anew once it was back


def test_where_only_a_delivery_tells_a_new_try_is_not_called_a_return() -> None:
    class Webhook(WatchedWorker):
        def connect(self) -> bool:
            super().connect()
            return False

    worker, outbox = Webhook(), Outbox()
    worker.error = OutputError("status 500.")
    sink = peer(worker, outbox)
    sink.event(alarm(True))
    until(lambda: worker.connections >= 4, "new tries")
    assert [kind for kind, _ in told(outbox)] == [EventKind.SINK_FAILED]
    worker.error = None
    until(lambda: worker.got == ["alarm-start"], "delivery")
    sink.close()
    assert [kind for kind, _ in told(outbox)] == [EventKind.SINK_BACK]


def test_a_run_that_ends_does_not_wait_for_a_peer_that_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("realtime.sinks.peer.FIRST_RETRY_S", 600.0)
    worker = WatchedWorker()
    worker.unreachable = OutputError("gone.")
    sink = PeerSink("there", worker, lambda update: update, Outbox())
    until(lambda: sink._gone)
    sink.close()
    assert not sink._thread.is_alive()


def test_a_loop_that_waits_for_a_slow_peer_does_not_wait_for_one_that_is_gone() -> None:
    worker = WatchedWorker(halted=True)
    sink = peer(worker, Outbox(), when_full=WhenFull.WAIT)
    threading.Timer(0.1, worker.go_on.set).start()
    for frame in range(3 * ROOM):  # waits
        sink.write(update(frame))
    until(lambda: len(worker.got) == 3 * ROOM)
    worker.error = worker.unreachable = OutputError("gone.")
    for frame in range(100, 100 + 10 * ROOM):  # does not
        sink.write(update(frame))
    sink.close()
    assert worker.got == list(range(3 * ROOM))
    assert sink.report().dropped == 10 * ROOM


def test_the_outbox_keeps_the_newest_and_takes_the_full_stop_away() -> None:
    outbox = Outbox()
    for number in range(1500):
        outbox.put(EventKind.WARNING, f"{number}.")
    texts = [event.text for event in outbox.drain()]
    assert texts == [str(number) for number in range(500, 1500)]
    assert list(outbox.drain()) == []
