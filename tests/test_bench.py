"""The benchmark: what it counts, in processes of its own, and what it says of what cannot run."""

import json
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
from tiny_bundle import make_tiny_bundle

from fishrt.bundle import GraphPrecision
from fishrt.clip import ClipGeometry
from fishrt.errors import ExitCode
from fishrt.timing import matrix_gflops, percentiles, time_calls
from realtime.backends import Backend
from realtime.benchmark import Mode, Row, Skipped, Way, measure, missing, run_worker, ways_of

GEOMETRY = ClipGeometry(steps=3, frames_per_step=2, height=12, width=14)
FP32 = GraphPrecision.FP32
RUN = [sys.executable, "-c", "from fishrt.cli import main; main()", "bench"]


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
    row = measure(bundle.folder, Way(Backend.CPU, FP32, Mode.CLIP), frames, 24)
    assert isinstance(row, Row), row
    assert_measured(asdict(row))
    assert row.frames == 20  # a clip: a quarter of the frames, but never so few


def test_memory_is_that_of_the_process_and_not_of_its_parent():
    ballast = np.ones(40_000_000)  # 320 MB here
    code = "from fishrt.timing import peak_memory_mb; print(peak_memory_mb())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 200 < ballast.nbytes / 1e6


def test_what_cannot_run_is_named_with_its_reason(bundle, frames, tmp_path):
    cuda = measure(bundle.folder, Way(Backend.CUDA, FP32, Mode.LANES), frames, 20)
    if isinstance(cuda, Skipped):
        assert "--backend cpu" in cuda.reason or "gpu" in cuda.reason
    gone = measure(tmp_path / "none", Way(Backend.CPU, FP32, Mode.LANES), frames, 20)
    assert isinstance(gone, Skipped)
    assert "no bundle folder" in gone.reason
    assert "No module named" in run_worker("realtime.there_is_none", {})["reason"]
    assert missing(Backend.CPU) is None


def test_the_ways_of_a_bundle(bundle):
    ways = list(ways_of(bundle, [Backend.CPU], list(GraphPrecision), [1, 5]))
    assert [way.name for way in ways] == ["stream", "exact, every 5", "exact lanes", "clip again"]
    assert {way.precision for way in ways} == {FP32}  # it has no FP16


def test_from_the_command_line(bundle, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra train is not installed")
    options = ["--backend", "cpu", "--no-keras", "--frames", "20", "--every", "2", "--json"]
    picture = tmp_path / "bench.png"
    done = subprocess.run(
        [*RUN, bundle.folder, *options, "-o", picture], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert [row["way"] for row in record["rows"]] == ["stream", "exact, every 2", "clip again"]
    for row in record["rows"]:
        assert_measured(row)
    assert record["frame_interval_ms"] == pytest.approx(1000 / 30)
    assert record["machine"]["processor"]
    assert "simulated tank" in record["frames_from"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    wrong = subprocess.run(
        [*RUN, bundle.folder, "--backend", "gpu"], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == ExitCode.USAGE
    assert "tensorrt-rtx" in wrong.stderr
    unwritable = ["--backend", "tensorrt", "-o", tmp_path / "none" / "x.png", "--no-keras"]
    done = subprocess.run(
        [*RUN, bundle.folder, *unwritable], capture_output=True, text=True, check=False
    )
    assert done.returncode == ExitCode.OUTPUT
    assert "its folder does not exist" in done.stderr
