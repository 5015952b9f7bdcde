"""A bundle with random weights, built with onnx alone: small, quick, and never TensorFlow.

The graphs follow the contract of the real ones: `step.onnx` with one time step for all lanes,
`clip.onnx` with the same cells unrolled from zero state.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.reference import (
    ADVERSARIAL,
    EXTRA_STEPS,
    UNKNOWN,
    Cases,
    Stretch,
    adversarial_clips,
    compared_windows,
    last_hidden,
    sample,
    save_reference,
    windows_of,
)
from fishrt import __version__
from fishrt.bundle import (
    FORMAT_VERSION,
    Bundle,
    BundleMetadata,
    GraphFile,
    GraphKind,
    StateSpec,
    StoredFile,
    load_bundle,
    save_metadata,
)
from fishrt.clip import ClipGeometry
from fishrt.config import parse_config
from fishrt.storage import sha256_of

IR_VERSION, OPSET = 8, 17
GEOMETRY = ClipGeometry(steps=3, frames_per_step=2, height=12, width=16)
"""Of the bundle that the fixture `bundle` of conftest.py gives."""


@dataclass
class _Graph:
    """Collects nodes and constants."""

    nodes: list = field(default_factory=list)
    constants: dict = field(default_factory=dict)

    def add(self, op: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: NDArray) -> str:
        self.constants[name] = numpy_helper.from_array(np.asarray(value), name)
        return name


def make_tiny_bundle(
    folder: Path,
    geometry: ClipGeometry,
    filters: tuple[int, ...] = (2, 3),
    seed: int = 0,
    **settings: dict,
) -> Bundle:
    """Writes a bundle of a random ConvLSTM forecaster and reads it back.

    Args:
        folder: Where to write it; made if need be.
        geometry: Clip geometry of the model.
        filters: Filters of each layer.
        seed: Of the weights.
        settings: More sections of the config, such as `preprocess={...}`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = _weights(np.random.default_rng(seed), geometry, filters)
    shapes = _state_shapes(geometry, filters)
    onnx.save(_step_model(geometry, weights, shapes), folder / "step.onnx")
    onnx.save(_clip_model(geometry, weights, shapes), folder / "clip.onnx")
    clip = {
        "steps": geometry.steps,
        "frames_per_step": geometry.frames_per_step,
        "height": geometry.height,
        "width": geometry.width,
    }
    save_metadata(
        folder,
        BundleMetadata(
            format_version=FORMAT_VERSION,
            fishrt_version=__version__,
            name=folder.name,
            config=parse_config(
                {"clip": clip, "model": {"filters": list(filters)}, **settings}, "test"
            ),
            graphs=tuple(
                GraphFile(kind=kind, file=f"{kind}.onnx", sha256=sha256_of(folder / f"{kind}.onnx"))
                for kind in GraphKind
            ),
            states=tuple(StateSpec(name=name, shape=shape) for name, shape in shapes.items()),
        ),
    )
    return load_bundle(folder)


def reseal(folder: Path) -> Bundle:
    """Makes the metadata agree with graphs that a test has changed on purpose."""
    metadata = load_bundle(folder).metadata
    graphs = tuple(
        graph.model_copy(update={"sha256": sha256_of(folder / graph.file)})
        for graph in metadata.graphs
    )
    save_metadata(folder, metadata.model_copy(update={"graphs": graphs}))
    return load_bundle(folder)


def add_reference(bundle: Bundle, shift: float = 0.0) -> Bundle:
    """Gives a bundle the reference that an export would: here what ONNX Runtime makes of noise.

    Args:
        bundle: The bundle.
        shift: Added to every probability, so that nothing agrees with it.
    """
    geometry, states = bundle.metadata.config.clip.geometry, bundle.metadata.states
    session = onnxruntime.InferenceSession(bundle.folder / "clip.onnx")
    stepping = onnxruntime.InferenceSession(bundle.folder / "step.onnx")
    names = [output.name for output in stepping.get_outputs()]
    count = geometry.steps + EXTRA_STEPS
    shape = (count, geometry.frames_per_step, geometry.height, geometry.width)
    time_steps = np.random.default_rng(5).integers(0, 256, shape).astype(np.uint8)
    windows = windows_of(time_steps, geometry.steps)
    special = adversarial_clips(windows[0])
    compared = windows[compared_windows(len(windows))]
    clips = np.concatenate([compared, special])

    def probability(clip: NDArray) -> float:
        return session.run(["probability"], {"clip": clip[None]})[0][0] + shift

    def states_of(clip: NDArray) -> list[dict]:
        values = {state.name: np.zeros((1, *state.shape), np.float32) for state in states}
        found = []
        for time_step in clip:
            results = stepping.run(names, {"time_step": time_step[None], **values})
            after = dict(zip(names, results, strict=True))
            values = {state.name: after[f"next_{state.name}"] for state in states}
            found.append({name: sample(value)[0] for name, value in values.items()})
        return found

    trace = states_of(windows[0])
    stretch = Stretch(
        time_steps,
        np.array([probability(clip) for clip in windows], np.float32),
        {state.name: np.stack([row[state.name] for row in trace]) for state in states},
    )
    cases = Cases(
        ("real",) * len(compared) + ADVERSARIAL,
        clips,
        np.array([probability(clip) for clip in clips], np.float32),
        np.stack([states_of(clip)[-1][last_hidden(states)] for clip in clips]),
        np.full(len(clips), UNKNOWN, np.int8),
    )
    path = save_reference(bundle.folder, stretch, cases)
    stored = StoredFile(file=path.name, sha256=sha256_of(path))
    save_metadata(bundle.folder, bundle.metadata.model_copy(update={"reference": stored}))
    return load_bundle(bundle.folder)


def _weights(rng: np.random.Generator, geometry: ClipGeometry, filters: tuple[int, ...]) -> dict:
    weights, channels = {}, geometry.frames_per_step
    for layer, count in enumerate(filters):
        weights[f"kernel{layer}"] = 0.5 * rng.standard_normal((4 * count, channels, 3, 3))
        weights[f"recurrent{layer}"] = 0.3 * rng.standard_normal((4 * count, count, 3, 3))
        channels = count
    weights["dense"] = 3.0 * rng.standard_normal((channels, 1))
    return {name: value.astype(np.float32) for name, value in weights.items()}


def _state_shapes(geometry: ClipGeometry, filters: tuple[int, ...]) -> dict:
    height, width, shapes = geometry.height, geometry.width, {}
    for layer, count in enumerate(filters):
        if layer:
            height, width = height // 2, width // 2
        height, width = height - 2, width - 2
        shapes[f"h{layer}"] = shapes[f"c{layer}"] = (count, height, width)
    return shapes


def _cell(graph: _Graph, weights: dict, image: str, states: dict, tag: str) -> tuple[str, dict]:
    """One step of all layers; returns the probability (lanes, 1) and the new states."""
    new = {}
    for layer in range(len(states) // 2):
        name = f"{tag}_{layer}"
        count = weights[f"recurrent{layer}"].shape[1]
        kernel = graph.constant(f"kernel{layer}", weights[f"kernel{layer}"])
        recurrent = graph.constant(f"recurrent{layer}", weights[f"recurrent{layer}"])
        from_input = graph.add("Conv", [image, kernel], f"x_{name}", kernel_shape=[3, 3])
        from_state = graph.add(
            "Conv", [states[f"h{layer}"], recurrent], f"u_{name}", kernel_shape=[3, 3], pads=[1] * 4
        )
        graph.add("Add", [from_input, from_state], f"z_{name}")
        sizes = graph.constant(f"sizes{layer}", np.array([count] * 4))
        gates = [f"{gate}_{name}" for gate in ("zi", "zf", "zc", "zo")]
        graph.nodes.append(helper.make_node("Split", [f"z_{name}", sizes], gates, axis=1))
        i, f, o = (
            graph.add("HardSigmoid", [gates[k]], f"s{k}_{name}", alpha=0.2, beta=0.5)
            for k in (0, 1, 3)
        )
        kept = graph.add("Mul", [f, states[f"c{layer}"]], f"kept_{name}")
        fresh = graph.add("Mul", [i, graph.add("Tanh", [gates[2]], f"t_{name}")], f"new_{name}")
        cell = graph.add("Add", [kept, fresh], f"next_c_{name}")
        squashed = graph.add("Tanh", [cell], f"tc_{name}")
        hidden = graph.add("Mul", [o, squashed], f"next_h_{name}")
        new[f"h{layer}"], new[f"c{layer}"] = hidden, cell
        image = hidden
        if layer + 1 < len(states) // 2:
            image = graph.add(
                "MaxPool", [image], f"pool_{name}", kernel_shape=[2, 2], strides=[2, 2]
            )
    pooled = graph.add("Flatten", [graph.add("GlobalMaxPool", [image], f"m_{tag}")], f"f_{tag}")
    dense = graph.constant("dense", weights["dense"])
    logit = graph.add("MatMul", [pooled, dense], f"logit_{tag}")
    return graph.add("Sigmoid", [logit], f"p_{tag}"), new


def _scaled(graph: _Graph, pixels: str, output: str) -> str:
    as_float = graph.add("Cast", [pixels], f"{output}_float", to=TensorProto.FLOAT)
    return graph.add("Div", [as_float, graph.constant("full", np.float32(255))], output)


def _step_model(geometry: ClipGeometry, weights: dict, shapes: dict) -> onnx.ModelProto:
    graph = _Graph()
    image = _scaled(graph, "time_step", "image")
    probability, new = _cell(graph, weights, image, {name: name for name in shapes}, "step")
    axis = graph.constant("axis", np.array([1]))
    graph.add("Squeeze", [probability, axis], "probability")
    for name, value in new.items():
        graph.add("Identity", [value], f"next_{name}")
    size = [1, geometry.frames_per_step, geometry.height, geometry.width]
    inputs = [helper.make_tensor_value_info("time_step", TensorProto.UINT8, size)]
    outputs = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["lanes"])]
    for prefix, tensors in (("", inputs), ("next_", outputs)):
        tensors += [
            helper.make_tensor_value_info(prefix + name, TensorProto.FLOAT, ["lanes", *shape])
            for name, shape in shapes.items()
        ]
    return _model(graph, inputs, outputs)


def _clip_model(geometry: ClipGeometry, weights: dict, shapes: dict) -> onnx.ModelProto:
    graph = _Graph()
    states = {
        name: graph.constant(f"zero_{name}", np.zeros((1, *shape), np.float32))
        for name, shape in shapes.items()
    }
    axis = graph.constant("axis", np.array([1]))
    scaled = _scaled(graph, "clip", "scaled")
    probability = ""
    for step in range(geometry.steps):
        index = graph.constant(f"at{step}", np.array(step))
        image = graph.add("Gather", [scaled, index], f"image{step}", axis=1)
        probability, states = _cell(graph, weights, image, states, f"step{step}")
    graph.add("Squeeze", [probability, axis], "probability")
    size = [1, geometry.steps, geometry.frames_per_step, geometry.height, geometry.width]
    return _model(
        graph,
        [helper.make_tensor_value_info("clip", TensorProto.UINT8, size)],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [1])],
    )


def _model(graph: _Graph, inputs: list, outputs: list) -> onnx.ModelProto:
    made = helper.make_graph(graph.nodes, "tiny", inputs, outputs, list(graph.constants.values()))
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(model)
    return model
