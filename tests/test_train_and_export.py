"""From a recording to a run to a bundle, by the command line as a user would."""

import shutil

import numpy as np
import pytest
import yaml

pytest.importorskip("keras", reason="the train extra is not installed")
pytest.importorskip("tf2onnx", reason="the export extra is not installed")

import onnx

from export.agreement import Mode
from export.bundle import export_run
from export.frozen import freeze
from export.graphs import clip_graph, step_graph
from export.keras_reference import Footage, compute_reference
from export.parity import measure_parity
from fishrt.bundle import GraphKind, GraphPrecision, load_bundle
from fishrt.cli.evaluate import _subject
from fishrt.config import ClipConfig, ModelConfig, load_config
from fishrt.decision import fixed_decision
from fishrt.errors import ConfigError, TrainingError
from fishrt.recording import load_recording
from fishrt.simulate import TankSpec
from training.evaluation import run_candidate
from training.fit import FitOptions, fit
from training.footage_reference import measure_footage
from training.forecaster import Forecaster
from training.run import load_run, write_record
from training.scoring.evaluate import Wanted, evaluate
from training.scoring.footage import find_training
from training.scoring.record import evaluation_record
from training.scoring.rivals import Rival
from training.simulated import record_simulation

QUIET = FitOptions(report=lambda _: None)

SETTINGS = (
    "clip.height=30",
    "clip.width=40",
    "clip.steps=4",
    "model.filters=[3, 4]",
    "train.clips_per_epoch=48",
    "train.batch_size=16",
    "train.epochs=2",
    "train.learning_rate=0.003",
    "train.loss_steps=2",
    "train.flips=random",
    "split.train=0.5",
    "split.validation=0.2",
)


@pytest.fixture(scope="module")
def config():
    return load_config(None, SETTINGS)


@pytest.fixture(scope="module")
def recording(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recording") / "tank"
    record_simulation(TankSpec(seed=4), 2400, config, folder)
    return load_recording(folder)


@pytest.fixture(scope="module")
def run(config, recording, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    lines = []
    result = fit(recording, config, folder, FitOptions(report=lines.append))
    assert result.epochs == len(lines) - 1 == 2
    assert lines[0].startswith("training on the ")
    return load_run(folder)


def randomised(clip, filters, **settings):
    """A network whose probabilities vary, so that agreement means something."""
    model = Forecaster(clip, ModelConfig(filters=filters, **settings))
    rng = np.random.default_rng(0)
    for weight in model.weights:
        spread = 0.4 if len(weight.shape) != 2 else 2 / weight.shape[0] ** 0.5
        value = rng.normal(0, spread, weight.shape)
        weight.assign(np.abs(value) + 0.05 if "variance" in weight.name else value)
    return model


def test_the_run_holds_what_a_run_needs(run, recording, config):
    description = yaml.safe_load((run.folder / "run.yaml").read_text())
    assert description["result"]["best_epoch"] in (1, 2)
    assert description["recording"]["frames"] == len(recording.frames)
    assert run.config.train == config.train
    assert run.footage == measure_footage(recording)
    assert run.footage.baseline is not None
    rows = (run.folder / "history.csv").read_text().splitlines()
    assert rows[0].startswith("epoch,loss,val_loss")
    assert len(rows) == 3


def test_the_same_seed_gives_the_same_weights(run, recording, config, tmp_path):
    fit(recording, config, tmp_path / "again", QUIET)
    again = load_run(tmp_path / "again")
    for one, two in zip(run.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_run_can_start_from_another(run, recording, config, tmp_path):
    frozen = config.model_copy(
        update={"train": config.train.model_copy(update={"learning_rate": 1e-12, "epochs": 1})}
    )
    fit(recording, frozen, tmp_path / "tuned", FitOptions(run, report=lambda _: None))
    for one, two in zip(
        run.model.cells[0].get_weights(),
        load_run(tmp_path / "tuned").model.cells[0].get_weights(),
        strict=True,
    ):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_a_start_with_another_network_is_refused(run, recording, config, tmp_path):
    other = config.model_copy(update={"model": ModelConfig(filters=(2, 2))})
    with pytest.raises(TrainingError, match="another network"):
        fit(recording, other, tmp_path / "other", FitOptions(run, report=lambda _: None))


def test_a_run_is_never_written_over(run, recording, config):
    with pytest.raises(TrainingError, match="already holds a run"):
        fit(recording, config, run.folder, QUIET)


def test_a_recording_of_another_size_is_refused(recording, tmp_path):
    with pytest.raises(TrainingError, match="40x30"):
        fit(recording, load_config("demo"), tmp_path / "run", QUIET)


def test_a_loss_of_nan_stops_with_a_sentence(run, recording, config, tmp_path):
    poisoned = load_run(run.folder)  # stands in for a training that blew up
    poisoned.model.head.bias.assign([np.nan])
    with pytest.raises(TrainingError, match="not a number in epoch 1"):
        fit(recording, config, tmp_path / "run", FitOptions(poisoned, report=lambda _: None))


def test_loss_steps_beyond_the_clip_are_refused():
    with pytest.raises(ConfigError, match="loss_steps"):
        load_config(None, ["train.loss_steps=31"])


def test_damaged_weights_are_one_sentence(run, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.yaml").write_text((run.folder / "config.yaml").read_text())
    (broken / "best.weights.h5").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match="damaged"):
        load_run(broken)


def test_ctrl_c_keeps_the_best_epoch(recording, config, tmp_path):
    def stop(line):
        if line.startswith("epoch 1/2"):
            raise KeyboardInterrupt

    result = fit(recording, config, tmp_path / "run", FitOptions(report=stop))
    assert (result.interrupted, result.epochs, result.best_epoch) == (True, 1, 1)
    assert load_run(tmp_path / "run").config.train == config.train


VARIANTS = {
    "one layer": {"filters": (4,)},
    "two layers": {"filters": (4, 6)},
    "three layers": {"filters": (3, 3, 2)},
    "four layers": {"filters": (3, 2, 2, 2)},
    "average": {"filters": (4, 6), "head": "average-pool"},
    "flatten": {"filters": (4, 2), "head": "flatten"},
    "dense": {"filters": (4, 6), "dense": (5, 4), "dropout": 0.3, "l1": 0.01, "l2": 0.01},
    "fused": {"filters": (4, 6), "motion_units": 5},
    "fused, flatten, dense": {
        "filters": (4,),
        "motion_units": 3,
        "head": "flatten",
        "dense": (6,),
    },
    "single channel": {"filters": (4, 3), "motion_units": 5, "frames_per_step": 1},
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_graphs_equal_keras(variant, recording):
    settings = dict(variant)
    per_step = settings.pop("frames_per_step", 4)
    clip = ClipConfig(steps=3, frames_per_step=per_step, height=64, width=68)
    model = randomised(clip, **settings)
    network = freeze(model)
    frames = np.repeat(np.repeat(recording.frames[:200], 3, axis=1), 2, axis=2)[:, :64, :68]
    reference = compute_reference(
        model, Footage("a recording", frames, np.zeros(0, np.uint8)), clips=12
    )
    graphs = {
        precision: {
            GraphKind.CLIP: clip_graph(network, clip.geometry, precision).SerializeToString(),
            GraphKind.STEP: step_graph(
                network, clip.geometry, model.state_specs, precision
            ).SerializeToString(),
        }
        for precision in GraphPrecision
    }
    report = measure_parity(
        graphs, reference.stretch, reference.cases, model.state_specs, 0.5, "a recording"
    )
    assert report.spread > 5e-4  # they do differ; measured: 9e-4 or more
    assert {agreement.mode for agreement in report.agreements} == set(Mode)
    assert report.worst(GraphPrecision.FP32) < 1e-5  # measured: 5e-7
    assert report.worst(GraphPrecision.FP16) < 1e-2  # measured: 3e-3
    assert report.worst(GraphPrecision.FP16) > 1e-6  # half precision is really computed in


def test_the_step_graph_is_lean(recording):
    clip = ClipConfig()
    model = randomised(clip, (16, 32))
    graph = step_graph(freeze(model), clip.geometry, model.state_specs).graph
    operators = [node.op_type for node in graph.node]
    assert len(operators) <= 45  # measured: 34
    assert operators.count("HardSigmoid") == 6
    assert not {"Transpose", "Loop", "Scan", "If", "SequenceAt"} & set(operators)
    assert [value.name for value in graph.input] == ["time_step", "h0", "c0", "h1", "c1"]
    alphas = {
        (attribute.name, round(attribute.f, 6))
        for node in graph.node
        if node.op_type == "HardSigmoid"
        for attribute in node.attribute
    }
    assert alphas == {("alpha", 0.2), ("beta", 0.5)}


def test_no_operator_knows_the_traced_number_of_lanes():
    clip = ClipConfig(steps=29, height=16, width=16)
    model = randomised(clip, (2, 2))
    graph = step_graph(freeze(model), clip.geometry, model.state_specs).graph
    for constant in graph.initializer:
        assert 29 not in onnx.numpy_helper.to_array(constant).ravel().tolist()
    for value in [*graph.input, *graph.output]:
        first = value.type.tensor_type.shape.dim[0]
        assert first.dim_param == ("" if value.name == "time_step" else "lanes")


def test_an_exported_run_is_a_bundle_with_its_figures(run, recording, tmp_path):
    done = export_run(run, tmp_path / "bundle", recording)
    bundle = load_bundle(done.folder)
    assert bundle.metadata.config == run.config
    assert bundle.metadata.footage == run.footage
    record = bundle.metadata.parity
    assert {**record, **done.parity.record()} == record
    assert done.parity.source == "the recording tank"
    assert done.bytes == sum(path.stat().st_size for path in done.folder.iterdir())


def test_a_run_and_its_bundle_carry_one_decision_and_score_alike(run, recording, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    wanted = Wanted(every=9, rivals=(Rival.CLIMATOLOGY, Rival.PUBLISHED))
    by_keras = evaluate(run_candidate(run), recording, None, recording, wanted)
    # the validation part here is too short to choose one
    decision = fixed_decision(0.31, "a test").model_copy(update={"false_alarms_asked": 2.0})
    stored = {"threshold": 0.31, "decision": decision.model_dump(mode="json")}
    write_record(folder / "evaluation.yaml", {**evaluation_record(by_keras), **stored})
    done = export_run(load_run(folder), tmp_path / "bundle", recording)
    metadata = load_bundle(done.folder).metadata
    assert (metadata.decision, metadata.threshold) == (decision, 0.31)
    assert metadata.trained_on.recording == "tank"  # no path of this machine
    assert metadata.trained_on.burst_share == run.trained_on.burst_share > 0
    subject = _subject(str(done.folder), lambda *_: None)
    assert find_training(subject.trained_on, None, recording) is recording
    by_onnx = evaluate(subject.candidate, recording, None, None, wanted)
    assert by_onnx.decision == decision
    # measured: 6e-8
    np.testing.assert_allclose(by_onnx.model.probabilities, by_keras.model.probabilities, atol=1e-5)
    assert Rival.CLIMATOLOGY in by_onnx.forecasts  # known without the footage
    (folder / "best.weights.h5").unlink()
    with pytest.raises(TrainingError, match="first epoch did not end"):
        _subject(str(folder), lambda *_: None)
