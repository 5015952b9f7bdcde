"""Running scores are those of all frames at once, by scikit-learn and by `fishrt.metrics`."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, roc_auc_score

from fishrt.metrics import reliability, skill_against
from realtime.scoreboard.skill import BINS, FORGET_AT_ONCE, RollingTally, SkillTally, bin_of

AUC_TOLERANCE = 2e-4
"""Measured over 20 seeds: at most 3.3e-5 for the forecasts, and 1.0e-4 for the baseline, which lie
closer together; neighbours in a bin are ties."""


def forecasts(seed: int, count: int = 2000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, rather good probabilities, most of them small, and a baseline's."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < 0.15).astype(int)
    logits = -3.0 + 3.0 * labels + rng.normal(0.0, 1.5, count)
    baseline = np.clip(0.15 + 0.1 * labels + rng.normal(0, 0.05, count), 0.0, 1.0)
    return labels, 1.0 / (1.0 + np.exp(-logits)), baseline


@pytest.mark.parametrize("seed", range(4))
def test_scores_are_those_of_all_frames_at_once(seed: int) -> None:
    labels, p, baseline = forecasts(seed)
    tally = SkillTally()
    for label, said, theirs in zip(labels.tolist(), p.tolist(), baseline.tolist(), strict=True):
        tally.add(label, said, theirs)
    got = tally.figures(1.0, 0.2)
    assert (got.labelled, got.positives) == (len(labels), labels.sum())
    assert got.auc == pytest.approx(roc_auc_score(labels, p), abs=AUC_TOLERANCE)
    assert got.baseline_auc == pytest.approx(roc_auc_score(labels, baseline), abs=AUC_TOLERANCE)
    assert got.brier == pytest.approx(brier_score_loss(labels, p), abs=1e-12)
    usual = np.full(len(labels), 0.2)
    assert got.skill_climatology == pytest.approx(skill_against(labels, p, usual), abs=1e-12)
    assert got.skill_baseline == pytest.approx(skill_against(labels, p, baseline), abs=1e-12)
    own = np.full(len(labels), labels.mean())
    figures = tally.figures(1.0, None)
    assert figures.skill_climatology == pytest.approx(skill_against(labels, p, own), abs=1e-12)
    for ours, theirs in zip(got.reliability, reliability(labels, p), strict=True):
        assert (ours.low, ours.high, ours.count) == (theirs.low, theirs.high, theirs.count)
        assert ours.mean_probability == pytest.approx(theirs.mean_probability)
        assert ours.burst_share == pytest.approx(theirs.burst_share)


@given(
    entries=st.lists(
        st.tuples(
            st.integers(1, 3),
            st.integers(0, 1),
            st.sampled_from([None, 0.0, 1e-9, 0.01, 0.3, 0.5, 0.51, 0.97, 1.0]),
            st.sampled_from([None, 0.0, 0.4, 1.0]),
        ),
        max_size=60,
    ),
    window=st.integers(1, 40),
)
def test_the_window_scores_what_is_in_it(entries: list, window: int) -> None:
    rolling, frame, kept = RollingTally(window), 0, []
    for step, label, said, theirs in entries:
        frame += step
        rolling.add(frame, label, said, theirs)
        kept.append((frame, label, said, theirs))
        rolling.forget_before(frame)
    kept = [each for each in kept if each[0] > frame - window]
    alone = SkillTally()
    for _, label, said, theirs in kept:
        if said is not None:
            alone.add(label, said, theirs)
    assert len(rolling) == len(kept)
    got, expected = rolling.figures(1.0, 0.3), alone.figures(1.0, 0.3)
    assert (got.labelled, got.positives, got.auc) == (
        expected.labelled,
        expected.positives,
        expected.auc,
    )
    for name in ("brier", "skill_climatology", "skill_baseline", "baseline_auc"):
        ours, theirs = getattr(got, name), getattr(expected, name)
        assert (ours is None) == (theirs is None), name
        assert ours is None or ours == pytest.approx(theirs, abs=1e-6), name
    assert [each.count for each in got.reliability] == [each.count for each in expected.reliability]


def test_after_a_gap_the_window_empties_some_at_a_time() -> None:
    count = 3 * FORGET_AT_ONCE + 7
    rolling = RollingTally(count)
    for frame in range(count):
        rolling.add(frame, frame % 2, 0.5, None)
    left = []
    for frame in range(10_000, 10_005):
        rolling.forget_before(frame)
        left.append(len(rolling))
        assert rolling.figures(1.0, None).labelled == len(rolling)
    assert left == [2 * FORGET_AT_ONCE + 7, FORGET_AT_ONCE + 7, 7, 0, 0]


@pytest.mark.parametrize(
    ("calm", "burst", "enough"), [(30, 30, True), (29, 99, False), (99, 29, False)]
)
def test_a_handful_is_not_enough(calm: int, burst: int, enough: bool) -> None:
    tally = SkillTally()
    assert not tally.figures(0.0, None).enough
    for at in range(calm + burst):
        tally.add(int(at < burst), 0.5, None)
    assert tally.figures(1.0, None).enough is enough


def test_undefined_scores_are_none() -> None:
    tally = SkillTally()
    assert tally.figures(0.0, None).auc is None
    tally.add(0, 0.3, None)
    got = tally.figures(0.1, None)
    assert (got.auc, got.baseline_auc, got.skill_baseline, got.skill_climatology) == (None,) * 4
    assert got.brier == pytest.approx(0.09)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_probability_is_never_in_a_lower_bin(a: float, b: float) -> None:
    assert bin_of(min(a, b)) <= bin_of(max(a, b))
    assert 0 <= bin_of(a) < BINS
    odds = [p / (1 - p) if 0 < p < 1 else math.inf for p in (a, b)]
    if all(1e-5 < each < 1e5 for each in odds) and odds[0] > 1.02 * odds[1]:
        assert bin_of(a) > bin_of(b)
