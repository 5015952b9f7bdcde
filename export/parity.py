"""Proof that the exported graphs compute what the Keras model computes, wherever they run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.agreement import (
    FLICKER_LIMITS,
    HIDDEN_LIMITS,
    LIMITS,
    Agreement,
    Computed,
    Mode,
    agreement_of,
    violation,
)
from export.backends import (
    BackendAbsentError,
    ClipFunction,
    Opener,
    Runner,
    StepMaker,
    onnx_openers,
    zero_states,
)
from export.parity_location import where_it_starts
from export.reference import ADVERSARIAL, UNKNOWN, Cases, Stretch, last_hidden, sample
from export.weakness import weaknesses
from fishrt.bundle import GraphKind, GraphPrecision, StateSpec
from fishrt.errors import ParityError

STEP_CASES = 18
"""Clips that are also run step by step, which takes 30 calls each."""


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
        warnings: Why agreement on these clips proves little, in sentences; mostly none.
    """

    source: str
    real: int
    spread: float
    threshold: float
    agreements: tuple[Agreement, ...]
    absent: dict[str, str]
    warnings: tuple[str, ...] = ()

    def worst(self, precision: GraphPrecision) -> float:
        """The largest difference of any way with graphs of that precision, flicker left out."""
        return max(a.max for a in self.agreements if a.precision is precision)

    def record(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "frames_from": self.source,
            "real_clips": self.real,
            "adversarial_clips": list(ADVERSARIAL),
            "spread": self.spread,
            "threshold": self.threshold,
            "limits": _by_precision(LIMITS),
            "flicker_limits": _by_precision(FLICKER_LIMITS),
            "hidden_limits": _by_precision(HIDDEN_LIMITS),
            "agreements": [agreement.record() for agreement in self.agreements],
            "absent": self.absent,
            "warnings": list(self.warnings),
        }


def measure_parity(
    graphs: Mapping[GraphPrecision, Mapping[GraphKind, bytes]],
    stretch: Stretch,
    cases: Cases,
    states: tuple[StateSpec, ...],
    threshold: float,
    source: str,
    openers: Mapping[str, Opener] | None = None,
) -> ParityReport:
    """Compares graphs with Keras on every backend that there is, and refuses those that differ.

    Args:
        graphs: ONNX files of both kinds, by precision.
        stretch: What lanes are compared on.
        cases: What clip and step are compared on.
        states: Of the step graph.
        threshold: The operating threshold.
        source: Where the real clips come from.
        openers: What to run them on, by name; None takes every ONNX Runtime.

    Returns:
        The figures.

    Raises:
        ParityError: If a graph differs beyond the limit; the sentence names the layer where the
            error starts.
        BundleError: If a graph cannot be run.
    """
    agreements: list[Agreement] = []
    absent: dict[tuple[str, GraphPrecision], str] = {}
    for name, opener in (onnx_openers() if openers is None else openers).items():
        for precision, files in graphs.items():
            try:
                runner = opener(files, precision)
                found = compare(runner, stretch, cases, states, threshold)
            except BackendAbsentError as error:
                absent[name, precision] = str(error)
                continue
            check(found, runner, files, stretch, cases, states, source)
            agreements += found
    return ParityReport(
        source,
        int(cases.real.sum()),
        float(cases.expected[cases.real].std()),
        threshold,
        tuple(agreements),
        _told_once(absent, len(graphs)),
        weaknesses(cases, stretch),
    )


def compare(
    runner: Runner,
    stretch: Stretch,
    cases: Cases,
    states: tuple[StateSpec, ...],
    threshold: float,
) -> list[Agreement]:
    """Runs what a runner has in every mode and compares with Keras; see `measure_parity`."""
    found = []

    def add(mode: Mode, cases: Cases, computed: Computed) -> None:
        found.append(
            agreement_of(runner.backend, runner.precision, mode, cases, computed, threshold)
        )

    if runner.clip is not None:
        add(Mode.CLIP, cases, run_clips(runner.clip, cases))
    if runner.step is not None:
        few = _step_cases(cases)
        add(Mode.STEP, few, run_steps(runner.step, few, states, runner.precision))
        some = _that_fit(stretch, runner.most_lanes)
        lanes = run_lanes(runner.step, some, states, runner.precision)
        add(Mode.LANES, _windows_only(some.windows), Computed(lanes))
    return found


def run_clips(clip: ClipFunction, cases: Cases) -> Computed:
    """Every clip by the clip graph."""
    return Computed(np.array([clip(frames[None]) for frames in cases.clips]))


def run_steps(
    step_maker: StepMaker, cases: Cases, states: tuple[StateSpec, ...], precision: GraphPrecision
) -> Computed:
    """Every clip step by step from zero states, in one lane."""
    step = step_maker(1)
    wanted = last_hidden(states)
    probabilities, hidden = [], []
    for clip in cases.clips:
        values = zero_states(states, 1, precision)
        for time_step in clip:
            probability, values = step(time_step[None], values)
        probabilities.append(float(probability[0]))
        hidden.append(sample(values[wanted])[0])
    return Computed(np.array(probabilities), np.stack(hidden))


def run_lanes(
    step_maker: StepMaker,
    stretch: Stretch,
    states: tuple[StateSpec, ...],
    precision: GraphPrecision,
) -> NDArray[np.float64]:
    """Every window of a stretch, each in its lane, all lanes in one batch.

    Lane j is zeroed before step j and read when it has seen a clip: what the live loop does.

    Returns:
        float64 `(windows,)`.
    """
    lanes = len(stretch.windows)
    steps = len(stretch.time_steps) - lanes + 1
    step = step_maker(lanes)
    values = zero_states(states, lanes, precision)
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
    cases: Cases,
    states: tuple[StateSpec, ...],
    source: str,
) -> None:
    """Refuses graphs that differ from Keras.

    Raises:
        ParityError: If a difference is beyond the limit or no number.
    """
    for agreement in agreements:
        complaint = violation(agreement, source)
        if complaint is None:
            continue
        where = where_it_starts(runner, graphs, stretch, cases, states)
        raise ParityError(
            f"the {agreement.precision} {_graph(agreement.mode)} on {agreement.backend} "
            f"{complaint}; {where}."
        )


def _step_cases(cases: Cases) -> Cases:
    """The adversarial clips, and of the real ones some that lie evenly spaced."""
    real = np.flatnonzero(cases.real)
    room = STEP_CASES - len(ADVERSARIAL)
    taken = real[np.unique(np.linspace(0, len(real) - 1, min(room, len(real))).astype(int))]
    return cases.take(np.sort(np.concatenate([taken, np.flatnonzero(~cases.real)])))


def _that_fit(stretch: Stretch, most: int | None) -> Stretch:
    """So much of a stretch that it has no more windows than there are lanes."""
    extra = len(stretch.windows) - (most or len(stretch.windows))
    if extra <= 0:
        return stretch
    return replace(
        stretch, time_steps=stretch.time_steps[:-extra], windows=stretch.windows[:-extra]
    )


def _windows_only(expected: NDArray[np.float32]) -> Cases:
    """Cases of which only the probabilities matter."""
    count = len(expected)
    return Cases(
        ("real",) * count,
        np.zeros((count, 0, 0, 0, 0), np.uint8),
        expected,
        np.zeros((count, 0), np.float32),
        np.full(count, UNKNOWN, np.int8),
    )


def _told_once(absent: Mapping[tuple[str, GraphPrecision], str], precisions: int) -> dict[str, str]:
    """Reasons by backend; by backend and precision only where they differ."""
    told: dict[str, str] = {}
    for (name, precision), reason in absent.items():
        reasons = [why for (other, _), why in absent.items() if other == name]
        alike = len(reasons) == precisions and len(set(reasons)) == 1
        told[name if alike else f"{name} in {precision}"] = reason
    return told


def _by_precision(limits: Mapping[GraphPrecision, float | None]) -> dict[str, float | None]:
    return {precision.value: limit for precision, limit in limits.items()}


def _graph(mode: Mode) -> str:
    match mode:
        case Mode.CLIP:
            return "clip graph"
        case Mode.STEP:
            return "step graph, step by step,"
        case Mode.LANES:
            return "step graph, on lanes,"
