"""Keeping up: when a backlog is worked off, and when evaluations are skipped instead."""

import math
import statistics
from collections import deque
from dataclasses import dataclass

from realtime.budget import BUDGET_SHARE
from realtime.forecast import MAX_LAG_S

# A backlog that makes forecasts late has to be gone after so long.
CATCH_UP_S = 1.0
# Frames are measured in groups, as not all of them have the same work under `--every`, and what
# a frame costs is the median of so many groups; a stall in one of them does not count.
GROUP_FRAMES = 12  # a multiple of the frames of a time step, as usual
MEASURED_GROUPS = 5
# A machine that has to skip again after less than this is not one that was held up for once.
SKIPS_WITHIN_S = 60.0
# One that skips for so long does not even get its other work done in time.
SKIPPING_LIMIT_S = 10.0


@dataclass(frozen=True)
class Work:
    """What a frame takes on the average.

    Attributes:
        whole_s: All of it, from taking the picture to having handed on the forecast, in seconds.
        computing_s: The forecaster's part.
    """

    whole_s: float
    computing_s: float

    @property
    def other_s(self) -> float:
        """What a frame without a forecast would take: preprocessing, scores, outputs."""
        return self.whole_s - self.computing_s


class KeepUp:
    """Decides for every frame of a live source whether there is time to evaluate it.

    While a frame's forecast would be of use (it is at most `MAX_LAG_S` old), it is evaluated. A
    longer backlog, after a stall, is worked off by going faster than the camera if that takes no
    more than `CATCH_UP_S`: then no window is broken. If it would take longer, or does, frames are
    taken in without being evaluated until the newest one is reached; a window that misses an
    evaluation is not whole, so forecasts begin anew from there. Either way lag cannot grow.

    Where that happens again and again, windows never get whole, and `overload` says so.
    """

    def __init__(self, fps: float) -> None:
        """Starts on time.

        Args:
            fps: The model's frames a second.
        """
        self._interval_s = 1.0 / fps
        self._group = _Mean()
        self._costs: deque[float] = deque(maxlen=MEASURED_GROUPS)
        self._deadline: float | None = None
        self._skipping = False
        self._skipped_at = -math.inf  # when the last skipping began
        self._since_skip, self._taken_in = _Mean(), _Mean()
        self._overload: Work | None = None

    def note(self, work: Work) -> None:
        """Notes what a frame took, evaluated or not."""
        if self._skipping:
            self._taken_in.add(work)
            return
        self._since_skip.add(work)
        self._group.add(work)
        if self._group.count == GROUP_FRAMES:
            self._costs.append(self._group.all().whole_s)
            self._group = _Mean()

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
            self._look_at_skipping(now)
            return False
        if lag_s <= MAX_LAG_S:
            return True
        if self._deadline is None:
            self._deadline = now + CATCH_UP_S
        if now + self._time_to_catch_up(lag_s) <= self._deadline:
            return True
        self._skip(now)
        return False

    def overload(self) -> Work | None:
        """What a frame took lately, if the machine turned out to be too slow for it; once each."""
        overload, self._overload = self._overload, None
        return overload

    def forget_costs(self) -> None:
        """Measures anew, as a frame takes something else from now on."""
        self._costs.clear()
        self._group, self._since_skip = _Mean(), _Mean()
        self._skipped_at = -math.inf

    def _skip(self, now: float) -> None:
        """Begins to skip; `overload` if that is a habit and not the fault of one frame."""
        work = self._since_skip.steady()
        again = now - self._skipped_at < SKIPS_WITHIN_S
        if again and work.whole_s > BUDGET_SHARE * self._interval_s:
            self._overload = work
        self._skipping, self._skipped_at = True, now
        self._since_skip, self._taken_in = _Mean(), _Mean()

    def _look_at_skipping(self, now: float) -> None:
        """`overload` if frames take too long even where they are not evaluated."""
        work = self._taken_in.steady()
        if now > self._skipped_at + SKIPPING_LIMIT_S and work.whole_s > self._interval_s:
            self._overload = work

    def _time_to_catch_up(self, lag_s: float) -> float:
        """Seconds until a backlog is gone while new frames come in, all of them evaluated."""
        cost_s = statistics.median(self._costs) if self._costs else 0.0
        room = 1.0 - cost_s / self._interval_s
        return lag_s * cost_s / self._interval_s / room if room > 0 else math.inf


class _Mean:
    """The mean of what frames took."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = self._largest = Work(0.0, 0.0)

    def add(self, work: Work) -> None:
        self.count += 1
        self._sum = _plus(self._sum, work)
        if work.whole_s > self._largest.whole_s:
            self._largest = work

    def all(self) -> Work:
        return _divided(self._sum, self.count)

    def steady(self) -> Work:
        """Without the frame that took most, which may be a stall; of a few frames all of them.

        On a machine that is far too slow, one frame is all that is evaluated before it skips.
        """
        if self.count <= GROUP_FRAMES:
            return self.all()
        return _divided(_plus(self._sum, self._largest, -1.0), self.count - 1)


def _plus(one: Work, other: Work, factor: float = 1.0) -> Work:
    return Work(one.whole_s + factor * other.whole_s, one.computing_s + factor * other.computing_s)


def _divided(work: Work, count: int) -> Work:
    return Work(work.whole_s / count, work.computing_s / count) if count > 0 else Work(0.0, 0.0)
