"""Keeping up: when a backlog is worked off, and when evaluations are skipped instead."""

import math
import statistics
from collections import deque

# A third of the published 1.5 s horizon: older forecasts are not acted on.
MAX_LAG_S = 0.5
# A backlog that makes forecasts late has to be gone after so long.
CATCH_UP_S = 1.0
MEASURED_FRAMES = 31  # whose median is what a frame costs; a stall among them does not count


class KeepUp:
    """Decides for every frame of a live source whether there is time to evaluate it.

    While a frame's forecast would be of use (it is at most `MAX_LAG_S` old), it is evaluated. A
    longer backlog, after a stall, is worked off by going faster than the camera if that takes no
    more than `CATCH_UP_S`: then no window is broken. If it would take longer, or does, frames are
    taken in without being evaluated until the newest one is reached; a window that misses an
    evaluation is not whole, so forecasts begin anew from there. Either way lag cannot grow.
    """

    def __init__(self, fps: float) -> None:
        """Starts on time.

        Args:
            fps: The model's frames a second.
        """
        self._interval_s = 1.0 / fps
        self._costs: deque[float] = deque(maxlen=MEASURED_FRAMES)
        self._deadline: float | None = None
        self._skipping = False

    def note(self, seconds: float) -> None:
        """Notes what an evaluated frame took, from taking it to having written it."""
        self._costs.append(seconds)

    def has_time(self, lag_s: float, now: float) -> bool:
        """Whether to evaluate a frame.

        Args:
            lag_s: How old it is.
            now: Seconds on the monotonic clock.
        """
        if lag_s <= self._interval_s:
            self._skipping, self._deadline = False, None
            return True
        if self._skipping:
            return False
        if lag_s <= MAX_LAG_S:
            return True
        if self._deadline is None:
            self._deadline = now + CATCH_UP_S
        self._skipping = now + self._time_to_catch_up(lag_s) > self._deadline
        return not self._skipping

    def _time_to_catch_up(self, lag_s: float) -> float:
        """Seconds until a backlog is gone while new frames come in, all of them evaluated."""
        cost_s = statistics.median(self._costs) if self._costs else 0.0
        room = 1.0 - cost_s / self._interval_s
        return lag_s * cost_s / self._interval_s / room if room > 0 else math.inf
