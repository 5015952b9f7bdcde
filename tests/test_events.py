"""Alarms and bursts as events, against naive loops."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fishrt.events import (
    MERGE,
    Decider,
    DecisionRule,
    Edge,
    Footage,
    RuleAt,
    alarm_starts,
    best_bearable,
    event_curve,
    find_bursts,
    meet,
    score_events,
)

RULE = DecisionRule(threshold=0.6, release=0.4, debounce=2, refractory=5)


def edges(probabilities, rule=RULE):
    decider = Decider(rule)
    return [decider.push(p) for p in probabilities]


def test_an_alarm_waits_for_the_debounce_and_holds_through_the_hysteresis():
    said = edges([0.7, 0.3, 0.7, 0.7, 0.5, 0.41, 0.39, 0.1])
    assert said == [None, None, None, Edge.START, None, None, Edge.END, None]


def test_no_alarm_starts_in_the_refractory_time():
    said = edges([0.9, 0.9, 0.0, 0.9, 0.9, 0.9, 0.9, 0.9])
    assert said[1:3] == [Edge.START, Edge.END]
    assert [i for i, edge in enumerate(said) if edge is Edge.START] == [1, 7]


@pytest.mark.parametrize("unknown", [None, float("nan")])
def test_an_alarm_ends_where_nothing_is_known(unknown):
    said = edges([0.9, 0.9, unknown, 0.9], DecisionRule(0.6, 0.4))
    assert said == [Edge.START, None, Edge.END, Edge.START]


@given(st.lists(st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.9, float("nan")]), max_size=60))
def test_starts_and_ends_alternate_and_starts_are_apart(probabilities):
    said = [(i, edge) for i, edge in enumerate(edges(probabilities)) if edge]
    kinds = [edge for _, edge in said]
    assert kinds == [Edge.START, Edge.END] * (len(kinds) // 2) + [Edge.START] * (len(kinds) % 2)
    starts = [i for i, edge in said if edge is Edge.START]
    assert all(b - a > RULE.refractory for a, b in itertools.pairwise(starts))
    for start in starts:
        assert min(probabilities[start - 1 : start + 1]) >= RULE.threshold
    assert list(alarm_starts(np.array(probabilities), RULE)) == starts


@given(
    st.lists(st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.9, float("nan")]), max_size=80),
    st.integers(1, 4),
    st.integers(0, 8),
)
def test_starts_at_once_equal_the_decider(probabilities, debounce, refractory):
    rule = DecisionRule(0.6, 0.4, debounce, refractory)
    said = [i for i, edge in enumerate(edges(probabilities, rule)) if edge is Edge.START]
    assert list(alarm_starts(np.array(probabilities, float), rule)) == said


def naive_bursts(labels, merge):
    """First label and onset of each burst, one frame after the other."""
    bursts, first, calm = [], None, 0
    for i, label in enumerate(labels):
        if label:
            first, calm = (i if first is None else first), 0
        elif first is not None:
            calm += 1
            if calm == merge:
                bursts.append((first, i - merge + 1))
                first = None
    return bursts


@given(st.lists(st.integers(0, 1), max_size=80), st.integers(1, 6))
def test_a_burst_is_a_run_of_labels(labels, merge):
    found = find_bursts(np.array(labels, int), merge)
    pairs = list(zip(found.announced.tolist(), found.onsets.tolist(), strict=True))
    assert pairs == naive_bursts(labels, merge)


@given(
    labels=st.lists(st.sampled_from([0] * 30 + [1]), min_size=60, max_size=300),
    seed=st.integers(0, 50),
    silent=st.integers(0, 40),
    withheld=st.lists(st.tuples(st.integers(0, 299), st.integers(1, 60)), max_size=3),
)
def test_events_equal_a_naive_count(labels, seed, silent, withheld):
    horizon, fps = 8, 30.0
    p = np.random.default_rng(seed).random(len(labels))
    p[:silent] = np.nan
    for begin, length in withheld:
        p[begin : begin + length] = np.nan
    known = [not np.isnan(each) for each in p]
    scores = score_events([Footage(np.array(labels), p)], RULE, horizon=horizon, fps=fps)
    alarms = list(alarm_starts(p, RULE))
    windows = [(min(a, o - horizon), o) for a, o in naive_bursts(labels, MERGE)]
    leads, bursts = [], 0
    for opens, onset in windows:
        if opens < 0 or not any(known[: opens + 1]) or not any(known[opens : onset + 1]):
            continue  # nobody could have caught that one
        bursts += 1
        early = [a for a in alarms if opens <= a <= onset]
        leads += [(onset - early[0]) / fps] if early else []
    right = [a for a in alarms if any(opens <= a <= onset for opens, onset in windows)]
    told = len(labels) - MERGE - horizon
    false = [a for a in alarms if a not in right and a <= told and not labels[a]]
    assert (scores.bursts, scores.caught) == (bursts, len(leads))
    assert (scores.alarms, scores.false_alarms) == (len(right) + len(false), len(false))
    assert scores.lead_seconds == pytest.approx(tuple(leads))
    assert scores.minutes == pytest.approx(sum(known) / 1800)


@given(st.integers(0, 20))
def test_an_alarm_at_a_burst_label_is_never_false(seed):
    rng = np.random.default_rng(seed)
    labels = (np.convolve(rng.random(600) < 0.02, np.ones(12))[:600] > 0).astype(int)
    met = meet(Footage(labels, rng.random(600)), RULE, 8)
    assert not labels[met.false].any()


def test_nothing_crosses_from_one_stretch_to_the_next():
    labels, p = np.zeros(200, int), np.zeros(200)
    labels[90:100] = 1
    p[95:] = 0.9
    one = Footage(labels, p)
    first, second = Footage(labels[:97], p[:97]), Footage(labels[97:], p[97:])
    options = {"horizon": 45, "fps": 30.0}
    assert score_events([one], RULE, **options).caught == 1
    # the first part does not see the onset, and the second has no forecast before its burst
    assert score_events([first, second], RULE, **options).bursts == 0
    twice = score_events([one, one], RULE, **options)
    assert (twice.bursts, twice.caught, twice.minutes) == (2, 2, pytest.approx(400 / 1800))


def test_a_perfect_forecast_catches_all_without_a_false_alarm():
    labels = np.zeros(900, int)
    for start in (100, 400, 700):
        labels[start : start + 30] = 1
    footage = [Footage(labels, labels.astype(float))]
    scores = score_events(footage, RuleAt()(0.5), horizon=45, fps=30)
    assert (scores.bursts, scores.caught, scores.false_alarms) == (3, 3, 0)
    assert scores.lead_seconds == pytest.approx((28 / 30,) * 3)  # three frames make sure
    assert scores.share_caught == 1
    assert scores.median_lead == pytest.approx(28 / 30)


def some_footage(seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.random(600) < 0.1, 30).astype(int)
    p = np.clip(0.1 * labels + rng.random(18000) * 0.6, 0, 1)
    return [Footage(labels, np.convolve(p, np.ones(9) / 9, "same"))]


def test_the_threshold_keeps_the_false_alarms_that_are_bearable():
    curve = event_curve(some_footage(), RuleAt(), horizon=45, fps=30.0)
    thresholds = [point.threshold for point in curve]
    assert thresholds == sorted(thresholds, reverse=True)
    best = best_bearable(curve, 1.0)
    assert best.false_alarms_per_minute <= 1.0
    assert best.caught > 0
    over = next(i for i, point in enumerate(curve) if point.false_alarms_per_minute > 1.0)
    assert best.caught == max(point.caught for point in curve[:over])
    assert best_bearable(curve, 4.0).caught > best.caught


def test_nothing_bearable_is_nothing():
    p = np.tile([0.9, 0.9, 0.9, 0.9, 0.0], 400)
    curve = event_curve([Footage(np.zeros(2000), p)], RuleAt(refractory=0), horizon=45, fps=30.0)
    assert best_bearable(curve, 0.0) is None
    assert event_curve([Footage(np.zeros(3), np.full(3, np.nan))], RuleAt(), horizon=9, fps=1) == []


def test_rules_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="release"):
        DecisionRule(0.5, 0.6)
    with pytest.raises(ValueError, match="debounce"):
        DecisionRule(0.5, 0.5, debounce=0)
