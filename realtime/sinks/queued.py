"""A sink on a thread of its own, behind a queue with an end: it cannot slow the loop."""

import enum
import errno
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from fishrt.errors import OutputError
from realtime.event import Event, EventKind
from realtime.sinks.outbox import Outbox
from realtime.update import Update

EVENT_ROOM = 1000  # hours of events; only a peer that is away for longer loses the oldest
CHECK_S = 0.1  # how soon a loop that waits for room notices that the sink has failed
MANY_CLOSE_S = 30.0  # what is queued is still written, also by a slow machine
HURRIED_CLOSE_S = 1.0  # where nobody wants to wait

Item = TypeVar("Item")
Item_contra = TypeVar("Item_contra", contravariant=True)


class WhenFull(enum.Enum):
    """What happens to a frame for which the queue has no room."""

    DROP_OLDEST = "drop-oldest"  # the oldest of the queue goes and is counted; the loop goes on
    WAIT = "wait"  # the loop waits: nothing of a file is lost


class Worker(Protocol[Item_contra]):
    """Does a sink's work on the sink's thread; any exception means that it failed."""

    def write(self, item: Item_contra) -> None:
        """Takes what was queued for a frame."""
        ...

    def event(self, event: Event) -> None:
        """Takes an event; one at a time with `write`, though events may overtake frames."""
        ...

    def close(self) -> None:
        """Finishes what was begun; may be called more than once."""
        ...


@dataclass(frozen=True)
class SinkReport:
    """How a sink fared.

    Attributes:
        name: The file, or the address without its password.
        dropped: Frames that it had to leave out.
        lost_events: Events that it could not deliver.
        failures: How often it failed.
        error: Why it does not work any more, in one sentence, or None.
    """

    name: str
    dropped: int
    lost_events: int
    failures: int
    error: str | None


class QueuedSink(Generic[Item]):
    """Hands frames and events to a worker on a thread of its own.

    A worker that fails is closed and gets nothing more. With an outbox the failure is told there
    and the run goes on; without one, `write` and `close` raise it.

    Attributes:
        ends_with_reader: Whether the run ends without a word when the reader of this sink leaves,
            as `head` does; to be set before the first frame.
        stop_asked: Whether the run is to end, so that it waits for no room any more; to be set
            before the first frame.
    """

    def __init__(
        self,
        name: str,
        worker: Worker[Item],
        take: Callable[[Update], Item | None],
        room: int,
        when_full: WhenFull = WhenFull.DROP_OLDEST,
        outbox: Outbox | None = None,
        close_s: float = MANY_CLOSE_S,
    ) -> None:
        """Starts the thread.

        Args:
            name: What to call the sink in sentences.
            worker: Does the work; used by the thread alone from now on.
            take: What is queued of an update, or None for nothing; runs on the loop's thread.
            room: Frames that the queue holds; events have a room of their own.
            when_full: What gives way then.
            outbox: Where a failure is told, or None to raise it.
            close_s: Seconds for what is still queued at the end.
        """
        self.name = name
        self.dropped = 0
        self.ends_with_reader = False
        self.stop_asked: Callable[[], bool] = lambda: False
        self._worker = worker
        self._take = take
        self._room = room
        self._when_full = when_full
        self._outbox = outbox
        self._close_s = close_s
        self._items: deque[Item] = deque()
        self._events: deque[Event] = deque()
        self._changed = threading.Condition()
        self._closing = False
        # a thread whose `join` was broken off by Ctrl-C passes for one that has ended
        self._ended = threading.Event()
        self._deadline = 0.0  # of `finish`, by the monotonic clock
        self._given_up = False
        self._error: OutputError | None = None
        self._lost_events = 0
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=f"fishrt-{name}", daemon=True)
        self._thread.start()

    def write(self, update: Update) -> None:
        """Queues one frame; see `Sink.write`.

        Raises:
            OutputError: If the sink failed and there is no outbox to tell it.
            BrokenPipeError: If its reader has left, and the run is to end by that.
        """
        self._raise_failure()
        item = self._take(update)
        if item is None:
            return
        with self._changed:
            if self._when_full is WhenFull.WAIT:
                self._wait_for_room()
            if not self._accepts():
                self.dropped += 1
                return
            if len(self._items) >= self._room and self._when_full is WhenFull.DROP_OLDEST:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify_all()
        self._raise_failure()

    def event(self, event: Event) -> None:
        """Queues one event, which goes ahead of frames; see `Sink.event`."""
        with self._changed:
            if self._error is not None or self._closing:
                return
            if len(self._events) >= EVENT_ROOM:
                self._events.popleft()
                self._lost_events += 1
            self._events.append(event)
            self._changed.notify_all()

    def finish(self) -> None:
        """Lets the worker do what is queued and end, without waiting; see `Finishing`."""
        with self._changed:
            if not self._closing:
                self._closing = True
                self._deadline = time.monotonic() + self._close_s
            self._changed.notify_all()

    def hurry(self) -> None:
        """Leaves the worker a second at most, without waiting; see `Hurrying`."""
        self.finish()
        with self._changed:
            self._deadline = min(self._deadline, time.monotonic() + HURRIED_CLOSE_S)

    def close(self) -> None:
        """Waits for the worker to do what is queued, from `finish` on; see `Sink.close`."""
        self.finish()
        if not self._ended.wait(max(self._deadline - time.monotonic(), 0.0)):
            self._give_up()
        self._raise_failure()

    def report(self) -> SinkReport:
        """How it fared; complete once it is closed."""
        error = None if self._error is None else str(self._error)
        return SinkReport(self.name, self.dropped, self._lost_events, self._failures, error)

    @property
    def reader_left(self) -> bool:
        """Whether the reader has left by whom the run ends, which is no failure to speak of."""
        return self.ends_with_reader and is_reader_gone(self._error)

    # -- on the loop's thread ------------------------------------------------------------------

    def _raise_failure(self) -> None:
        if self.reader_left:  # the command line knows what it means
            raise BrokenPipeError(errno.EPIPE, "the reader has left") from self._error
        if self._error is not None and self._outbox is None:
            raise self._error

    def _accepts(self) -> bool:
        return self._error is None and not self._closing

    def _wait_for_room(self) -> None:
        while len(self._items) >= self._room and self._accepts() and not self.stop_asked():
            self._changed.wait(CHECK_S)  # a signal's handler runs on this thread

    def _give_up(self) -> None:
        with self._changed:
            self._given_up = True
            self.dropped += len(self._items)
            self._lost_events += len(self._events)
            if self._error is None:
                self._failures += 1
                self._error = OutputError(
                    f"{self.name} could not be finished within {self._close_s:.0f} s; its end is "
                    "missing."
                )

    # -- on the sink's thread ------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._begin()
            while (job := self._next()) is not None:
                self._deliver(job)
        except Exception as error:
            self._stop(error)
        finally:
            self._close_worker()
            self._ended.set()

    def _begin(self) -> None:
        """What the thread does before its first frame."""

    def _next(self) -> Event | tuple[Item] | None:
        """The next event, or the next frame's item; None at the end."""
        with self._changed:
            while not (self._events or self._items or self._closing):
                self._changed.wait()
            if self._given_up:
                return None
            if self._events:
                return self._events.popleft()
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()  # there is room
                return (item,)
            return None

    def _deliver(self, job: Event | tuple[Item]) -> None:
        if isinstance(job, Event):
            self._worker.event(job)
        else:
            self._worker.write(job[0])

    def _pause(self, seconds: float) -> bool:
        """Waits before another try; false if the run ends."""
        until = time.monotonic() + seconds
        with self._changed:
            while not self._closing and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self._closing

    def _lose(self, job: Event | tuple[Item]) -> None:
        if isinstance(job, Event):
            self._lost_events += 1
        else:
            self.dropped += 1

    def _stop(self, error: Exception) -> None:
        with self._changed:
            if self._error is None:
                self._failures += 1
                self._error = as_output_error(self.name, error)
                self.dropped += len(self._items)
            self._items.clear()
            self._events.clear()
            self._changed.notify_all()
        if self._outbox is not None and not self.reader_left:
            self._outbox.put(EventKind.SINK_FAILED, str(self._error))

    def _close_worker(self) -> None:
        try:
            self._worker.close()
        except Exception as error:
            if self._error is None:
                self._stop(error)


def as_output_error(name: str, error: Exception) -> OutputError:
    """One sentence for whatever a worker threw.

    Args:
        name: The sink.
        error: What it threw.
    """
    if isinstance(error, OutputError):
        return error
    return OutputError(f"{name} failed ({type(error).__name__}: {' '.join(str(error).split())}).")


def is_reader_gone(error: Exception | None) -> bool:
    """Whether a pipe could not be written because nobody reads it any more."""
    return error is not None and isinstance(error.__cause__, BrokenPipeError)
