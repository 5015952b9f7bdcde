"""Capture: what the loop asks for the next picture, whatever becomes of the camera."""

import contextlib
import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from fishrt.video import SourceFrame, VideoSource
from realtime.capture.captured import Captured
from realtime.capture.link import Link
from realtime.capture.policy import Pace, Policy, policy_of, queue_capacity
from realtime.capture.retry import Retry
from realtime.capture.watch import PictureWatch
from realtime.event import Event, EventKind
from realtime.forecast import Reason

# No picture for so long, or for so many intervals of a very slow camera: the camera is lost.
LOST_AFTER_S = 2.0
LOST_AFTER_INTERVALS = 4.0
# The loop asks several times a second. If it has not for so long, it was this machine that stood
# still (a stopped process, a frozen virtual machine), and the camera's silence counts from then on.
STALL_S = 1.0
# A read that has not returned by then hangs for good: longer than OpenCV's own time-outs (5 s for
# streams, 10 s for cameras), which are left to do their work. Opening takes longer.
HANG_LIMIT_S = 12.0
OPEN_LIMIT_S = 20.0
MOST_HANGING = 4  # threads left behind in a driver; then one of them must come back first
JOIN_TIMEOUT_S = 2.0  # a read of a camera that works returns within a frame or two
LOST_JOIN_TIMEOUT_S = 0.2  # nobody waits for a camera that is lost
PUT_TIMEOUT_S = 0.1  # how soon a thread that waits for room notices that it is to stop


class Capture:
    """Owns a source and the thread that reads it.

    Sources without a pace of their own (files, images, the simulated tank) are paced by their
    timestamps, as a camera would be, unless they are to go as fast as possible.

    A source that can be opened again is: when it fails, or gives no picture for two seconds, that
    is an event; it is tried with growing waits for as long as it takes, and the first picture
    afterwards says that the camera was lost before it. All this happens in `get`, on the loop's
    thread; opening and reading never do.

    Attributes:
        info: What is known about the source.
        policy: What gives way when the machine is too slow.
        losses: How often the camera was lost.
    """

    def __init__(
        self,
        source: VideoSource,
        pace: Pace = Pace.REALTIME,
        policy: Policy | None = None,
        capacity: int | None = None,
        reopen: Callable[[], VideoSource] | None = None,
        watch: PictureWatch | None = None,
    ) -> None:
        """Prepares the thread; `start` starts it.

        Args:
            source: An open source; `stop` closes it.
            pace: How fast to go where the source has no pace of its own.
            policy: What to do when the queue is full; by default `policy_of` the source.
            capacity: Pictures that the queue holds; by default `queue_capacity`.
            reopen: Opens the source again, on another thread; or None if its failure is the end.
            watch: Looks at the pictures, or None.
        """
        self.info = source.info
        self.policy = policy or policy_of(source.info, pace)
        self.losses = 0
        self._first_source = source
        self._paced = pace is Pace.REALTIME and not source.info.is_live
        default = queue_capacity(source.info, pace, self.policy)
        self._queue: queue.Queue[Captured] = queue.Queue(capacity or default)
        self._stopping = threading.Event()
        self._reopen = reopen
        self._watch = watch or PictureWatch()
        self._link = Link(self.info.name, lambda: source, self._take)
        self._left: list[Link] = []  # threads that hang in a driver
        self._retry = Retry()
        self._lost_at: float | None = None  # the last sign of life before the loss
        self._asked_at: float | None = None  # when the loop asked last
        self._stalled_until = -math.inf
        self._events: list[Event] = []
        self._start: float | None = None
        self._first_index = 0
        self._next_index = 0
        self._dropped = 0
        self._behind_s = 0.0

    @property
    def dropped(self) -> int:
        """Pictures that were thrown away because the queue was full."""
        return self._dropped

    @property
    def behind_s(self) -> float:
        """Seconds by which a paced source lags its own timestamps; 0 for other sources."""
        return self._behind_s

    @property
    def fps(self) -> float | None:
        """The measured frame rate, or None while it is not known."""
        return self._watch.fps

    @property
    def lost(self) -> bool:
        """Whether the camera is lost at the moment."""
        return self._lost_at is not None

    def start(self) -> None:
        """Starts grabbing."""
        self._link.start()

    def get(self, timeout_s: float) -> Captured | None:
        """The next picture, or None if none came in time; see `exhausted` for the end."""
        captured = None
        with contextlib.suppress(queue.Empty):
            captured = self._queue.get(timeout=timeout_s)
        if self._reopen is not None:
            captured = self._supervise(captured, self._reopen)
        return None if captured is None else self._look_at(captured)

    def events(self) -> list[Event]:
        """What happened since this was asked last."""
        events, self._events = self._events, []
        return events

    @property
    def exhausted(self) -> bool:
        """Whether the source has ended or failed for good and every picture was handed over."""
        tried_again = self._reopen is not None and self._link.failure is not None
        return self._link.ended and not tried_again and self._queue.empty()

    def raise_failure(self) -> None:
        """Tells an end from a failure, once `exhausted`.

        Raises:
            SourceError: If the source failed.
        """
        if self._link.failure is not None:
            raise self._link.failure

    def discard(self) -> None:
        """Throws away what has queued up, uncounted; for live sources before the loop starts."""
        self._empty()
        self._dropped = 0

    def stop(self) -> None:
        """Ends the thread and closes the source; may be called more than once."""
        self._stopping.set()
        if not self._link.started:
            self._first_source.close()
            return
        self._link.leave()
        # a read that hangs keeps its daemon thread; closing under it could crash OpenCV
        self._link.join(LOST_JOIN_TIMEOUT_S if self.lost else JOIN_TIMEOUT_S)

    # -- the thread that reads -----------------------------------------------------------------

    def _take(self, link: Link, picture: SourceFrame) -> None:
        """Stamps a picture and hands it over."""
        if self._paced:
            self._wait_for(link, picture.timestamp)
        if link is not self._link:
            return  # left behind, and another link has its place
        picture = replace(
            picture, index=self._first_index + picture.index, arrived=self._arrived(picture)
        )
        self._next_index = picture.index + 1
        self._hand_over(Captured(picture, time.monotonic(), time.time()))

    def _wait_for(self, link: Link, timestamp: float) -> None:
        now = time.monotonic()
        if self._start is None:
            self._start = now - timestamp
        ahead = self._start + timestamp - now
        self._behind_s = max(-ahead, 0.0)
        if ahead > 0:
            link.wait(ahead)

    def _arrived(self, picture: SourceFrame) -> float | None:
        """When a picture came; those of a tank that plays a camera come when they are due."""
        if self._paced and self.policy is Policy.KEEP_UP and self._start is not None:
            return self._start + picture.timestamp
        return picture.arrived

    def _hand_over(self, captured: Captured) -> None:
        if self.policy is Policy.KEEP_UP:
            try:
                self._queue.put_nowait(captured)
            except queue.Full:
                # all that queued up goes: one gap and a fresh picture after it, instead of a gap
                # at every picture from now on, each of which costs a whole window
                self._dropped += self._empty()
                with contextlib.suppress(queue.Full):
                    self._queue.put_nowait(captured)
            return
        while not self._stopping.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(captured, timeout=PUT_TIMEOUT_S)
                return

    def _empty(self) -> int:
        """Throws the queue's pictures away and says how many there were."""
        count = 0
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
                count += 1
        return count

    # -- the loop's thread ---------------------------------------------------------------------

    def _look_at(self, captured: Captured) -> Captured:
        self._events += self._watch.push(captured)
        if self._watch.frozen:
            return replace(captured, interrupted=Reason.FROZEN)
        return captured

    def _supervise(
        self, captured: Captured | None, reopen: Callable[[], VideoSource]
    ) -> Captured | None:
        """Notices that the camera is lost, opens it again, and notices that it is back."""
        link, now = self._link, time.monotonic()
        if self._asked_at is not None and now - self._asked_at > STALL_S:
            self._stalled_until = now
        self._asked_at = now
        if not self.lost and self._is_silent(link, now):
            self._lose(link, now)
        if not self.lost:
            return captured
        if captured is not None and captured.monotonic > (self._lost_at or 0.0):
            return self._welcome(captured)
        if link.pictures and not self._queue.empty():
            return captured  # it was back for a moment; its first picture is still to be taken
        hangs = link.waiting_s(now) > (HANG_LIMIT_S if link.is_open else OPEN_LIMIT_S)
        if link.failure is not None or (hangs and self._may_leave(link)):
            link.leave()
            self._first_index = self._next_index
            wait_s = self._retry.next_wait_s(link.held_s())
            self._link = Link(self.info.name, reopen, self._take, wait_s)
            self._link.start()
        return captured

    def _is_silent(self, link: Link, now: float) -> bool:
        interval_s = 1.0 / self.info.declared_fps if self.info.declared_fps else 0.0
        limit_s = max(LOST_AFTER_S, LOST_AFTER_INTERVALS * interval_s)
        silent_s = min(link.waiting_s(now), now - self._stalled_until)
        return link.failure is not None or silent_s > limit_s

    def _lose(self, link: Link, now: float) -> None:
        self.losses += 1
        self._lost_at = link.last if link.last is not None else now
        why = str(link.failure or f"no picture for {link.waiting_s(now):.0f} s").rstrip(".")
        text = f"camera lost: {why}; it is tried again until it is back"
        self._events.append(Event(EventKind.CAMERA_LOST, time.time(), text))

    def _welcome(self, captured: Captured) -> Captured:
        """The first picture after a loss."""
        seconds = captured.monotonic - (self._lost_at or 0.0)
        self._lost_at = None
        self._watch.restart()
        text = f"the camera is back after {seconds:.1f} s"
        source = self._link.source
        if source is not None and source.info != self.info:
            before, after = self.info, source.info
            if (before.width, before.height) != (after.width, after.height):
                text += (
                    f", with pictures of {after.width}x{after.height} instead of "
                    f"{before.width}x{before.height}"
                )
            for note in after.notes:
                if note not in before.notes:
                    self._events.append(Event(EventKind.WARNING, time.time(), note))
            self.info = after
        self._events.append(
            Event(EventKind.CAMERA_BACK, time.time(), text, values={"seconds": seconds})
        )
        return replace(captured, interrupted=Reason.CAMERA_LOST)

    def _may_leave(self, link: Link) -> bool:
        """Whether another thread may be left behind in a driver; this one is, if so."""
        self._left = [left for left in self._left if not left.ended]
        if len(self._left) >= MOST_HANGING:
            return False
        self._left.append(link)
        return True
