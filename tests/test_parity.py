"""Parity: what a bundle keeps of Keras, what is refused, and which layer is named."""

import dataclasses
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("keras", reason="the train extra is not installed")
pytest.importorskip("tf2onnx", reason="the export extra is not installed")

import onnx
from onnx import numpy_helper

from export import frozen, graphs
from export.backends import Backend, BackendAbsentError, graphs_of, open_runner, why_absent
from export.bundle import export_run
from export.bundle_parity import compare_with_reference
from export.keras_reference import recorded_footage
from export.parity import Agreement, Mode, compare, violation
from export.reference import load_reference, sample
from fishrt.bundle import GraphKind, GraphPrecision, StoredFile, load_bundle, save_metadata
from fishrt.config import ClipConfig, Config, ModelConfig, TrainConfig
from fishrt.errors import BundleError, OutputError, ParityError, RecordingError
from fishrt.storage import sha256_of
from training.forecaster import Forecaster
from training.run import Run

CONFIG = Config(
    clip=ClipConfig(steps=3, frames_per_step=2, height=24, width=28),
    model=ModelConfig(filters=(3, 4), motion_units=2),
    train=TrainConfig(loss_steps=1),
)
LIMITS = {GraphPrecision.FP32: 1e-5, GraphPrecision.FP16: 1e-2}  # measured: 2e-7 and 2e-4


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    model = Forecaster(CONFIG.clip, CONFIG.model)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        value = rng.normal(0, 0.4, weight.shape)
        weight.assign(np.abs(value) + 0.05 if "variance" in weight.name else value)
    return Run(tmp_path_factory.mktemp("run"), CONFIG, model, {"threshold": 0.4}, None)


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "bundle"
    return export_run(run, folder, None, tuple(GraphPrecision))


@pytest.fixture
def copy(exported, tmp_path):
    """A copy of the bundle that a test may damage."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    for path in exported.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def reseal(folder, **arrays):
    """Changes a bundle's reference, and makes the metadata agree with it."""
    path = folder / "reference.npz"
    with np.load(path) as old:
        np.savez_compressed(path, **{**old, **arrays})
    metadata = load_bundle(folder).metadata
    stored = StoredFile(file=path.name, sha256=sha256_of(path))
    save_metadata(folder, metadata.model_copy(update={"reference": stored}))
    return load_bundle(folder)


@pytest.mark.parametrize("precision", GraphPrecision)
@pytest.mark.parametrize("backend", Backend)
def test_every_backend_says_what_keras_said(exported, backend, precision):
    reason = why_absent(backend)
    if reason:
        pytest.skip(reason)
    bundle = load_bundle(exported.folder)
    stretch, cases = load_reference(bundle)
    try:
        runner = open_runner(graphs_of(bundle, precision), precision, backend)
    except BackendAbsentError as error:
        pytest.skip(str(error))
    for agreement in compare(runner, stretch, cases, bundle.metadata.states, 0.5):
        assert agreement.max < LIMITS[precision]
        assert agreement.max > 0 or agreement.clips < 4


def test_a_bundle_is_replaced_only_when_told(run, copy, monkeypatch):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    with pytest.raises(OutputError, match="holds a bundle already; add --overwrite"):
        export_run(run, copy)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
    monkeypatch.setattr("export.keras_reference.TANK_FRAMES", 300)  # enough, and quick to draw
    export_run(run, copy, overwrite=True)
    assert load_bundle(copy).metadata.precisions == (GraphPrecision.FP32,)


def test_footage_of_another_size_is_a_sentence_with_both_sizes(tmp_path):
    frames, geometry = np.zeros((50, 20, 30), np.uint8), CONFIG.clip.geometry
    wrong = SimpleNamespace(folder=tmp_path / "tank", frames=frames)
    with pytest.raises(RecordingError, match="frames of 30x20, and the network takes 28x24"):
        recorded_footage(wrong, geometry)
    wrong.frames = np.zeros((5, geometry.height, geometry.width), np.uint8)
    with pytest.raises(RecordingError, match="has 5 frames, and a clip takes 6"):
        recorded_footage(wrong, geometry)


def test_the_reference_is_what_keras_says_of_the_kept_frames(exported, run):
    stretch, cases = load_reference(load_bundle(exported.folder))
    batch = np.moveaxis(cases.clips, 2, -1)
    expected = np.asarray(run.model.predict_on_batch(batch))[:, -1]
    assert expected.std() > 1e-3
    np.testing.assert_allclose(cases.expected, expected, atol=1e-6)  # measured: 6e-8
    assert len(stretch.windows) == 11
    assert cases.names == ("real",) * 4 + ("black", "white", "noise", "saturated")
    assert (cases.clips[4].max(), cases.clips[5].min()) == (0, 255)
    states = run.model.zero_states(1)
    for time_step in stretch.time_steps[:3]:
        _, states = run.model.step(np.moveaxis(time_step, 0, -1)[None], states)
    last = sample(np.moveaxis(np.asarray(states[2]), -1, 1))[0]
    np.testing.assert_allclose(stretch.trace["h1"][-1], last, atol=1e-5)


def test_a_bundle_proves_itself_without_keras(exported):
    report = compare_with_reference(load_bundle(exported.folder))
    assert {(a.precision, a.mode) for a in report.agreements} == {
        (precision, mode) for precision in GraphPrecision for mode in Mode
    }
    for precision, limit in LIMITS.items():
        assert report.worst(precision) < limit
    assert set(report.absent) | {a.backend for a in report.agreements} == set(Backend)


def changed(part):
    """Makes `freeze` give a network that is wrong in one place."""

    def freeze(model):
        network = frozen.freeze(model)
        layers = list(network.layers)
        if part == "layer 2":
            layers[1] = dataclasses.replace(layers[1], kernel=layers[1].kernel * 1.05)
        elif part == "layer 1":
            kernel = layers[0].recurrent_kernel * 1.05
            layers[0] = dataclasses.replace(layers[0], recurrent_kernel=kernel)
        elif part == "motion":
            motion = dataclasses.replace(network.motion, bias=network.motion.bias + 0.1)
            return dataclasses.replace(network, motion=motion)
        elif part == "head":
            (kernel, bias), *rest = network.dense
            return dataclasses.replace(network, dense=((kernel, bias + 0.5), *rest))
        return dataclasses.replace(network, layers=tuple(layers))

    return freeze


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("layer 1", "starts in ConvLSTM layer 1, whose state"),
        ("layer 2", "starts in ConvLSTM layer 2, whose state"),
        ("motion", "starts in the motion branch, whose state"),
        ("head", "starts in the head"),
    ],
)
def test_a_wrong_graph_writes_no_bundle_and_names_the_layer(
    run, tmp_path, monkeypatch, part, named
):
    monkeypatch.setattr("export.graphs.freeze", changed(part))
    monkeypatch.setattr("export.keras_reference.TANK_FRAMES", 300)  # enough, and quick to draw
    with pytest.raises(ParityError, match=rf"differs from Keras.*{named}.*no bundle was") as caught:
        export_run(run, tmp_path / "bundle")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_an_error_of_the_clip_graph_alone_is_told(exported):
    bundle = load_bundle(exported.folder)
    files = graphs_of(bundle, GraphPrecision.FP32)
    model = onnx.load_from_string(files[GraphKind.CLIP])
    for constant in model.graph.initializer:
        if list(constant.dims) == [16, 3, 3, 3]:  # the second layer's input kernel
            value = numpy_helper.to_array(constant) * 1.1
            constant.CopyFrom(numpy_helper.from_array(value, constant.name))
    files[GraphKind.CLIP] = model.SerializeToString()
    from export.parity import measure_parity

    stretch, cases = load_reference(bundle)
    with pytest.raises(ParityError, match="clip graph the error starts in ConvLSTM layer 2"):
        measure_parity(
            {GraphPrecision.FP32: files}, stretch, cases, bundle.metadata.states, 0.5, "frames"
        )


@pytest.mark.parametrize(
    ("auc", "change", "counts", "complaint"),
    [
        (0.9, 0.0004, True, None),
        (0.9, 0.0006, True, "changes the ROC-AUC"),
        (0.9, -0.0006, True, "changes the ROC-AUC"),
        (0.9, float("nan"), True, "changes the ROC-AUC"),
        (0.5, 0.1, False, None),
        (None, None, False, None),
    ],
)
def test_the_third_digit_of_auc_counts_where_it_means_something(auc, change, counts, complaint):
    figures = (0.005, 0.004, 0.003, 0.002)
    agreement = Agreement(
        "x", GraphPrecision.FP16, Mode.CLIP, 80, *figures, "real", 0, None, auc, change, counts
    )
    assert (complaint is None) == (violation(agreement) is None)
    assert complaint is None or complaint in violation(agreement)
    for bad in (0.011, float("nan")):
        assert "differs from Keras" in violation(dataclasses.replace(agreement, max=bad))
    assert "limit 1e-04" in violation(dataclasses.replace(agreement, precision=GraphPrecision.FP32))


def damage_bytes(folder):
    path = folder / "reference.npz"
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (damage_bytes, "reference.npz is damaged"),
        (lambda folder: (folder / "reference.npz").unlink(), "lacks reference.npz; copy it whole"),
        (lambda folder: reseal(folder, windows=np.zeros(3, np.float32)), "does not fit the bundle"),
        (lambda folder: reseal(folder, more=np.zeros(3)), "does not fit the bundle"),
        (
            lambda folder: reseal(folder, adversarial=np.full(4, np.nan, np.float32)),
            "values that are no numbers",
        ),
        (
            lambda folder: reseal(folder, windows=np.array([print], object)),
            "is damaged; export the bundle again",
        ),
        (lambda folder: (folder / "step.onnx").write_bytes(b"x"), "step.onnx is damaged"),
        (lambda folder: (folder / "clip-fp16.onnx").unlink(), "lacks clip-fp16.onnx"),
    ],
)
def test_a_damaged_bundle_is_one_sentence(copy, damage, sentence):
    damage(copy)
    with pytest.raises(BundleError, match=sentence) as caught:
        compare_with_reference(load_bundle(copy))
    assert "\n" not in str(caught.value)


def command(monkeypatch, *arguments):
    from fishrt.cli import main

    monkeypatch.setattr(sys, "argv", ["fishrt", "parity", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_the_command(exported, copy, monkeypatch, capsys):
    assert command(monkeypatch, exported.folder, "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert len(record["agreements"]) >= 6
    assert set(record["absent"]) <= set(Backend)
    assert command(monkeypatch, exported.folder) == 0
    assert "difference from Keras" in capsys.readouterr().out
    assert command(monkeypatch, exported.folder, "--recording", "x") == 2
    capsys.readouterr()
    with np.load(copy / "reference.npz") as old:
        reseal(copy, windows=old["windows"] + np.float32(0.01))
    assert command(monkeypatch, copy) == 9
    assert "differs from Keras by 0.01 in probability" in capsys.readouterr().err


def test_a_bundle_of_another_run_is_refused(exported, run, tmp_path, monkeypatch, capsys):
    from fishrt.config import dump_config

    other = Config(clip=CONFIG.clip, model=ModelConfig(filters=(2,)), train=CONFIG.train)
    (tmp_path / "config.yaml").write_text(dump_config(other))
    Forecaster(other.clip, other.model).save_weights(tmp_path / "best.weights.h5")
    assert command(monkeypatch, exported.folder, "--run", tmp_path) == 5
    assert "their networks differ" in capsys.readouterr().err
    (tmp_path / "config.yaml").write_text(dump_config(CONFIG))
    run.model.save_weights(tmp_path / "best.weights.h5")
    assert command(monkeypatch, exported.folder, "--run", tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["real_clips"] > 40


def test_lanes_in_half_precision_run_live(exported):
    from realtime.lanes import ExactLanes
    from realtime.stepper import load_stepper

    bundle = load_bundle(exported.folder)
    geometry = CONFIG.clip.geometry
    steppers = [
        load_stepper(bundle, geometry.steps, precision=precision) for precision in GraphPrecision
    ]
    assert ["FP32" in s.describe() for s in steppers] == [True, False]
    lanes = [ExactLanes(stepper, geometry) for stepper in steppers]
    rng = np.random.default_rng(3)
    for frame in rng.integers(0, 256, (20, geometry.height, geometry.width)).astype(np.uint8):
        full, half = (each.push(frame).probability for each in lanes)
        assert (full is None) == (half is None)
        assert full is None or half == pytest.approx(full, abs=1e-2)  # measured: 5e-4
    assert graphs.LANES == "lanes"
