"""Scores of probabilities against burst labels.

Every score has an independent check in the tests: scikit-learn where it has the metric.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST_BLOCKS = 10
"""Fewer blocks than this say nothing about the spread of a score."""
LOG_FLOOR = 1e-7


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


def skill_against(
    labels: NDArray[np.generic],
    probabilities: NDArray[np.generic],
    reference: NDArray[np.generic],
) -> float:
    """1 - Brier score / Brier score of another forecast of the same frames; above 0 is better."""
    theirs = brier_score(labels, reference)
    return 1.0 - brier_score(labels, probabilities) / theirs if theirs else float("nan")


def log_loss(labels: NDArray[np.generic], probabilities: NDArray[np.generic]) -> float:
    """Mean of -log of the probability given to what happened, in nats; 0 is best.

    Probabilities are held 1e-7 away from 0 and 1, so that one certain miss is not infinite.
    """
    p = np.clip(np.asarray(probabilities, np.float64), LOG_FLOOR, 1.0 - LOG_FLOOR)
    positive = np.asarray(labels).astype(bool)
    return float(-np.mean(np.where(positive, np.log(p), np.log1p(-p))))


def average_precision(labels: NDArray[np.generic], scores: NDArray[np.generic]) -> float:
    """Area under the precision-recall steps: sum of precision x gain in recall.

    Args:
        labels: 0 or 1, `(N,)`.
        scores: Any real numbers, `(N,)`.

    Returns:
        0 .. 1, or NaN if there is no burst.
    """
    curve = threshold_curve(labels, scores)
    if not curve.positives:
        return float("nan")
    precision = curve.hits / (curve.hits + curve.false_alarms)
    recall = curve.hits / curve.positives
    return float(np.sum(precision * np.diff(recall, prepend=0.0)))


def sharpness(probabilities: NDArray[np.generic]) -> float:
    """Standard deviation of the forecasts: a forecast that never commits itself has none."""
    return float(np.std(np.asarray(probabilities, np.float64)))


@dataclass(frozen=True)
class ThresholdCurve:
    """What every threshold would have given, from the highest to the lowest.

    Attributes:
        thresholds: The distinct scores, float64 `(M,)`, descending; a frame is called a burst
            where its score is at least the threshold.
        hits: Bursts that are called so, `(M,)`.
        false_alarms: Other frames that are called bursts, `(M,)`.
        positives: Burst frames in all.
        negatives: Other frames in all.
    """

    thresholds: NDArray[np.float64]
    hits: NDArray[np.int64]
    false_alarms: NDArray[np.int64]
    positives: int
    negatives: int

    @property
    def true_positive_rate(self) -> NDArray[np.float64]:
        """Share of burst frames that are called so."""
        return np.asarray(self.hits / max(self.positives, 1))

    @property
    def false_positive_rate(self) -> NDArray[np.float64]:
        """Share of other frames that are called bursts."""
        return np.asarray(self.false_alarms / max(self.negatives, 1))

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Share of frames that are called right."""
        right = self.hits + self.negatives - self.false_alarms
        return np.asarray(right / max(self.positives + self.negatives, 1))

    @property
    def youden(self) -> NDArray[np.float64]:
        """Youden's J: true positive rate less false positive rate."""
        return self.true_positive_rate - self.false_positive_rate


def threshold_curve(labels: NDArray[np.generic], scores: NDArray[np.generic]) -> ThresholdCurve:
    """Counts hits and false alarms at every threshold that makes a difference.

    Args:
        labels: 0 or 1, `(N,)`.
        scores: Any real numbers, `(N,)`.
    """
    positive = np.asarray(labels).astype(bool)
    values = np.asarray(scores, np.float64)
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    last_of_tie = np.flatnonzero(np.append(np.diff(ranked) != 0, True)) if len(ranked) else order
    hits = np.cumsum(positive[order])[last_of_tie]
    return ThresholdCurve(
        ranked[last_of_tie],
        hits,
        last_of_tie + 1 - hits,
        int(positive.sum()),
        int((~positive).sum()),
    )


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it gives, as in the published table."""

    threshold: float
    accuracy: float
    youden: float
    true_positive_rate: float
    false_positive_rate: float


def operating_point(curve: ThresholdCurve, index: int) -> OperatingPoint:
    """One entry of a curve."""
    return OperatingPoint(
        *(
            float(values[index])
            for values in (
                curve.thresholds,
                curve.accuracy,
                curve.youden,
                curve.true_positive_rate,
                curve.false_positive_rate,
            )
        )
    )


def best_points(curve: ThresholdCurve) -> dict[str, OperatingPoint]:
    """The thresholds that maximise accuracy and Youden's J, with the rates there."""
    return {
        "accuracy": operating_point(curve, int(np.argmax(curve.accuracy))),
        "youden": operating_point(curve, int(np.argmax(curve.youden))),
    }


@dataclass(frozen=True)
class ReliabilityBin:
    """Forecasts between two probabilities: what was said, and what happened."""

    low: float
    high: float
    count: int
    mean_probability: float
    burst_share: float


def reliability(
    labels: NDArray[np.generic], probabilities: NDArray[np.generic], bins: int = 10
) -> list[ReliabilityBin]:
    """The reliability diagram: bins of equal width; empty ones are left out.

    Args:
        labels: 0 or 1, `(N,)`.
        probabilities: 0 .. 1, `(N,)`; 1 falls into the last bin.
        bins: How many.
    """
    p = np.asarray(probabilities, np.float64)
    y = np.asarray(labels, np.float64)
    which = np.minimum((p * bins).astype(int), bins - 1)
    return [
        ReliabilityBin(
            b / bins,
            (b + 1) / bins,
            int(inside.sum()),
            float(p[inside].mean()),
            float(y[inside].mean()),
        )
        for b in range(bins)
        if (inside := which == b).any()
    ]


@dataclass(frozen=True)
class Scores:
    """Scores of one forecaster on the frames that were accumulated.

    Attributes:
        frames: Frames scored.
        burst_share: Share of them that are bursts.
        roc_auc: See `roc_auc`.
        average_precision: See `average_precision`.
        brier: See `brier_score`.
        brier_skill: Against climatology, see `brier_skill`.
        skill_against_baseline: Against the baseline's probabilities; NaN where none came.
        log_loss: See `log_loss`.
        sharpness: See `sharpness`.
        best: Operating points with the best accuracy and the best J.
        reliability: The reliability diagram.
    """

    frames: int
    burst_share: float
    roc_auc: float
    average_precision: float
    brier: float
    brier_skill: float
    skill_against_baseline: float
    log_loss: float
    sharpness: float
    best: dict[str, OperatingPoint]
    reliability: list[ReliabilityBin]


class Scorer:
    """Scores as init, accumulate, compute: the same for an array, a file and a running stream."""

    def __init__(self, window: int | None = None) -> None:
        """Begins with nothing.

        Args:
            window: Score the last so many frames only (a rolling score), or None for all.
        """
        self._window = window
        self._parts: deque[tuple[NDArray[np.uint8], NDArray[np.float64]]] = deque()
        self._count = 0

    def accumulate(
        self,
        labels: NDArray[np.generic],
        probabilities: NDArray[np.generic],
        baseline: NDArray[np.generic] | None = None,
    ) -> None:
        """Adds frames in time order.

        Args:
            labels: 0 or 1, `(N,)`.
            probabilities: `(N,)`.
            baseline: Another forecaster's probabilities of the same frames, `(N,)`, or None.

        Raises:
            ValueError: If the lengths differ or a probability is no number between 0 and 1.
        """
        y = np.array(labels, np.uint8, ndmin=1)
        p = np.full((len(y), 2), np.nan)
        p[:, 0] = probabilities
        if baseline is not None:
            p[:, 1] = baseline
        if not np.all((p[:, 0] >= 0) & (p[:, 0] <= 1)):
            raise ValueError("probabilities must be numbers between 0 and 1.")
        self._parts.append((y, p))
        self._count += len(y)
        while self._window is not None and self._count > self._window:
            self._drop(self._count - self._window)

    def _drop(self, surplus: int) -> None:
        y, p = self._parts.popleft()
        gone = min(surplus, len(y))
        if gone < len(y):
            self._parts.appendleft((y[gone:], p[gone:]))
        self._count -= gone

    @property
    def arrays(self) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
        """Labels, probabilities and the baseline's, of the frames that count, each `(N,)`."""
        if not self._parts:
            return np.zeros(0, np.uint8), np.zeros(0), np.zeros(0)
        labels = np.concatenate([part[0] for part in self._parts])
        forecasts = np.concatenate([part[1] for part in self._parts])
        self._parts = deque([(labels, forecasts)])
        return labels, forecasts[:, 0], forecasts[:, 1]

    def compute(self) -> Scores | None:
        """The scores of what was accumulated, or None while there is nothing."""
        y, p, baseline = self.arrays
        if not len(y):
            return None
        known = ~np.isnan(baseline)
        return Scores(
            frames=len(y),
            burst_share=float(y.mean()),
            roc_auc=roc_auc(y, p),
            average_precision=average_precision(y, p),
            brier=brier_score(y, p),
            brier_skill=brier_skill(y, p),
            skill_against_baseline=(
                skill_against(y[known], p[known], baseline[known]) if known.any() else float("nan")
            ),
            log_loss=log_loss(y, p),
            sharpness=sharpness(p),
            best=best_points(threshold_curve(y, p)),
            reliability=reliability(y, p),
        )


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
    curve = threshold_curve(labels, probabilities)
    return float(curve.thresholds[int(np.argmax(curve.youden))])
