"""The tally of a source: which rates it had."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from fishrt.footage.finding import FindingKind
from fishrt.footage.measured import SourceFootage
from fishrt.footage.timing import check_timing
from fishrt.video import SourceKind
from training.source_tally import SourceTally


def tally_of(intervals: ArrayLike) -> SourceTally:
    tally = SourceTally("tank.mp4", SourceKind.FILE, 0)
    for interval in np.asarray(intervals, float).tolist():
        tally.passed(interval)
    return tally


def variable(tally: SourceTally) -> bool:
    footage = SourceFootage(
        name="tank.mp4",
        fps=30.0,
        declared_fps=30.0,
        measured_fps=tally.measured_fps,
        motion_energy=np.full(999, 0.001),
        brightness=np.full(1000, 20, np.float32),
        shift=np.zeros((0, 3)),
        segments=((0, 1000),),
        seconds_at=tally.seconds_at,
    )
    found = check_timing(footage, 120, 45)
    return FindingKind.VARIABLE_RATE in {finding.kind for finding in found}


@given(
    rate=st.floats(1.0, 240.0),
    count=st.integers(0, 400),
    seed=st.integers(0, 2**32 - 1),
    jitter=st.floats(0, 0.2),  # of an interval
    losses=st.floats(0, 0.1),
)
def test_jitter_and_losses_make_no_rate_variable(
    rate: float, count: int, seed: int, jitter: float, losses: float
) -> None:
    generator = np.random.default_rng(seed)
    missing = generator.geometric(1 - losses, count) - 1
    times = np.cumsum(1 + missing) + generator.uniform(-jitter, jitter, count) / 2
    assert not variable(tally_of(np.diff(times, prepend=0.0)[1:] / rate))


@pytest.mark.parametrize("step", [1e-3, 1 / 90_000])
@pytest.mark.parametrize("rate", [15.0, 24.0, 25.0, 29.97, 30.0, 48.0, 59.94, 60.0, 120.0])
def test_times_in_whole_milliseconds_are_no_other_rate(rate: float, step: float) -> None:
    times = np.round(np.arange(3000) / rate / step) * step
    assert not variable(tally_of(np.diff(times)))


@given(
    usual=st.floats(10.0, 60.0),
    change=st.one_of(st.floats(0.3, 0.85), st.floats(1.2, 3.0)),
    before=st.integers(0, 200),
)
def test_another_rate_for_a_while_is_variable(usual: float, change: float, before: int) -> None:
    intervals = [*[1 / usual] * (200 + before), *[1 / usual / change] * 240, *[1 / usual] * 50]
    assert variable(tally_of(intervals)) or 240 / usual / change < 4.0


def test_what_was_taken_so_far_can_be_stored() -> None:
    whole = tally_of([1 / 30] * 100)
    half = SourceTally(**tally_of([1 / 30] * 50).as_data())
    for _ in range(50):
        half.passed(1 / 30)
    assert half.as_data() == whole.as_data()
    ((rate, seconds),) = whole.seconds_at
    assert (rate, seconds) == (pytest.approx(30), pytest.approx(3))


@given(st.lists(st.lists(st.floats(1e-3, 1.0), max_size=150), max_size=6))
def test_many_intervals_are_booked_as_one_by_one(runs: list[list[float]]) -> None:
    one, other = (SourceTally("source", SourceKind.FILE, 0) for _ in range(2))
    for run in runs:
        one.passed_all(run)
        for interval in run:
            other.passed(interval)
    assert one.as_data() == other.as_data()
