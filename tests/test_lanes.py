"""Exact lanes are the window forecast, whatever the geometry; and the schedule behind them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fishrt.clip import ClipGeometry
from realtime.forecast import Reason
from realtime.lanes import CarriedState, ExactLanes, FrameRing, LaneSchedule, Outcome

geometries = st.builds(
    ClipGeometry, st.integers(1, 6), st.integers(1, 4), st.just(2), st.integers(1, 3)
)
schedules = st.builds(LaneSchedule, st.integers(1, 8), st.integers(1, 5), st.integers(1, 12))


def is_due(schedule: LaneSchedule, frame: int) -> bool:
    """Whether a window ends at a frame, from the definition."""
    last = schedule.steps * schedule.frames_per_step - 1
    return frame >= last and (frame - last) % schedule.every == 0


class ReferenceStepper:
    """A small nonlinear recurrence whose result depends on the order of all it has seen."""

    def __init__(self, geometry: ClipGeometry, lanes: int) -> None:
        self.lanes = lanes
        self.work: list[int] = []
        shape = (geometry.frames_per_step, lanes, geometry.height, geometry.width)
        self._states = np.zeros(shape)

    def step(self, time_step: np.ndarray, phase: int) -> np.ndarray:
        self.work.append(phase)
        state = self._states[phase]
        state[...] = cell(time_step, state)
        return read(state)

    def reset(self, phase: int | None = None, lane: int | None = None) -> None:
        chosen = slice(None) if phase is None else slice(phase, phase + 1)
        self._states[chosen, slice(None) if lane is None else slice(lane, lane + 1)] = 0.0

    def warm_up(self) -> None:
        pass

    def describe(self) -> str:
        return "reference"


def cell(time_step: np.ndarray, state: np.ndarray) -> np.ndarray:
    weights = np.arange(1, len(time_step) + 1)[:, None, None]
    return np.tanh(0.7 * state + (time_step * weights).sum(0) / 400.0 - 0.4)


def read(state: np.ndarray) -> np.ndarray:
    return (1.0 / (1.0 + np.exp(-3.0 * state.sum((-1, -2))))).astype(np.float32)


def naive(frames: np.ndarray, geometry: ClipGeometry, last: int) -> float:
    """The window forecast as it is defined: from zero state over exactly the last clip."""
    state = np.zeros((1, geometry.height, geometry.width))
    for indices in geometry.frame_indices(last):
        state = cell(frames[indices], state)
    return float(read(state)[0])


def footage(geometry: ClipGeometry, count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, geometry.height, geometry.width)).astype(np.uint8)


def exact(geometry: ClipGeometry, every: int = 1) -> ExactLanes:
    lanes = LaneSchedule(geometry.steps, geometry.frames_per_step, every).lanes
    return ExactLanes(ReferenceStepper(geometry, lanes), geometry, every)


@settings(max_examples=150, deadline=None)
@given(geometries, st.integers(1, 7), st.integers(0, 70), st.integers(0, 99))
def test_exact_lanes_equal_the_window_forecast(geometry, every, count, seed) -> None:
    frames = footage(geometry, count, seed)
    forecaster = exact(geometry, every)
    for i, frame in enumerate(frames):
        outcome = forecaster.push(frame)
        if i < geometry.frames - 1:
            assert outcome == Outcome(None, Reason.FILLING)
        elif (i - geometry.frames + 1) % every:
            assert outcome == Outcome(None, Reason.SKIPPED)
        else:
            assert outcome.reason is None
            assert outcome.probability == pytest.approx(naive(frames, geometry, i), abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(geometries, st.integers(1, 5), st.lists(st.integers(0, 40), max_size=4))
def test_after_a_gap_only_whole_windows_count(geometry, every, lengths) -> None:
    forecaster = exact(geometry, every)
    for seed, length in enumerate(lengths):
        forecaster.reset(Reason.GAP)
        frames = footage(geometry, length, seed)
        for i, frame in enumerate(frames):
            outcome = forecaster.push(frame)
            assert forecaster.filled == min(i + 1, geometry.frames)
            if i < geometry.frames - 1:
                assert outcome == Outcome(None, Reason.GAP)
            elif outcome.reason is None:
                assert outcome.probability == pytest.approx(naive(frames, geometry, i), abs=1e-6)


@settings(max_examples=200, deadline=None)
@given(schedules)
def test_no_lane_is_used_again_before_its_window_ended(schedule) -> None:
    clip = schedule.steps * schedule.frames_per_step
    open_windows: dict[tuple[int, int], int] = {}  # (phase, lane) -> frame at which it ends
    finished = []
    for frame in range(4 * clip + 40):
        step = schedule.at(frame)
        if step is None:
            continue
        if step.starts is not None:
            assert 0 <= step.starts < schedule.lanes
            assert open_windows.get((step.phase, step.starts), -1) < frame
            first = frame - schedule.frames_per_step + 1
            open_windows[step.phase, step.starts] = first + clip - 1
        if step.finishes is not None:
            assert open_windows[step.phase, step.finishes] == frame
            finished.append(frame)
    assert finished == [i for i in range(4 * clip + 40) if is_due(schedule, i)]


@settings(max_examples=100, deadline=None)
@given(schedules)
def test_phases_without_windows_do_no_work_and_odd_strides_spread_evenly(schedule) -> None:
    settled = range(schedule.every * schedule.frames_per_step + 8, 400)
    busy = {frame % schedule.frames_per_step for frame in settled if schedule.at(frame)}
    assert len(busy) == schedule.frames_per_step // math.gcd(
        schedule.frames_per_step, schedule.every
    )
    assert schedule.spreads_evenly == (len(busy) == schedule.frames_per_step)


@pytest.mark.parametrize(("every", "lanes"), [(1, 30), (2, 30), (3, 10), (4, 30), (5, 6), (7, 5)])
def test_lanes_of_the_published_geometry(every, lanes) -> None:
    assert LaneSchedule(30, 4, every).lanes == lanes


def test_lane_schedule_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="every must be at least 1"):
        LaneSchedule(30, 4, 0)


def test_forecasters_refuse_a_stepper_of_another_size() -> None:
    geometry = ClipGeometry(3, 2, 2, 2)
    with pytest.raises(ValueError, match="3 lanes"):
        ExactLanes(ReferenceStepper(geometry, 2), geometry)
    with pytest.raises(ValueError, match="one lane"):
        CarriedState(ReferenceStepper(geometry, 2), geometry)


@settings(max_examples=50, deadline=None)
@given(geometries, st.integers(0, 60))
def test_carried_state_never_forgets_but_for_a_gap(geometry, count) -> None:
    frames = footage(geometry, count)
    forecaster = CarriedState(ReferenceStepper(geometry, 1), geometry)
    for reason in (Reason.FILLING, Reason.GAP):
        forecaster.reset(reason)
        states = np.zeros((geometry.frames_per_step, 1, geometry.height, geometry.width))
        for i, frame in enumerate(frames):
            outcome = forecaster.push(frame)
            if i >= geometry.frames_per_step - 1:
                phase = geometry.phase(i)
                step = frames[i - geometry.frames_per_step + 1 : i + 1]
                states[phase] = cell(step, states[phase])
            if i < geometry.frames - 1:
                assert outcome == Outcome(None, reason)
            else:
                expected = float(read(states[geometry.phase(i)])[0])
                assert outcome.probability == pytest.approx(expected, abs=1e-6)


@given(st.integers(1, 5), st.integers(0, 20))
def test_frame_ring_gives_the_last_frames_oldest_first(length, count) -> None:
    geometry = ClipGeometry(1, length, 1, 1)
    ring = FrameRing(geometry)
    for i in range(count):
        time_step = ring.push(np.full((1, 1), i, np.uint8))
        if i >= length - 1:
            assert time_step.ravel().tolist() == list(range(i - length + 1, i + 1))


def test_a_value_that_is_no_number_is_withheld() -> None:
    geometry = ClipGeometry(1, 1, 1, 1)
    stepper = ReferenceStepper(geometry, 1)
    stepper.step = lambda time_step, phase: np.full(1, np.nan, np.float32)
    outcome = ExactLanes(stepper, geometry).push(np.zeros((1, 1), np.uint8))
    assert outcome == Outcome(None, Reason.NOT_FINITE)
