"""Scores against scikit-learn and against plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fishrt.bootstrap import block_bootstrap
from fishrt.metrics import (
    Scorer,
    average_precision,
    best_points,
    brier_score,
    brier_skill,
    log_loss,
    reliability,
    roc_auc,
    skill_against,
    threshold_curve,
)

sklearn_metrics = pytest.importorskip("sklearn.metrics", reason="the train extra is not installed")

pairs = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5001, 0.9, 1.0])),
    min_size=2,
    max_size=60,
).filter(lambda rows: 0 < sum(label for label, _ in rows) < len(rows))


@given(pairs)
def test_auc_is_the_share_of_pairs_in_order(rows):
    labels = np.array([label for label, _ in rows], float)
    scores = np.array([score for _, score in rows])
    wins = [
        1.0 if p > n else 0.5 if p == n else 0.0
        for p in scores[labels == 1]
        for n in scores[labels == 0]
    ]
    assert roc_auc(labels, scores) == pytest.approx(np.mean(wins), abs=1e-12)


@given(pairs)
def test_no_threshold_is_better_than_the_best_ones(rows):
    labels = np.array([label for label, _ in rows])
    scores = np.array([score for _, score in rows])

    def youden(threshold):
        said = scores >= threshold
        return said[labels].mean() - said[~labels].mean()

    def accuracy(threshold):
        return ((scores >= threshold) == labels).mean()

    best = best_points(threshold_curve(labels, scores))
    candidates = [*scores, np.inf]  # the last one never calls a burst
    for name, measure in (("youden", youden), ("accuracy", accuracy)):
        point = best[name]
        expected = max(measure(threshold) for threshold in candidates)
        assert measure(point.threshold) == pytest.approx(expected, abs=1e-12)
        assert getattr(point, name) == pytest.approx(expected, abs=1e-12)
        assert point.true_positive_rate == pytest.approx((scores >= point.threshold)[labels].mean())


def test_scores_equal_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics", reason="the train extra is not installed")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 5000)
    scores = np.round(np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1), 2)  # with ties
    assert roc_auc(labels, scores) == pytest.approx(
        metrics.roc_auc_score(labels, scores), abs=1e-12
    )
    expected = metrics.brier_score_loss(labels, scores)
    assert brier_score(labels, scores) == pytest.approx(expected, abs=1e-12)


def test_skill_is_zero_for_climatology_and_one_for_truth():
    labels = np.array([0, 0, 0, 1])
    assert brier_skill(labels, np.full(4, 0.25)) == pytest.approx(0.0)
    assert brier_skill(labels, labels) == pytest.approx(1.0)
    assert brier_skill(labels, 1 - labels) < 0


def test_too_few_blocks_give_no_interval():
    labels = np.tile([0, 1], 50)
    scores = np.random.default_rng(0).normal(size=100) + labels
    enough = block_bootstrap(roc_auc, labels, scores, block=10)
    assert enough.low < enough.value < enough.high
    few = block_bootstrap(roc_auc, labels, scores, block=11)
    assert few.value == enough.value
    assert np.isnan([few.low, few.high]).all()


def test_one_class_has_no_auc():
    assert np.isnan(roc_auc(np.ones(4), np.arange(4)))


def test_blocks_widen_the_interval_of_dependent_frames():
    rng = np.random.default_rng(3)
    labels = np.repeat(rng.integers(0, 2, 60), 50)  # 60 independent stretches of 50 frames
    scores = np.repeat(rng.normal(0, 1, 60), 50) + 0.5 * labels
    naive = block_bootstrap(roc_auc, labels, scores, block=1)
    blocks = block_bootstrap(roc_auc, labels, scores, block=100)
    assert naive.value == blocks.value == roc_auc(labels, scores)
    assert blocks.low < blocks.value < blocks.high
    # measured: 6 times as wide; independent frames would make it the same
    assert blocks.high - blocks.low > 3 * (naive.high - naive.low)


@given(
    rows=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 10)), min_size=2, max_size=60).filter(
        lambda rows: len({label for label, _ in rows}) == 2
    )
)
def test_every_score_equals_scikit_learn(rows):
    labels, p = np.array([r[0] for r in rows]), np.array([r[1] / 10 for r in rows])
    assert average_precision(labels, p) == pytest.approx(
        sklearn_metrics.average_precision_score(labels, p)
    )
    clipped = p.clip(1e-7, 1 - 1e-7)
    assert log_loss(labels, p) == pytest.approx(sklearn_metrics.log_loss(labels, clipped))
    curve = threshold_curve(labels, p)
    false, true, thresholds = sklearn_metrics.roc_curve(labels, p, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positive_rate, false[1:])
    np.testing.assert_allclose(curve.true_positive_rate, true[1:])
    np.testing.assert_allclose(curve.thresholds, thresholds[1:])
    for index, threshold in enumerate(curve.thresholds):
        expected = sklearn_metrics.accuracy_score(labels, p >= threshold)
        assert curve.accuracy[index] == pytest.approx(expected)


def test_reliability_equals_scikit_learn():
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(0)
    p = rng.random(500)
    labels = rng.random(500) < p**2
    happened, said = calibration_curve(labels, p, n_bins=10)
    bins = reliability(labels, p)
    np.testing.assert_allclose([b.burst_share for b in bins], happened)
    np.testing.assert_allclose([b.mean_probability for b in bins], said)
    assert sum(b.count for b in bins) == 500


@given(parts=st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_accumulated_scores_are_those_of_all_at_once(parts):
    rng = np.random.default_rng(len(parts))
    count = sum(parts)
    labels, p, other = rng.integers(0, 2, count), rng.random(count), rng.random(count)
    scorer = Scorer()
    for stop, length in zip(np.cumsum(parts), parts, strict=True):
        rows = slice(stop - length, stop)
        scorer.accumulate(labels[rows], p[rows], other[rows])
    whole = Scorer()
    whole.accumulate(labels, p, other)
    assert repr(scorer.compute()) == repr(whole.compute())  # repr, as NaN differs from itself


def test_a_forecast_has_no_skill_against_itself_and_all_against_a_wrong_one():
    labels = np.array([0, 1, 1, 0])
    p = np.array([0.2, 0.7, 0.8, 0.4])
    assert skill_against(labels, p, p) == 0
    assert skill_against(labels, labels, p) == 1
    assert Scorer().compute() is None


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.1])
def test_a_probability_that_is_none_is_refused(bad):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Scorer().accumulate(np.array([1]), np.array([bad]))


SCORES = {
    "roc_auc": (roc_auc, sklearn_metrics.roc_auc_score),
    "average_precision": (average_precision, sklearn_metrics.average_precision_score),
    "brier": (brier_score, sklearn_metrics.brier_score_loss),
    "log_loss": (log_loss, sklearn_metrics.log_loss),
}


@pytest.mark.parametrize("name", SCORES)
def test_weighted_scores_equal_scikit_learn_and_repeated_frames(name):
    ours, theirs = SCORES[name]
    rng = np.random.default_rng(4)
    labels, weights = rng.integers(0, 2, 400), rng.integers(0, 4, 400).astype(float)
    p = np.round(rng.uniform(0.05, 0.95, 400), 1)  # with ties
    drawn = np.repeat(np.arange(400), weights.astype(int))
    expected = theirs(labels, p, sample_weight=weights)
    assert ours(labels, p, weights) == pytest.approx(expected, abs=1e-12)
    assert ours(labels, p, weights) == pytest.approx(ours(labels[drawn], p[drawn]), abs=1e-12)


def test_skill_with_weights_equals_repeated_frames():
    rng = np.random.default_rng(5)
    labels, weights = rng.integers(0, 2, 300), rng.integers(0, 3, 300).astype(float)
    p, other = rng.random(300), rng.random(300)
    drawn = np.repeat(np.arange(300), weights.astype(int))
    assert brier_skill(labels, p, weights) == pytest.approx(brier_skill(labels[drawn], p[drawn]))
    assert skill_against(labels, p, other, weights) == pytest.approx(
        skill_against(labels[drawn], p[drawn], other[drawn])
    )
    assert np.isnan(brier_skill(np.ones(3), np.ones(3)))


def test_the_bootstrap_equals_drawing_frames_again():
    """The interval by weights is that of the naive way: arrays that are drawn anew."""
    rng = np.random.default_rng(6)
    labels = np.repeat(rng.integers(0, 2, 40), 10)
    p = rng.random(400)
    found = block_bootstrap(roc_auc, labels, p, block=20, rounds=50, seed=3)
    generator, drawn = np.random.default_rng(3), []
    for _ in range(50):
        starts = generator.integers(0, 381, size=20)
        index = np.concatenate([np.arange(start, start + 20) for start in starts])
        drawn.append(sklearn_metrics.roc_auc_score(labels[index], p[index]))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))
