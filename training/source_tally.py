"""What was taken from one source so far, as an unfinished recording keeps it."""

import math
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from fishrt.video import SourceKind

RATE_BLOCK = 30  # intervals that a rate is taken from: a second of most sources
# An interval from here on, in usual ones of its block, is two of them: a picture was lost.
# Of 500 videos of one rate, 5 are called variable where times are off by up to 0.37 intervals, none
# at 0.3; and 2 of 1500 where a fifth of the pictures is lost and times are off by up to 0.15.
GAP_INTERVALS = 1.65
RATE_STEP = 1.05  # rates are told apart by so much


@dataclass
class SourceTally:
    """What was taken from a source so far; plain data, so that it can be stored.

    Attributes:
        name: The source as the user named it.
        kind: What kind of source it is.
        first: Frame of the recording at which it begins.
        frames: Frames that it has filled.
        pictures: Pictures that were passed, damaged ones included.
        damaged: Which of them could not be read, counted from 0.
        gaps: Frames of the recording before which time was lost.
        repeated: Frames that are the one before once more.
        lost: Frames for which there was no picture.
        surplus: Pictures that no frame needed.
        declared_fps: Frames a second that the header says.
        ended_early: One sentence if it ended before its declared end.
        seconds: Sum of the intervals between pictures, without those across gaps.
        intervals: How many those are.
        told_fps: Frames a second that the user gave, whatever the header says.
        view: Height and width of its pictures within the region of interest; empty if not known.
        rates: For every rate that it had for a while how many intervals that were, and their sum
            in seconds, by a number that only tells rates apart.
        recent: Intervals that are not in `rates` yet.
    """

    name: str
    kind: SourceKind
    first: int
    frames: int = 0
    pictures: int = 0
    damaged: list[int] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    repeated: int = 0
    lost: int = 0
    surplus: int = 0
    declared_fps: float | None = None
    ended_early: str | None = None
    seconds: float = 0.0
    intervals: int = 0
    # what the reader fills in when it begins is not compared when one goes on
    told_fps: float | None = field(default=None, compare=False)
    view: list[int] = field(default_factory=list, compare=False)
    rates: dict[str, tuple[int, float]] = field(default_factory=dict, compare=False)
    recent: list[float] = field(default_factory=list, compare=False)

    @property
    def stop(self) -> int:
        """The frame of the recording after its last one."""
        return self.first + self.frames

    @property
    def measured_fps(self) -> float | None:
        """Frames a second by the timestamps, or None where there are too few."""
        return self.intervals / self.seconds if self.intervals and self.seconds > 0 else None

    def passed(self, interval: float, *, lost: bool = False) -> None:
        """Books the time from one picture to the next.

        Args:
            interval: Seconds, more than 0.
            lost: Whether pictures were lost in between.
        """
        if not lost:
            self.seconds += interval
            self.intervals += 1
        if not math.isfinite(interval):
            return
        # where the rate is halved for a while each interval looks like a loss, so all are here
        self.recent.append(interval)
        if len(self.recent) == RATE_BLOCK:
            self._book_rate()

    def passed_all(self, intervals: list[float]) -> None:
        """Books many times between pictures, none of which were lost, as `passed` does.

        Args:
            intervals: Seconds, each more than 0 and finite.
        """
        for interval in intervals:  # one by one, so that the sum is the same
            self.seconds += interval
        self.intervals += len(intervals)
        while intervals:
            room = RATE_BLOCK - len(self.recent)
            self.recent += intervals[:room]
            intervals = intervals[room:]
            if len(self.recent) == RATE_BLOCK:
                self._book_rate()

    def _book_rate(self) -> None:
        usual = median(self.recent)
        several = RATE_BLOCK
        if _intervals_in(max(self.recent), usual) > 1:  # of most blocks not even the longest
            several = sum(_intervals_in(each, usual) for each in self.recent)
        mean = sum(self.recent) / several
        self.recent.clear()
        key = str(round(math.log(mean, RATE_STEP)))
        number, seconds = self.rates.get(key, (0, 0.0))
        self.rates[key] = (number + RATE_BLOCK, seconds + RATE_BLOCK * mean)

    @property
    def seconds_at(self) -> tuple[tuple[float, float], ...]:
        """Every rate that it had for a while, in pictures a second, and for how many seconds."""
        return tuple((number / seconds, seconds) for number, seconds in self.rates.values())

    def as_data(self) -> dict[str, Any]:
        """As plain data; `SourceTally(**data)` is the way back."""
        return asdict(self)


def _intervals_in(interval: float, usual: float) -> int:
    """How many usual intervals one is: several where pictures were lost."""
    return max(int(interval / usual + 2 - GAP_INTERVALS), 1)
