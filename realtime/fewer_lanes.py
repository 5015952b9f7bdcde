"""Exact lanes that can do with fewer lanes: another stepper is opened while the run goes on."""

import threading
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from fishrt.clip import ClipGeometry
from realtime.budget import strides
from realtime.forecast import Reason
from realtime.lanes import ExactLanes, LaneSchedule, Outcome
from realtime.stepper import Stepper, StepperMaker


class LanesOnDemand(ExactLanes):
    """Exact lanes whose stepper can be replaced by one with fewer lanes.

    Opening and warming one up takes from a tenth of a second to seconds, so it happens on a thread
    of its own; the lanes go on meanwhile, and the window fills anew once it has taken over.

    Attributes:
        failure: Why the last stepper could not be opened, or None.
    """

    def __init__(
        self,
        stepper: Stepper,
        geometry: ClipGeometry,
        every: int,
        make_stepper: StepperMaker,
    ) -> None:
        """Takes over a stepper.

        Args:
            stepper: With as many lanes as `LaneSchedule.lanes` says.
            geometry: The clip geometry.
            every: Frames from one forecast to the next.
            make_stepper: Makes a stepper with so many lanes.
        """
        super().__init__(stepper, geometry, every)
        self.failure: str | None = None
        self._geometry = geometry
        self._make_stepper = make_stepper
        self._ready: tuple[Stepper, int] | None = None
        self._opening = False

    @property
    def opening(self) -> bool:
        """Whether a stepper is being opened."""
        return self._opening

    def wider(self) -> Iterator[tuple[int, float]]:
        """Strides that need fewer lanes, in order, each with its share of today's work."""
        now = self.schedule
        for every in strides(self._geometry):
            schedule = LaneSchedule(now.steps, now.frames_per_step, every)
            share = schedule.phases * schedule.lanes / (now.phases * now.lanes)
            if every > now.every and schedule.lanes < now.lanes and share < 1.0:
                yield every, share

    def widen(self, every: int) -> None:
        """Has a stepper for a wider stride opened; it takes over when it is ready."""
        self._opening = True
        in_background(lambda: self._open(every))

    def push(self, frame: NDArray[np.uint8]) -> Outcome:
        """Takes the next frame, uint8 `(height, width)`."""
        if self._ready is not None:
            (stepper, every), self._ready = self._ready, None
            super().__init__(stepper, self._geometry, every)
            self.reset(Reason.LATE)
            self._opening = False
        return super().push(frame)

    def _open(self, every: int) -> None:
        try:
            schedule = LaneSchedule(self._geometry.steps, self._geometry.frames_per_step, every)
            stepper = self._make_stepper(schedule.lanes)
            stepper.warm_up()
        except Exception as error:  # whatever a library raises: the lanes that run are unharmed
            self.failure = " ".join(str(error).split()).removesuffix(".")
            self._opening = False
        else:
            self._ready = stepper, every


def in_background(work: Callable[[], None]) -> None:
    """Has something done on a thread that the end of the program waits for.

    A library that is torn down while a thread computes in it may crash.
    """
    threading.Thread(target=work, name="fishrt-fewer-lanes").start()
