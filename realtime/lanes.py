"""Exact streaming: a window forecast at every frame for one batched step, not a whole clip.

Windows that end `frames_per_step` frames apart share all but one of their time steps; each only
started from zero at another time. So every phase (frame index modulo `frames_per_step`) keeps as
many lanes of state as it has windows open at once. A frame advances the lanes of its phase by one
step; the lane that has now seen a whole clip gives the forecast, and is zeroed when the next
window starts in it.
"""

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fishrt.clip import ClipGeometry
from realtime.forecast import Reason
from realtime.stepper import KeepsStates, States, Stepper
from realtime.wording import every_so_many


@dataclass(frozen=True)
class Outcome:
    """What one frame led to: a probability, or the reason why there is none."""

    probability: float | None
    reason: Reason | None


class Forecaster(Protocol):
    """Takes frames one after another and says what it can."""

    @property
    def filled(self) -> int:
        """Consecutive frames in the window by now, at most those of a whole clip."""
        ...

    @property
    def memory(self) -> int | None:
        """Frames before a frame that are enough to forecast there as if none were passed over.

        Where `states` gives something, that is to be restored after them, too. None if nothing
        but all frames is enough.
        """
        ...

    def push(self, frame: NDArray[np.uint8]) -> Outcome:
        """Takes the next frame.

        Args:
            frame: uint8 `(height, width)`; copied.
        """
        ...

    def pass_over(self, frames: int) -> None:
        """Counts frames that came without being shown.

        After the next `memory` frames (and `restore`) every forecast is, to the bit, what it
        would have been with them.
        """
        ...

    def states(self) -> States:
        """What `memory` frames do not bring back: copies, by name; empty where they do."""
        ...

    def restore(self, states: States) -> None:
        """Takes back what `states` gave at this frame."""
        ...

    def reset(self, because: Reason = Reason.FILLING) -> None:
        """Starts anew with an empty window.

        Args:
            because: The reason to give until the window is whole again.
        """
        ...


@dataclass(frozen=True)
class LaneStep:
    """What a frame does: advance `phase`, zeroing a lane before and reading one after.

    Attributes:
        phase: Whose lanes advance by one time step.
        starts: Lane in which a window starts with this step, or None.
        finishes: Lane whose window is whole after this step, or None.
    """

    phase: int
    starts: int | None
    finishes: int | None


@dataclass(frozen=True)
class LaneSchedule:
    """Which lanes start, advance and finish at which frame: arithmetic only.

    Forecasts fall on frames i >= clip - 1 with (i - (clip - 1)) % every == 0, counted from the
    first frame after a reset.

    Attributes:
        steps: Time steps in a clip.
        frames_per_step: Frames in a time step, and the number of phases.
        every: Frames from one forecast to the next.
    """

    steps: int
    frames_per_step: int
    every: int = 1

    def __post_init__(self) -> None:
        for name in ("steps", "frames_per_step", "every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}.")

    @property
    def step_interval(self) -> int:
        """Steps between two window starts in one phase."""
        return self.every // math.gcd(self.frames_per_step, self.every)

    @property
    def lanes(self) -> int:
        """Lanes in a phase: the windows that are open at once."""
        return math.ceil(self.steps / self.step_interval)

    @property
    def spreads_evenly(self) -> bool:
        """Whether every frame has the same work, rather than some frames all of it."""
        return math.gcd(self.frames_per_step, self.every) == 1

    @property
    def phases(self) -> int:
        """Phases that have work."""
        return self.frames_per_step // math.gcd(self.frames_per_step, self.every)

    def thinned(self, factor: int) -> "LaneSchedule":
        """The schedule with every `factor`-th of the forecasts; a factor of `phases` alone.

        Whole phases are left out. What is left starts, advances and finishes the same lanes at the
        same frames, so that it can take over in the middle of a run.
        """
        return replace(self, every=self.every * factor)

    def at(self, frame: int) -> LaneStep | None:
        """What to do when `frame` (from 0 after a reset) has arrived, or None for nothing."""
        begin = frame - (self.frames_per_step - 1)  # first frame of the time step ending here
        phase = begin % self.frames_per_step
        if begin < 0 or phase % math.gcd(self.frames_per_step, self.every):
            return None
        first = self._first_start(phase)
        if begin < first:
            return None
        number = (begin - first) // self.frames_per_step
        seen = number - (self.steps - 1)  # steps since the first window was whole
        return LaneStep(
            phase=phase,
            starts=self._lane(number) if number % self.step_interval == 0 else None,
            finishes=self._lane(seen) if seen >= 0 and seen % self.step_interval == 0 else None,
        )

    def _first_start(self, phase: int) -> int:
        """The first frame at which a window of this phase starts."""
        start = 0
        while start % self.frames_per_step != phase:
            start += self.every
        return start

    def _lane(self, start_step: int) -> int:
        """The lane of the window that starts with this step of its phase."""
        return (start_step // self.step_interval) % self.lanes


class FrameRing:
    """The last frames, always contiguous and oldest first, without moving or allocating."""

    def __init__(self, geometry: ClipGeometry) -> None:
        """Makes room for the frames of one time step, twice."""
        self._length = geometry.frames_per_step
        # every frame is written twice, one length apart, so that any `length` in a row are there
        self._frames = np.zeros((2 * self._length, geometry.height, geometry.width), np.uint8)
        self._next = 0

    def push(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Takes a frame and gives the newest time step.

        Args:
            frame: uint8 `(height, width)`.

        Returns:
            uint8 `(frames_per_step, height, width)`, a view that is good until the next push.
        """
        place = self._next
        self._frames[place] = frame
        self._frames[place + self._length] = frame
        self._next = (place + 1) % self._length
        return self._frames[place + 1 : place + 1 + self._length]


class ExactLanes:
    """Window forecasts, equal to re-running the model from zero over the last clip."""

    def __init__(self, stepper: Stepper, geometry: ClipGeometry, every: int = 1) -> None:
        """Takes over a stepper.

        Args:
            stepper: With as many lanes as `LaneSchedule.lanes` says.
            geometry: The clip geometry.
            every: Frames from one forecast to the next.
        """
        self.schedule = LaneSchedule(geometry.steps, geometry.frames_per_step, every)
        if stepper.lanes != self.schedule.lanes:
            raise ValueError(f"{self.schedule.lanes} lanes are needed, not {stepper.lanes}.")
        self._stepper = stepper
        self._clip_frames = geometry.frames
        self._ring = FrameRing(geometry)
        self.reset()

    @property
    def every(self) -> int:
        """Frames from one forecast to the next."""
        return self.schedule.every

    def describe(self) -> str:
        """What computes forecasts, and how often, in a few words for a person."""
        return f"{self._stepper.describe()}, a forecast at {every_so_many(self.every)}"

    @property
    def thinnings(self) -> tuple[int, ...]:
        """By what `thin` can make forecasts rarer, in order."""
        return factors(self.schedule.phases)

    def thin(self, factor: int) -> None:
        """Leaves every `factor`-th forecast; those windows go on as if nothing had happened."""
        self.schedule = self.schedule.thinned(factor)

    @property
    def filled(self) -> int:
        """Consecutive frames in the window by now, at most those of a whole clip."""
        return min(self._count, self._clip_frames)

    def reset(self, because: Reason = Reason.FILLING) -> None:
        """Starts anew; no state needs zeroing, as every window zeroes its lane when it starts."""
        self._count = 0
        self._because = because

    def push(self, frame: NDArray[np.uint8]) -> Outcome:
        """Takes the next frame, uint8 `(height, width)`."""
        time_step = self._ring.push(frame)
        step = self.schedule.at(self._count)
        self._count += 1
        if step is not None:
            if step.starts is not None:
                self._stepper.reset(step.phase, step.starts)
            probabilities = self._stepper.step(time_step, step.phase)
            if step.finishes is not None:
                return outcome_of(float(probabilities[step.finishes]))
        whole = self._count >= self._clip_frames
        return Outcome(None, Reason.SKIPPED if whole else self._because)

    @property
    def memory(self) -> int:
        """All frames of a window but its last: no lane holds anything older."""
        return self._clip_frames - 1

    def pass_over(self, frames: int) -> None:
        """Counts frames without computing; the windows that hold them end in wrong forecasts."""
        self._count += frames

    def states(self) -> States:
        """Nothing: the frames of a window bring all lanes back."""
        return {}

    def restore(self, states: States) -> None:
        """Has nothing to take back."""
        del states


class CarriedState:
    """Stream forecasts: one lane a phase whose state is carried on and never zeroed.

    Only for models that were trained that way. The first forecast comes when a whole clip of
    frames has entered, as the model has never seen a shorter history in training.
    """

    def __init__(self, stepper: Stepper, geometry: ClipGeometry) -> None:
        """Takes over a stepper with one lane."""
        if stepper.lanes != 1:
            raise ValueError(f"one lane is needed, not {stepper.lanes}.")
        self._stepper = stepper
        self._clip_frames = geometry.frames
        self._frames_per_step = geometry.frames_per_step
        self._ring = FrameRing(geometry)
        self._every = 1
        self.reset()

    @property
    def every(self) -> int:
        """Frames from one forecast to the next."""
        return self._every

    def describe(self) -> str:
        """What computes forecasts, and how often, in a few words for a person."""
        return f"{self._stepper.describe()}, carried on, a forecast at {every_so_many(self.every)}"

    @property
    def thinnings(self) -> tuple[int, ...]:
        """By what `thin` can make forecasts rarer, in order."""
        return factors(self._frames_per_step // self._every)

    def thin(self, factor: int) -> None:
        """Leaves every `factor`-th forecast; each phase has a state of its own, and some rest."""
        self._every *= factor

    @property
    def filled(self) -> int:
        """Consecutive frames since the last reset, at most those of a whole clip."""
        return min(self._count, self._clip_frames)

    def reset(self, because: Reason = Reason.FILLING) -> None:
        """Starts anew from zero state: the state before a gap says nothing about what follows."""
        self._count = 0
        self._because = because
        self._stepper.reset()

    def push(self, frame: NDArray[np.uint8]) -> Outcome:
        """Takes the next frame, uint8 `(height, width)`."""
        time_step = self._ring.push(frame)
        self._count += 1
        if self._count < self._frames_per_step:
            return Outcome(None, self._because)
        if (self._count - self._frames_per_step) % self._every:
            whole = self._count >= self._clip_frames
            return Outcome(None, Reason.SKIPPED if whole else self._because)
        probability = self._stepper.step(time_step, (self._count - 1) % self._frames_per_step)
        if self._count < self._clip_frames:
            return Outcome(None, self._because)
        return outcome_of(float(probability[0]))

    @property
    def memory(self) -> int | None:
        """The frames of a time step but its last, if the stepper's states can be kept."""
        return self._frames_per_step - 1 if isinstance(self._stepper, KeepsStates) else None

    def pass_over(self, frames: int) -> None:
        """Counts frames without computing; the state is to be restored after them."""
        self._count += frames

    def states(self) -> States:
        """The carried states of all phases."""
        return self._stepper.states() if isinstance(self._stepper, KeepsStates) else {}

    def restore(self, states: States) -> None:
        """Carries these states on."""
        if isinstance(self._stepper, KeepsStates):
            self._stepper.restore(states)


def factors(number: int) -> tuple[int, ...]:
    """The whole numbers above 1 that go into another, in order."""
    return tuple(factor for factor in range(2, number + 1) if number % factor == 0)


def outcome_of(probability: float) -> Outcome:
    """The outcome of a window that is whole; a number that is none is withheld."""
    if not math.isfinite(probability):
        return Outcome(None, Reason.NOT_FINITE)
    return Outcome(probability, None)
