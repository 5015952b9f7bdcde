"""Resampling by timestamp: the documented rule as properties."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fishrt.video.resample import Placement, Resampler

FPS = 30.0


def place(times: list[float], source_fps: float | None = None) -> tuple[Resampler, list[Placement]]:
    resampler = Resampler(FPS, source_fps)
    return resampler, [resampler.push(time) for time in times]


def slots_of(placements: list[Placement]) -> list[int | None]:
    return [placement.slot for placement in placements]


any_times = st.lists(
    st.one_of(
        st.floats(-2.0, 20.0),
        st.sampled_from([math.nan, math.inf, -math.inf, 1e300, 0.0]),
    ),
    max_size=60,
)
steady_rates = st.floats(4.0, 130.0)
maybe_declared = st.one_of(st.none(), st.sampled_from([15.0, 25.0, 30.0, 60.0]))


@given(times=any_times, source_fps=maybe_declared)
def test_what_holds_for_any_timestamps(times: list[float], source_fps: float | None) -> None:
    resampler, placements = place(times, source_fps)
    placed = [(time, p) for time, p in zip(times, placements, strict=True) if p.slot is not None]
    latest, last = -math.inf, -1
    for time, placement in zip(times, placements, strict=True):
        if not (math.isfinite(time) and time > latest):
            assert placement == Placement(None)
        latest = time if math.isfinite(time) and time > latest else latest
    for time, placement in placed:
        assert placement.slot is not None
        # slots strictly increase, and every slot is accounted for exactly once
        assert placement.slot == last + placement.repeats + placement.lost + 1
        assert min(placement.repeats, placement.lost) == 0
        last = placement.slot
        off = placement.slot - (time - placed[0][0]) * FPS
        assert abs(off) <= 0.75 + 1e-9 * max(1.0, abs(placement.slot))
    assert resampler.slots == last + 1
    assert resampler.slots == resampler.placed + resampler.repeated + resampler.lost
    assert resampler.placed == len(placed)
    assert resampler.placed + resampler.surplus == len(times)
    assert resampler.repeated == sum(p.repeats for p in placements)
    assert resampler.lost == sum(p.lost for p in placements)


# A picture may lie 0.75 slots off the grid that the first picture sets.
@given(
    jitter=st.lists(st.floats(-0.37, 0.37), min_size=2, max_size=200),
    start=st.floats(-1e6, 1e6),
    declared=st.booleans(),
)
def test_equal_rates_are_the_identity_whatever_the_jitter(
    jitter: list[float], start: float, declared: bool
) -> None:
    times = [start + (i + off) / FPS for i, off in enumerate(jitter)]
    _, placements = place(times, FPS if declared else None)
    assert placements == [Placement(i) for i in range(len(times))]


def test_short_intervals_from_jitter_alone_do_not_make_a_source_fast() -> None:
    # two of three intervals are 0.72 slots: so is their median, but the mean is 1
    times = [(i + (0.28, 0.0, -0.28)[i % 3]) / FPS for i in range(100)]
    assert slots_of(place(times)[1]) == list(range(100))


@given(declared=st.booleans(), sign=st.sampled_from([-1, 1]))
def test_the_bound_of_the_jitter_is_where_it_is_said_to_be(declared: bool, sign: int) -> None:
    # the first picture off to one side, a much later one to the other
    for off, kept in ((0.3749, True), (0.3751, False)):
        times = [(i + sign * (off if i == 0 else 0.0)) / FPS for i in range(100)]
        times[60] -= sign * off / FPS
        _, placements = place(times, FPS if declared else None)
        assert (placements == [Placement(i) for i in range(100)]) is kept


def test_jitter_at_a_border_between_slots_does_not_flutter() -> None:
    # 0.4 to either side of the border between two slots would round up and down in turn
    times = [0.0] + [(i + 0.5 + (0.2 if i % 2 else -0.2)) / FPS for i in range(1, 100)]
    assert slots_of(place(times, FPS)[1]) == list(range(100))


@pytest.mark.parametrize("source_fps", [60.0, None], ids=["declared", "measured"])
def test_twice_the_rate_takes_every_second_picture(source_fps: float | None) -> None:
    times = [i / 60 for i in range(600)]
    resampler, placements = place(times, source_fps)
    # undeclared, the first eight intervals only show the rate
    steady = placements[10:]
    assert [p.slot is None for p in steady] == [i % 2 == 1 for i in range(len(steady))]
    assert all(p.slot in (None, i / 2) for i, p in enumerate(placements[10:], start=10))
    assert (resampler.slots, resampler.lost, resampler.repeated) == (300, 0, 0)
    if source_fps:
        assert slots_of(placements) == [None if i % 2 else i // 2 for i in range(600)]


@pytest.mark.parametrize("source_fps", [120.0, 90.0, 50.0, 48.0])
def test_a_fast_source_gives_the_nearest_picture(source_fps: float) -> None:
    times = [i / source_fps for i in range(400)]
    resampler, placements = place(times, source_fps)
    offs = [
        abs(p.slot / FPS - time) * source_fps
        for time, p in zip(times, placements, strict=True)
        if p.slot is not None
    ]
    assert max(offs) <= 0.5 + 1e-6  # in source intervals
    assert resampler.lost == resampler.repeated == 0
    assert len(offs) == pytest.approx(400 * FPS / source_fps, abs=2)


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("source_fps", [29.97, 25.0, 24.0, 20.0, 15.0, 10.0, 7.5])
def test_a_slow_source_repeats_and_loses_nothing(source_fps: float, declared: bool) -> None:
    count = 300
    resampler, placements = place(
        [i / source_fps for i in range(count)], source_fps if declared else None
    )
    # undeclared, the very first pause cannot be told from a loss
    lost_later = sum(p.lost for p in placements[2:])
    assert lost_later == 0
    if declared:
        assert resampler.lost == 0
    assert resampler.placed == count
    assert resampler.slots == pytest.approx((count - 1) * FPS / source_fps + 1, abs=1)


def test_25_fps_is_one_repeat_in_six_slots() -> None:
    _, placements = place([i / 25 for i in range(101)], 25.0)
    assert sum(p.repeats for p in placements) == 20
    assert {p.repeats for p in placements} == {0, 1}


def test_15_fps_repeats_every_picture_once() -> None:
    _, placements = place([i / 15 for i in range(50)], 15.0)
    assert placements[1:] == [Placement(2 * i, repeats=1) for i in range(1, 50)]


@given(gap=st.integers(1, 1000), before=st.integers(1, 40), declared=st.booleans())
def test_missing_pictures_are_lost_slots(gap: int, before: int, declared: bool) -> None:
    times = [i / FPS for i in range(before)] + [(before + gap + i) / FPS for i in range(5)]
    resampler, placements = place(times, FPS if declared else None)
    assert placements[before] == Placement(before + gap, lost=gap)
    assert (resampler.lost, resampler.repeated, resampler.surplus) == (gap, 0, 0)


def test_a_long_gap_does_not_hide_a_short_one_after_it() -> None:
    times = [i / FPS for i in (*range(10), *range(1010, 1020), *range(1021, 1030))]
    assert place(times)[0].lost == 1000 + 1


@given(gap=st.integers(1, 50))
def test_missing_pictures_of_a_slow_source_are_lost_too(gap: int) -> None:
    times = [i / 15 for i in range(10)] + [(10 + gap + i) / 15 for i in range(5)]
    resampler, _ = place(times, 15.0)
    assert resampler.lost == 2 * gap + 1
    assert resampler.slots == 2 * (15 + gap) - 1


def test_a_camera_that_delivers_less_than_it_declares_counts_as_losing() -> None:
    resampler, _ = place([i / 15 for i in range(100)], 30.0)
    assert (resampler.lost, resampler.repeated) == (99, 0)


@given(rate=steady_rates, count=st.integers(2, 300))
def test_clocks_that_drift_lose_nothing(rate: float, count: int) -> None:
    resampler, _ = place([i / rate for i in range(count)], rate)
    assert resampler.lost == 0
    assert resampler.slots == pytest.approx((count - 1) * FPS / rate + 1, abs=1.25)


@pytest.mark.parametrize(
    ("slots", "placement"),
    [
        (1.74, Placement(1)),
        (1.76, Placement(2, lost=1)),
        (0.26, Placement(1)),
        (0.24, Placement(None)),
    ],
)
def test_a_picture_may_lie_three_quarters_of_a_slot_off(slots: float, placement: Placement) -> None:
    assert place([0.0, slots / FPS], FPS)[1][1] == placement


def test_time_that_stands_or_goes_back_is_surplus() -> None:
    resampler, placements = place([0.0, 1 / 30, 1 / 30, 0.0, math.nan, 2 / 30], 30.0)
    assert slots_of(placements) == [0, 1, None, None, None, 2]
    assert resampler.surplus == 3
    # late by so much that the next slot would be within reach of the same time
    assert slots_of(place([0.0, 1.5 / 30, 1.5 / 30], 30.0)[1]) == [0, 1, None]


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
def test_nonsense_rates_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="positive number"):
        Resampler(rate)
    with pytest.raises(ValueError, match="positive number"):
        Resampler(FPS, rate)
