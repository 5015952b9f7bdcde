"""What the page shows, kept for whoever looks: the last seconds, the last events, one picture."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from realtime.event import TROUBLE_ENDED_BY, Event, EventKind
from realtime.forecast import Reason
from realtime.update import Truth, Update

SHOWN_SECONDS = 30.0
KEPT_EVENTS = 100

_Item = TypeVar("_Item")


class Point(NamedTuple):
    """What the charts need of one frame.

    Attributes:
        frame: At the model's rate.
        probability: 0 .. 1, or None.
        change: Motion energy as a share of full scale, or None.
        reason: Why the forecast is not valid, or None.
        alarm: Whether the alarm is on after this frame.
        truth: The label that this frame made known, or None.
    """

    frame: int
    probability: float | None
    change: float | None
    reason: Reason | None
    alarm: bool
    truth: Truth | None


@dataclass(frozen=True)
class Cursor:
    """How much somebody has seen: counts of points and of events since the start."""

    points: int = 0
    events: int = 0


@dataclass(frozen=True)
class News:
    """What came since a cursor, as far as it is still kept.

    Attributes:
        points: In order.
        events: In order.
        cursor: Where to go on.
    """

    points: list[Point]
    events: list[Event]
    cursor: Cursor


@dataclass(frozen=True)
class Latest:
    """The newest that is known.

    Attributes:
        update: The newest update, or None before the first.
        number: How many updates came before it and with it.
        probability: The newest probability, also where the newest frame has none of its own.
        age_s: Seconds since the newest update came, or since the start.
        trouble: What of the camera keeps pictures away: lost or frozen; None when all is well.
    """

    update: Update | None
    number: int
    probability: float | None
    age_s: float
    trouble: EventKind | None


WITHOUT_PICTURES = (EventKind.CAMERA_LOST, EventKind.FROZEN)  # the first of them is told


class Feed:
    """Takes updates on the loop's thread and gives them out on the server's; never grows."""

    def __init__(
        self, fps: float, horizon: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Starts empty.

        Args:
            fps: Frames a second at the model's rate.
            horizon: Frames that a label looks ahead: labels come that late and a frame.
            clock: Monotonic seconds.
        """
        self._clock = clock
        self._lock = threading.Lock()
        kept = round(SHOWN_SECONDS * fps) + horizon + 1
        self._points: deque[Point] = deque(maxlen=kept)
        self._events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._seen = Cursor()
        self._update: Update | None = None
        self._probability: float | None = None
        self._came = clock()
        self._troubles: set[EventKind] = set()

    def add(self, update: Update) -> None:
        """Takes the next frame; a few microseconds."""
        said = update.forecast
        point = Point(
            said.frame, said.probability, said.change, said.reason, said.alarm, update.truth
        )
        with self._lock:
            self._points.append(point)
            self._seen = Cursor(self._seen.points + 1, self._seen.events)
            self._update = update
            self._came = self._clock()
            if said.reason is not Reason.SKIPPED:
                self._probability = said.probability

    def add_event(self, event: Event) -> None:
        """Takes the next event."""
        with self._lock:
            self._events.append(event)
            self._seen = Cursor(self._seen.points, self._seen.events + 1)
            if event.kind in WITHOUT_PICTURES:
                self._troubles.add(event.kind)
            elif event.kind in TROUBLE_ENDED_BY:
                self._troubles.discard(TROUBLE_ENDED_BY[event.kind])

    def since(self, cursor: Cursor) -> News:
        """What came after `cursor`; of a long time only what is still kept."""
        with self._lock:
            seen = self._seen
            points = _newest(self._points, seen.points - cursor.points)
            events = _newest(self._events, seen.events - cursor.events)
        return News(points, events, seen)

    def latest(self) -> Latest:
        """The newest that is known."""
        with self._lock:
            age_s = self._clock() - self._came
            trouble = next((kind for kind in WITHOUT_PICTURES if kind in self._troubles), None)
            return Latest(self._update, self._seen.points, self._probability, age_s, trouble)


def _newest(items: Sequence[_Item], count: int) -> list[_Item]:
    """The last `count` items in order, without a walk over the others."""
    return list(itertools.islice(reversed(items), count))[::-1]
