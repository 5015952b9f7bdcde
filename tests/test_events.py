"""Alarms and bursts as events, against naive loops."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fishrt.events import (
    Decider,
    DecisionRule,
    Edge,
    RuleAt,
    alarm_starts,
    burst_onsets,
    event_curve,
    score_events,
    threshold_for_false_alarms,
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


@given(st.lists(st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.9]), max_size=60))
def test_starts_and_ends_alternate_and_starts_are_apart(probabilities):
    said = [(i, edge) for i, edge in enumerate(edges(probabilities)) if edge]
    kinds = [edge for _, edge in said]
    assert kinds == [Edge.START, Edge.END] * (len(kinds) // 2) + [Edge.START] * (len(kinds) % 2)
    starts = [i for i, edge in said if edge is Edge.START]
    assert all(b - a > RULE.refractory for a, b in itertools.pairwise(starts))
    for start in starts:
        assert min(probabilities[start - 1 : start + 1]) >= RULE.threshold
    assert list(alarm_starts(np.array(probabilities), RULE)) == starts


def naive_onsets(labels, merge):
    onsets = []
    for i in range(1, len(labels)):
        after = labels[i : i + merge]
        if labels[i - 1] and len(after) == merge and not any(after):
            onsets.append(i)
    return onsets


@given(st.lists(st.integers(0, 1), max_size=80), st.integers(1, 6))
def test_onsets_follow_each_run(labels, merge):
    assert list(burst_onsets(np.array(labels, int), merge)) == naive_onsets(labels, merge)


@given(
    labels=st.lists(st.sampled_from([0, 0, 0, 1]), min_size=30, max_size=150),
    seed=st.integers(0, 50),
)
def test_events_equal_a_naive_count(labels, seed):
    horizon, fps = 8, 30.0
    p = np.random.default_rng(seed).random(len(labels))
    scores = score_events(np.array(labels), p, RULE, horizon=horizon, fps=fps)
    onsets, alarms = list(burst_onsets(np.array(labels))), list(alarm_starts(p, RULE))
    leads = []
    for onset in onsets:
        early = [a for a in alarms if onset - horizon <= a <= onset]
        if early:
            leads.append((onset - early[0]) / fps)
    false = sum(not any(a <= onset <= a + horizon for onset in onsets) for a in alarms)
    assert (scores.bursts, scores.caught) == (len(onsets), len(leads))
    assert (scores.alarms, scores.false_alarms) == (len(alarms), false)
    assert scores.lead_seconds == pytest.approx(tuple(leads))
    assert scores.minutes == pytest.approx(len(labels) / 1800)


def test_a_perfect_forecast_catches_all_without_a_false_alarm():
    labels = np.zeros(900, int)
    for start in (100, 400, 700):
        labels[start : start + 30] = 1
    scores = score_events(labels, labels.astype(float), RuleAt()(0.5), horizon=45, fps=30)
    assert (scores.bursts, scores.caught, scores.false_alarms) == (3, 3, 0)
    assert scores.lead_seconds == pytest.approx((28 / 30,) * 3)  # three frames make sure
    assert scores.share_caught == 1


def test_the_threshold_keeps_the_false_alarms_that_are_bearable():
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.random(600) < 0.1, 30).astype(int)
    p = np.clip(0.3 * np.repeat(labels[::30], 30) + rng.random(18000) * 0.6, 0, 1)
    p = np.convolve(p, np.ones(9) / 9, "same")
    options = {"horizon": 45, "fps": 30.0}
    threshold = threshold_for_false_alarms(labels, p, 1.0, RuleAt(), **options)
    chosen = score_events(labels, p, RuleAt()(threshold), **options)
    assert chosen.false_alarms_per_minute <= 1.0
    assert chosen.caught > 0
    lower = event_curve(labels, p, RuleAt(), **options)
    assert max(point.false_alarms_per_minute for point in lower) > 1.0


def test_nothing_bearable_gives_a_threshold_that_never_alarms():
    p = np.tile([0.9, 0.9, 0.9, 0.9, 0.0], 400)
    rule = RuleAt(refractory=0)
    options = {"horizon": 45, "fps": 30.0}
    assert threshold_for_false_alarms(np.zeros(2000), p, 0.0, rule, **options) == 1.0


def test_rules_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="release"):
        DecisionRule(0.5, 0.6)
    with pytest.raises(ValueError, match="debounce"):
        DecisionRule(0.5, 0.5, debounce=0)
