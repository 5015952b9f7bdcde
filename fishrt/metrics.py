"""Scores of probabilities against burst labels.

Every score has an independent check in the tests: scikit-learn where it has the metric.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOG_FLOOR = 1e-7

Weights = NDArray[np.float64] | None
"""How often each frame counts, float64 `(N,)`; None counts every frame once."""


@dataclass(frozen=True)
class Ranking:
    """The order of forecasts, which is the costly part of a threshold curve.

    Attributes:
        order: int64 `(N,)`: the frames from the highest forecast to the lowest.
        last_of_tie: int64 `(M,)`: for each distinct forecast its last place in `order`.
        thresholds: float64 `(M,)`: the distinct forecasts, descending.
    """

    order: NDArray[np.int64]
    last_of_tie: NDArray[np.int64]
    thresholds: NDArray[np.float64]


def rank(scores: NDArray[np.generic]) -> Ranking:
    """Sorts forecasts `(N,)` once, for many scores of them."""
    values = np.asarray(scores, np.float64)
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    last = np.flatnonzero(np.append(np.diff(ranked) != 0, True)) if len(ranked) else order
    return Ranking(order, last, ranked[last])


def roc_auc(
    labels: NDArray[np.generic],
    scores: NDArray[np.generic],
    weights: Weights = None,
    ranking: Ranking | None = None,
) -> float:
    """Area under the ROC curve: the chance that a burst frame scores above another frame.

    The Mann-Whitney statistic with ties counted half (Hanley and McNeil 1982,
    https://doi.org/10.1148/radiology.143.1.7063747), which is the trapezoidal area.

    Args:
        labels: 0 or 1, `(N,)`.
        scores: Any real numbers, `(N,)`.
        weights: See `Weights`.
        ranking: `rank(scores)`, if it is there already.

    Returns:
        0 .. 1, or NaN if only one class is there.
    """
    curve = threshold_curve(labels, scores, weights, ranking)
    if not curve.positives or not curve.negatives:
        return float("nan")
    hits = np.append(0.0, curve.hits)
    area = np.sum(np.diff(curve.false_alarms, prepend=0.0) * (hits[1:] + hits[:-1])) / 2.0
    return float(area / (curve.positives * curve.negatives))


def average_precision(
    labels: NDArray[np.generic],
    scores: NDArray[np.generic],
    weights: Weights = None,
    ranking: Ranking | None = None,
) -> float:
    """Area under the precision-recall steps: sum of precision x gain in recall.

    Args:
        labels: 0 or 1, `(N,)`.
        scores: Any real numbers, `(N,)`.
        weights: See `Weights`.
        ranking: `rank(scores)`, if it is there already.

    Returns:
        0 .. 1, or NaN if there is no burst.
    """
    curve = threshold_curve(labels, scores, weights, ranking)
    if not curve.positives:
        return float("nan")
    called = curve.hits + curve.false_alarms
    precision = curve.hits / np.maximum(called, 1e-300)  # 0 where no weight has come yet
    return float(np.sum(precision * np.diff(curve.hits, prepend=0.0)) / curve.positives)


def brier_score(
    labels: NDArray[np.generic], probabilities: NDArray[np.generic], weights: Weights = None
) -> float:
    """Mean squared difference of probability and label (Brier 1950), `(N,)` each; 0 is best."""
    difference = np.asarray(probabilities, np.float64) - np.asarray(labels, np.float64)
    return float(np.average(difference**2, weights=weights))


def brier_skill(
    labels: NDArray[np.generic], probabilities: NDArray[np.generic], weights: Weights = None
) -> float:
    """1 - Brier score / Brier score of always saying the labels' mean; above 0 is skill."""
    share = float(np.average(np.asarray(labels, np.float64), weights=weights))
    reference = share * (1.0 - share)  # what that constant forecast scores
    if reference <= 0:
        return float("nan")
    return 1.0 - brier_score(labels, probabilities, weights) / reference


def skill_against(
    labels: NDArray[np.generic],
    probabilities: NDArray[np.generic],
    reference: NDArray[np.generic],
    weights: Weights = None,
) -> float:
    """1 - Brier score / Brier score of another forecast of the same frames; above 0 is better."""
    theirs = brier_score(labels, reference, weights)
    if not theirs:
        return float("nan")
    return 1.0 - brier_score(labels, probabilities, weights) / theirs


def log_loss(
    labels: NDArray[np.generic], probabilities: NDArray[np.generic], weights: Weights = None
) -> float:
    """Mean of -log of the probability given to what happened, in nats; 0 is best.

    Probabilities are held 1e-7 away from 0 and 1, so that one certain miss is not infinite.
    """
    p = np.clip(np.asarray(probabilities, np.float64), LOG_FLOOR, 1.0 - LOG_FLOOR)
    positive = np.asarray(labels).astype(bool)
    return float(-np.average(np.where(positive, np.log(p), np.log1p(-p)), weights=weights))


def sharpness(probabilities: NDArray[np.generic]) -> float:
    """Standard deviation of the forecasts: a forecast that never commits itself has none."""
    return float(np.std(np.asarray(probabilities, np.float64)))


@dataclass(frozen=True)
class ThresholdCurve:
    """What every threshold would have given, from the highest to the lowest.

    Attributes:
        thresholds: The distinct scores, float64 `(M,)`, descending; a frame is called a burst
            where its score is at least the threshold.
        hits: Burst frames that are called so (or their weight), float64 `(M,)`.
        false_alarms: Other frames that are called bursts, float64 `(M,)`.
        positives: Burst frames in all.
        negatives: Other frames in all.
    """

    thresholds: NDArray[np.float64]
    hits: NDArray[np.float64]
    false_alarms: NDArray[np.float64]
    positives: float
    negatives: float

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


def threshold_curve(
    labels: NDArray[np.generic],
    scores: NDArray[np.generic],
    weights: Weights = None,
    ranking: Ranking | None = None,
) -> ThresholdCurve:
    """Counts hits and false alarms at every threshold that makes a difference.

    Args:
        labels: 0 or 1, `(N,)`.
        scores: Any real numbers, `(N,)`.
        weights: See `Weights`.
        ranking: `rank(scores)`, if it is there already.
    """
    ranking = ranking or rank(scores)
    positive = np.asarray(labels).astype(np.float64)
    counts = np.ones(len(positive)) if weights is None else weights
    called = np.cumsum(counts[ranking.order])[ranking.last_of_tie]
    hits = np.cumsum((counts * positive)[ranking.order])[ranking.last_of_tie]
    positives = float(hits[-1]) if len(hits) else 0.0
    negatives = float(called[-1]) - positives if len(hits) else 0.0
    return ThresholdCurve(ranking.thresholds, hits, called - hits, positives, negatives)


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
    """The thresholds that maximise accuracy and Youden's J, with the rates there.

    Never calling a burst is among them, as an infinite threshold.
    """
    frames = max(curve.positives + curve.negatives, 1)
    never = OperatingPoint(float("inf"), curve.negatives / frames, 0.0, 0.0, 0.0)
    return {
        name: max(
            [never, *([operating_point(curve, int(np.argmax(values)))] if len(values) else [])],
            key=lambda point: (getattr(point, name), -point.threshold),
        )
        for name, values in (("accuracy", curve.accuracy), ("youden", curve.youden))
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
    """Scores as init, accumulate, compute: of an array at once, or of frames as they come.

    It keeps them all, for the scores need them in order. `fishrt live` goes on for days: its
    scoreboard keeps sums and a histogram instead, see `realtime.scoreboard.skill`.
    """

    def __init__(self) -> None:
        """Begins with nothing."""
        self._parts: list[tuple[NDArray[np.uint8], NDArray[np.float64]]] = []

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

    def compute(self) -> Scores | None:
        """The scores of what was accumulated, or None while there is nothing."""
        if not sum(len(labels) for labels, _ in self._parts):
            return None
        y = np.concatenate([labels for labels, _ in self._parts])
        p, baseline = np.concatenate([forecasts for _, forecasts in self._parts]).T
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
