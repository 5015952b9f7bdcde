"""Which layer an error starts in: states compared with Keras, layer by layer, step by step.

Rounding grows from step to step and from layer to layer, so a limit that is right for the first
layer calls the fourth one wrong in a healthy graph. Wrong weights and operators show at once: the
first steps are held to one strict limit for all layers, later ones to one that grows with depth.
"""

import math
from collections.abc import Mapping

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from export.agreement import FLICKER_LIMITS, HIDDEN_LIMITS, LIMITS
from export.backends import Runner, StepFunction, zero_states
from export.reference import FLICKER, Cases, Stretch, last_hidden, sample
from fishrt.bundle import GraphKind, GraphPrecision, StateSpec
from fishrt.graph_names import CLIP, LAST_PREFIX

EARLY = 3
"""Steps in which what is wrong shows, and rounding does not yet: a recurrent kernel takes two."""
STATE_LIMITS: Mapping[GraphPrecision, float] = {
    GraphPrecision.FP32: 1e-4,
    GraphPrecision.FP16: 2e-2,
}
"""Difference of one value of a state in the early steps that is no rounding, as a share of the
state's largest value (or of 1). Measured, four layers with random weights, 160x120 and 80x60, the
worst of all layers: 2.8e-6 and 5e-3."""
GROWTH = 5.0
"""How much larger that may be in later steps, and in a clip, for every layer below. Measured, the
same networks, by layer: FP32 2e-6, 1.2e-5, 4e-5, 7e-5; FP16 2e-3, 1.5e-2, 2.4e-2, 4e-2."""


def where_it_starts(
    runner: Runner,
    graphs: Mapping[GraphKind, bytes],
    stretch: Stretch,
    cases: Cases,
    states: tuple[StateSpec, ...],
) -> str:
    """Says where graphs leave Keras, in half a sentence.

    Args:
        runner: What runs the graphs.
        graphs: The ONNX files.
        stretch: With Keras' states of its first window.
        cases: With the adversarial clips, for errors that real frames do not show.
        states: Of the step graph.
    """
    if runner.step is None:
        return "it is the clip alone that was run"
    step, precision = runner.step(1), runner.precision
    steps = len(stretch.time_steps) - len(stretch.windows) + 1
    return (
        _in_step(step, precision, stretch, steps, states)
        or _in_clip(graphs[GraphKind.CLIP], precision, stretch, steps)
        or _on_adversarial(step, precision, cases, states)
        or "on real frames the states of all layers agree, step by step"
    )


def _in_step(
    step: StepFunction,
    precision: GraphPrecision,
    stretch: Stretch,
    steps: int,
    states: tuple[StateSpec, ...],
) -> str | None:
    """The first layer, or the head, that leaves Keras on real frames."""
    values = zero_states(states, 1, precision)
    probability = np.zeros(1, np.float32)
    for number, time_step in enumerate(stretch.time_steps[:steps]):
        probability, values = step(time_step[None], values)
        for state in states:  # in the order of the layers
            error = _furthest(values[state.name], stretch.trace[state.name][number])
            limit = _limit(precision, state.name, stretch, late=number >= EARLY)
            if not error <= limit:
                return (
                    f"the error starts in {layer_name(state.name)}, whose state {state.name} is "
                    f"{_off(error)} after step {number + 1}"
                )
    if abs(float(probability[0]) - float(stretch.windows[0])) <= LIMITS[precision]:
        return None
    name = last_hidden(states)
    spread = _spread(values[name], stretch.trace[name][-1])
    if not spread <= HIDDEN_LIMITS[precision]:
        return f"no layer stands out: differences grow to {_off(spread)} in state {name}"
    return "the error starts in the head: the states of all layers agree"


def _in_clip(graph: bytes, precision: GraphPrecision, stretch: Stretch, steps: int) -> str | None:
    """The first layer whose last hidden state differs within the clip graph."""
    try:
        import onnx
    except ImportError:  # a machine that only runs bundles has no onnx
        return None
    model = onnx.load_from_string(graph)
    made = {name for node in model.graph.node for name in node.output}
    wanted = {
        f"{LAST_PREFIX}{name}": name for name in stretch.trace if f"{LAST_PREFIX}{name}" in made
    }
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    clip = stretch.time_steps[:steps]
    values = session.run(list(wanted), {CLIP: clip[None]}) if wanted else []
    for name, value in zip(wanted.values(), values, strict=True):
        error = _furthest(value, stretch.trace[name][-1])
        if not error <= _limit(precision, name, stretch, late=True):
            return (
                f"the step graph agrees, and in the clip graph the error starts in "
                f"{layer_name(name)}, whose last hidden state is {_off(error)}"
            )
    return None


def _on_adversarial(
    step: StepFunction, precision: GraphPrecision, cases: Cases, states: tuple[StateSpec, ...]
) -> str | None:
    """What is known of an error that real frames do not show: Keras' last hidden state alone."""
    name = last_hidden(states)
    for row in np.flatnonzero(~cases.real):
        values = zero_states(states, 1, precision)
        clip = cases.names[row]
        for number, time_step in enumerate(cases.clips[row]):
            probability, values = step(time_step[None], values)
            for state in states:
                if not np.isfinite(values[state.name]).all():
                    return (
                        f"real frames agree, and on the clip '{clip}' the error starts in "
                        f"{layer_name(state.name)}, whose state {state.name} is not a number "
                        f"after step {number + 1}"
                    )
        limits = FLICKER_LIMITS if clip in FLICKER else LIMITS
        most = limits[precision]
        error = abs(float(probability[0]) - float(cases.expected[row]))
        if most is None or error <= most:
            continue
        spread = _spread(values[name], cases.hidden[row])
        if spread <= HIDDEN_LIMITS[precision]:
            return (
                f"real frames agree, and on the clip '{clip}' the error starts in the head: the "
                "last hidden state agrees"
            )
        return (
            f"real frames agree, and on the clip '{clip}' the error lies in the layers, whose last "
            f"hidden state {name} is {_off(spread)} (a bundle keeps no more of that clip)"
        )
    return None


def _limit(precision: GraphPrecision, state: str, stretch: Stretch, *, late: bool) -> float:
    scale = max(1.0, float(np.abs(stretch.trace[state]).max()))
    return scale * STATE_LIMITS[precision] * (GROWTH ** _depth(state) if late else 1.0)


def _furthest(value: NDArray[np.generic], expected: NDArray[np.float32]) -> float:
    return float(np.abs(sample(value)[0] - expected).max())


def _spread(value: NDArray[np.generic], expected: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean((sample(value)[0] - expected).astype(np.float64) ** 2)))


def _off(error: float) -> str:
    return f"{error:.2g} off" if math.isfinite(error) else "not a number"


def _depth(state: str) -> int:
    """How many ConvLSTM layers lie below a state."""
    return 0 if state.startswith("motion") else int(state[1:])


def layer_name(state: str) -> str:
    """The layer that a state belongs to, in words."""
    if state.startswith("motion"):
        return (
            "the motion energy"
            if state in ("motion_frame", "motion_seen", "motion_past")
            else ("the motion branch")
        )
    return f"ConvLSTM layer {_depth(state) + 1}"
