"""The true frame rate: measured from the pictures' times, whatever the source declares."""

import enum
import math
from collections import deque

WINDOW_S = 5.0  # over which the rate is measured
FEWEST_S = 2.0  # before that it is not told
# A pause so long is no rate: something stalled, maybe this machine, and measuring begins anew.
HOLE_S = 1.0
HOLE_INTERVALS = 10.0  # for sources that are slow as such
# Slower than this share of the rate that is wanted is too slow; right again above the other.
SLOW_SHARE = 0.9
RIGHT_SHARE = 0.95


class RateMeter:
    """Pictures a second over the last five seconds.

    Pictures are counted by their index, so those that this machine had no room for count too. What
    came before a pause of more than a second, and of ten intervals, does not.
    """

    def __init__(self) -> None:
        """Starts without a picture."""
        self._seen: deque[tuple[int, float]] = deque()

    def restart(self) -> None:
        """Forgets all pictures, as after a loss."""
        self._seen.clear()

    def push(self, index: int, timestamp: float) -> None:
        """Takes the next picture.

        Args:
            index: Position in the source.
            timestamp: Seconds on the source's clock; one that does not grow is passed over.
        """
        if not math.isfinite(timestamp) or (self._seen and timestamp <= self._seen[-1][1]):
            return
        if self._is_hole(index, timestamp):
            self._seen.clear()
        self._seen.append((index, timestamp))
        while timestamp - self._seen[0][1] > WINDOW_S:
            self._seen.popleft()

    def _is_hole(self, index: int, timestamp: float) -> bool:
        if len(self._seen) < 2:
            return False
        (first, start), (last, end) = self._seen[0], self._seen[-1]
        interval = (end - start) / max(last - first, 1)
        pause = (timestamp - end) / max(index - last, 1)
        return pause > max(HOLE_S, HOLE_INTERVALS * interval)

    @property
    def fps(self) -> float | None:
        """The measured rate, or None before two seconds have passed."""
        if not self._seen:
            return None
        (first, start), (last, end) = self._seen[0], self._seen[-1]
        return (last - first) / (end - start) if end - start >= FEWEST_S else None


class Turn(enum.Enum):
    """What has changed about the rate."""

    SLOW = enum.auto()
    RIGHT = enum.auto()


class RateWatch:
    """Says once when the source becomes too slow, and once when it is right again.

    Attributes:
        wanted: Frames a second that the source should give at least.
        meter: Measures what it gives.
    """

    def __init__(self, wanted: float) -> None:
        """Starts without a picture."""
        self.wanted = wanted
        self.meter = RateMeter()
        self._slow = False

    def push(self, index: int, timestamp: float) -> Turn | None:
        """Takes the next picture and says what has changed, if anything."""
        self.meter.push(index, timestamp)
        fps = self.meter.fps
        if fps is None:
            return None
        if not self._slow and fps < SLOW_SHARE * self.wanted:
            self._slow = True
            return Turn.SLOW
        if self._slow and fps >= RIGHT_SHARE * self.wanted:
            self._slow = False
            return Turn.RIGHT
        return None
