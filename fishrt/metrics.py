"""Scores of probabilities against burst labels.

Every score has an independent check in the tests: scikit-learn where it has the metric.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST_BLOCKS = 10
"""Fewer blocks than this say nothing about the spread of a score."""


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def roc_auc(labels: NDArray[np.generic], scores: NDArray[np.generic]) -> float:
    """Area under the ROC curve: the chance that a burst frame scores above another frame.

    The Mann-Whitney statistic with ties counted half (Hanley and McNeil 1982,
    https://doi.org/10.1148/radiology.143.1.7063747).

    Args:
        labels: 0 or 1, `(N,)`.
        scores: Any real numbers, `(N,)`.

    Returns:
        0 .. 1, or NaN if only one class is there.
    """
    positive = np.asarray(labels).astype(bool)
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2.0
    rank_sum = float(mean_rank[inverse][positive].sum())
    return (rank_sum - positives * (positives + 1) / 2.0) / (positives * negatives)


def brier_score(labels: NDArray[np.generic], probabilities: NDArray[np.generic]) -> float:
    """Mean squared difference of probability and label (Brier 1950), `(N,)` each; 0 is best."""
    difference = np.asarray(probabilities, np.float64) - np.asarray(labels, np.float64)
    return float(np.mean(difference**2))


def brier_skill(labels: NDArray[np.generic], probabilities: NDArray[np.generic]) -> float:
    """1 - Brier score / Brier score of always saying the labels' mean; above 0 is skill."""
    climatology = np.full(len(labels), np.mean(np.asarray(labels, np.float64)))
    reference = brier_score(labels, climatology)
    return 1.0 - brier_score(labels, probabilities) / reference if reference else float("nan")


def block_bootstrap(
    score: Callable[[NDArray[np.generic], NDArray[np.generic]], float],
    labels: NDArray[np.generic],
    probabilities: NDArray[np.generic],
    *,
    block: int,
    rounds: int = 300,
    seed: int = 0,
) -> Interval:
    """95 % interval of a score, drawing whole blocks because frames are not independent.

    The percentile interval of the moving-block bootstrap (Kunsch 1989,
    https://doi.org/10.1214/aos/1176347265).

    Args:
        score: Takes labels and probabilities.
        labels: `(N,)`, in time order.
        probabilities: `(N,)`, in time order.
        block: Length of a block in entries; several times the label's horizon.
        rounds: How often to draw.
        seed: Makes the draw repeatable.

    Returns:
        The score of all entries, with the 2.5 % and 97.5 % quantiles of the drawn scores; NaN for
        both where there are fewer than `FEWEST_BLOCKS` blocks, too few to tell a spread.
    """
    count = len(labels)
    if count < FEWEST_BLOCKS * block:
        return Interval(score(labels, probabilities), float("nan"), float("nan"))
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(rounds):
        starts = generator.integers(0, count - block + 1, size=-(-count // block))
        index = (starts[:, None] + np.arange(block)).ravel()[:count]
        drawn.append(score(labels[index], probabilities[index]))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Interval(score(labels, probabilities), float(low), float(high))


def best_youden_threshold(labels: NDArray[np.generic], probabilities: NDArray[np.generic]) -> float:
    """Threshold with the largest Youden's J: true positive rate less false positive rate.

    Args:
        labels: 0 or 1, `(N,)`, both classes present.
        probabilities: `(N,)`.

    Returns:
        The threshold; a frame is a burst where its probability is at least that.
    """
    positive = np.asarray(labels).astype(bool)
    order = np.argsort(-np.asarray(probabilities), kind="stable")
    ranked = np.asarray(probabilities)[order]
    hits = np.cumsum(positive[order]) / max(positive.sum(), 1)
    false_alarms = np.cumsum(~positive[order]) / max((~positive).sum(), 1)
    last_of_tie = np.append(np.diff(ranked) != 0, True)
    gain = np.where(last_of_tie, hits - false_alarms, -np.inf)
    return float(ranked[int(np.argmax(gain))])
