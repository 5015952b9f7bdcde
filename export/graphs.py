"""From the frozen forecaster to ONNX graphs."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from onnx import numpy_helper

from export import frozen
from export.frozen import FrozenForecaster, freeze
from export.frozen_motion import (
    FrozenMotionForecaster,
    freeze_motion,
    motion_clip,
    motion_step,
)
from fishrt import __version__
from fishrt.bundle import GraphKind, GraphPrecision, StateSpec
from fishrt.clip import ClipGeometry
from fishrt.config import TrainMode
from fishrt.graph_names import CLIP, LANES, LAST_PREFIX, NEXT_PREFIX, PROBABILITY, TIME_STEP
from training.convlstm import HARD_SIGMOID_ALPHA, HARD_SIGMOID_BETA
from training.motion_forecaster import MotionForecaster
from training.networks import AnyForecaster

OPSET = 17
FP32 = GraphPrecision.FP32

Tensor = Any


AnyFrozen = FrozenForecaster | FrozenMotionForecaster


def freeze_network(model: AnyForecaster) -> AnyFrozen:
    """Takes a network's weights out as numbers."""
    if isinstance(model, MotionForecaster):
        return freeze_motion(model)
    return freeze(model)


def step_graph(
    network: AnyFrozen,
    geometry: ClipGeometry,
    states: tuple[StateSpec, ...],
    precision: GraphPrecision = FP32,
) -> onnx.ModelProto:
    """The step graph: `time_step` and states -> `probability` and `next_` states.

    Traced for a fixed number of lanes. No operator in it depends on that number, so the first
    dimension of states and outputs is then named `lanes`: one file serves exact lanes, every-k
    lanes and streams, and is static again once it is loaded with that number.

    Args:
        network: The network.
        geometry: The clip geometry.
        states: Names, shapes and types of the states.
        precision: What it computes in.

    Returns:
        A checked ONNX model.
    """
    lanes = geometry.steps
    shape = (1, geometry.frames_per_step, geometry.height, geometry.width)
    signature = [tf.TensorSpec(shape, tf.uint8, name=TIME_STEP)] + [
        tf.TensorSpec((lanes, *state.shape), _dtype(state, precision), name=state.name)
        for state in states
    ]
    if isinstance(network, FrozenMotionForecaster):
        motion = network
        model = _trace(lambda *inputs: motion_step(motion, precision, *inputs), signature)
    else:
        pictures = network
        model = _trace(lambda *inputs: frozen.step(pictures, precision, *inputs), signature)
    _rename_outputs(model, [PROBABILITY, *(f"{NEXT_PREFIX}{state.name}" for state in states)])
    _free_lanes(model)
    return _finish(model)


def clip_graph(
    network: AnyFrozen, geometry: ClipGeometry, precision: GraphPrecision = FP32
) -> onnx.ModelProto:
    """The clip graph: `clip` uint8 `(1, steps, frames_per_step, H, W)` -> `probability`.

    Args:
        network: The network.
        geometry: The clip geometry.
        precision: What it computes in.

    Returns:
        A checked ONNX model, all shapes static.
    """
    shape = (1, geometry.steps, geometry.frames_per_step, geometry.height, geometry.width)
    signature = [tf.TensorSpec(shape, tf.uint8, name=CLIP)]
    names = [PROBABILITY]
    if isinstance(network, FrozenMotionForecaster):
        motion = network
        model = _trace(lambda frames: motion_clip(motion, precision, frames), signature)
    else:
        pictures = network
        model = _trace(lambda frames: frozen.clip(pictures, precision, frames), signature)
        names += [f"{LAST_PREFIX}h{layer}" for layer in range(len(network.layers))]
    _rename_outputs(model, names)
    del model.graph.output[1:]
    return _finish(model)


def describe_graph(
    model: onnx.ModelProto,
    kind: GraphKind,
    precision: GraphPrecision,
    geometry: ClipGeometry,
    mode: TrainMode,
    states: tuple[StateSpec, ...],
) -> None:
    """Writes into a graph what it is, in place, so that a file without its bundle still tells.

    Args:
        model: The graph.
        kind: Which of the two it is.
        precision: What it computes in.
        geometry: The clip geometry.
        mode: What the network was trained for.
        states: Names, shapes and types of the states.
    """
    properties = {
        "fishrt.version": __version__,
        "fishrt.graph": kind.value,
        "fishrt.precision": precision.value,
        "fishrt.trained_for": mode.value,
        "fishrt.hard_sigmoid": json.dumps({"alpha": HARD_SIGMOID_ALPHA, "beta": HARD_SIGMOID_BETA}),
        "fishrt.clip": json.dumps(
            {
                "steps": geometry.steps,
                "frames_per_step": geometry.frames_per_step,
                "height": geometry.height,
                "width": geometry.width,
            }
        ),
    }
    if kind is GraphKind.STEP:
        properties["fishrt.states"] = json.dumps(
            [{"name": s.name, "shape": s.shape, "dtype": s.dtype(precision).name} for s in states]
        )
    onnx.helper.set_model_props(model, properties)


def _dtype(state: StateSpec, precision: GraphPrecision) -> Any:
    return tf.as_dtype(state.dtype(precision))


def fuse_hard_sigmoid(model: onnx.ModelProto) -> int:
    """Turns every min(alpha x + beta, 1), max 0 chain into one HardSigmoid, in place.

    TensorFlow has no hard sigmoid, so the traced graph spells it out in four operators.

    Args:
        model: The model to change.

    Returns:
        How many chains were replaced.
    """
    graph = model.graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    maker = {name: node for node in graph.node for name in node.output}
    users: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            users[name] = users.get(name, 0) + 1
    replaced = 0
    for node in list(graph.node):
        chain = _hard_sigmoid_chain(node, maker, constants, users)
        if chain is None:
            continue
        source, alpha, beta, dead = chain
        position = list(graph.node).index(node)
        fused = onnx.helper.make_node(
            "HardSigmoid", [source], list(node.output), name=node.name, alpha=alpha, beta=beta
        )
        graph.node.remove(node)
        graph.node.insert(position, fused)
        for old in dead:
            graph.node.remove(old)
        replaced += 1
    _drop_unused_constants(model)
    return replaced


def _trace(function: Callable[..., Any], signature: list[Any]) -> onnx.ModelProto:
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    traced = tf.function(function, input_signature=signature, autograph=False)
    model, _ = tf2onnx.convert.from_function(traced, input_signature=signature, opset=OPSET)
    fuse_hard_sigmoid(model)
    return model


def _hard_sigmoid_chain(
    node: onnx.NodeProto,
    maker: Mapping[str, onnx.NodeProto],
    constants: Mapping[str, Any],
    users: Mapping[str, int],
) -> tuple[str, float, float, list[onnx.NodeProto]] | None:
    """Source, alpha, beta and the inner nodes of a chain that ends in `node`, or None."""
    values: list[float] = []
    inner: list[onnx.NodeProto] = []
    current = node
    for operator in ("Max", "Min", "Add", "Mul"):
        if current is None or current.op_type != operator or len(current.input) != 2:
            return None
        if operator != "Max":
            if users[current.output[0]] != 1:
                return None
            inner.append(current)
        fixed = [name for name in current.input if name in constants and constants[name].size == 1]
        if len(fixed) != 1:
            return None
        values.append(float(np.float32(constants[fixed[0]].item())))
        source = next(name for name in current.input if name != fixed[0])
        current = maker.get(source)
    low, high, beta, alpha = values
    return (source, alpha, beta, inner) if (low, high) == (0.0, 1.0) else None


def _rename_outputs(model: onnx.ModelProto, names: list[str]) -> None:
    graph = model.graph
    new = {output.name: name for output, name in zip(list(graph.output), names, strict=True)}
    for node in graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
    for output in graph.output:
        output.name = new[output.name]


def _free_lanes(model: onnx.ModelProto) -> None:
    # every value that was traced carries the traced number of lanes; shapes are inferred anew
    del model.graph.value_info[:]
    for value in [*model.graph.input, *model.graph.output]:
        if value.name != TIME_STEP:
            value.type.tensor_type.shape.dim[0].dim_param = LANES


def _order_by_need(model: onnx.ModelProto) -> None:
    """Puts every operator just before the first that needs it, so that its output is still near."""
    makers = {name: node for node in model.graph.node for name in node.output}
    ordered: list[onnx.NodeProto] = []
    done: set[str] = set()
    outputs = [value.name for value in model.graph.output]
    # states before the probability: layers from first to last
    waiting = [outputs[0], *reversed(outputs[1:])]
    while waiting:  # a stack, as clips nest deeper than Python's
        node = makers.get(waiting[-1])
        if node is None or node.output[0] in done:
            waiting.pop()
            continue
        missing = [
            name for name in node.input if name in makers and makers[name].output[0] not in done
        ]
        if missing:
            waiting.extend(reversed(missing))
            continue
        done.add(node.output[0])
        ordered.append(node)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ordered]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def _drop_unused_constants(model: onnx.ModelProto) -> None:
    used = {name for node in model.graph.node for name in node.input}
    kept = [item for item in model.graph.initializer if item.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _finish(model: onnx.ModelProto) -> onnx.ModelProto:
    _order_by_need(model)
    # tf2onnx also names the operators of classical machine learning, of which there are none
    others = [entry for entry in model.opset_import if entry.domain]
    for entry in others:
        model.opset_import.remove(entry)
    model.producer_name = "fishrt"
    model.producer_version = __version__
    onnx.checker.check_model(model, full_check=True)
    return model
