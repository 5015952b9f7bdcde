"""Every config that ships: its graphs pass the lint, run, and say what Keras says."""

import json
import os

import numpy as np
import onnx
import pytest

pytest.importorskip("keras", reason="the train extra is not installed")
pytest.importorskip("tf2onnx", reason="the export extra is not installed")

from export.agreement import Mode
from export.backends import open_runner
from export.bundle import make_graphs
from export.graphs import freeze_network, step_graph
from export.keras_reference import Footage, compute_reference, tank_footage
from export.lint import lint
from export.parity import measure_parity
from export.parity_location import where_it_starts
from fishrt.bundle import GraphKind, GraphPrecision
from fishrt.choices import Runtime
from fishrt.config import load_config
from training.networks import build_network
from training.run import Run

CONFIGS = (
    "visionary-serenity",
    "upbeat-snowflake",
    "single-channel",
    "four-layer",
    "stream",
    "demo",
    "fused",
    "motion",
)
# quick enough for every run: the others are one of these with other numbers, and "motion" is
# tested in test_motion_forecaster.py
DISTINCT = ("visionary-serenity", "upbeat-snowflake", "single-channel", "four-layer", "fused")
SMALL = ("clip.height=56", "clip.width=60", "clip.steps=3", "train.loss_steps=1")
LIMITS = {GraphPrecision.FP32: 1e-5, GraphPrecision.FP16: 1e-2}


def randomised(config):
    """A network whose probabilities vary, so that agreement means something."""
    model = build_network(config.clip, config.model)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        spread = 0.2 if len(weight.shape) != 2 else 2 / weight.shape[0] ** 0.5
        value = rng.normal(0, spread, weight.shape)
        weight.assign(np.abs(value) + 0.05 if "variance" in weight.name else value)
    return model


def moving(geometry):
    """Frames of a still picture in which more and more moves."""
    rng = np.random.default_rng(1)
    count = geometry.frames + 12 * geometry.frames_per_step
    size = (geometry.height, geometry.width)
    change = rng.normal(0, np.linspace(0, 60, count)[:, None, None], (count, *size))
    return np.clip(rng.integers(0, 200, size) + change, 0, 255).astype(np.uint8)


def report_of(config, model, graphs, footage, clips):
    reference = compute_reference(model, footage, clips)
    files = {
        precision: {kind: graph.SerializeToString() for kind, graph in kinds.items()}
        for precision, kinds in graphs.items()
    }
    stretch, cases = reference.stretch, reference.cases
    for precision, kinds in files.items():  # rounding must not be taken for an error
        runner = open_runner(kinds, precision, Runtime.ORT_CPU)
        found = where_it_starts(runner, kinds, stretch, cases, model.state_specs)
        assert found == "on real frames the states of all layers agree, step by step"
    return measure_parity(files, stretch, cases, model.state_specs, 0.5, footage.source)


def check_report(report):
    assert {agreement.mode for agreement in report.agreements} == set(Mode)
    for precision, limit in LIMITS.items():
        assert report.worst(precision) < limit  # measured: 6e-7 and 3e-3


@pytest.mark.parametrize("name", DISTINCT)
def test_graphs_of_every_config(name, tmp_path):
    config = load_config(name, SMALL)
    model = randomised(config)
    graphs = make_graphs(Run(tmp_path, config, model, {}, None), tuple(GraphPrecision))
    for precision, kinds in graphs.items():
        for kind, graph in kinds.items():
            assert lint(graph) == []
            properties = {entry.key: entry.value for entry in graph.metadata_props}
            assert properties["fishrt.precision"] == precision
            assert properties["fishrt.graph"] == kind
            assert properties["fishrt.trained_for"] == config.train.mode
            assert json.loads(properties["fishrt.clip"])["height"] == 56
    footage = Footage("noise", moving(config.clip.geometry), np.zeros(0, np.uint8))
    report = report_of(config, model, graphs, footage, 6)
    assert report.spread > 1e-4
    check_report(report)
    borders = {
        value.name: value.type.tensor_type.elem_type
        for graph in graphs[GraphPrecision.FP16].values()
        for value in [*graph.graph.input, *graph.graph.output]
    }
    for state in model.state_specs:
        expected = onnx.helper.np_dtype_to_tensor_dtype(state.dtype(GraphPrecision.FP16))
        assert borders[state.name] == borders[f"next_{state.name}"] == expected
    assert borders["clip"] == borders["time_step"] == onnx.TensorProto.UINT8
    assert borders["probability"] == onnx.TensorProto.FLOAT


def test_published_step_graphs_are_lean():
    config = load_config("visionary-serenity")
    model = randomised(config)
    network = freeze_network(model)
    for precision, most in ((GraphPrecision.FP32, 45), (GraphPrecision.FP16, 45)):
        graph = step_graph(network, config.clip.geometry, model.state_specs, precision).graph
        operators = [node.op_type for node in graph.node]
        assert len(operators) <= most  # measured: 33 and 40
        assert operators.count("HardSigmoid") == 6
        assert operators.count("Transpose") == 0
        assert operators.count("Conv") == 4


def test_layers_within_the_clip_graph_have_names(tmp_path):
    config = load_config("demo", SMALL)
    graphs = make_graphs(
        Run(tmp_path, config, randomised(config), {}, None), (GraphPrecision.FP32,)
    )
    graph = graphs[GraphPrecision.FP32][GraphKind.CLIP].graph
    made = {name for node in graph.node for name in node.output}
    assert {"last_h0", "last_h1"} <= made
    assert [value.name for value in graph.output] == ["probability"]


def test_the_traced_step_equals_one_written_by_hand():
    from benchmarks.handwritten_step import handwritten_step, open_bound
    from realtime.stepper import SessionSettings

    config = load_config("demo", SMALL)
    model = randomised(config)
    network, geometry = freeze_network(model), config.clip.geometry
    outputs = []
    for graph in (
        step_graph(network, geometry, model.state_specs),
        handwritten_step(network, geometry, model.state_specs),
    ):
        session, binding, kept = open_bound(graph, 3, SessionSettings(threads=1))
        session.run_with_iobinding(binding)
        names = [value.name for value in session.get_outputs()]
        outputs.append(dict(zip(names, kept[-len(names) :], strict=True)))
    assert outputs[0].keys() == outputs[1].keys()
    for name, value in outputs[0].items():
        assert np.ptp(value) > 1e-3 or name == "probability"
        np.testing.assert_allclose(value, outputs[1][name], atol=1e-6)  # measured: 2e-7


@pytest.mark.slow
@pytest.mark.skipif(
    "FISHRT_FULL_SIZE" not in os.environ,
    reason="takes five minutes; set FISHRT_FULL_SIZE=1 to run it",
)
@pytest.mark.parametrize("name", CONFIGS)
def test_full_size_graphs_of_every_config(name, tmp_path):
    config = load_config(name)
    model = randomised(config)
    graphs = make_graphs(Run(tmp_path, config, model, {}, None), tuple(GraphPrecision))
    assert all(lint(graph) == [] for kinds in graphs.values() for graph in kinds.values())
    report = report_of(config, model, graphs, tank_footage(config), 4)
    for agreement in report.agreements:
        print(
            f"{name} {agreement.precision} {agreement.mode}: max {agreement.max:.1e}, "
            f"p50 {agreement.p50:.1e}, hidden {agreement.hidden}"
        )
    check_report(report)
