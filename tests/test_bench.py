"""The benchmark: what it counts, in processes of its own, and what it says of what cannot run."""

import dataclasses
import errno
import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import pytest
from command_line import fishrt
from onnx import numpy_helper
from tiny_bundle import make_tiny_bundle, reseal

from fishrt.bundle import GraphPrecision
from fishrt.cli import main
from fishrt.clip import ClipGeometry
from fishrt.errors import ExitCode, MissingExtraError
from fishrt.timing import matrix_gflops, percentiles, time_calls
from realtime.backends import Backend
from realtime.benchmark import BenchMode, Row, Skipped, Way, measure, missing, run_worker, ways_of
from realtime.onnx_device import cuda_program

GEOMETRY = ClipGeometry(steps=3, frames_per_step=2, height=12, width=14)
FP32 = GraphPrecision.FP32


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny", GEOMETRY)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    path = tmp_path_factory.mktemp("frames") / "frames.npy"
    rng = np.random.default_rng(0)
    np.save(path, rng.integers(0, 256, (40, 12, 14)).astype(np.uint8))
    return path


def test_nothing_is_clipped_from_the_figures():
    times = [1.0] * 98 + [50.0, 1000.0]
    figures = percentiles(times)
    assert figures["max_ms"] == 1000.0
    assert figures["frames"] == 100
    assert figures["fps"] == pytest.approx(100 / 1.148)
    assert figures["p99_ms"] == pytest.approx(50 + 0.01 * 950)  # between the two slowest


def test_slow_calls_are_timed_fewer_times_but_never_too_few():
    called = []
    assert len(time_calls(called.append, 7, 5, 2, 100.0)) == 5
    assert called == [7, 8, 9, 10, 11]
    assert len(time_calls(lambda _: None, 0, 1000, 3, 0.0)) == 3
    assert matrix_gflops(1) > 0


def assert_measured(row):
    assert 0 < row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"] <= row["max_ms"]
    assert row["startup_s"] > 0
    assert row["host_mb"] > 20  # NumPy alone takes that
    assert row["device_mb"] is None
    assert row["warm_up_frames"] > 0
    assert row["first_ms"] > 0


def test_a_way_is_measured_in_a_process_of_its_own(bundle, frames):
    row = measure(bundle.folder, Way(Backend.CPU, FP32, BenchMode.CLIP), frames, 24)
    assert isinstance(row, Row), row
    assert_measured(asdict(row))
    assert row.frames == 20  # a clip: a quarter of the frames, but never so few


def test_memory_is_that_of_the_process_and_not_of_its_parent():
    ballast = np.ones(40_000_000)  # 320 MB here
    code = "from fishrt.timing import peak_memory_mb; print(peak_memory_mb())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 200 < ballast.nbytes / 1e6


def test_nothing_needs_what_windows_lacks():
    code = (
        "import sys; sys.modules.update(resource=None, fcntl=None);"
        "import fishrt.doctor.machine, realtime.benchmark_worker;"
        "from pathlib import Path; Path.read_text = lambda _: '';"  # there is no /proc either
        "from fishrt.timing import peak_memory_mb; print(peak_memory_mb())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"


def test_what_cannot_run_is_named_with_its_reason(bundle, frames, tmp_path):
    cuda = measure(bundle.folder, Way(Backend.CUDA, FP32, BenchMode.LANES), frames, 20)
    if isinstance(cuda, Skipped):
        assert "--backend cpu" in cuda.reason or "gpu" in cuda.reason
    gone = measure(tmp_path / "none", Way(Backend.CPU, FP32, BenchMode.LANES), frames, 20)
    assert isinstance(gone, Skipped)
    assert "no bundle folder" in gone.reason
    assert "No module named" in run_worker("realtime.there_is_none", {})["reason"]
    assert missing(Backend.CPU) is None


def test_the_ways_to_a_forecast():
    ways = list(ways_of([Backend.CPU], list(GraphPrecision), [1, 5]))
    names = ["stream", "exact, every 5", "exact lanes", "clip again"]
    assert [(way.precision, way.name) for way in ways] == [
        (precision, name) for precision in GraphPrecision for name in names
    ]


def test_from_the_command_line(bundle, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra report is not installed")
    options = ["--backend", "cpu", "--no-keras", "--frames", "20", "--every", "2", "--json"]
    picture = tmp_path / "bench.png"
    done = fishrt("bench", bundle.folder, *options, "-o", picture)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert [row["way"] for row in record["rows"]] == ["stream", "exact, every 2", "clip again"]
    for row in record["rows"]:
        assert_measured(row)
    assert record["frame_interval_ms"] == pytest.approx(1000 / 30)
    assert record["machine"]["processor"]
    assert "simulated tank" in record["frames_from"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    wrong = fishrt("bench", bundle.folder, "--backend", "gpu")
    assert wrong.returncode == ExitCode.USAGE
    assert "tensorrt-rtx" in wrong.stderr


def bench(monkeypatch, *arguments):
    """Runs the command in this process; what it measures has processes of its own."""
    monkeypatch.setattr(sys, "argv", ["fishrt", "bench", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.parametrize(
    ("output", "code", "words"),
    [
        ("b.txt", ExitCode.USAGE, "does not end in .png"),
        (".", ExitCode.USAGE, "does not end in .png"),
        ("folder.png", ExitCode.USAGE, "is a folder"),
        ("none/x.png", ExitCode.OUTPUT, "its folder does not exist"),
    ],
)
def test_a_picture_that_cannot_be_is_said_before_measuring(
    bundle, tmp_path, monkeypatch, capfd, output, code, words
):
    pytest.importorskip("matplotlib", reason="the extra report is not installed")
    monkeypatch.setattr("fishrt.cli.bench_plan.run_plan", lambda *_: pytest.fail("it measured"))
    (tmp_path / "folder.png").mkdir()
    assert bench(monkeypatch, bundle.folder, "-o", tmp_path / output) == code
    said = capfd.readouterr().err.replace("│", "")
    assert words in " ".join(said.split())


SMALL = ("--no-keras", "--frames", "10", "--every", "1")


def test_the_hint_for_cuda_leaves_one_onnx_runtime():
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    said = "pip uninstall -y onnxruntime && pip install -e '.[gpu]'"
    assert missing(Backend.CUDA).endswith(said)
    with pytest.raises(MissingExtraError) as caught:
        cuda_program(Path("step.onnx"), 1, None)
    assert str(caught.value) == missing(Backend.CUDA)


def test_figures_are_printed_before_a_picture_that_fails(bundle, tmp_path, monkeypatch, capfd):
    pytest.importorskip("matplotlib", reason="the extra report is not installed")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    picture = tmp_path / "x.png"
    code = bench(monkeypatch, bundle.folder, *SMALL, "--backend", "cpu", "-o", picture)
    out, err = capfd.readouterr()
    assert code == ExitCode.OUTPUT
    assert "clip again" in out
    assert err.endswith("the disk is full; free some space, or write to another disk.\n")


def test_what_was_asked_for_and_not_timed_is_no_success(bundle, monkeypatch, capfd):
    monkeypatch.setattr(
        "realtime.benchmark.missing", lambda b: None if b is Backend.CPU else f"no {b} here"
    )
    assert bench(monkeypatch, bundle.folder, *SMALL, "--backend", "tensorrt") == ExitCode.MACHINE
    out, err = capfd.readouterr()
    assert (out, err) == (
        "",
        "fishrt: nothing was timed: not timed on tensorrt: no tensorrt here.\n",
    )
    assert bench(monkeypatch, bundle.folder, *SMALL, "--precision", "fp16") == ExitCode.BUNDLE
    out, err = capfd.readouterr()
    assert out == ""
    assert "on cpu, cuda, tensorrt-rtx, tensorrt: the bundle has no fp16 graphs" in err
    part = ["--backend", "cpu", "--precision", "fp32", "--precision", "fp16"]
    assert bench(monkeypatch, bundle.folder, *SMALL, *part) == ExitCode.BUNDLE
    out, err = capfd.readouterr()
    assert "clip again" in out  # what could be timed was
    assert "not all that was asked for was timed: not timed on cpu fp16: the bundle" in err


def spoil(path):
    model = onnx.load(path)
    (dense,) = (constant for constant in model.graph.initializer if constant.name == "dense")
    dense.CopyFrom(numpy_helper.from_array(np.full(dense.dims, np.nan, np.float32), "dense"))
    onnx.save(model, path)


def test_a_step_graph_that_does_not_fit_and_a_model_without_numbers(tmp_path, monkeypatch, capfd):
    folder = make_tiny_bundle(tmp_path / "odd", GEOMETRY).folder
    spoil(folder / "clip.onnx")
    other = make_tiny_bundle(tmp_path / "other", dataclasses.replace(GEOMETRY, height=14)).folder
    shutil.copy(other / "step.onnx", folder)
    reseal(folder)
    monkeypatch.setattr("realtime.benchmark.missing", lambda b: f"no {b}" if b != "cpu" else None)
    assert bench(monkeypatch, folder, *SMALL) == ExitCode.OK  # the clip was timed
    out, err = capfd.readouterr()
    assert "clip again" in out
    assert "not timed on cpu fp32 (stream, exact lanes): " in err
    assert "step.onnx does not fit" in err
    assert "not timed on cuda: no cuda\n" in err
    assert "warning: the model gives what is not a number on cpu fp32;" in err


def test_a_bundle_that_runs_nowhere_is_the_bundles_fault(bundle, tmp_path, monkeypatch, capfd):
    folder = tmp_path / "cut"
    shutil.copytree(bundle.folder, folder)
    for graph in folder.glob("*.onnx"):
        graph.write_bytes(b"no graph")
    monkeypatch.setattr("realtime.benchmark.missing", lambda b: f"no {b}" if b != "cpu" else None)
    assert bench(monkeypatch, folder, *SMALL) == ExitCode.BUNDLE
    out, err = capfd.readouterr()
    assert out == ""
    assert "nothing was timed: not timed on cpu fp32 (stream, exact lanes): " in err
    assert "step.onnx is damaged" in err


def test_a_step_that_gives_no_numbers_is_told_from_one_that_does(bundle, frames, tmp_path):
    odd = make_tiny_bundle(tmp_path / "odd", GEOMETRY).folder
    spoil(odd / "step.onnx")
    reseal(odd)
    way = Way(Backend.CPU, FP32, BenchMode.LANES)
    rows = [measure(folder, way, frames, 20) for folder in (bundle.folder, odd)]
    assert [row.finite for row in rows] == [True, False]
