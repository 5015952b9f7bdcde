"""The frame budget: does a frame's work fit between two frames on this machine? Measured."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fishrt.clip import ClipGeometry
from fishrt.timing import time_calls
from realtime.capture import Policy
from realtime.lanes import LaneSchedule
from realtime.stepper import Stepper, StepperMaker
from realtime.wording import ordinal

BUDGET_SHARE = 0.8  # of the frame interval; the rest is for capture, sinks and other programs
MEASURED_RUNS = 20
MEASURE_LIMIT_S = 1.0  # slow candidates are judged by fewer runs, but at least
FEWEST_RUNS = 5


@dataclass(frozen=True)
class Budget:
    """A frame's measured work against the frame interval.

    Attributes:
        interval_ms: Milliseconds from one frame to the next at the model's rate.
        work_ms: Median computing time of a frame as it will be run.
        every: Frames from one forecast to the next.
        exact_ms: Computing time with a forecast at every frame, if that was too much and
            `every` was chosen for it; else None.
        stream_ms: Computing time of a stream forecast, where that was measured.
    """

    interval_ms: float
    work_ms: float
    every: int = 1
    exact_ms: float | None = None
    stream_ms: float | None = None

    @property
    def fits(self) -> bool:
        """Whether the work fits with some room to spare."""
        return self.work_ms <= BUDGET_SHARE * self.interval_ms

    def sentence(self, policy: Policy, *, paced: bool) -> str:
        """What to tell the user at the start.

        Args:
            policy: What gives way when the machine is too slow.
            paced: Whether frames come at their own pace, so that slowness matters.
        """
        if not paced:
            return f"as fast as possible: {self.work_ms:.1f} ms a frame on this machine."
        if self.fits and self.exact_ms is not None:
            return (
                f"exact lanes need {self.exact_ms:.1f} ms a frame on this machine, which is more "
                f"than {BUDGET_SHARE:.0%} of the {self.interval_ms:.1f} ms that a frame lasts: "
                f"forecasting every {ordinal(self.every)} frame ({self.work_ms:.1f} ms); "
                f"{self._stream_hint()}."
            )
        share = f"{self.work_ms:.1f} ms of work in {self.interval_ms:.1f} ms a frame"
        if self.fits:
            return f"budget: {share} ({self.work_ms / self.interval_ms:.0%})."
        loss = (
            "frames will be dropped and forecasts withheld"
            if policy is Policy.KEEP_UP
            else "it will take longer than the footage lasts"
        )
        return (
            f"warning: {share} is more than this machine can keep up with; "
            f"{loss}{self._cure(policy)}."
        )

    def _least_stride(self) -> int:
        """The smallest odd stride that fits if work falls in step with the number of lanes."""
        factor = math.ceil(self.work_ms / (BUDGET_SHARE * self.interval_ms))
        return self.every * (factor + 1 - factor % 2)

    def _stream_hint(self) -> str:
        return f"a stream-trained model would need {self.stream_ms or 0:.1f} ms"

    def _cure(self, policy: Policy) -> str:
        if self.stream_ms is None:
            return "; use a smaller model or a faster machine"
        if policy is Policy.EVERY_FRAME:
            return (
                f"; add --every {self._least_stride()} to forecast less often (by the lanes saved, "
                f"that fits), or --as-fast-as-possible; {self._stream_hint()}"
            )
        if self.exact_ms is None:
            return f"; leave --every away to let fishrt choose, or note that {self._stream_hint()}"
        return f"; {self._stream_hint()}"


def measure_ms(stepper: Stepper, geometry: ClipGeometry, schedule: LaneSchedule | None) -> float:
    """Median time of one step of all lanes of a phase, after warm-up, in milliseconds.

    Args:
        stepper: The stepper; its states are zero afterwards.
        geometry: The clip geometry; the frames are of real size.
        schedule: Which phases have work, or None if all do.
    """
    rng = np.random.default_rng(0)
    shape = (geometry.frames_per_step, geometry.height, geometry.width)
    time_step = rng.integers(0, 256, shape).astype(np.uint8)
    gap = math.gcd(geometry.frames_per_step, schedule.every) if schedule else 1
    stepper.warm_up()

    def step(run: int) -> None:
        stepper.step(time_step, run * gap % geometry.frames_per_step)

    times = time_calls(step, 0, MEASURED_RUNS, FEWEST_RUNS, MEASURE_LIMIT_S)
    stepper.reset()
    return float(np.median(times))


def strides(geometry: ClipGeometry) -> Iterator[int]:
    """Strides worth trying, in order: each needs fewer lanes than the one before.

    Only those without a common factor with `frames_per_step` spread the work evenly over the
    frames: 1, 3, 5, 7, 9, ... for the published geometry.
    """
    fewest = None
    for every in range(1, geometry.steps * geometry.frames_per_step + 1):
        schedule = LaneSchedule(geometry.steps, geometry.frames_per_step, every)
        if schedule.spreads_evenly and (fewest is None or schedule.lanes < fewest):
            fewest = schedule.lanes
            yield every


def fit_lanes(
    make_stepper: StepperMaker, geometry: ClipGeometry, fps: float, every: int | None
) -> tuple[Stepper, Budget]:
    """Makes the stepper for exact lanes, with the smallest stride that fits the budget.

    Args:
        make_stepper: Makes a stepper with so many lanes.
        geometry: The clip geometry.
        fps: Frames a second at the model's rate.
        every: A stride that is obeyed whether it fits or not, or None to choose.

    Returns:
        The stepper, warm and with zero states, and its budget.
    """
    interval_ms = 1000.0 / fps
    exact_ms: float | None = None
    for candidate in strides(geometry) if every is None else (every,):
        schedule = LaneSchedule(geometry.steps, geometry.frames_per_step, candidate)
        stepper = make_stepper(schedule.lanes)
        work_ms = measure_ms(stepper, geometry, schedule)
        if work_ms > BUDGET_SHARE * interval_ms and every is None:
            # once more: a busy moment must not decide over the whole run
            work_ms = min(work_ms, measure_ms(stepper, geometry, schedule))
        budget = Budget(interval_ms, work_ms, candidate, exact_ms)
        if budget.fits:
            break
        if every is None:
            exact_ms = exact_ms or work_ms
    if not budget.fits or budget.exact_ms is not None:
        budget = replace(budget, stream_ms=measure_ms(make_stepper(1), geometry, None))
    return stepper, budget


def fit_stream(
    make_stepper: StepperMaker, geometry: ClipGeometry, fps: float
) -> tuple[Stepper, Budget]:
    """Makes the stepper for stream forecasts and measures it; see `fit_lanes`."""
    stepper = make_stepper(1)
    return stepper, Budget(1000.0 / fps, measure_ms(stepper, geometry, None))
