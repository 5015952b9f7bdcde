"""Online resampling: which picture fills which frame at the model's frame rate."""

import math
import statistics
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# How far from its slot's time a picture may lie, in slots. More than half a slot, so that a
# source whose pictures jitter about the border between two slots does not alternate between
# pictures that are surplus and slots that are missing.
TOLERANCE_SLOTS = 0.75
# A pause longer than this, in source intervals, means that a picture went missing.
GAP_INTERVALS = 1.75
# A source whose interval is shorter than this, in slots, has a choice of pictures for a slot.
FAST_SOURCE_SLOTS = 0.75
# The last intervals of a source without a declared frame rate that are looked at, and how many
# it takes to call it fast: fewer may all be short from jitter.
MEASURED_INTERVALS = 31
MIN_MEASURED_INTERVALS = 8


@dataclass(frozen=True)
class Placement:
    """Where one picture belongs at the model's frame rate.

    Attributes:
        slot: Index of the frame that this picture is, or None when the picture is surplus.
        repeats: Frames just before `slot` that the previous picture fills again, because the
            source is slower than the model.
        lost: Frames just before `slot` that no picture exists for, because the source skipped
            time.
    """

    slot: int | None
    repeats: int = 0
    lost: int = 0


SURPLUS = Placement(None)


class Resampler:
    """Places pictures on the model's time grid by their timestamps, one at a time.

    Slot k stands for the time `first timestamp + k / fps`. The rule for every picture, where the
    slot expected next is the one after the slot filled last:

    - A timestamp that is not finite, or not later than every one before, is surplus.
    - Earlier than the expected slot by more than 0.75 slots: surplus. So it is, for a source with
      intervals of at most 0.75 slots, when the picture after it is due to lie closer.
    - Within 0.75 slots of the expected slot: the picture gets it.
    - Later: the picture gets the slot nearest to it. The slots in between are `repeats` if the
      time since the previous picture is at most 1.75 source intervals, else `lost`.

    The source interval is 1 / source_fps if that is declared, else the running median of the
    last intervals, else (at the beginning) 1 / fps. Whether an undeclared source is a fast one
    is told by the mean of at least 8 intervals, which jitter hardly moves.

    What a live source declares is only a promise, so its rate is measured in the same way. One
    that gives more than it declares is judged by what it gives: a picture that goes missing is
    lost, not repeated. One that gives so much less than it declares that its pauses are longer
    than 1.75 declared intervals, such as a camera that halves its rate in the dark, counts as
    losing pictures.

    A source at the model's own rate keeps every picture, each in its own slot, while they lie at
    most 0.375 slots off an even beat: the first one, which sets the grid, and a later one can be
    off to opposite sides, which together makes the 0.75 slots of the rule.

    Attributes:
        placed: Pictures that got a slot.
        repeated: Slots that the previous picture fills again.
        lost: Slots without a picture.
        surplus: Pictures without a slot.

    At any time `placed + repeated + lost` is the number of slots.
    """

    def __init__(self, fps: float, source_fps: float | None = None, *, live: bool = False) -> None:
        """Starts with the next picture at slot 0.

        Args:
            fps: The model's frames a second.
            source_fps: Frames a second that the source declares, or None.
            live: Whether the source gives pictures as they come, at a rate that need not be the
                declared one.

        Raises:
            ValueError: If a frame rate is not a positive number.
        """
        for rate in (fps, source_fps):
            if rate is not None and not (math.isfinite(rate) and rate > 0):
                raise ValueError(f"a frame rate must be a positive number, not {rate}.")
        self._fps = fps
        self._live = live
        self._declared_interval = 1.0 / source_fps if source_fps else None
        if live and self._declared_interval is not None:
            # more than the model's rate is not needed, so giving less than that loses nothing
            self._declared_interval = max(self._declared_interval, 1.0 / fps)
        self._intervals: deque[float] = deque(maxlen=MEASURED_INTERVALS)
        self._start = 0.0
        self._previous = -math.inf
        self._expected = 0
        self.placed = 0
        self.repeated = 0
        self.lost = 0
        self.surplus = 0

    @property
    def fps(self) -> float:
        """The model's frames a second."""
        return self._fps

    @property
    def slots(self) -> int:
        """Number of slots so far: the index of the last one plus one."""
        return self._expected

    @property
    def chooses(self) -> bool:
        """Whether the source declares so many frames a second that some of them fill no slot."""
        interval = self._declared_interval
        return interval is not None and interval * self._fps <= FAST_SOURCE_SLOTS

    def push(self, timestamp: float) -> Placement:
        """Places the next picture.

        Args:
            timestamp: Seconds on the source's clock.

        Returns:
            The picture's slot, and what is to be done with the slots before it.
        """
        if not (math.isfinite(timestamp) and timestamp > self._previous):
            placement = SURPLUS
        elif self._expected == 0:
            self._start = self._previous = timestamp
            placement = Placement(0)
        else:
            placement = self._place(timestamp, timestamp - self._previous)
            self._intervals.append(timestamp - self._previous)
            self._previous = timestamp
        self._count(placement)
        return placement

    def push_regular(self, timestamps: NDArray[np.float64]) -> bool:
        """Places many pictures at once, if each of them gets just the slot after the one before.

        Afterwards all is as if `push` had been called for every one of them.

        Args:
            timestamps: Of the next pictures, float64 `(N,)`.

        Returns:
            Whether that is so; if not, nothing was done. It may be False without need: at the
            beginning, and for a fast source or one without a declared frame rate.
        """
        unknown = self._declared_interval is None
        if unknown or self.chooses or not self._expected or not len(timestamps):
            return False
        pauses = timestamps - np.concatenate(([self._previous], timestamps[:-1]))
        slots = self._expected + np.arange(len(timestamps))
        ahead = (timestamps - self._start) * self._fps - slots
        # not a number compares false
        if not ((pauses > 0).all() and (np.abs(ahead) <= TOLERANCE_SLOTS).all()):
            return False
        self._intervals.extend(pauses[-MEASURED_INTERVALS:].tolist())
        self._previous = float(timestamps[-1])
        self._expected += len(timestamps)
        self.placed += len(timestamps)
        return True

    def _place(self, timestamp: float, pause: float) -> Placement:
        position = (timestamp - self._start) * self._fps
        ahead = position - self._expected
        if ahead < -TOLERANCE_SLOTS or self._next_lies_closer(ahead):
            return SURPLUS
        if ahead <= TOLERANCE_SLOTS:
            return Placement(self._expected)
        slot = round(position)
        between = slot - self._expected
        if pause <= GAP_INTERVALS * self._source_interval():
            return Placement(slot, repeats=between)
        return Placement(slot, lost=between)

    def _next_lies_closer(self, ahead: float) -> bool:
        interval = self._declared_interval
        if interval is None or self._live:
            if len(self._intervals) < MIN_MEASURED_INTERVALS:
                return False
            interval = statistics.fmean(self._intervals)
        step = interval * self._fps
        return step <= FAST_SOURCE_SLOTS and abs(ahead + step) < abs(ahead)

    def _source_interval(self) -> float:
        if self._declared_interval is not None:
            if not self._live or len(self._intervals) < MIN_MEASURED_INTERVALS:
                return self._declared_interval
            return min(self._declared_interval, statistics.fmean(self._intervals))
        return statistics.median(self._intervals) if self._intervals else 1.0 / self._fps

    def _count(self, placement: Placement) -> None:
        if placement.slot is None:
            self.surplus += 1
            return
        self.placed += 1
        self.repeated += placement.repeats
        self.lost += placement.lost
        self._expected = placement.slot + 1
