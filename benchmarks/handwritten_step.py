"""A step graph written by hand, as the bar for the traced one: same weights, compared and timed.

    python -m benchmarks.handwritten_step              published size
    python -m benchmarks.handwritten_step --config demo --lanes 1 30

Both graphs run in turns in one process, because the machine may be shared. Processor time is told
beside wall time: it says what a graph costs where other programs take turns.
"""

import argparse
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.frozen import FrozenForecaster
from fishrt.bundle import StateSpec
from fishrt.clip import ClipGeometry
from realtime.stepper import SessionSettings

IR_VERSION, OPSET = 8, 17
ALPHA, BETA = 0.2, 0.5
ROUNDS = {1: 200, 30: 15}


@dataclass
class _Writer:
    """Collects operators and constants."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, operator: str, inputs: list[str], *outputs: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, list(outputs), **attributes))
        return outputs[0]

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


def handwritten_step(
    network: FrozenForecaster, geometry: ClipGeometry, states: tuple[StateSpec, ...]
) -> onnx.ModelProto:
    """The FP32 step graph of a network with max-pool head and one dense layer, by hand.

    Args:
        network: The network's numbers; its batch norms are folded into them.
        geometry: The clip geometry.
        states: Names and shapes of the states.

    Returns:
        A checked ONNX model with the inputs and outputs of the traced one.
    """
    w = _Writer()
    x = w.add("Cast", ["time_step"], "pixels", to=TensorProto.FLOAT)
    for index, layer in enumerate(network.layers):
        factor = np.float32(1 / 255) if index == 0 else np.float32(1)
        x = _layer(w, index, x, layer.kernel * factor, layer.bias, layer.recurrent_kernel)
        if layer.pool_size is not None:
            side = [layer.pool_size] * 2
            x = w.add("MaxPool", [x], f"pooled{index}", kernel_shape=side, strides=side)
    ((kernel, bias),) = network.dense
    x = w.add("Flatten", [w.add("GlobalMaxPool", [x], "largest")], "features")
    weights = [w.constant("dense", kernel), w.constant("dense_bias", bias)]
    x = w.add("Sigmoid", [w.add("Gemm", [x, *weights], "logit")], "column")
    w.add("Squeeze", [x, w.constant("last", np.array([1]))], "probability")
    frames = [1, geometry.frames_per_step, geometry.height, geometry.width]
    inputs = [helper.make_tensor_value_info("time_step", TensorProto.UINT8, frames)]
    outputs = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["lanes"])]
    for prefix, values in (("", inputs), ("next_", outputs)):
        values += [
            helper.make_tensor_value_info(prefix + s.name, TensorProto.FLOAT, ["lanes", *s.shape])
            for s in states
        ]
    graph = helper.make_graph(w.nodes, "handwritten", inputs, outputs, w.constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _layer(
    w: _Writer,
    index: int,
    x: str,
    kernel: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    recurrent: NDArray[np.float32],
) -> str:
    """One ConvLSTM step; returns the new hidden state."""
    side = kernel.shape[0]
    weights = [w.constant(f"kernel{index}", kernel.transpose(3, 2, 0, 1))]
    if bias is not None:
        weights.append(w.constant(f"bias{index}", bias))
    drive = w.add("Conv", [x, *weights], f"drive{index}", kernel_shape=[side] * 2)
    back = w.constant(f"recurrent{index}", recurrent.transpose(3, 2, 0, 1))
    carried = w.add(
        "Conv",
        [f"h{index}", back],
        f"carried{index}",
        kernel_shape=[side] * 2,
        pads=[side // 2] * 4,
    )
    w.add("Add", [drive, carried], f"gates{index}")
    gates = [f"{name}{index}" for name in ("i", "f", "g", "o")]
    w.add("Split", [f"gates{index}"], *gates, axis=1)
    write, keep, output = (
        w.add("HardSigmoid", [gates[at]], f"{gates[at]}_open", alpha=ALPHA, beta=BETA)
        for at in (0, 1, 3)
    )
    candidate = w.add("Tanh", [gates[2]], f"candidate{index}")
    kept = w.add("Mul", [keep, f"c{index}"], f"kept{index}")
    written = w.add("Mul", [write, candidate], f"written{index}")
    cell = w.add("Add", [kept, written], f"next_c{index}")
    shown = w.add("Tanh", [cell], f"shown{index}")
    return w.add("Mul", [output, shown], f"next_h{index}")


def open_bound(
    model: onnx.ModelProto, lanes: int, settings: SessionSettings
) -> tuple[Any, Any, list[NDArray[Any]]]:
    """A session with random inputs and its outputs bound to memory that is to be kept."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.thread_count
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "1" if settings.spinning else "0"
    )
    options.add_free_dimension_override_by_name("lanes", lanes)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(0)
    binding, kept = session.io_binding(), []
    shapes = {value.name: [lanes, *value.shape[1:]] for value in session.get_inputs()}
    for value in session.get_inputs():
        frames = value.type == "tensor(uint8)"
        array = (
            rng.integers(0, 256, value.shape).astype(np.uint8)
            if frames
            else rng.normal(0, 0.3, shapes[value.name]).astype(np.float32)
        )
        binding.bind_input(value.name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        kept.append(array)
    for value in session.get_outputs():
        array = np.zeros(shapes.get(value.name.removeprefix("next_"), [lanes]), np.float32)
        binding.bind_output(value.name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        kept.append(array)
    return session, binding, kept


def time_in_turns(
    models: dict[str, onnx.ModelProto], lanes: int, rounds: int
) -> dict[str, NDArray[np.float64]]:
    """Milliseconds of each model's step, wall and processor: `(rounds, 2)`, measured in turns."""
    opened = {name: open_bound(model, lanes, SessionSettings()) for name, model in models.items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in models}
    for number in range(rounds + 3):
        for name in sorted(opened, reverse=number % 2 == 1):  # neither is always first
            session, binding, _ = opened[name]
            wall, cpu = time.perf_counter(), time.process_time()
            session.run_with_iobinding(binding)
            if number >= 3:
                times[name].append(
                    (1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu))
                )
    return {name: np.array(values) for name, values in times.items()}


def main() -> None:
    """Builds both graphs with the same random weights, compares and times them."""
    from export.graphs import freeze_network, step_graph
    from fishrt.config import load_config
    from training.forecaster import Forecaster

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="visionary-serenity")
    parser.add_argument("--lanes", type=int, nargs="*", default=list(ROUNDS))
    options = parser.parse_args()
    config = load_config(options.config)
    model = Forecaster(config.clip, config.model)
    network, geometry = freeze_network(model), config.clip.geometry
    assert isinstance(network, FrozenForecaster)
    models = {
        "traced": step_graph(network, geometry, model.state_specs),
        "by hand": handwritten_step(network, geometry, model.state_specs),
    }
    for name, graph in models.items():
        print(f"{name}: {len(graph.graph.node)} operators")
    for lanes in options.lanes:
        times = time_in_turns(models, lanes, ROUNDS.get(lanes, 50))
        ratio = np.median(times["traced"] / times["by hand"], axis=0)
        for name, values in times.items():
            wall, cpu = np.median(values, axis=0)
            print(
                f"{lanes} lanes, {name}: {wall:.2f} ms (best {values[:, 0].min():.2f}), "
                f"processor time {cpu:.2f} ms"
            )
        print(f"{lanes} lanes, traced / by hand, median of pairs: {ratio[0]:.3f}, {ratio[1]:.3f}")


if __name__ == "__main__":
    main()
