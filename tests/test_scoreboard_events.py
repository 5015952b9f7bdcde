"""Events scored while they happen: the counts of the offline scores, at every frame."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fishrt.events import Decider, DecisionRule, Edge, Footage, find_bursts, score_events
from realtime.scoreboard.events import EventTally, FalseAlarm, Settled, UncoveredBurst
from realtime.scoreboard.snapshot import BurstOutcome, EventFigures

HORIZON, FPS = 8, 30.0
RULE = DecisionRule(threshold=0.6, release=0.4, debounce=2, refractory=3)
NAN = float("nan")


def assert_as_offline(figures: EventFigures, footage: list[Footage]) -> None:
    expected = score_events(footage, RULE, horizon=HORIZON, fps=FPS)
    assert (figures.bursts, figures.caught) == (expected.bursts, expected.caught)
    assert figures.missed == expected.bursts - expected.caught
    there = sum(len(find_bursts(part.labels).onsets) for part in footage)
    assert figures.uncovered == there - expected.bursts
    assert (figures.alarms, figures.false_alarms) == (expected.alarms, expected.false_alarms)
    for ours, theirs in (
        (figures.share_caught, expected.share_caught),
        (figures.false_alarms_per_minute, expected.false_alarms_per_minute),
        (figures.median_lead_s, expected.median_lead),
    ):
        assert (NAN if ours is None else ours) == pytest.approx(theirs, nan_ok=True)


def pushed(
    tally: EventTally, labels: NDArray[np.uint8], said: NDArray[np.float64], offset: int = 0
) -> list[Settled]:
    """Pushes a stretch and gives what was settled."""
    decider, settled = Decider(RULE), []
    for at, (label, probability) in enumerate(zip(labels, said, strict=True)):
        alarm = decider.push(float(probability)) is Edge.START
        known = bool(np.isfinite(probability))
        settled += tally.push(offset + at, int(label), known=known, alarm=alarm)
    return settled


STRETCH = st.tuples(
    st.integers(1, 300),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.02, 0.05, 0.1]),
    st.sampled_from([0.3, 0.6, 0.9]),
)


def stretch(drawn: tuple[int, int, float, float]) -> Footage:
    """Labels in runs of one to four, and probabilities that stay for a few frames.

    Forecasts are withheld at single frames, and for stretches that are longer than a burst's reach.
    """
    count, seed, rate, calm = drawn
    rng = np.random.default_rng(seed)
    spots = rng.random(count) < rate
    labels = (np.convolve(spots, np.ones(rng.integers(1, 5)))[:count] > 0).astype(np.uint8)
    said = np.repeat(rng.random(count), rng.integers(1, 6))[:count]
    said = np.where(rng.random(count) < 0.03, NAN, np.where(said < calm, said * 0.5, 0.9))
    said[: rng.integers(0, 20)] = NAN
    for begin in rng.integers(0, count, rng.integers(0, 4)):
        said[begin : begin + rng.integers(1, 60)] = NAN
    return Footage(labels, said)


@settings(max_examples=120)
@given(STRETCH, st.integers(1, 9))
def test_while_frames_come_the_counts_are_those_of_the_offline_scores(
    drawn: tuple[int, int, float, float], looked_at_every: int
) -> None:
    footage = stretch(drawn)
    tally, decider = EventTally(HORIZON, FPS), Decider(RULE)
    for at, probability in enumerate(footage.probabilities):
        alarm = decider.push(float(probability)) is Edge.START
        known = bool(np.isfinite(probability))
        tally.push(at, int(footage.labels[at]), known=known, alarm=alarm)
        if at % (5 * looked_at_every) == 0:
            so_far = Footage(footage.labels[: at + 1], footage.probabilities[: at + 1])
            assert_as_offline(tally.figures(), [so_far])


@settings(max_examples=100)
@given(st.lists(STRETCH, min_size=1, max_size=4))
def test_nothing_crosses_a_gap(drawn: list[tuple[int, int, float, float]]) -> None:
    parts = [stretch(each) for each in drawn]
    tally, settled = EventTally(HORIZON, FPS), []
    for number, part in enumerate(parts):
        settled += pushed(tally, part.labels, part.probabilities, 1000 * number)
        tally.gap()
    assert_as_offline(tally.figures(), parts)
    outcomes = [each for each in settled if isinstance(each, BurstOutcome)]
    assert len(outcomes) == tally.figures().bursts
    told = sum(isinstance(each, UncoveredBurst) for each in settled)
    assert told == tally.figures().uncovered
    assert tally.figures().recent == tuple(outcomes[-8:])
    # what is told as false stays false
    assert sum(isinstance(each, FalseAlarm) for each in settled) <= tally.figures().false_alarms


def test_bursts_and_false_alarms_are_told_once_each_with_frame_and_lead() -> None:
    labels, said = np.zeros(300, np.uint8), np.full(300, 0.1)
    labels[100:110] = labels[200:206] = 1
    said[104:115] = said[30:40] = 0.9
    settled = pushed(EventTally(HORIZON, FPS), labels, said, offset=5000)
    assert settled == [
        FalseAlarm(5031),
        BurstOutcome(5110, True, pytest.approx(5 / FPS)),
        BurstOutcome(5206, False, None),
    ]


@pytest.mark.parametrize(
    ("withheld", "counts"),
    [
        (slice(100, 111), False),  # all that an alarm could come at: 102 (or 100) to 110
        (slice(60, 140), False),
        (slice(101, 140), True),  # one forecast stood, at the first label
        (slice(60, 110), True),  # and one at the onset
        (slice(0, 100), True),
        (slice(0, 101), False),  # forecasts began after its reach did
    ],
)
def test_a_burst_counts_only_where_a_forecast_stood_in_its_reach(
    withheld: slice, counts: bool
) -> None:
    labels, said = np.zeros(200, np.uint8), np.full(200, 0.1)
    labels[100:110] = 1
    said[withheld] = NAN
    tally = EventTally(HORIZON, FPS)
    settled = pushed(tally, labels, said, offset=5000)
    assert settled == [BurstOutcome(5110, False, None) if counts else UncoveredBurst(5110)]
    figures = tally.figures()
    assert (figures.bursts, figures.missed, figures.uncovered) == (counts, counts, not counts)
    assert_as_offline(figures, [Footage(labels, said)])


def test_memory_stays_the_same_in_a_burst_that_never_ends() -> None:
    tally = EventTally(HORIZON, FPS)
    for at in range(20_000):
        tally.push(at, int(at % 20 == 0), known=True, alarm=at % 5 == 0)
    held = [len(part) for part in vars(tally).values() if hasattr(part, "__len__")]
    assert max(held) < 20
    assert tally.figures().alarms > 2900
