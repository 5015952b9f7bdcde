"""How long a forecast takes on this machine, by each way of computing it.

Every way is measured in a process of its own (`realtime.benchmark_worker`), one after another, so
that start-up times and memory are its own and a library that crashes takes nothing with it.
"""

import enum
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fishrt.bundle import Bundle, GraphPrecision
from fishrt.child_process import last_words, run_module
from fishrt.cores import usable_cores
from fishrt.doctor.machine import memory_gb, processor_name
from fishrt.errors import FishrtError
from fishrt.gpu.card import current_gpu
from fishrt.install_hints import install_hint, no_cuda_hint
from fishrt.simulate import SimulatedTank, TankSpec
from realtime.backends import Backend
from realtime.stepper import SessionSettings

TANK_SEED = 11
WORKER_LIMIT_S = 600.0


class BenchMode(enum.StrEnum):
    """How a frame comes to its forecast."""

    STREAM = "stream"
    """One lane a phase, its state carried on."""

    LANES = "lanes"
    """Exact lanes: the window forecast, one batched step a frame."""

    CLIP = "clip"
    """The whole clip run again: the window forecast as it is usually computed."""


@dataclass(frozen=True)
class Way:
    """One way to a forecast.

    Attributes:
        backend: What computes.
        precision: Which of the bundle's graphs.
        mode: How a frame comes to its forecast.
        every: Frames from one forecast to the next.
    """

    backend: Backend
    precision: GraphPrecision
    mode: BenchMode
    every: int = 1

    @property
    def name(self) -> str:
        """In words."""
        lanes = "exact lanes" if self.every == 1 else f"exact, every {self.every}"
        names = {BenchMode.STREAM: "stream", BenchMode.LANES: lanes, BenchMode.CLIP: "clip again"}
        return names[self.mode]


@dataclass(frozen=True)
class Row:
    """What one way costs. Nothing is left out of the figures after warm-up.

    Attributes:
        way: In words.
        backend: What computes.
        precision: What it computes in.
        p50_ms: Median time of a frame, in milliseconds.
        p90_ms: 90th percentile.
        p99_ms: 99th percentile.
        max_ms: The longest.
        frames: How many frames were timed.
        fps: Frames a second, back to back.
        first_ms: The slowest frame of the warm-up, mostly the first.
        warm_up_frames: How many frames were left out before.
        startup_s: From an empty process to ready for the first frame.
        host_mb: Most memory that the process had, in MB, or None where the system does not say it.
        device_mb: Memory that it took on the GPU, in MB, or None without a GPU.
        computed_by: Library and version.
        finite: Whether what it gives are finite numbers.
    """

    way: str
    backend: str
    precision: str
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    frames: int
    fps: float
    first_ms: float
    warm_up_frames: int
    startup_s: float
    host_mb: float | None
    device_mb: float | None
    computed_by: str
    finite: bool = True


@dataclass(frozen=True)
class Skipped:
    """A way that was not measured, and why.

    Attributes:
        way: In words.
        backend: What would have computed.
        precision: What in.
        reason: Why it was not measured.
        bundle_at_fault: Whether the bundle lacks what is needed, or it is damaged.
    """

    way: str
    backend: str
    precision: str
    reason: str
    bundle_at_fault: bool = False


def ways_of(
    backends: Sequence[Backend],
    precisions: Sequence[GraphPrecision],
    every: Sequence[int],
) -> Iterator[Way]:
    """Every way to measure, the cheapest of each backend first.

    Args:
        backends: What may compute.
        precisions: Which of the bundle's graphs.
        every: Strides of exact lanes.
    """
    for backend in backends:
        for precision in precisions:
            yield Way(backend, precision, BenchMode.STREAM)
            for stride in sorted(every, reverse=True):
                yield Way(backend, precision, BenchMode.LANES, stride)
            yield Way(backend, precision, BenchMode.CLIP)


def missing(backend: Backend) -> str | None:
    """Why a backend cannot run here, as far as that is known without trying it; else None."""
    if backend is Backend.TENSORRT:
        return _unless(find_spec("tensorrt"), "TensorRT is not installed", "tensorrt")
    if find_spec("onnxruntime") is None:
        return _unless(None, "ONNX Runtime is not installed", "cpu")
    if backend is Backend.CUDA:
        import onnxruntime

        listed = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
        return None if listed else no_cuda_hint()
    if backend is Backend.TENSORRT_RTX:
        there = find_spec("onnxruntime_ep_nv_tensorrt_rtx")
        return _unless(there, "the TensorRT-RTX plugin is not installed", "rtx")
    return None


def _unless(there: object, what: str, extra: str) -> str | None:
    return None if there else f"{what}; {install_hint(extra)}"


def tank_frames(bundle: Bundle, count: int) -> NDArray[np.uint8]:
    """Frames of the simulated tank, as the model wants them.

    Args:
        bundle: The bundle, for its preprocessing.
        count: How many.

    Returns:
        uint8 `(count, H, W)`.
    """
    tank = iter(SimulatedTank(TankSpec(seed=TANK_SEED)))
    return np.stack([bundle.preprocessor(next(tank)[0]) for _ in range(count)])


def measure(
    folder: Path, way: Way, frames: Path, count: int, *, trust_engine: bool = False
) -> Row | Skipped:
    """Measures one way in a process of its own.

    Args:
        folder: The bundle's folder.
        way: What to measure.
        frames: NumPy file with uint8 `(T, H, W)`, at least a clip and one frame long.
        count: Frames to time.
        trust_engine: Whether a TensorRT engine may run code on the host.
    """
    order = {"bundle": str(folder), **asdict(way), "frames": str(frames), "count": count}
    answer = run_worker("realtime.benchmark_worker", {**order, "trust": trust_engine})
    if "reason" in answer:
        return Skipped(way.name, way.backend, way.precision, **answer)
    return Row(way=way.name, backend=way.backend, precision=way.precision, **answer)


def run_worker(module: str, order: dict[str, Any]) -> dict[str, Any]:
    """Runs a worker module with an order on stdin; gives its answer, or why there is none.

    Args:
        module: The module; it prints one JSON object as the last line of stdout.
        order: What to do; the time at which it was given is added.
    """
    try:
        done = run_module(
            module,
            limit_s=WORKER_LIMIT_S,
            given=json.dumps({**order, "begun": time.time()}),
            settings={"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
    except subprocess.TimeoutExpired:
        return {"reason": f"it was not ready within {WORKER_LIMIT_S:g} s"}
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
        return dict(answer)
    except (IndexError, ValueError):
        return {"reason": last_words(done)}


def describe_machine() -> dict[str, Any]:
    """Hardware and libraries that the timings were taken with."""
    settings = SessionSettings()
    try:
        gpu: dict[str, str] | None = asdict(current_gpu())
    except FishrtError:
        gpu = None
    return {
        "processor": processor_name(),
        "cores": usable_cores(),
        "memory_gb": round(memory_gb(), 1),
        "gpu": gpu,
        "threads": settings.thread_count,
        "spinning": settings.spinning,
    }
