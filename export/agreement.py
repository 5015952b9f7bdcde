"""How far a graph is from Keras over many clips run one way, and whether that is too far."""

import enum
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.reference import FLICKER, UNKNOWN, Cases
from fishrt.bundle import GraphPrecision
from fishrt.metrics import roc_auc

LIMITS: Mapping[GraphPrecision, float] = {GraphPrecision.FP32: 1e-4, GraphPrecision.FP16: 1e-2}
"""Largest difference in probability that passes; measured, every config: 6e-6 and 5e-3."""
FLICKER_LIMITS: Mapping[GraphPrecision, float | None] = {
    GraphPrecision.FP32: 1e-2,
    GraphPrecision.FP16: None,
}
"""The same on full-frame flicker, where a trained network amplifies every rounding a thousandfold.
Measured with the demo model: 9e-5 (the room is for networks that amplify more), and in FP16 up to
0.18, which is shown but refuses nothing (docs/export.md says why)."""
HIDDEN_LIMITS: Mapping[GraphPrecision, float] = {
    GraphPrecision.FP32: 1e-3,
    GraphPrecision.FP16: 2e-1,
}
"""Root mean square difference of the last hidden state that passes; measured at full size with
random weights: four layers, which amplify most, 1.1e-4 and 7.5e-2; the published two 5e-6, 7e-4."""
AUC_LIMIT = 5e-4
"""Change in AUC that shows in its third digit."""
LABELS_OF_EACH = 32
"""With fewer bursts or calm clips than this, one pair that changes places shows in that digit."""
INFORMATIVE_AUC = 0.6
"""A network that tells bursts no better than this has no third digit to lose."""


class Mode(enum.StrEnum):
    """How a forecast is computed: by the clip graph, step by step, or on lanes."""

    CLIP = "clip"
    STEP = "step"
    LANES = "lanes"


@dataclass(frozen=True)
class Agreement:
    """Differences from Keras in probability, over all clips that were run one way.

    Full-frame flicker is told apart: `max`, the quantiles, `worst`, `flips` and `hidden` are of all
    other clips.

    Attributes:
        backend: What ran the graph.
        precision: Precision of the graph.
        mode: How it was run.
        clips: How many clips, flicker included.
        max: The largest difference; infinite if one is no number.
        p99: 99th percentile.
        p90: 90th percentile.
        p50: Median.
        worst: Which clip differs most: `real`, or the name of an adversarial one.
        flips: Clips whose decision at the operating threshold changed.
        not_numbers: Clips for which the graph gave no finite number, flicker included.
        flicker: The largest difference on flicker, or None where none was run.
        hidden: Root mean square difference of the last layer's last hidden state, of the clip that
            differs most, or None where the graph does not give it.
        auc: Keras' ROC-AUC on the labelled clips, or None without both labels.
        auc_change: The graph's less Keras'.
        auc_counts: Whether there are labels enough, and skill enough, for the change to count.
    """

    backend: str
    precision: GraphPrecision
    mode: Mode
    clips: int
    max: float
    p99: float
    p90: float
    p50: float
    worst: str
    flips: int
    not_numbers: int = 0
    flicker: float | None = None
    hidden: float | None = None
    auc: float | None = None
    auc_change: float | None = None
    auc_counts: bool = False

    def record(self) -> dict[str, Any]:
        """The figures as plain values."""
        return {
            name: value.value if isinstance(value, enum.Enum) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True)
class Computed:
    """What a graph made of cases.

    Attributes:
        probabilities: float64 `(N,)`.
        hidden: float32 `(N, samples)`: the last layer's last hidden state, or None.
    """

    probabilities: NDArray[np.float64]
    hidden: NDArray[np.float32] | None = None


def agreement_of(
    backend: str,
    precision: GraphPrecision,
    mode: Mode,
    cases: Cases,
    computed: Computed,
    threshold: float,
) -> Agreement:
    """Compares what a graph computed with what Keras computed.

    Args:
        backend: What ran the graph.
        precision: Precision of the graph.
        mode: How it was run.
        cases: The clips, with Keras' figures.
        computed: The graph's figures.
        threshold: The operating threshold.
    """
    found, expected = computed.probabilities, cases.expected.astype(np.float64)
    finite = np.isfinite(found)
    # a value that is no number must not hide among quantiles
    difference = np.where(finite, np.abs(found - expected), math.inf)
    flicker = np.array([name in FLICKER for name in cases.names])
    limited = np.flatnonzero(~flicker)
    p50, p90, p99 = np.quantile(difference[limited], [0.5, 0.9, 0.99], method="higher")
    flipped = (found >= threshold) != (expected >= threshold)
    auc, change, counts = _auc(cases, found)
    return Agreement(
        backend=backend,
        precision=precision,
        mode=mode,
        clips=len(found),
        max=float(difference[limited].max()),
        p99=float(p99),
        p90=float(p90),
        p50=float(p50),
        worst=cases.names[int(limited[difference[limited].argmax()])],
        flips=int(flipped[limited].sum()),
        not_numbers=int((~finite).sum()),
        flicker=float(difference[flicker].max()) if flicker.any() else None,
        hidden=_hidden(cases, computed, limited),
        auc=auc,
        auc_change=change,
        auc_counts=counts,
    )


def violation(agreement: Agreement, source: str) -> str | None:
    """What is wrong with an agreement, as the end of a sentence, or None.

    Args:
        agreement: The figures.
        source: Where the real clips come from.
    """
    precision = agreement.precision
    on = f"on {source}" if agreement.worst == "real" else f"on the clip '{agreement.worst}'"
    if agreement.not_numbers:
        many = f"{agreement.not_numbers} of {agreement.clips} clips"
        return f"gives a probability that is not a number for {many}"
    limit = LIMITS[precision]
    if not agreement.max <= limit:
        return f"differs from Keras by {agreement.max:.2g} in probability (limit {limit:.0e}) {on}"
    flicker, most = agreement.flicker, FLICKER_LIMITS[precision]
    if flicker is not None and most is not None and not flicker <= most:
        return f"differs from Keras by {flicker:.2g} in probability (limit {most:.0e}) on flicker"
    hidden, most = agreement.hidden, HIDDEN_LIMITS[precision]
    if hidden is not None and not hidden <= most:
        off = f"{hidden:.2g}" if math.isfinite(hidden) else "not a number, or infinitely far,"
        return f"has a last hidden state that is {off} off that of Keras (limit {most:.0e})"
    change = agreement.auc_change
    if agreement.auc_counts and change is not None and not abs(change) < AUC_LIMIT:
        return f"changes the ROC-AUC {agreement.auc:.4f} of Keras by {change:+.4f} on {source}"
    return None


def _auc(cases: Cases, found: NDArray[np.float64]) -> tuple[float | None, float | None, bool]:
    """Keras' AUC, the change of it, and whether that counts."""
    labelled = cases.labels != UNKNOWN
    labels = cases.labels[labelled]
    fewest = min(np.sum(labels == 0), np.sum(labels == 1))
    if not fewest or not np.isfinite(found).all():
        return None, None, False
    auc = roc_auc(labels, cases.expected[labelled].astype(np.float64))
    change = roc_auc(labels, found[labelled]) - auc
    return auc, change, bool(fewest >= LABELS_OF_EACH and auc >= INFORMATIVE_AUC)


def _hidden(cases: Cases, computed: Computed, rows: NDArray[np.int64]) -> float | None:
    if computed.hidden is None:
        return None
    difference = (computed.hidden - cases.hidden)[rows].astype(np.float64)
    return float(np.sqrt(np.mean(difference**2, axis=1)).max())
