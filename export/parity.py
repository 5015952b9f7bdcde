"""Proof that the exported graphs compute what the Keras model computes, wherever they run."""

import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.backends import Backend, BackendAbsentError, Runner, open_runner, zero_states
from export.parity_location import where_it_starts
from export.reference import ADVERSARIAL, UNKNOWN, Cases, Stretch, last_hidden, sample
from fishrt.bundle import GraphKind, GraphPrecision, StateSpec
from fishrt.errors import ParityError
from fishrt.metrics import roc_auc

LIMITS: Mapping[GraphPrecision, float] = {GraphPrecision.FP32: 1e-4, GraphPrecision.FP16: 1e-2}
"""Largest difference in probability that passes; measured here: 5e-7 and 2e-3."""
AUC_LIMIT = 5e-4
"""Change in AUC that shows in its third digit."""
LABELS_OF_EACH = 32
"""With fewer bursts or calm clips than this, one pair that changes places shows in that digit."""
INFORMATIVE_AUC = 0.6
"""A network that tells bursts no better than this has no third digit to lose."""
STEP_CASES = 16
"""Clips that are also run step by step, which takes 30 calls each."""


class Mode(enum.StrEnum):
    """How a forecast is computed: by the clip graph, step by step, or on lanes."""

    CLIP = "clip"
    STEP = "step"
    LANES = "lanes"


@dataclass(frozen=True)
class Agreement:
    """Differences from Keras in probability, over all clips that were run one way.

    Attributes:
        backend: What ran the graph.
        precision: Precision of the graph.
        mode: How it was run.
        clips: How many clips.
        max: The largest difference.
        p99: 99th percentile.
        p90: 90th percentile.
        p50: Median.
        worst: Which clip differs most: `real`, or the name of an adversarial one.
        flips: Clips whose decision at the operating threshold changed.
        hidden: Largest difference in the last layer's last hidden state, or None where the graph
            does not give it.
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
    hidden: float | None = None
    auc: float | None = None
    auc_change: float | None = None
    auc_counts: bool = False


@dataclass(frozen=True)
class ParityReport:
    """All agreements of a bundle.

    Attributes:
        source: Where the real clips were cut from.
        real: How many real clips.
        spread: Standard deviation of Keras' probabilities; all alike would prove little.
        threshold: The operating threshold.
        agreements: What was run.
        absent: Backends that were not, with the reason.
    """

    source: str
    real: int
    spread: float
    threshold: float
    agreements: tuple[Agreement, ...]
    absent: dict[str, str]

    def worst(self, precision: GraphPrecision) -> float:
        """The largest difference of any way with graphs of that precision."""
        return max(a.max for a in self.agreements if a.precision is precision)

    def record(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "frames_from": self.source,
            "real_clips": self.real,
            "adversarial_clips": list(ADVERSARIAL),
            "spread": self.spread,
            "threshold": self.threshold,
            "limits": {precision.value: limit for precision, limit in LIMITS.items()},
            "agreements": [_plain(agreement) for agreement in self.agreements],
            "absent": self.absent,
        }


def measure_parity(
    graphs: Mapping[GraphPrecision, Mapping[GraphKind, bytes]],
    stretch: Stretch,
    cases: Cases,
    states: tuple[StateSpec, ...],
    threshold: float,
    source: str,
    backends: Iterable[Backend] = tuple(Backend),
) -> ParityReport:
    """Compares graphs with Keras on every backend that there is, and refuses those that differ.

    Args:
        graphs: ONNX files of both kinds, by precision.
        stretch: What lanes are compared on.
        cases: What clip and step are compared on.
        states: Of the step graph.
        threshold: The operating threshold.
        source: Where the real clips come from.
        backends: What to run them on.

    Returns:
        The figures.

    Raises:
        ParityError: If a graph differs beyond the limit; the sentence names the layer where the
            error starts.
        BundleError: If a graph cannot be run.
    """
    agreements: list[Agreement] = []
    absent: dict[str, str] = {}
    for backend in backends:
        for precision, files in graphs.items():
            try:
                runner = open_runner(files, precision, backend)
                found = compare(runner, stretch, cases, states, threshold)
            except BackendAbsentError as error:
                absent[backend.value] = str(error)
                break
            check(found, runner, files, stretch, states, source)
            agreements += found
    return ParityReport(
        source,
        int(cases.real.sum()),
        float(cases.expected[cases.real].std()),
        threshold,
        tuple(agreements),
        absent,
    )


def compare(
    runner: Runner,
    stretch: Stretch,
    cases: Cases,
    states: tuple[StateSpec, ...],
    threshold: float,
) -> list[Agreement]:
    """Runs graphs in every mode and compares with Keras; see `measure_parity`."""
    by_clip = np.array([runner.clip(clip[None]) for clip in cases.clips])
    few = _step_cases(cases)
    by_step, hidden = _run_steps(runner, few, states)
    by_lanes = run_lanes(runner, stretch, states)
    windows = ("real",) * len(by_lanes)
    return [
        _agreement(runner, Mode.CLIP, cases, by_clip, threshold),
        _agreement(
            runner, Mode.STEP, few, by_step, threshold, float(np.abs(hidden - few.hidden).max())
        ),
        _agreement(
            runner,
            Mode.LANES,
            _windows_only(windows, stretch.windows),
            by_lanes,
            threshold,
        ),
    ]


def run_lanes(
    runner: Runner, stretch: Stretch, states: tuple[StateSpec, ...]
) -> NDArray[np.float64]:
    """Every window of a stretch, each in its lane, all lanes in one batch.

    Lane j is zeroed before step j and read when it has seen a clip: what the live loop does.

    Returns:
        float64 `(windows,)`.
    """
    lanes = len(stretch.windows)
    steps = len(stretch.time_steps) - lanes + 1
    step = runner.step(lanes)
    values = zero_states(states, lanes, runner.precision)
    found = np.full(lanes, np.nan)
    for at, time_step in enumerate(stretch.time_steps):
        if at < lanes:
            for value in values.values():
                value[at] = 0
        probability, values = step(time_step[None], values)
        if at >= steps - 1:
            found[at - steps + 1] = probability[at - steps + 1]
    return found


def check(
    agreements: Iterable[Agreement],
    runner: Runner,
    graphs: Mapping[GraphKind, bytes],
    stretch: Stretch,
    states: tuple[StateSpec, ...],
    source: str,
) -> None:
    """Refuses graphs that differ from Keras.

    Raises:
        ParityError: If a difference is beyond the limit or no number.
    """
    for agreement in agreements:
        complaint = violation(agreement)
        if complaint is None:
            continue
        on = f"on {source}" if agreement.worst == "real" else f"on the clip '{agreement.worst}'"
        where = where_it_starts(runner, graphs, stretch, states)
        raise ParityError(
            f"the {agreement.precision} {_graph(agreement.mode)} on {agreement.backend} "
            f"{complaint} {on}; {where}."
        )


def violation(agreement: Agreement) -> str | None:
    """What is wrong with an agreement, or None."""
    limit = LIMITS[agreement.precision]
    if not agreement.max <= limit:
        return f"differs from Keras by {agreement.max:.2g} in probability (limit {limit:.0e})"
    change = agreement.auc_change
    if agreement.auc_counts and change is not None and not abs(change) < AUC_LIMIT:
        return f"changes the ROC-AUC {agreement.auc:.4f} of Keras by {change:+.4f}"
    return None


def _agreement(
    runner: Runner,
    mode: Mode,
    cases: Cases,
    found: NDArray[np.float64],
    threshold: float,
    hidden: float | None = None,
) -> Agreement:
    expected = cases.expected.astype(np.float64)
    difference = np.abs(found - expected)
    # a value that is no number must not hide among quantiles
    difference[~np.isfinite(difference)] = math.inf
    p50, p90, p99 = np.quantile(difference, [0.5, 0.9, 0.99], method="higher")
    auc = change = None
    labelled = cases.labels != UNKNOWN
    labels = cases.labels[labelled]
    fewest = min(np.sum(labels == 0), np.sum(labels == 1))
    if fewest and np.isfinite(found).all():
        auc = roc_auc(labels, expected[labelled])
        change = roc_auc(labels, found[labelled]) - auc
    return Agreement(
        runner.backend,
        runner.precision,
        mode,
        len(found),
        float(difference.max()),
        float(p99),
        float(p90),
        float(p50),
        cases.names[int(difference.argmax())],
        int(np.sum((found >= threshold) != (expected >= threshold))),
        hidden,
        auc,
        change,
        bool(auc is not None and fewest >= LABELS_OF_EACH and auc >= INFORMATIVE_AUC),
    )


def _run_steps(
    runner: Runner, cases: Cases, states: tuple[StateSpec, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    step = runner.step(1)
    wanted = last_hidden(states)
    probabilities, hidden = [], []
    for clip in cases.clips:
        values = zero_states(states, 1, runner.precision)
        for time_step in clip:
            probability, values = step(time_step[None], values)
        probabilities.append(float(probability[0]))
        hidden.append(sample(values[wanted])[0])
    return np.array(probabilities), np.stack(hidden)


def _step_cases(cases: Cases) -> Cases:
    """The adversarial clips, and of the real ones some that lie evenly spaced."""
    real = np.flatnonzero(cases.real)
    room = STEP_CASES - len(ADVERSARIAL)
    taken = real[np.unique(np.linspace(0, len(real) - 1, min(room, len(real))).astype(int))]
    return cases.take(np.sort(np.concatenate([taken, np.flatnonzero(~cases.real)])))


def _windows_only(names: tuple[str, ...], expected: NDArray[np.float32]) -> Cases:
    """Cases of which only the probabilities matter."""
    count = len(expected)
    return Cases(
        names,
        np.zeros((count, 0, 0, 0, 0), np.uint8),
        expected,
        np.zeros((count, 0), np.float32),
        np.full(count, UNKNOWN, np.int8),
    )


def _graph(mode: Mode) -> str:
    match mode:
        case Mode.CLIP:
            return "clip graph"
        case Mode.STEP:
            return "step graph, step by step,"
        case Mode.LANES:
            return "step graph, on lanes,"


def _plain(agreement: Agreement) -> dict[str, Any]:
    values = asdict(agreement)
    return {
        name: value.value if isinstance(value, enum.Enum) else value
        for name, value in values.items()
    }
