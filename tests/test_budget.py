"""The frame budget: with a clock of our own, what fits is a matter of arithmetic."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from fishrt.bundle import Bundle
from fishrt.clip import ClipGeometry
from fishrt.config import Config, TrainMode
from fishrt.video import SourceInfo, SourceKind
from realtime.budget import (
    BUDGET_SHARE,
    FEWEST_RUNS,
    MEASURE_LIMIT_S,
    MEASURED_RUNS,
    Budget,
    fit_lanes,
    fit_stream,
    measure_ms,
    strides,
)
from realtime.capture import Pace, Policy, policy_of
from realtime.fewer_lanes import LanesOnDemand
from realtime.lanes import CarriedState, ExactLanes, LaneSchedule
from realtime.session import LiveOptions, make_forecaster, paced_fps
from realtime.wording import ordinal

GEOMETRY = ClipGeometry(steps=30, frames_per_step=4, height=4, width=6)
FPS = 25.0  # 40 ms a frame, of which 32 may be used
SHARE_MS = BUDGET_SHARE * 1000.0 / FPS


class FakeClock:
    """Stands in for the module `time`; moves only when something takes time."""

    def __init__(self) -> None:
        self.now = 5.0

    def perf_counter(self) -> float:
        return self.now


class FakeStepper:
    """Takes a scripted time for a step, and remembers what it was asked."""

    def __init__(self, lanes: int, clock: FakeClock, milliseconds: Callable[[int], float]) -> None:
        self.lanes = lanes
        self.phases: list[int] = []
        self.calls: list[str] = []
        self._clock = clock
        self._milliseconds = milliseconds

    def step(self, time_step: np.ndarray, phase: int) -> np.ndarray:
        assert time_step.shape == (GEOMETRY.frames_per_step, GEOMETRY.height, GEOMETRY.width)
        assert time_step.dtype == np.uint8
        self.phases.append(phase)
        self._clock.now += self._milliseconds(len(self.phases)) / 1000.0
        return np.zeros(self.lanes, np.float32)

    def reset(self, phase: int | None = None, lane: int | None = None) -> None:
        assert phase is lane is None
        self.calls.append("reset")

    def warm_up(self) -> None:
        assert not self.phases or self.calls[-1] == "reset"
        self.calls.append("warm up")
        self._clock.now += 10.0  # not counted

    def describe(self) -> str:
        return "fake"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr("fishrt.timing.time", clock)
    return clock


class Machine:
    """Makes steppers that take so many milliseconds a lane."""

    def __init__(self, clock: FakeClock, lane_ms: float) -> None:
        self.made: list[FakeStepper] = []
        self._clock, self._lane_ms = clock, lane_ms

    def __call__(self, lanes: int) -> FakeStepper:
        self.made.append(FakeStepper(lanes, self._clock, lambda _: lanes * self._lane_ms))
        return self.made[-1]


# Lanes of the published geometry at the strides that spread evenly: ceil(30 / stride).
LANES = {1: 30, 3: 10, 5: 6, 7: 5, 9: 4, 11: 3, 15: 2, 31: 1}


def test_strides_that_are_tried_need_fewer_lanes_each() -> None:
    assert {every: LaneSchedule(30, 4, every).lanes for every in strides(GEOMETRY)} == LANES
    single = ClipGeometry(steps=6, frames_per_step=1, height=2, width=2)
    assert list(strides(single)) == [1, 2, 3, 6]
    # four frames in six would have no work with a stride of 4, and the others twice as much
    assert list(strides(ClipGeometry(steps=6, frames_per_step=6, height=2, width=2))) == [1, 5, 7]


@pytest.mark.parametrize(
    ("lane_ms", "every"),
    [
        (SHARE_MS / 30 * 0.99, 1),
        (SHARE_MS / 30 * 1.01, 3),
        (SHARE_MS / 10 * 1.01, 5),
        (SHARE_MS / 6 * 1.01, 7),
        (SHARE_MS / 2 * 1.01, 31),
    ],
)
def test_the_smallest_stride_that_fits_is_chosen(
    clock: FakeClock, lane_ms: float, every: int
) -> None:
    machine = Machine(clock, lane_ms)
    stepper, budget = fit_lanes(machine, GEOMETRY, FPS, None)
    assert budget.fits
    assert (budget.every, stepper.lanes) == (every, LANES[every])
    assert budget.interval_ms == pytest.approx(40)
    assert budget.work_ms == pytest.approx(LANES[every] * lane_ms)
    if every == 1:
        assert (budget.exact_ms, budget.stream_ms) == (None, None)
        assert len(machine.made) == 1
    else:
        assert budget.exact_ms == pytest.approx(30 * lane_ms)
        assert budget.stream_ms == pytest.approx(lane_ms)
        sentence = budget.sentence(Policy.KEEP_UP, paced=True)
        assert f"exact lanes need {30 * lane_ms:.1f} ms a frame" in sentence
        assert "80% of the 40.0 ms that a frame lasts" in sentence
        assert f"forecasting every {ordinal(every)} frame ({budget.work_ms:.1f} ms)" in sentence
        assert f"a stream-trained model would need {lane_ms:.1f} ms" in sentence


def test_where_nothing_fits_it_says_so(clock: FakeClock) -> None:
    stepper, budget = fit_lanes(Machine(clock, 50.0), GEOMETRY, FPS, None)
    assert (budget.fits, budget.every, stepper.lanes) == (False, 31, 1)
    sentence = budget.sentence(Policy.KEEP_UP, paced=True)
    assert sentence.startswith("warning: 50.0 ms of work in 40.0 ms a frame")
    assert "frames will be dropped and forecasts withheld" in sentence


def test_one_busy_moment_does_not_decide_over_the_run(clock: FakeClock) -> None:
    def hiccup(step: int) -> float:
        return 90.0 if step <= MEASURED_RUNS else 10.0

    stepper, budget = fit_lanes(
        lambda lanes: FakeStepper(lanes, clock, hiccup), GEOMETRY, FPS, None
    )
    assert (budget.every, stepper.lanes) == (1, 30)
    assert budget.work_ms == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("policy", "loss", "cure"),
    [
        ("keep-up", "dropped", "leave --every away"),
        ("every-frame", "longer", "add --every 5 "),  # 150 ms / 5 is within the 32 ms, / 3 is not
    ],
)
def test_a_stride_that_was_asked_for_is_obeyed_with_a_warning(
    clock: FakeClock, policy: str, loss: str, cure: str
) -> None:
    machine = Machine(clock, 5.0)
    stepper, budget = fit_lanes(machine, GEOMETRY, FPS, 1)
    assert (budget.fits, budget.every, stepper.lanes) == (False, 1, 30)
    sentence = budget.sentence(Policy(policy), paced=True)
    assert sentence.startswith("warning: 150.0 ms of work in 40.0 ms a frame is more than this")
    assert loss in sentence
    assert cure in sentence
    assert "would need 5.0 ms" in sentence


def test_a_stride_that_was_asked_for_and_fits_is_just_said(clock: FakeClock) -> None:
    machine = Machine(clock, 2.0)
    _, budget = fit_lanes(machine, GEOMETRY, FPS, 3)
    assert (budget.every, budget.exact_ms, budget.stream_ms) == (3, None, None)
    assert [stepper.lanes for stepper in machine.made] == [10]
    sentence = budget.sentence(Policy.KEEP_UP, paced=True)
    assert sentence == "budget: 20.0 ms of work in 40.0 ms a frame (50%)."
    hurried = budget.sentence(Policy.EVERY_FRAME, paced=False)
    assert hurried == "as fast as possible: 20.0 ms a frame on this machine."


def test_the_share_that_may_be_used_is_part_of_it() -> None:
    assert Budget(40.0, SHARE_MS).fits
    assert not Budget(40.0, SHARE_MS + 1e-6).fits


def test_a_stream_is_one_lane(clock: FakeClock) -> None:
    machine = Machine(clock, 50.0)
    stepper, budget = fit_stream(machine, GEOMETRY, FPS)
    assert (stepper.lanes, budget.every, budget.work_ms) == (1, 1, pytest.approx(50.0))
    assert "use a smaller model" in budget.sentence(Policy.KEEP_UP, paced=True)


def test_the_measure_is_a_median_after_warming_up_and_leaves_no_state(clock: FakeClock) -> None:
    stepper = FakeStepper(2, clock, lambda run: 400.0 if run == 3 else 4.0)
    assert measure_ms(stepper, GEOMETRY, None) == pytest.approx(4.0)
    assert stepper.calls == ["warm up", "reset"]
    assert len(stepper.phases) == MEASURED_RUNS
    assert stepper.phases == [run % 4 for run in range(MEASURED_RUNS)]


def test_a_slow_machine_is_not_measured_for_long(clock: FakeClock) -> None:
    slow = FakeStepper(1, clock, lambda _: 2000.0 * MEASURE_LIMIT_S)
    assert measure_ms(slow, GEOMETRY, None) == pytest.approx(2000.0 * MEASURE_LIMIT_S)
    assert len(slow.phases) == FEWEST_RUNS


@pytest.mark.parametrize(("every", "phases"), [(1, {0, 1, 2, 3}), (2, {0, 2}), (4, {0})])
def test_only_phases_with_work_are_measured(clock: FakeClock, every: int, phases: set[int]) -> None:
    stepper = FakeStepper(30, clock, lambda _: 1.0)
    measure_ms(stepper, GEOMETRY, LaneSchedule(30, 4, every))
    assert set(stepper.phases) == phases


# -- when it is used ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "pace", "in_a_hurry"),
    [
        (SourceKind.FILE, Pace.REALTIME, False),
        (SourceKind.FILE, Pace.AS_FAST_AS_POSSIBLE, False),
        (SourceKind.IMAGES, Pace.REALTIME, False),
        (SourceKind.DEMO, Pace.AS_FAST_AS_POSSIBLE, False),
        (SourceKind.DEMO, Pace.REALTIME, True),
        (SourceKind.CAMERA, Pace.REALTIME, True),
        (SourceKind.URL, Pace.AS_FAST_AS_POSSIBLE, True),
    ],
)
def test_only_what_does_not_wait_has_a_budget(
    kind: SourceKind, pace: Pace, in_a_hurry: bool
) -> None:
    fps = paced_fps(policy_of(SourceInfo(kind, "x", 6, 4, 60.0, None), pace), FPS)
    assert fps == (FPS if in_a_hurry else None)


@pytest.fixture
def slow_machine(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A bundle whose exact lanes take 150 ms a frame, 10 lanes 50 ms, 6 lanes 30 ms."""
    machine = Machine(clock, 5.0)
    monkeypatch.setattr("realtime.session.stepper_maker", lambda *_, **__: machine)
    clip = Config().clip.model_copy(
        update={"fps": FPS, "height": GEOMETRY.height, "width": GEOMETRY.width}
    )
    config = Config().model_copy(update={"clip": clip})
    return SimpleNamespace(metadata=SimpleNamespace(config=config))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("fps", "asked", "every"),
    [(None, None, 1), (None, 4, 4), (FPS, None, 5), (FPS, 1, 1), (FPS, 2, 2)],
)
def test_a_file_gets_every_frame_and_a_camera_what_fits(
    slow_machine: Bundle, fps: float | None, asked: int | None, every: int
) -> None:
    options = LiveOptions(every=asked)
    forecaster, budget = make_forecaster(slow_machine, TrainMode.WINDOW, options, fps)
    assert isinstance(forecaster, ExactLanes)
    # only a stride that nobody asked for may be replaced later, and only where pictures do not wait
    assert isinstance(forecaster, LanesOnDemand) is (fps is not None and asked is None)
    assert (forecaster.schedule.every, budget.every) == (every, every)


def test_a_stream_needs_no_stride(slow_machine: Bundle) -> None:
    forecaster, budget = make_forecaster(slow_machine, TrainMode.STREAM, LiveOptions(), FPS)
    assert isinstance(forecaster, CarriedState)
    assert (budget.every, budget.fits) == (1, True)


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"),
     (21, "21st"), (31, "31st"), (111, "111th"), (120, "120th")],
)  # fmt: skip
def test_ordinals(number: int, text: str) -> None:
    assert ordinal(number) == text
