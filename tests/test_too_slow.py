"""A machine that is too slow for good: forecasts become rarer, and windows stay whole."""

import threading
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from scripted_camera import FPS, HEIGHT, PATIENCE_S, WIDTH, grey
from test_capture_faults import World, in_a_world
from test_live_loop import ListSink

from fishrt.clip import ClipGeometry
from realtime.event import EventKind
from realtime.fewer_lanes import LanesOnDemand
from realtime.forecast import MAX_LAG_S, Reason
from realtime.keeping_up import Work
from realtime.lanes import CarriedState, ExactLanes, Forecaster, LaneSchedule
from realtime.relief import Relief

PUBLISHED = ClipGeometry(steps=30, frames_per_step=4, height=HEIGHT, width=WIDTH)
SINGLE = ClipGeometry(steps=120, frames_per_step=1, height=HEIGHT, width=WIDTH)
MINUTES = 5
FRAMES = round(MINUTES * 60 * FPS)
CLIP = PUBLISHED.frames
Relieved = ExactLanes | CarriedState
OPENING_S = 1.5  # measured for the demo's ten lanes on a busy machine with two cores


class SlowStepper:
    """A step takes so long a lane; a lane's probability is the mean of what it saw since zero."""

    def __init__(self, lanes: int, world: "SlowWorld", geometry: ClipGeometry) -> None:
        self.lanes = lanes
        self._world = world
        self._states = np.zeros((geometry.frames_per_step, lanes))
        self._steps = geometry.steps

    def step(self, time_step: np.ndarray, phase: int) -> np.ndarray:
        self._world.step(self.lanes)
        self._states[phase] += time_step.mean()
        mean = self._states[phase] / self._steps / 255.0
        return np.fmod(mean, 0.99).astype(np.float32)  # of a carried state it grows for ever

    def reset(self, phase: int | None = None, lane: int | None = None) -> None:
        self._states[slice(None) if phase is None else phase, ...][..., lane] = 0

    def warm_up(self) -> None:
        pass

    def describe(self) -> str:
        return "slow"


class SlowWorld(World):
    """A camera of 30 fps and a machine for which a frame at first takes `work` of its time.

    From `slow_from` on the forecaster takes its time; until then nothing does. Where `others` is
    given, that share of a frame's time is preprocessing and outputs.
    """

    def __init__(
        self, work: float, lanes: int = 30, slow_from: int = 0, others: float = 0.03
    ) -> None:
        super().__init__(0.0, 0.0, frames=FRAMES)
        self.least_s = others / FPS
        self._lane_s = (work - others) / FPS / lanes
        self.stalls: tuple[int, ...] = ()  # frames at which a step takes 2 s more
        self._slow_from = slow_from
        self._waiting: list[tuple[float, Callable[[], None]]] = []

    def step(self, lanes: int) -> None:
        if self._next > self._slow_from:
            self.now += lanes * self._lane_s
        if self._next - 1 in self.stalls:
            self.now += 2.0

    def in_background(self, work: Callable[[], None]) -> None:
        self._waiting.append((self.now + OPENING_S, work))

    def get(self, timeout_s: float) -> object:  # type: ignore[override]
        for due, work in list(self._waiting):
            if self.now >= due:
                self._waiting.remove((due, work))
                work()
        return super().get(timeout_s)


def lanes_of(geometry: ClipGeometry, every: int = 1) -> int:
    return LaneSchedule(geometry.steps, geometry.frames_per_step, every).lanes


def on_demand(world: SlowWorld, geometry: ClipGeometry, every: int = 1) -> LanesOnDemand:
    make = partial(SlowStepper, world=world, geometry=geometry)
    return LanesOnDemand(make(lanes_of(geometry, every)), geometry, every, make)


def check_windows(sink: ListSink, geometry: ClipGeometry) -> None:
    """Every forecast is that of its own whole window, whatever happened before it."""
    levels = np.array([grey(frame).mean() for frame in range(FRAMES)])
    for line in sink.lines:
        if line.probability is not None:
            seen = levels[line.frame - geometry.frames + 1 : line.frame + 1]
            assert line.probability == pytest.approx(seen.mean() / 255.0, abs=1e-5)


def valid(sink: ListSink) -> int:
    return sum(line.valid for line in sink.lines)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.keeping_up.MAX_LAG_S", MAX_LAG_S)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[SlowWorld, Forecaster], ListSink]:
    """Five minutes of a world; every frame has its line, and no lag goes on growing."""

    def run_it(world: SlowWorld, forecaster: Forecaster) -> ListSink:
        monkeypatch.setattr("realtime.relief.time", world)
        monkeypatch.setattr("realtime.fewer_lanes.in_background", world.in_background)
        sink = in_a_world(monkeypatch, world, forecaster)
        assert [line.frame for line in sink.lines] == list(range(FRAMES))
        assert {event.kind for event in sink.events} <= {EventKind.WARNING}
        return sink

    return run_it


RunWorld = Callable[[SlowWorld, Forecaster], ListSink]

# Before forecasts became rarer, 99, 75, 49, 10, 0 and 0 % of the frames had a valid forecast at the
# first six, in the same world. Of those that can be had now, one in `every`, 96 % or more were
# there; what is lacking is the time until it is clear what is wrong.
RARER = [
    (0.90, 1, 0.98), (1.02, 2, 0.48), (1.05, 2, 0.48), (1.10, 2, 0.47), (1.20, 2, 0.47),
    (1.50, 2, 0.48), (2.00, 4, 0.24), (3.00, 4, 0.24), (8.00, 14, 0.06), (20.0, 31, 0.03),
]  # fmt: skip


@pytest.mark.parametrize(("work", "every", "share"), RARER)
def test_forecasts_become_rarer_until_they_can_be_made(
    run: RunWorld, work: float, every: int, share: float
) -> None:
    world = SlowWorld(work)
    forecaster = on_demand(world, PUBLISHED)
    sink = run(world, forecaster)
    assert forecaster.every <= every
    assert valid(sink) / FRAMES >= share
    assert valid(sink) >= 0.9 * FRAMES / forecaster.every
    check_windows(sink, PUBLISHED)
    told = [event for event in sink.events if "too slow" in event.text]
    assert [event.values["every"] for event in told][-1:] == [forecaster.every] * (every > 1)
    assert world.lags[-1][1] <= 2 / FPS + work / FPS


@pytest.mark.parametrize("work", [1.02, 1.5, 3.0])
def test_it_may_get_slow_at_any_time(run: RunWorld, work: float) -> None:
    world = SlowWorld(work, slow_from=FRAMES // 2)
    forecaster = on_demand(world, PUBLISHED)
    sink = run(world, forecaster)
    behind, too_slow = sink.events
    assert "behind the camera" in behind.text
    assert too_slow.text == (
        "this machine is too slow for a forecast at every frame beside its other work; from now "
        f"on there is one every {forecaster.every} frames"
    )
    at = next(i for i, line in enumerate(sink.lines) if line.emit_time >= too_slow.wall)
    after = sink.lines[at + CLIP + 60 :]
    assert {line.reason for line in after} == {None, Reason.SKIPPED}
    assert sum(line.valid for line in after) == pytest.approx(len(after) / forecaster.every, abs=1)
    check_windows(sink, PUBLISHED)


def test_lanes_of_single_frames_are_replaced(run: RunWorld) -> None:
    """There is one phase, so nothing can be left out, and fewer lanes are opened meanwhile."""
    world = SlowWorld(1.5, lanes=lanes_of(SINGLE))
    forecaster = on_demand(world, SINGLE)
    sink = run(world, forecaster)
    assert forecaster.every == 2
    assert valid(sink) > 0.45 * FRAMES
    check_windows(sink, SINGLE)
    before = next(i for i, line in enumerate(sink.lines) if line.valid)
    assert {line.reason for line in sink.lines[200:before]} == {Reason.LATE}  # and not `filling`


@pytest.mark.parametrize("mode", ["asked for", "stream"])
def test_a_stride_that_was_asked_for_and_a_stream_leave_out_phases(
    run: RunWorld, mode: str
) -> None:
    lanes = 30 if mode == "asked for" else 1
    world = SlowWorld(1.5, lanes)
    stepper = SlowStepper(lanes, world, PUBLISHED)
    forecaster: Forecaster = (
        ExactLanes(stepper, PUBLISHED) if lanes > 1 else CarriedState(stepper, PUBLISHED)
    )
    sink = run(world, forecaster)
    assert valid(sink) > 0.45 * FRAMES
    _, too_slow = sink.events
    assert "one every 2 frames; for more of them stop other programs" in too_slow.text


def test_where_nothing_can_be_left_out_it_is_said_once(run: RunWorld) -> None:
    world = SlowWorld(1.5, lanes=lanes_of(SINGLE))
    sink = run(world, ExactLanes(SlowStepper(lanes_of(SINGLE), world, SINGLE), SINGLE))
    _, too_slow = sink.events
    assert too_slow.text == (
        "this machine is too slow for a forecast at every frame beside its other work, and most "
        "forecasts are withheld; stop other programs, or use a smaller model or a faster machine"
    )
    # what there is time for begins anew at the newest frame, and never lags far
    assert max(lag for _, lag in world.lags) < MAX_LAG_S + 3 / FPS


def test_even_one_lane_may_be_too_much(run: RunWorld) -> None:
    world = SlowWorld(60.0)
    sink = run(world, on_demand(world, PUBLISHED))
    assert "every 31 frames, and even that may be too often; stop" in sink.events[-1].text
    assert len([event for event in sink.events if "even that" in event.text]) == 1


def test_fewer_lanes_that_cannot_be_opened_leave_those_that_run(run: RunWorld) -> None:
    world = SlowWorld(1.08, lanes=lanes_of(SINGLE))

    def broken(lanes: int) -> SlowStepper:
        raise MemoryError("no room.")

    forecaster = LanesOnDemand(SlowStepper(lanes_of(SINGLE), world, SINGLE), SINGLE, 1, broken)
    sink = run(world, forecaster)
    assert (forecaster.every, forecaster.opening) == (1, False)
    assert valid(sink) > 0.1 * FRAMES  # the machine lags, but not so fast that no window gets whole
    assert "(fewer lanes cannot be opened: no room)" in sink.events[-1].text
    check_windows(sink, SINGLE)


def test_other_work_that_takes_too_long_is_not_blamed_on_the_model(run: RunWorld) -> None:
    world = SlowWorld(1.5, others=1.2)
    forecaster = on_demand(world, PUBLISHED)
    sink = run(world, forecaster)
    assert forecaster.every == 1
    told = [event.text for event in sink.events if "too slow" in event.text]
    assert len(told) == 1
    assert "not because of the model: preprocessing and outputs take 40 of the 33 ms" in told[0]


def test_two_stalls_do_not_make_forecasts_rarer(run: RunWorld) -> None:
    world = SlowWorld(0.6)
    world.stalls = (600, 900)
    forecaster = on_demand(world, PUBLISHED)
    sink = run(world, forecaster)
    assert forecaster.every == 1
    assert [event.text[:16] for event in sink.events] == ["this machine was"]
    assert valid(sink) > 0.94 * FRAMES


def test_where_a_machine_has_to_skip_once_in_a_long_while_nothing_changes(run: RunWorld) -> None:
    world = SlowWorld(1.004)
    forecaster = on_demand(world, PUBLISHED)
    sink = run(world, forecaster)
    assert forecaster.every == 1
    assert valid(sink) > 0.9 * FRAMES


# -- the parts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("every", "factor"), [(1, 2), (1, 4), (2, 2), (3, 2), (3, 4), (6, 2)])
@pytest.mark.parametrize("at", [50, 119, 200, 201, 202, 203])
def test_what_is_left_goes_on_as_if_nothing_had_happened(every: int, factor: int, at: int) -> None:
    world = SlowWorld(1.0)
    stepper = partial(SlowStepper, lanes_of(PUBLISHED, every), world, PUBLISHED)
    whole, thinned = (ExactLanes(stepper(), PUBLISHED, every) for _ in range(2))
    compare(whole, thinned, factor, at)
    assert thinned.every == every * factor


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("at", [50, 119, 200, 201])
def test_a_carried_state_goes_on_as_well(factor: int, at: int) -> None:
    world = SlowWorld(1.0)
    whole, thinned = (CarriedState(SlowStepper(1, world, PUBLISHED), PUBLISHED) for _ in range(2))
    compare(whole, thinned, factor, at)


def compare(whole: Relieved, thinned: Relieved, factor: int, at: int) -> None:
    """Pushes 400 frames into both and makes the forecasts of one rarer in between."""
    assert factor in thinned.thinnings
    rng = np.random.default_rng(at)
    every = thinned.every
    for frame in range(400):
        if frame == at:
            thinned.thin(factor)
        picture = rng.integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8)
        expected, outcome = whole.push(picture), thinned.push(picture)
        left = frame < at or (frame - CLIP + 1) % (every * factor) == 0
        if left or frame < CLIP - 1:
            assert outcome == expected
        else:
            assert (outcome.probability, outcome.reason) == (None, Reason.SKIPPED)


def test_a_stepper_is_opened_beside_the_run_and_takes_over_when_it_is_ready() -> None:
    world = SlowWorld(0.5, lanes=lanes_of(SINGLE))
    asked, go_on = threading.Event(), threading.Event()

    def make(lanes: int) -> SlowStepper:
        asked.set()
        assert go_on.wait(PATIENCE_S)
        return SlowStepper(lanes, world, SINGLE)

    forecaster = LanesOnDemand(SlowStepper(lanes_of(SINGLE), world, SINGLE), SINGLE, 1, make)
    black = np.zeros((HEIGHT, WIDTH), np.uint8)
    before = set(threading.enumerate())
    forecaster.widen(3)
    (thread,) = set(threading.enumerate()) - before
    assert asked.wait(PATIENCE_S)
    outcomes = [forecaster.push(black) for _ in range(CLIP)]
    assert outcomes[-1].reason is None  # they go on meanwhile
    go_on.set()
    thread.join(PATIENCE_S)
    outcomes = [forecaster.push(black) for _ in range(CLIP + 3)]
    assert [outcome.reason for outcome in outcomes] == (
        [Reason.LATE] * (CLIP - 1) + [None, Reason.SKIPPED, Reason.SKIPPED, None]
    )
    assert (forecaster.every, forecaster.opening) == (3, False)


def test_a_forecaster_that_cannot_make_do_with_less_is_left_alone() -> None:
    relief = Relief(object(), FPS)
    event = relief.give(Work(2 / FPS, 1.5 / FPS))
    assert event is not None
    assert "most forecasts are withheld" in event.text
    assert relief.give(Work(2 / FPS, 1.5 / FPS)) is None
