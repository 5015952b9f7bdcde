"""The outbox: events that other threads have for the loop, which tells them in its own time."""

import time
from collections import deque
from collections.abc import Iterator

from realtime.event import Event, EventKind

ROOM = 1000  # a loop that hangs must not make it grow for ever; the oldest go


class Outbox:
    """Takes events from any thread; the loop takes them out."""

    def __init__(self) -> None:
        """Starts empty."""
        self._events: deque[Event] = deque(maxlen=ROOM)  # its appends and pops are atomic

    def put(self, kind: EventKind, sentence: str) -> None:
        """Leaves an event for the loop; never waits.

        Args:
            kind: What happened.
            sentence: One sentence; a full stop at its end is taken away, as `Event` wants.
        """
        self._events.append(Event(kind, time.time(), sentence.removesuffix(".")))

    def drain(self) -> Iterator[Event]:
        """Takes out what there is, oldest first."""
        while self._events:
            yield self._events.popleft()
