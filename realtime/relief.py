"""What gives way on a machine that is too slow for good: forecasts, evenly, instead of windows."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from realtime.budget import BUDGET_SHARE
from realtime.event import Event, EventKind
from realtime.fewer_lanes import LanesOnDemand
from realtime.keeping_up import Work
from realtime.wording import every_so_many

STOP_OTHERS = "stop other programs, or use a smaller model or a faster machine"


@runtime_checkable
class Thinnable(Protocol):
    """A forecaster that can make its forecasts rarer from one frame to the next."""

    @property
    def every(self) -> int:
        """Frames from one forecast to the next."""
        ...

    @property
    def thinnings(self) -> tuple[int, ...]:
        """By what `thin` can make forecasts rarer, in order."""
        ...

    def thin(self, factor: int) -> None:
        """Leaves every `factor`-th forecast; those windows go on as if nothing had happened."""
        ...


class Relief:
    """Makes forecasts rarer, never more frequent again, until a frame's work fits.

    That is free of charge as long as there are phases of a time step to leave out: the rest of
    them go on as they are, for exact lanes and for a carried state alike. Where that does not
    suffice, and nobody asked for the stride, lanes with a wider one take over.

    Attributes:
        exhausted: Whether it has been said that nothing more can be done.
    """

    def __init__(self, forecaster: object, fps: float) -> None:
        """Takes note of the forecaster.

        Args:
            forecaster: Relieved if it is `Thinnable`.
            fps: The model's frames a second.
        """
        self._forecaster = forecaster if isinstance(forecaster, Thinnable) else None
        self._lanes = forecaster if isinstance(forecaster, LanesOnDemand) else None
        self._interval_s = 1.0 / fps
        self.exhausted = False
        self._blamed_others = False

    def give(self, work: Work) -> Event | None:
        """Makes forecasts rarer because a frame's work does not fit; says what was done.

        Args:
            work: What a frame takes at present.
        """
        if self.exhausted or (self._lanes is not None and self._lanes.opening):
            return None
        if work.other_s >= self._interval_s:
            return self._not_the_model(work)
        room_s = BUDGET_SHARE * self._interval_s - work.other_s
        choices = list(self._choices())
        fitting = [choice for choice in choices if work.computing_s * choice.share <= room_s]
        self.exhausted = not fitting
        now = self._forecaster.every if self._forecaster is not None else 1
        often = every_so_many(now)
        text = f"this machine is too slow for a forecast at {often} beside its other work"
        if choices:
            choice = fitting[0] if fitting else min(choices, key=lambda choice: choice.share)
            text += f"; from now on there is one every {choice.every} frames"
            self._take(choice)
            now = choice.every
        if not fitting:
            outcome = "even that may be too often" if choices else "most forecasts are withheld"
            text += f", and {outcome}{self._why_no_lanes()}; {STOP_OTHERS}"
        elif self._lanes is None:
            text += f"; for more of them {STOP_OTHERS}"
        return _warning(text, work, every=float(now))

    def _not_the_model(self, work: Work) -> Event | None:
        """Says once that rarer forecasts would be of no use."""
        if self._blamed_others:
            return None
        self._blamed_others = True
        text = (
            f"this machine is too slow, and not because of the model: preprocessing and outputs "
            f"take {work.other_s * 1000.0:.0f} of the {self._interval_s * 1000.0:.0f} ms of a "
            "frame; stop other programs, or use a smaller --camera-size or fewer outputs"
        )
        return _warning(text, work)

    def _choices(self) -> Iterator["_Choice"]:
        """What is possible, in the order of preference."""
        if self._forecaster is not None:
            for factor in self._forecaster.thinnings:
                yield _Choice(self._forecaster.every * factor, 1.0 / factor, factor)
        if self._lanes is not None and self._lanes.failure is None:
            for every, share in self._lanes.wider():
                yield _Choice(every, share)

    def _take(self, choice: "_Choice") -> None:
        if choice.factor is not None and self._forecaster is not None:
            self._forecaster.thin(choice.factor)
        elif self._lanes is not None:
            self._lanes.widen(choice.every)

    def _why_no_lanes(self) -> str:
        failure = self._lanes.failure if self._lanes is not None else None
        return "" if failure is None else f" (fewer lanes cannot be opened: {failure})"


def _warning(text: str, work: Work, **values: float) -> Event:
    values["work_ms"] = work.whole_s * 1000.0
    return Event(EventKind.WARNING, time.time(), text, values=values)


@dataclass(frozen=True)
class _Choice:
    """A wider stride, its share of today's work, and the factor if thinning gives it."""

    every: int
    share: float
    factor: int | None = None
