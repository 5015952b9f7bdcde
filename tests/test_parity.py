"""Parity: what a bundle keeps of Keras, what is refused, and which layer is named."""

import dataclasses
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("keras", reason="the train extra is not installed")
pytest.importorskip("tf2onnx", reason="the export extra is not installed")

import onnx
import onnxruntime
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper
from sklearn.metrics import roc_auc_score

from export import backends, frozen, graphs
from export.agreement import LIMITS as agreement_limits
from export.agreement import Agreement, Computed, Mode, agreement_of, violation
from export.backends import (
    ONNX_RUNTIMES,
    BackendAbsentError,
    graphs_of,
    open_runner,
    why_absent,
)
from export.bundle import export_run, make_graphs
from export.bundle_parity import compare_with_reference
from export.keras_reference import Footage, compute_reference, recorded_footage
from export.parity import compare, measure_parity
from export.parity_location import where_it_starts
from export.reference import (
    ADVERSARIAL,
    FLICKER,
    UNKNOWN,
    Cases,
    Stretch,
    load_reference,
    sample,
)
from export.weakness import weaknesses
from fishrt.bundle import GraphKind, GraphPrecision, StoredFile, load_bundle, save_metadata
from fishrt.choices import Runtime
from fishrt.config import ClipConfig, Config, ModelConfig, TrainConfig
from fishrt.errors import BundleError, OutputError, ParityError, RecordingError, TrainingError
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
    return export_run(run, folder, None, (GraphPrecision.FP16,))


def test_fp32_is_written_unasked(exported):
    assert set(load_bundle(exported.folder).metadata.precisions) == set(GraphPrecision)


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
@pytest.mark.parametrize(
    "backend",
    [
        pytest.param(each, marks=() if each is Runtime.ORT_CPU else pytest.mark.gpu)
        for each in ONNX_RUNTIMES
    ],
)
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
    limits = LIMITS if backend is Runtime.ORT_CPU else agreement_limits  # no GPU was measured
    for agreement in compare(runner, stretch, cases, bundle.metadata.states, 0.5):
        assert agreement.max < limits[precision]
        assert agreement.max > 0 or agreement.clips < 4


def test_a_bundle_is_replaced_only_when_told(run, copy, monkeypatch):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    with pytest.raises(OutputError, match="holds a bundle already; add --overwrite"):
        export_run(run, copy)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
    monkeypatch.setattr("export.keras_reference.TANK_FRAMES", 300)  # enough, and quick to draw
    (copy / "engines").mkdir()
    (copy / "engines" / "timing.cache").write_bytes(b"timings")
    (copy / "notes.txt").write_text("mine")
    export_run(run, copy, overwrite=True)
    assert load_bundle(copy).metadata.precisions == (GraphPrecision.FP32,)
    assert sorted(path.name for path in copy.iterdir()) == [
        "bundle.yaml", "clip.onnx", "engines", "notes.txt", "reference.npz", "step.onnx"
    ]  # fmt: skip
    assert (copy / "engines" / "timing.cache").read_bytes() == b"timings"


def test_a_place_that_holds_something_else_is_refused_before_there_is_work(
    run, tmp_path, monkeypatch
):
    monkeypatch.setattr("export.bundle.make_graphs", lambda *_: pytest.fail("graphs were made"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="already holds something else"):
            export_run(run, tmp_path / "mine", overwrite=overwrite)
        with pytest.raises(OutputError, match="is a file; name a folder"):
            export_run(run, tmp_path / "mine" / "thesis.tex", overwrite=overwrite)


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
    assert cases.names == ("real",) * 4 + (
        "black", "white", "noise", "saturated", "flicker", "grey-flicker"
    )  # fmt: skip
    assert (cases.clips[4].max(), cases.clips[5].min()) == (0, 255)
    for clip, levels in ((cases.clips[8], (0, 255)), (cases.clips[9], (128, 224))):
        frames = clip.reshape(-1, 24 * 28)
        assert np.array_equal(frames, np.tile(levels, len(frames) // 2)[:, None] + 0 * frames)
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
    assert set(report.absent) | {a.backend for a in report.agreements} == set(Runtime)


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


@pytest.fixture(scope="module")
def deep():
    """Four layers: healthy graphs, and what Keras says."""
    config = Config(
        clip=ClipConfig(steps=10, frames_per_step=2, height=60, width=80),
        model=ModelConfig(filters=(4, 4, 4, 4)),
        train=TrainConfig(loss_steps=1),
    )
    model = Forecaster(config.clip, config.model)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        spread = 0.2 if len(weight.shape) != 2 else 2 / weight.shape[0] ** 0.5
        value = rng.normal(0, spread, weight.shape)
        weight.assign(np.abs(value) + 0.05 if "variance" in weight.name else value)
    made = make_graphs(Run(Path(), config, model, {}, None), tuple(GraphPrecision))
    frames = rng.integers(0, 256, (120, 60, 80)).astype(np.uint8)
    reference = compute_reference(model, Footage("noise", frames, np.zeros(0, np.uint8)), 2)
    files = {
        precision: {kind: graph.SerializeToString() for kind, graph in kinds.items()}
        for precision, kinds in made.items()
    }
    return files, reference, model.state_specs


def located(deep, precision, fault=lambda number, probability, states: (probability, states)):
    """What is said of graphs whose step has a fault in what it gives."""
    files, reference, specs = deep
    healthy = open_runner(files[precision], precision, Runtime.ORT_CPU)

    def make(lanes):
        step, calls = healthy.step(lanes), []

        def wrong(time_step, states):
            calls.append(None)
            return fault(len(calls), *step(time_step, states))

        return wrong

    runner = dataclasses.replace(healthy, step=make)
    return where_it_starts(runner, files[precision], reference.stretch, reference.cases, specs)


def shifted(state, by):
    def fault(number, probability, states):
        states[state] = states[state] + np.asarray(by, states[state].dtype)
        return probability, states

    return fault


# measured after 30 steps of config four-layer at 160x120 and 80x60, as shares of the largest value
ROUNDING = {
    GraphPrecision.FP32: (1.7e-6, 1.2e-5, 3.8e-5, 6.7e-5),
    GraphPrecision.FP16: (1.7e-3, 1.5e-2, 2.4e-2, 3.7e-2),
}


@pytest.mark.parametrize("off", [0.0, 0.012])
@pytest.mark.parametrize("precision", GraphPrecision)
def test_no_layer_is_blamed_for_rounding(deep, precision, off):
    """Thirty steps of a large network take too long here, so their rounding, doubled, is put in."""
    trace = deep[1].stretch.trace
    told = []

    def rounded(number, probability, states):
        for name in states if number == len(trace["h0"]) else ():
            far = 2 * ROUNDING[precision][int(name[1])] * max(1, np.abs(trace[name]).max())
            states[name] = states[name] + np.asarray(far, states[name].dtype)
            told.append(far)
        return probability + np.float32(off), states

    found = located(deep, precision, rounded)
    assert max(told) > (1e-4 if precision is GraphPrecision.FP32 else 2e-2)  # the first layer's
    assert found == (
        "the error starts in the head: the states of all layers agree"
        if off
        else "on real frames the states of all layers agree, step by step"
    )


@pytest.mark.parametrize("precision", GraphPrecision)
@pytest.mark.parametrize("layer", range(4))
def test_the_wrong_one_of_four_layers_is_named(deep, precision, layer):
    by = 3e-4 if precision is GraphPrecision.FP32 else 6e-2
    assert f"starts in ConvLSTM layer {layer + 1}, whose state h{layer}" in located(
        deep, precision, shifted(f"h{layer}", by)
    )


def test_an_error_that_only_an_adversarial_clip_shows_is_located(deep):
    _, reference, _ = deep
    steps = reference.stretch.time_steps.shape[0] - len(reference.stretch.windows) + 1

    def on(clip, change):
        first = steps * list(reference.cases.names).index(clip)  # real ones are not run again
        first -= steps * int(reference.cases.real[: first // steps].sum())
        calls = []

        def fault(number, probability, states):
            calls.append(None)
            at = len(calls) - steps  # after those of the stretch
            return change(probability, states) if first < at <= first + steps else (
                probability, states
            )  # fmt: skip

        return located(deep, GraphPrecision.FP32, fault)

    assert "on the clip 'noise' the error starts in the head" in on(
        "noise", lambda p, states: (p + np.float32(0.01), states)
    )
    assert (
        "on the clip 'white' the error starts in ConvLSTM layer 3, whose state c2 is not a number"
        in on("white", lambda p, states: (p, {**states, "c2": states["c2"] * np.nan}))
    )
    off = on("saturated", lambda p, states: (p + 1, {**states, "h3": states["h3"] + 1}))
    assert "on the clip 'saturated' the error lies in the layers, whose last hidden state h3" in off


def test_a_network_that_is_not_a_number_is_to_be_trained_again(tmp_path, monkeypatch):
    monkeypatch.setattr("export.keras_reference.TANK_FRAMES", 300)
    model = Forecaster(CONFIG.clip, CONFIG.model)
    model.head.bias.assign([np.nan])
    with pytest.raises(TrainingError, match=r"gives a value that is not a number.*train it again"):
        export_run(Run(tmp_path, CONFIG, model, {}, None), tmp_path / "bundle")
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
    agreement = dataclasses.replace(FINE, auc=auc, auc_change=change, auc_counts=counts)
    assert (complaint is None) == (violation(agreement, "tank") is None)
    assert complaint is None or complaint in violation(agreement, "tank")


FINE = Agreement(
    "x", GraphPrecision.FP16, Mode.CLIP, 80, 0.005, 0.004, 0.003, 0.002, "real", 0,
    flicker=0.14, hidden=0.19,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({}, None),
        ({"max": 0.011}, "differs from Keras by 0.011 in probability (limit 1e-02) on tank"),
        ({"max": 0.011, "worst": "noise"}, "(limit 1e-02) on the clip 'noise'"),
        ({"max": math.inf, "not_numbers": 3}, "probability that is not a number for 3 of 80"),
        ({"hidden": 0.21}, "last hidden state that is 0.21 off that of Keras (limit 2e-01)"),
        ({"hidden": math.nan}, "last hidden state that is not a number"),
        ({"precision": GraphPrecision.FP32}, "limit 1e-04"),
        (
            {"precision": GraphPrecision.FP32, "max": 5e-5, "flicker": 0.011},
            "by 0.011 in probability (limit 1e-02) on flicker",
        ),
        (
            {"precision": GraphPrecision.FP32, "max": 5e-5, "flicker": 9e-4, "hidden": 1.1e-3},
            "last hidden state that is 0.0011 off",
        ),
    ],
)  # fmt: skip
def test_what_is_beyond_a_limit(changes, complaint):
    found = violation(dataclasses.replace(FINE, **changes), "tank")
    assert (found is None) == (complaint is None)
    assert complaint is None or complaint in found
    assert found is None or ("inf" not in found.replace("infinitely", "") and "nan" not in found)


def cases_of(expected, labels, names=None):
    count = len(expected)
    return Cases(
        names or ("real",) * count,
        np.zeros((count, 1, 1, 1, 1), np.uint8),
        np.asarray(expected, np.float32),
        np.zeros((count, 5), np.float32),
        np.asarray(labels, np.int8),
    )


@given(st.data())
def test_figures_are_those_of_a_naive_loop(data):
    count = data.draw(st.integers(2, 30))
    names = data.draw(
        st.lists(st.sampled_from(["real", *ADVERSARIAL]), min_size=count, max_size=count)
    )
    names[0] = "real"  # some clip always is none of flicker
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    expected, found = rng.random(count).astype(np.float32), rng.random(count)
    broken = data.draw(st.sets(st.integers(0, count - 1)))
    found[list(broken)] = data.draw(st.sampled_from([math.nan, math.inf]))
    hidden = rng.random((count, 5)).astype(np.float32)
    cases = cases_of(expected, [UNKNOWN] * count, tuple(names))
    a = agreement_of("x", GraphPrecision.FP32, Mode.STEP, cases, Computed(found, hidden), 0.5)
    worst, flicker, furthest, flips = -1.0, None, 0.0, 0
    for at, name in enumerate(names):
        off = abs(found[at] - expected[at]) if math.isfinite(found[at]) else math.inf
        if name in FLICKER:
            flicker = max(off, flicker or 0.0)
            continue
        worst = max(worst, off)
        flips += (found[at] >= 0.5) != (expected[at] >= 0.5)
        furthest = max(furthest, math.sqrt(sum(float(v) ** 2 for v in hidden[at]) / 5))
    assert (a.max, a.flicker, a.flips, a.not_numbers) == (worst, flicker, flips, len(broken))
    assert a.hidden == pytest.approx(furthest, abs=1e-6)
    assert a.auc is None


@pytest.mark.parametrize(("bursts", "counts"), [(31, False), (32, True)])
def test_auc_counts_with_32_clips_of_each_label(bursts, counts):
    labels = np.r_[np.zeros(40), np.ones(bursts)]
    expected = 0.2 + 0.5 * labels + 0.1 * np.random.default_rng(0).random(len(labels))
    found = np.where(labels, expected - 0.45, expected)  # now they overlap
    a = agreement_of(
        "x", GraphPrecision.FP16, Mode.CLIP, cases_of(expected, labels), Computed(found), 0.5
    )
    expected_change = roc_auc_score(labels, found) - 1.0
    assert (a.auc, a.auc_counts) == (1.0, counts)
    assert a.auc_change == pytest.approx(expected_change) != 0


@pytest.mark.parametrize(
    ("expected", "labels", "windows", "words"),
    [
        ([0.1, 0.9] * 4, [0, 1] * 4, [0.5], ()),
        ([0.1, 0.9] * 2, [UNKNOWN] * 4, [0.5] * 11, ()),  # what a bundle keeps has no labels
        ([0.1, 0.9, 0.2], [UNKNOWN] * 3, [0.4] * 2, ("only 5 real clips",)),
        ([0.5] * 9, [0, 1] * 4 + [0], [0.5], ("says 0.500 to every real clip",)),
        ([0.1, 0.9] * 4, [0] * 8, [0.5], ("no burst among the 8 labelled",)),
        ([0.1, 0.9] * 4, [1] * 8, [0.5], ("no calm clip among the 8 labelled",)),
        ([0.5], [0], [0.5], ("only 2 real clips", "says 0.500", "no burst")),
    ],
)
def test_a_comparison_without_power_says_so(expected, labels, windows, words):
    stretch = Stretch(np.zeros((1, 1, 1, 1), np.uint8), np.asarray(windows, np.float32), {})
    found = weaknesses(cases_of(expected, labels), stretch)
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_a_bundle_of_before_there_was_flicker_is_read(copy):
    with np.load(copy / "reference.npz") as old:
        kept = {"adversarial": old["adversarial"][:4], "hidden": old["hidden"][:8]}
    report = compare_with_reference(reseal(copy, **kept), (Runtime.ORT_CPU,))
    assert {a.flicker for a in report.agreements} == {None}
    assert {a.clips for a in report.agreements} == {8, 11}


def test_a_graph_that_gives_no_numbers_is_said_so(exported):
    bundle = load_bundle(exported.folder)
    files = graphs_of(bundle, GraphPrecision.FP32)
    for kind, content in files.items():
        model = onnx.load_from_string(content)
        for constant in model.graph.initializer:
            if list(constant.dims) == [16, 3, 3, 3]:  # the second layer's input kernel
                value = np.full(constant.dims, np.nan, np.float32)
                constant.CopyFrom(numpy_helper.from_array(value, constant.name))
        files[kind] = model.SerializeToString()
    stretch, cases = load_reference(bundle)
    with pytest.raises(ParityError) as caught:
        measure_parity(
            {GraphPrecision.FP32: files}, stretch, cases, bundle.metadata.states, 0.5, "frames"
        )
    said = str(caught.value)
    assert "not a number for 10 of 10 clips" in said
    assert "ConvLSTM layer 2, whose state h1 is not a number" in said


def rewrite_zip(folder, change):
    """Changes the zip headers of a bundle's reference, and makes the metadata agree with it."""
    path = folder / "reference.npz"
    path.write_bytes(change(path.read_bytes()))
    metadata = load_bundle(folder).metadata
    stored = StoredFile(file=path.name, sha256=sha256_of(path))
    save_metadata(folder, metadata.model_copy(update={"reference": stored}))


def unknown_compression(content):
    content = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = content.find(signature)
        content[at + offset : at + offset + 2] = (99).to_bytes(2, "little")
    return bytes(content)


def encrypted(content):
    content = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(signature) + offset] |= 1
    return bytes(content)


def put_graph(folder, source, target):
    """Puts one graph in the place of another, and makes the metadata agree with it."""
    (folder / target).write_bytes((folder / source).read_bytes())
    metadata = load_bundle(folder).metadata
    graphs = tuple(
        graph.model_copy(update={"sha256": sha256_of(folder / graph.file)})
        for graph in metadata.graphs
    )
    save_metadata(folder, metadata.model_copy(update={"graphs": graphs}))


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
            lambda folder: reseal(folder, adversarial=np.full(6, np.nan, np.float32)),
            "values that are no numbers",
        ),
        (
            lambda folder: reseal(folder, windows=np.array([print], object)),
            "is damaged; export the bundle again",
        ),
        (lambda folder: (folder / "step.onnx").write_bytes(b"x"), "step.onnx is damaged"),
        (lambda folder: (folder / "clip-fp16.onnx").unlink(), "lacks clip-fp16.onnx"),
        (lambda folder: rewrite_zip(folder, unknown_compression), "reference.npz is damaged"),
        (lambda folder: rewrite_zip(folder, encrypted), "reference.npz is damaged"),
        (
            lambda folder: put_graph(folder, "clip.onnx", "step.onnx"),
            "a graph cannot be run by ONNX Runtime .*; export the bundle again",
        ),
        (
            lambda folder: put_graph(folder, "step.onnx", "clip.onnx"),
            "a graph cannot be run by ONNX Runtime .*; export the bundle again",
        ),
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


def test_the_command(exported, copy, monkeypatch, capfd):
    assert command(monkeypatch, exported.folder, "--json") == 0
    record = json.loads(capfd.readouterr().out)
    assert len(record["agreements"]) >= 6
    assert set(record["absent"]) <= set(Runtime)
    assert command(monkeypatch, exported.folder) == 0
    shown = capfd.readouterr().out
    assert "difference from Keras" in shown
    assert shown.count("not checked") == 6  # without labels there is no AUC
    assert why_absent(Runtime.ORT_TENSORRT_RTX) is None or "pip install -e '.[rtx]'" in shown
    assert (
        command(
            monkeypatch,
            exported.folder,
            "--backend",
            "onnxruntime-cpu",
            "--precision",
            "fp16",
            "--json",
        )
        == 0
    )
    ways = {
        (a["backend"], a["precision"]) for a in json.loads(capfd.readouterr().out)["agreements"]
    }
    assert ways == {("onnxruntime-cpu", "fp16")}
    assert command(monkeypatch, exported.folder, "--recording", "x") == 2
    capfd.readouterr()
    if why_absent(Runtime.ORT_CUDA):
        assert command(monkeypatch, exported.folder, "--backend", "onnxruntime-cuda") == 11
        assert "nothing was compared: not compared on onnxrun" in capfd.readouterr().err
    capfd.readouterr()
    with np.load(copy / "reference.npz") as old:
        reseal(copy, windows=old["windows"] + np.float32(0.01))
    assert command(monkeypatch, copy) == 9
    assert "differs from Keras by 0.01 in probability" in capfd.readouterr().err


def test_a_bundle_of_another_run_is_refused(exported, run, tmp_path, monkeypatch, capfd):
    from fishrt.folder_format import write_metadata

    other = Config(clip=CONFIG.clip, model=ModelConfig(filters=(2,)), train=CONFIG.train)
    write_metadata(tmp_path / "config.yaml", other)
    Forecaster(other.clip, other.model).save_weights(tmp_path / "best.weights.h5")
    assert command(monkeypatch, exported.folder, "--run", tmp_path) == 5
    assert "their networks differ" in capfd.readouterr().err
    write_metadata(tmp_path / "config.yaml", CONFIG)
    run.model.save_weights(tmp_path / "best.weights.h5")
    assert command(monkeypatch, exported.folder, "--run", tmp_path, "--json") == 0
    assert json.loads(capfd.readouterr().out)["real_clips"] > 40


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


@pytest.mark.parametrize("runtime", ONNX_RUNTIMES)
def test_no_gpu_runtime_leaves_nodes_to_the_cpu(monkeypatch, runtime):
    """Only what was asked of ONNX Runtime is looked at: there may be no GPU here."""
    asked = []

    class Session:
        def __init__(self, graph, settings, providers, enable_fallback):
            asked.append((settings, enable_fallback))
            self.providers = providers

        def get_providers(self):
            return [self.providers[0][0]]

    class Settings(onnxruntime.SessionOptions):
        def add_provider_for_devices(self, *_):
            pass

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(onnxruntime, "SessionOptions", Settings)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr(backends, "rtx_devices", lambda _: [None])
    backends._open(b"", runtime, None)
    ((settings, enable_fallback),) = asked
    assert enable_fallback == 0
    if runtime is Runtime.ORT_CPU:
        with pytest.raises(RuntimeError):  # it was never set
            settings.get_session_config_entry(backends.NO_FALLBACK)
    else:
        assert settings.get_session_config_entry(backends.NO_FALLBACK) == "1"


def test_the_rtx_plugin_runs_graphs_as_a_provider_for_devices(exported, monkeypatch):
    """The processor stands in for the GPU that the plugin takes."""
    devices = [d for d in onnxruntime.get_ep_devices() if d.ep_name == "CPUExecutionProvider"]
    monkeypatch.setattr(backends, "rtx_devices", lambda _: devices)
    # it is fallback here
    monkeypatch.setattr(backends, "NO_FALLBACK", "fishrt.no_such_setting")
    bundle = load_bundle(exported.folder)
    report = compare_with_reference(bundle, (Runtime.ORT_TENSORRT_RTX,), (GraphPrecision.FP32,))
    assert [a.backend for a in report.agreements] == ["onnxruntime-tensorrt-rtx"] * 3
    monkeypatch.setattr(backends, "NO_FALLBACK", "session.disable_cpu_ep_fallback")
    refused = compare_with_reference(bundle, (Runtime.ORT_TENSORRT_RTX,), (GraphPrecision.FP32,))
    assert "does not start" in refused.absent["onnxruntime-tensorrt-rtx"]
