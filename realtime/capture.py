"""Capture: one thread that only grabs pictures, stamps them with the time, and hands them over."""

import contextlib
import enum
import queue
import threading
import time
from dataclasses import dataclass

from fishrt.errors import SourceError
from fishrt.video import SourceFrame, SourceInfo, SourceKind, VideoSource

QUEUE_PICTURES = 24  # 0.8 s at 30 frames/s: more than the lag at which forecasts are called late
# Where pictures wait for us and come at once, the queue is always full, and latency would be
# mostly the wait in it; one picture is enough to decode ahead, and one more to even out.
UNPACED_QUEUE_PICTURES = 2
JOIN_TIMEOUT_S = 6.0  # a camera or stream may block one read for up to 5 s
PUT_TIMEOUT_S = 0.1  # how soon a thread that waits for room notices that it is to stop


class Pace(enum.StrEnum):
    """How fast pictures of a source that has no pace of its own are taken."""

    REALTIME = "realtime"
    AS_FAST_AS_POSSIBLE = "as-fast-as-possible"


class Policy(enum.StrEnum):
    """What gives way when the machine is too slow."""

    EVERY_FRAME = "every-frame"  # time: the source waits, every picture is evaluated
    KEEP_UP = "keep-up"  # pictures: those without room are dropped and counted


@dataclass(frozen=True)
class Captured:
    """One picture and when it was taken over.

    Attributes:
        picture: The picture as the source gave it.
        monotonic: Seconds on the monotonic clock.
        wall: Unix seconds.
    """

    picture: SourceFrame
    monotonic: float
    wall: float


def policy_of(info: SourceInfo, pace: Pace) -> Policy:
    """Live sources keep up; so does the simulated tank while it plays a camera."""
    plays_camera = info.kind is SourceKind.DEMO and pace is Pace.REALTIME
    return Policy.KEEP_UP if info.is_live or plays_camera else Policy.EVERY_FRAME


class Capture:
    """Owns a source and the thread that reads it.

    Sources without a pace of their own (files, images, the simulated tank) are paced by their
    timestamps, as a camera would be, unless they are to go as fast as possible.
    """

    def __init__(
        self,
        source: VideoSource,
        pace: Pace = Pace.REALTIME,
        policy: Policy | None = None,
        capacity: int | None = None,
    ) -> None:
        """Prepares the thread; `start` starts it.

        Args:
            source: An open source; `stop` closes it.
            pace: How fast to go where the source has no pace of its own.
            policy: What to do when the queue is full; by default `policy_of` the source.
            capacity: Pictures that the queue holds; by default few where none are dropped and
                nothing paces them.
        """
        self.info = source.info
        self.policy = policy or policy_of(source.info, pace)
        self._source = source
        self._paced = pace is Pace.REALTIME and not source.info.is_live
        unpaced = pace is Pace.AS_FAST_AS_POSSIBLE and self.policy is Policy.EVERY_FRAME
        default = UNPACED_QUEUE_PICTURES if unpaced else QUEUE_PICTURES
        self._queue: queue.Queue[Captured] = queue.Queue(capacity or default)
        self._stopping = threading.Event()
        self._finished = threading.Event()
        self._error: Exception | None = None
        self._start: float | None = None
        self._dropped = 0
        self._behind_s = 0.0
        self._thread = threading.Thread(target=self._run, name="fishrt-capture", daemon=True)

    @property
    def dropped(self) -> int:
        """Pictures that were thrown away because the queue was full."""
        return self._dropped

    @property
    def behind_s(self) -> float:
        """Seconds by which a paced source lags its own timestamps; 0 for other sources."""
        return self._behind_s

    def start(self) -> None:
        """Starts grabbing."""
        self._thread.start()

    def get(self, timeout_s: float) -> Captured | None:
        """The next picture, or None if none came in time; see `exhausted` for the end."""
        try:
            return self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None

    @property
    def exhausted(self) -> bool:
        """Whether the source has ended or failed and every picture was handed over."""
        return self._finished.is_set() and self._queue.empty()

    def raise_failure(self) -> None:
        """Tells an end from a failure, once `exhausted`.

        Raises:
            SourceError: If the source failed.
        """
        if self._error is not None:
            raise self._error

    def discard(self) -> None:
        """Throws away what has queued up, uncounted; for live sources before the loop starts."""
        self._empty()
        self._dropped = 0

    def stop(self) -> None:
        """Ends the thread and closes the source; may be called more than once."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_TIMEOUT_S)
        # a read that hangs for good keeps its daemon thread; closing under it could crash OpenCV
        if not self._thread.is_alive():
            self._source.close()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set() and (picture := self._source.read()) is not None:
                if self._paced:
                    self._wait_for(picture.timestamp)
                self._hand_over(Captured(picture, time.monotonic(), time.time()))
        except SourceError as error:
            self._error = error
        except Exception as error:  # whatever a driver throws, the loop must hear of it
            self._error = SourceError(
                f"reading {self.info.name} failed ({type(error).__name__}: {error})."
            )
        finally:
            self._finished.set()

    def _empty(self) -> int:
        """Throws the queue's pictures away and says how many there were."""
        count = 0
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
                count += 1
        return count

    def _wait_for(self, timestamp: float) -> None:
        now = time.monotonic()
        if self._start is None:
            self._start = now - timestamp
        ahead = self._start + timestamp - now
        self._behind_s = max(-ahead, 0.0)
        if ahead > 0:
            self._stopping.wait(ahead)

    def _hand_over(self, captured: Captured) -> None:
        if self.policy is Policy.KEEP_UP:
            try:
                self._queue.put_nowait(captured)
            except queue.Full:
                # all that queued up goes: one gap and a fresh picture after it, instead of a gap
                # at every picture from now on, each of which costs a whole window
                self._dropped += self._empty()
                self._queue.put_nowait(captured)  # this thread alone puts, so there is room
            return
        while not self._stopping.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(captured, timeout=PUT_TIMEOUT_S)
                return
