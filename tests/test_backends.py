"""`--backend` on a machine without a GPU: one sentence with what to do, and an exit code."""

import sys

import pytest
from command_line import fishrt
from tiny_bundle import make_tiny_bundle

from fishrt.bundle import GraphPrecision, load_bundle
from fishrt.cli import main
from fishrt.clip import ClipGeometry
from fishrt.errors import ExitCode, MachineError, MissingExtraError
from realtime.backends import Backend, clip_runner, stepper_maker


@pytest.fixture
def no_gpu():
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")
    if runtime.cudaGetDeviceCount()[1]:
        pytest.skip("there is a GPU here")


@pytest.mark.parametrize("backend", [b for b in Backend if b is not Backend.CPU])
def test_no_gpu_is_one_sentence(no_gpu, backend):
    bundle = load_bundle("demo")
    for load in (lambda: stepper_maker(bundle, backend)(30), lambda: clip_runner(bundle, backend)):
        with pytest.raises(MachineError, match=r"no NVIDIA GPU.*fishrt doctor.*--backend cpu"):
            load()


def test_without_cuda_bindings_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(MissingExtraError, match=r"pip install -e '.\[gpu\]'"):
        stepper_maker(load_bundle("demo"), Backend.CUDA)(30)


@pytest.mark.parametrize(
    ("arguments", "codes"),
    [
        (
            ("live", "--backend", "tensorrt", "--camera", "demo", "--frames", "3"),
            (ExitCode.MACHINE, ExitCode.MISSING_EXTRA),
        ),
        (("export", "fishrt/bundles/demo", "--tf32"), (ExitCode.USAGE,)),
    ],
)
def test_from_the_command_line(no_gpu, arguments, codes):
    done = fishrt(*arguments)
    assert done.returncode in codes, done.stderr
    assert "Traceback" not in done.stderr


def test_a_backend_that_fails_leaves_nothing_that_a_retry_refuses(tmp_path, monkeypatch, capfd):
    def fails(*_, **__):
        raise MachineError("no NVIDIA GPU can be used here; run fishrt doctor.")

    monkeypatch.setattr("realtime.backends.CudaDevice", fails)
    log, video = tmp_path / "tank.jsonl", tmp_path / "tank.mp4"
    arguments = ["live", "-c", "demo", "--backend", "cuda", "--no-window", "--frames", "3"]
    monkeypatch.setattr(
        sys, "argv", ["fishrt", *arguments, "--output", str(log), "--record", str(video)]
    )
    for _ in range(2):  # the second time is told the same
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == ExitCode.MACHINE
        assert "fishrt: no NVIDIA GPU can be used here" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "limit"), [("fp32", 1e-4), ("fp16", 1e-2)])
@pytest.mark.parametrize("backend", [Backend.CUDA, Backend.TENSORRT_RTX])
def test_a_gpu_forecasts_what_the_cpu_forecasts(backend, precision, limit):
    """Needs a GPU; never run where this was written. TensorRT is in test_tensorrt_gpu.py."""
    import numpy as np

    from realtime.lanes import ExactLanes

    bundle = load_bundle("demo")
    geometry = bundle.metadata.config.clip.geometry
    try:
        make = stepper_maker(bundle, backend, GraphPrecision(precision))
        theirs = ExactLanes(make(30), geometry)
    except (MachineError, MissingExtraError) as error:
        pytest.skip(str(error))
    ours = ExactLanes(stepper_maker(bundle, Backend.CPU)(30), geometry)
    frames = np.random.default_rng(0).integers(0, 256, (140, 60, 80)).astype(np.uint8)
    for frame in frames:
        a, b = ours.push(frame).probability, theirs.push(frame).probability
        assert a == b if a is None else b == pytest.approx(a, abs=limit)


@pytest.mark.parametrize(
    ("work_ms", "lanes", "threads"),
    [
        (5.0, 1, "1 thread,"),
        (26.6, 1, "1 thread,"),
        (26.7, 1, "3 threads,"),
        (5.0, 2, "3 threads,"),
    ],
)
def test_a_single_lane_takes_one_thread_where_that_is_enough(
    tmp_path, monkeypatch, work_ms, lanes, threads
):
    """0.8 of the 33.3 ms of a frame are 26.7."""
    bundle = make_tiny_bundle(tmp_path / "tiny", ClipGeometry(3, 2, 12, 14))
    monkeypatch.setattr("realtime.backends.measure_ms", lambda *_: work_ms)
    monkeypatch.setattr("realtime.stepper.usable_cores", lambda: 3)
    assert threads in stepper_maker(bundle, Backend.CPU)(lanes).describe()
