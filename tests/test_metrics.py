"""Scores against scikit-learn and against plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fishrt.metrics import (
    best_youden_threshold,
    block_bootstrap,
    brier_score,
    brier_skill,
    roc_auc,
)

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
def test_the_youden_threshold_is_the_best_of_all(rows):
    labels = np.array([label for label, _ in rows])
    scores = np.array([score for _, score in rows])

    def youden(threshold):
        said = scores >= threshold
        return said[labels].mean() - said[~labels].mean()

    best = max(youden(threshold) for threshold in scores)
    assert youden(best_youden_threshold(labels, scores)) == pytest.approx(best, abs=1e-12)


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
