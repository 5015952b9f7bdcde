"""Which layer an error starts in: states compared with Keras, layer by layer, step by step."""

import math
from collections.abc import Mapping

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from export.backends import Runner, zero_states
from export.reference import Stretch, sample
from fishrt.bundle import GraphKind, GraphPrecision, StateSpec

STATE_LIMITS: Mapping[GraphPrecision, float] = {
    GraphPrecision.FP32: 1e-4,
    GraphPrecision.FP16: 2e-2,
}
"""Difference of one value of a state that is no rounding; measured here: 2e-6 and 3e-3."""


def where_it_starts(
    runner: Runner,
    graphs: Mapping[GraphKind, bytes],
    stretch: Stretch,
    states: tuple[StateSpec, ...],
) -> str:
    """Says where graphs leave Keras, in half a sentence.

    Args:
        runner: What runs the graphs.
        graphs: The ONNX files.
        stretch: With Keras' states of its first window.
        states: Of the step graph.
    """
    limit = STATE_LIMITS[runner.precision]
    if runner.step is None:
        return "it is the clip alone that was run"
    step = runner.step(1)
    values = zero_states(states, 1, runner.precision)
    probability = np.zeros(1, np.float32)
    steps = len(stretch.time_steps) - len(stretch.windows) + 1
    for number, time_step in enumerate(stretch.time_steps[:steps]):
        probability, values = step(time_step[None], values)
        for state in states:  # in the order of the layers
            error = np.abs(sample(values[state.name])[0] - stretch.trace[state.name][number]).max()
            if not error <= limit:
                return (
                    f"the error starts in {layer_name(state.name)}, whose state {state.name} is "
                    f"{_off(float(error))} after step {number + 1}"
                )
    if not abs(float(probability[0]) - float(stretch.windows[0])) <= limit:
        return "the error starts in the head: the states of all layers agree"
    found = _in_clip(graphs[GraphKind.CLIP], stretch.time_steps[:steps], stretch, limit)
    return found or "on real frames the states of all layers agree, step by step"


def _in_clip(graph: bytes, clip: NDArray[np.uint8], stretch: Stretch, limit: float) -> str | None:
    """The first layer whose last hidden state differs within the clip graph."""
    try:
        import onnx
    except ImportError:  # a machine that only runs bundles has no onnx
        return None
    model = onnx.load_from_string(graph)
    made = {name for node in model.graph.node for name in node.output}
    wanted = {f"last_{name}": name for name in stretch.trace if f"last_{name}" in made}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    values = session.run(list(wanted), {"clip": clip[None]}) if wanted else []
    for name, value in zip(wanted.values(), values, strict=True):
        error = np.abs(sample(value)[0] - stretch.trace[name][-1]).max()
        if not error <= limit:
            return (
                f"the step graph agrees, and in the clip graph the error starts in "
                f"{layer_name(name)}, whose last hidden state is {_off(float(error))}"
            )
    return None


def _off(error: float) -> str:
    return f"{error:.2g} off" if math.isfinite(error) else "not a number"


def layer_name(state: str) -> str:
    """The layer that a state belongs to, in words."""
    if state.startswith("motion"):
        return (
            "the motion energy"
            if state in ("motion_frame", "motion_seen", "motion_past")
            else ("the motion branch")
        )
    return f"ConvLSTM layer {int(state[1:]) + 1}"
