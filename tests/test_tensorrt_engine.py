"""Engines: built, read back, kept, found again, run; with a strict stand-in for TensorRT.

What the stand-in cannot show (that TensorRT builds these graphs) is in test_tensorrt_rtx.py.
"""

import io
import json
import os
import signal
import sys

import numpy as np
import pytest
import yaml
from fake_tensorrt import install
from host_device import HostDevice
from rich.console import Console
from tiny_bundle import add_reference, make_tiny_bundle, reseal

from export import engine_parity, engines
from export.agreement import Mode
from export.backends import BackendAbsentError, graphs_of, open_runner, zero_states
from export.bundle_parity import compare_with_reference
from export.engine_parity import engine_runner, open_engines
from export.engines import ensure_engine
from export.tensorrt_progress import interruption
from export.tensorrt_readback import layer_types
from fishrt.bundle import GraphKind, GraphPrecision
from fishrt.choices import Backend, Runtime
from fishrt.cli import main
from fishrt.cli.bench_plan import BenchPlan, run_plan
from fishrt.clip import ClipGeometry
from fishrt.errors import BundleError, ExitCode, MachineError, MissingExtraError, ParityError
from fishrt.gpu import tensorrt_program
from fishrt.gpu.card import Gpu
from fishrt.gpu.engine import EngineOptions, engines_of, find_engine, misfit
from fishrt.gpu.tensorrt_program import load_program
from realtime import benchmark
from realtime.backends import device_clip
from realtime.benchmark import Way
from realtime.device_stepper import DeviceStepper
from realtime.lanes import ExactLanes
from realtime.stepper import SessionSettings, load_stepper, open_session

GEOMETRY = ClipGeometry(steps=3, frames_per_step=2, height=12, width=14)
CARD = Gpu("NVIDIA RTX A4000", "8.6", "12.8")
OTHER_CARD = Gpu("NVIDIA H100 80GB HBM3", "9.0", "12.8")
STEP, CLIP, FP32 = GraphKind.STEP, GraphKind.CLIP, GraphPrecision.FP32
ONE_THREAD = SessionSettings(threads=1)


@pytest.fixture
def bundle(tmp_path):
    return make_tiny_bundle(tmp_path / "tiny", GEOMETRY)


@pytest.fixture
def card(monkeypatch):
    """Puts a GPU into this machine, as far as names go."""

    def put(gpu):
        for module in (engines, tensorrt_program, engine_parity):
            monkeypatch.setattr(module, "current_gpu", lambda: gpu)
        for module in (engines, engine_parity):
            monkeypatch.setattr(module, "CudaDevice", HostDevice)

    put(CARD)
    return put


def build(bundle, kind=STEP, options=None, said=None):
    console = Console(file=io.StringIO())
    say = [].append if said is None else said.append
    return ensure_engine(bundle, kind, FP32, console, say, options)


def test_an_engine_is_built_once_and_says_what_it_is(bundle, card, monkeypatch):
    trt = install(monkeypatch)
    said = []
    engine = build(bundle, said=said)
    assert said == [
        "there is no fp32 step engine yet: building it",
        f"{engine.path.name}: not compared with Keras "
        "(the bundle has no reference to compare with)",
    ]
    assert engine.path.name == "step-fp32-nvidia-rtx-a4000-trt-10.16.1.11.engine"
    found = engine.metadata
    assert (found.gpu, found.compute_capability, found.tensorrt) == (
        "NVIDIA RTX A4000", "8.6", "10.16.1.11"
    )  # fmt: skip
    assert found.tensors["time_step"] == "UINT8"
    assert found.layers == {"FP32": 1}
    (config,) = (item for item in trt.log if not isinstance(item, tuple))
    assert config._flags == set()  # TF32 is off
    assert config._profiles[0]["h0"] == ((1, 2, 10, 12), (3, 2, 10, 12), (3, 2, 10, 12))
    assert config.profiling_verbosity is trt.ProfilingVerbosity.DETAILED
    assert build(bundle, said=said).metadata == found
    assert len(said) == 2  # nothing was built again
    assert [each.metadata for each in engines_of(bundle)] == [found]


def test_options_reach_the_builder(bundle, card, monkeypatch):
    trt = install(monkeypatch)
    options = EngineOptions(
        tf32=True, hardware_compatible=True, version_compatible=True, workspace_mb=64
    )
    build(bundle, options=options)
    config = next(item for item in trt.log if not isinstance(item, tuple))
    assert config._flags == {trt.BuilderFlag.TF32, trt.BuilderFlag.VERSION_COMPATIBLE}
    assert config.hardware_compatibility_level is trt.HardwareCompatibilityLevel.AMPERE_PLUS
    assert config._limits == {trt.MemoryPoolType.WORKSPACE: 64 << 20}
    with pytest.raises(BundleError, match="--trust-engine"):
        load_program(bundle, STEP, FP32, 3, HostDevice())
    load_program(bundle, STEP, FP32, 3, HostDevice(), trust=True)
    assert trt.log[-1] == ("load", True)
    said = []
    build(bundle, options=EngineOptions(), said=said)
    assert said[0] == "the engine was built with other options: building it"


def test_another_gpu_another_version_another_graph(bundle, card, monkeypatch):
    install(monkeypatch)
    build(bundle)
    said = []
    card(OTHER_CARD)
    build(bundle, said=said)
    install(monkeypatch, version="11.4.0.106")
    build(bundle, said=said)
    assert "built on NVIDIA RTX A4000 (compute capability 8.6), and this is NVIDIA H100" in said[0]
    assert "built by TensorRT 10.16.1.11, and this is 11.4.0.106" in said[2]
    assert len(engines_of(bundle)) == 3  # those of other machines are kept
    graph = bundle.folder / "step.onnx"
    graph.write_bytes(graph.read_bytes() + b"\x72\x00")  # an empty doc string: another file
    changed = reseal(bundle.folder)
    with pytest.raises(BundleError, match=r"another graph.*fishrt export --tensorrt"):
        load_program(changed, STEP, FP32, 3, HostDevice())


@pytest.mark.parametrize(
    ("options", "gpu", "version", "fits"),
    [
        ({}, CARD, "10.16.1.11", True),
        ({}, Gpu("NVIDIA RTX A4000", "8.9", "12.8"), "10.16.1.11", False),
        ({"hardware_compatible": True}, OTHER_CARD, "10.16.1.11", True),
        ({"hardware_compatible": True}, Gpu("T4", "7.5", "12.8"), "10.16.1.11", False),
        ({"version_compatible": True}, CARD, "11.0.0.1", True),
        ({"version_compatible": True}, CARD, "10.9.0.1", False),
        ({"version_compatible": True}, OTHER_CARD, "11.0.0.1", False),
    ],
)
def test_what_fits(bundle, card, monkeypatch, options, gpu, version, fits):
    install(monkeypatch)
    metadata = build(bundle, options=EngineOptions(**options)).metadata
    assert (misfit(metadata, metadata.graph_sha256, gpu, version) is None) is fits


HARDWARE = EngineOptions(hardware_compatible=True)
VERSIONS = EngineOptions(version_compatible=True)
A100, RTX_4090 = Gpu("NVIDIA A100", "8.0", "12.8"), Gpu("NVIDIA RTX 4090", "8.9", "12.8")


@pytest.mark.parametrize(
    ("built", "trust", "right"),
    [
        # the name of the wrong one comes first
        ([(A100, HARDWARE, "10.16.1.11"), (RTX_4090, None, "10.16.1.11")], False, 1),
        ([(RTX_4090, VERSIONS, "10.12.0.1"), (RTX_4090, None, "10.16.1.11")], True, 1),
        ([(RTX_4090, VERSIONS, "10.16.1.11"), (A100, HARDWARE, "10.16.1.11")], True, 0),
        ([(RTX_4090, VERSIONS, "10.16.1.11"), (A100, HARDWARE, "10.16.1.11")], False, 1),
        ([(RTX_4090, VERSIONS, "10.12.0.1")], False, 0),
    ],
)
def test_of_two_engines_that_fit_the_better_one_is_taken(
    bundle, card, monkeypatch, built, trust, right
):
    def made(gpu, options, version):
        card(gpu)
        install(monkeypatch, version=version)
        return build(bundle, options=options or EngineOptions())

    files = [made(*each) for each in built]
    assert len(engines_of(bundle)) == len(built)
    card(RTX_4090)
    install(monkeypatch)
    found, _ = find_engine(bundle, STEP, FP32, RTX_4090, "10.16.1.11", trust=trust)
    assert found.path == files[right].path
    opened = []
    monkeypatch.setattr(
        tensorrt_program, "open_engine", lambda found, *_, **__: opened.append(found)
    )
    load_program(bundle, STEP, FP32, 3, HostDevice(), trust=trust)
    assert [each.path for each in opened] == [found.path]
    if trust or not found.metadata.options.version_compatible:
        console = Console(file=io.StringIO())
        ensured = ensure_engine(bundle, STEP, FP32, console, [].append, trust=trust)
        assert ensured.path == found.path


def test_an_engine_with_the_wanted_options_is_found_behind_another(bundle, card, monkeypatch):
    install(monkeypatch)
    card(A100)
    compatible = build(bundle, options=HARDWARE)
    card(RTX_4090)
    own = build(bundle, options=EngineOptions())
    said = []
    assert build(bundle, options=EngineOptions(), said=said).path == own.path
    assert "compared with Keras on another machine" not in "".join(said)
    assert build(bundle, options=HARDWARE, said=said).path == compatible.path
    assert not any("building it" in sentence for sentence in said)


@pytest.mark.parametrize("records", [False, True])
def test_forecasts_of_an_engine_are_those_of_the_graph(bundle, card, monkeypatch, records):
    trt = install(monkeypatch)
    for kind in (STEP, CLIP):
        build(bundle, kind)
    device = HostDevice(can_record=records)
    lanes = GEOMETRY.steps
    stepper = DeviceStepper(
        device, load_program(bundle, STEP, FP32, lanes, device), GEOMETRY, lanes
    )
    ours = ExactLanes(stepper, GEOMETRY)
    theirs = ExactLanes(load_stepper(bundle, lanes, ONE_THREAD), GEOMETRY)
    frames = np.random.default_rng(0).integers(0, 256, (20, 12, 14)).astype(np.uint8)
    for frame in frames:
        assert ours.push(frame) == theirs.push(frame)
    assert device.recorded == (3 if records else 0)  # every pair of state sets once
    assert "TensorRT 10.16.1.11 in fp32 on host memory, 3 lanes" in stepper.describe()
    run = device_clip(device, load_program(bundle, CLIP, FP32, None, device), GEOMETRY)
    session = open_session(bundle.graph(CLIP), ONE_THREAD)
    clip = frames[:6].reshape(3, 2, 12, 14)
    assert run(clip) == float(session.run(["probability"], {"clip": clip[None]})[0][0])
    assert "run" in trt.log


def test_engines_as_parity_runs_them(bundle, card, monkeypatch):
    install(monkeypatch)
    ours = engine_runner({kind: build(bundle, kind) for kind in (STEP, CLIP)}, FP32, HostDevice())
    theirs = open_runner(graphs_of(bundle, FP32), FP32, Runtime.ORT_CPU)
    clip = np.random.default_rng(0).integers(0, 256, (1, 3, 2, 12, 14)).astype(np.uint8)
    assert ours.clip(clip) == pytest.approx(theirs.clip(clip), abs=1e-7)
    states = [zero_states(bundle.metadata.states, 2, FP32)] * 2
    for time_step in (clip[:, 0], clip[:, 1]):
        results = [
            runner.step(2)(time_step, each)
            for runner, each in zip((ours, theirs), states, strict=True)
        ]
        np.testing.assert_allclose(results[0][0], results[1][0], atol=1e-7)
        states = [new for _, new in results]
        assert set(states[0]) == set(states[1]) == {"h0", "c0", "h1", "c1"}


def test_outputs_that_nobody_wants_get_memory_all_the_same(bundle, card, monkeypatch):
    install(monkeypatch)
    build(bundle)
    device = HostDevice()
    program = load_program(bundle, STEP, FP32, 1, device)
    before = len(device.arrays)
    tensors = {name: device.allocate(*kind) for name, kind in program.inputs.items()}
    program.bind(tensors)()
    assert len(device.arrays) - before == len(tensors) + 5  # probability and four states


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"layer_type": "HALF"}, MachineError, "layer Conv_0 computes in FP16 and not in FP32"),
        ({"inspects": False}, MachineError, "tells nothing about the layers"),
        ({"loads": False}, MachineError, "cannot load the engine that it just built"),
        ({"builds": False}, MachineError, r"cannot build.*out of memory.*--workspace"),
        ({"builder": False}, MachineError, r"no builder.*CUDA initialization failure with error"),
        ({"version": "10.9.0"}, MachineError, "10.12 to 11, and 10.9.0 is installed"),
        ({"version": "12.0.1"}, MachineError, "10.12 to 11, and 12.0.1 is installed"),
    ],
)
def test_an_engine_that_is_not_what_was_asked_for_is_not_kept(
    bundle, card, monkeypatch, settings, error, words
):
    install(monkeypatch, **settings)
    with pytest.raises(error, match=words) as caught:
        build(bundle)
    assert "\n" not in str(caught.value)
    assert list(bundle.folder.rglob("*.engine*")) == []


def test_a_graph_that_the_parser_refuses(bundle, card, monkeypatch):
    install(monkeypatch)
    (bundle.folder / "step.onnx").write_bytes(b"no graph")
    with pytest.raises(BundleError, match=r"cannot read.*node 3: Failed to parse the ONNX model"):
        build(reseal(bundle.folder))


def test_timing_caches_are_used_and_foreign_or_damaged_ones_left_aside(bundle, card, monkeypatch):
    cache = bundle.folder / "engines" / engines.TIMINGS_FILE
    install(monkeypatch, gpu="a")
    build(bundle, STEP)
    assert cache.read_bytes() == b"a+"
    build(bundle, CLIP)
    assert cache.read_bytes() == b"a++"
    install(monkeypatch, gpu="b")
    build(bundle, STEP, EngineOptions(tf32=True))
    assert cache.read_bytes() == b"b+"
    cache.write_bytes(b"\0damaged")
    build(bundle, STEP, EngineOptions())
    assert cache.read_bytes() == b"b+"


def test_damaged_engines_are_one_sentence(bundle, card, monkeypatch):
    trt = install(monkeypatch)
    engine = build(bundle)
    content = engine.path.read_bytes()
    engine.path.write_bytes(content[:-3])
    with pytest.raises(BundleError, match=r"damaged or missing; delete it.*--tensorrt"):
        load_program(bundle, STEP, FP32, 3, HostDevice())
    assert trt.log[-1] == ("load", False)  # that of the build: damage is not given to TensorRT
    engine.path.write_bytes(content)
    with pytest.raises(BundleError, match="up to 3 lanes, and 4 are needed"):
        load_program(bundle, STEP, FP32, 4, HostDevice())
    engine.path.with_suffix(".engine.yaml").write_text("kind: [")
    with pytest.raises(BundleError, match=r"engine.yaml is damaged; delete it"):
        load_program(bundle, STEP, FP32, 3, HostDevice())
    engine.path.with_suffix(".engine.yaml").write_text("format_version: 1\nkind: [step]")
    with pytest.raises(BundleError, match=r"engine.yaml is damaged \(kind: .*not \['step'\]\);"):
        load_program(bundle, STEP, FP32, 3, HostDevice())


def test_without_an_engine_or_without_tensorrt(bundle, card, monkeypatch):
    install(monkeypatch)
    with pytest.raises(BundleError, match=r"no fp32 step engine yet; build one.*--tensorrt"):
        load_program(bundle, STEP, FP32, 3, HostDevice())
    monkeypatch.delitem(sys.modules, "tensorrt")
    monkeypatch.setattr(sys, "meta_path", [])
    with pytest.raises(MissingExtraError, match=r"pip install -e '\.\[tensorrt\]'"):
        load_program(bundle, STEP, FP32, 3, HostDevice())


def test_a_bundle_that_cannot_be_written_to(bundle, card, monkeypatch):
    install(monkeypatch)
    (bundle.folder / "engines").write_text("in the way")
    with pytest.raises(Exception, match="cannot write") as caught:
        build(bundle)
    assert caught.type.__name__ == "OutputError"


def test_ctrl_c_ends_a_build_between_two_steps(bundle, card, monkeypatch):
    trt = install(monkeypatch)
    step = trt.Builder.build_serialized_network

    def press(self, network, config):
        os.kill(os.getpid(), signal.SIGINT)  # raises nothing in here, as nothing may
        return step(self, network, config)

    monkeypatch.setattr(trt.Builder, "build_serialized_network", press)
    with pytest.raises(KeyboardInterrupt):
        build(bundle)
    assert list(bundle.folder.rglob("*.engine*")) == []
    with interruption() as pressed:  # and afterwards Ctrl-C is what it was
        assert not pressed()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Half", "FP16"), ("Row major linear FP16 format", "FP16"), ("Float", "FP32"),
        ("Channel major FP32 format where channel % 4 == 0", "FP32"), ("Row major Uint8", "UINT8"),
        ("Int32", "INT32"), ("N/A due to dynamic shapes", "N/A due to dynamic shapes"),
    ],
)  # fmt: skip
def test_types_in_the_words_of_several_versions(words, expected):
    layer = f'{{"Name": "x", "Outputs": [{{"Format/Datatype": "{words}"}}]}}'
    assert layer_types(f'{{"Layers": [{layer}]}}')[0] == {expected: 1}


def test_an_engine_is_compared_with_keras_before_it_is_kept(bundle, card, monkeypatch):
    install(monkeypatch)
    known = add_reference(bundle)
    said = []
    proofs = {kind: build(known, kind, said=said).metadata.proof for kind in (STEP, CLIP)}
    for kind, proof in proofs.items():
        assert (proof.gpu, proof.tensorrt) == (CARD.name, "10.16.1.11")
        assert proof.max < 1e-6  # measured: 6e-8
        assert proof.not_compared is None
        assert (proof.hidden is None) == (kind is CLIP)
    assert sum("at most" in sentence for sentence in said) == 2
    assert [engine.metadata.proof for engine in engines_of(known)] == [proofs[CLIP], proofs[STEP]]


@pytest.mark.parametrize("kind", [STEP, CLIP])
def test_an_engine_that_differs_is_not_kept_and_not_found(bundle, card, monkeypatch, kind):
    install(monkeypatch)
    wrong = add_reference(bundle, shift=0.01)
    with pytest.raises(ParityError, match=r"differs from Keras by 0.01 .* was not kept") as caught:
        build(wrong, kind)
    assert "on tensorrt" in str(caught.value)
    left = [path.name for path in (wrong.folder / "engines").iterdir()]
    assert left == [engines.TIMINGS_FILE]
    with pytest.raises(BundleError, match="engine yet; build one"):
        load_program(wrong, kind, FP32, 3, HostDevice())


def test_what_a_kill_leaves_is_never_taken(bundle, card, monkeypatch):
    install(monkeypatch)
    known = add_reference(bundle)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(engines, "prove_engine", killed)
        patched.setattr("pathlib.Path.unlink", lambda *_, **__: None)  # there is no time for it
        with pytest.raises(KeyboardInterrupt):
            build(known)
    assert [path.suffix for path in (known.folder / "engines").glob("*trt*")] == [engines.UNPROVEN]
    assert engines_of(known) == []
    said = []
    build(known, said=said)
    assert said[0] == "there is no fp32 step engine yet: building it"


def test_an_engine_of_another_machine_is_compared_here(bundle, card, monkeypatch):
    install(monkeypatch)
    known = add_reference(bundle)
    build(known, options=EngineOptions(hardware_compatible=True))
    card(OTHER_CARD)
    said = []
    again = build(known, said=said)
    assert "compared with Keras on another machine: comparing it here" in said[0]
    assert again.metadata.gpu == CARD.name
    assert again.metadata.proof.gpu == OTHER_CARD.name
    assert build(known, said=said).metadata == again.metadata
    assert len(said) == 2
    card(Gpu("NVIDIA L4", "8.9", "12.8"))
    with pytest.raises(ParityError, match=r"differs from Keras.*the engine was deleted"):
        build(add_reference(known, shift=0.01))
    assert engines_of(known) == []


def test_an_engine_that_was_never_compared_is_built_again(bundle, card, monkeypatch):
    install(monkeypatch)
    engine = build(bundle)
    path = engine.path.with_suffix(".engine.yaml")
    content = yaml.safe_load(path.read_text())
    del content["proof"]  # as written before there was one
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(BundleError, match="never compared with Keras; build one"):
        load_program(bundle, STEP, FP32, 3, HostDevice())
    said = []
    assert build(bundle, said=said).metadata.proof is not None
    assert said[0] == "the engine was never compared with Keras: building it"


def test_an_engine_of_another_format_is_told_from_a_damaged_one(bundle, card, monkeypatch):
    install(monkeypatch)
    path = build(bundle).path.with_suffix(".engine.yaml")
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**content, "format_version": 9, "unheard_of": 1}))
    said = r"has format version 9, but this fishrt reads version 1; delete it and build"
    with pytest.raises(BundleError, match=said):
        engines_of(bundle)
    path.write_text("[]")
    with pytest.raises(BundleError, match="format version None"):
        engines_of(bundle)


def test_parity_runs_the_engines_that_there_are(bundle, card, monkeypatch):
    install(monkeypatch)
    known = add_reference(bundle)
    both = (Runtime.ORT_CPU, Runtime.TENSORRT)
    report = compare_with_reference(known, both)
    assert "no fp32 clip engine yet; build it with: fishrt export" in report.absent["tensorrt"]
    build(known, STEP)
    ways = {(a.backend, a.mode) for a in compare_with_reference(known, both).agreements}
    assert ways == {(Runtime.ORT_CPU, mode) for mode in Mode} | {
        (Runtime.TENSORRT, Mode.STEP), (Runtime.TENSORRT, Mode.LANES)
    }  # fmt: skip
    build(known, CLIP)
    report = compare_with_reference(known, both)
    assert len(report.agreements) == 6
    assert report.absent == {}
    by_engine = [a for a in report.agreements if a.backend == Runtime.TENSORRT]
    assert [a.clips for a in by_engine] == [10, 10, 3]  # no more lanes than the engine takes
    assert max(a.max for a in by_engine) < 1e-6  # measured: 6e-8
    install(monkeypatch, version="9.0")
    assert "10.12 to 11, and 9.0" in compare_with_reference(known, both).absent["tensorrt"]
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert "extra tensorrt" in compare_with_reference(known, both).absent["tensorrt"]


def test_parity_trusts_engines_with_code_of_their_own_only_when_told(bundle, card, monkeypatch):
    install(monkeypatch)
    known = add_reference(bundle)
    build(known, options=EngineOptions(version_compatible=True))
    build(known, CLIP, EngineOptions(version_compatible=True))
    with pytest.raises(BackendAbsentError, match="carries code of its own; add --trust-engine"):
        open_engines(known, FP32)
    report = compare_with_reference(known, (Runtime.TENSORRT,), trust=True)
    assert len(report.agreements) == 3


def test_live_builds_compares_and_runs_and_a_wrong_engine_ends_it(
    bundle, card, monkeypatch, capfd, tmp_path
):
    install(monkeypatch)
    monkeypatch.setattr("realtime.backends.CudaDevice", HostDevice)

    def live(folder):
        options = ["-c", "demo", "--frames", "12", "--as-fast-as-possible", "--no-window", "--json"]
        monkeypatch.setattr(
            sys, "argv", ["fishrt", "live", "-b", str(folder), "--backend", "tensorrt", *options]
        )
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capfd.readouterr()
        return ended.value.code, captured.out, captured.err

    code, out, said = live(add_reference(bundle).folder)
    assert not code
    assert json.loads(out)["figures"]["forecasts"] == 7
    assert "there is no fp32 step engine yet: building it" in said
    assert "from Keras on 10 clips" in said
    wrong = add_reference(make_tiny_bundle(tmp_path / "wrong", GEOMETRY), shift=0.01)
    for _ in range(2):  # nothing is left that the second time would take
        code, out, said = live(wrong.folder)
        assert (code, out) == (ExitCode.PARITY, "")
        assert said.splitlines()[-1].endswith("the engine was not kept.")


def test_bench_leaves_out_a_way_whose_engine_is_wrong(bundle, card, monkeypatch):
    install(monkeypatch)
    monkeypatch.setattr("realtime.benchmark.missing", lambda _: None)
    wrong = add_reference(bundle, shift=0.01)
    way = Way(Backend.TENSORRT, FP32, benchmark.BenchMode.CLIP)
    plan = BenchPlan(wrong, [way], wrong.folder / "none.npy", 20, False, False)
    record = run_plan(plan, Console(file=io.StringIO()))
    assert record["rows"] == []
    assert record["skipped"][0]["reason"].endswith("the engine was not kept.")
