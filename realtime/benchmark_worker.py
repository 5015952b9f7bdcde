"""Measures one way to a forecast; started by `realtime.benchmark` with an order on stdin."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fishrt.bundle import Bundle, GraphPrecision, load_bundle
from fishrt.errors import BundleError, FishrtError
from fishrt.gpu.device import CudaDevice
from fishrt.timing import peak_memory_mb, percentiles, time_calls
from realtime.backends import Backend, clip_runner, stepper_maker
from realtime.benchmark import BenchMode
from realtime.lanes import CarriedState, ExactLanes, LaneSchedule

WARM_UP_STEPS = 20
"""Steps of a phase before the clock starts; on a GPU each pair of state sets is then recorded."""

WARM_UP_CLIPS = 3
CLIP_SHARE = 4
"""A clip is run on so many times fewer frames, as it costs so much more."""

LIMIT_S = 30.0
FEWEST = 20

Push = Callable[[int], object]
"""Takes the number of a frame and does its work."""


@dataclass(frozen=True)
class Work:
    """What is timed.

    Attributes:
        push: Does a frame's work.
        computed_by: Library and version.
        warm_up: Frames before the clock starts.
        answer: Computes once more and gives the probability of every lane.
    """

    push: Push
    computed_by: str
    warm_up: int
    answer: Callable[[], NDArray[np.float32]]


def make_work(bundle: Bundle, order: dict[str, Any], frames: NDArray[np.uint8]) -> Work:
    """Loads what an order of `realtime.benchmark.measure` is about."""
    geometry = bundle.metadata.config.clip.geometry
    backend, precision = Backend(order["backend"]), GraphPrecision(order["precision"])
    mode, every, trust = BenchMode(order["mode"]), order["every"], order["trust"]
    if mode is BenchMode.CLIP:
        run = clip_runner(bundle, backend, precision, trust_engine=trust)
        first, span = geometry.frames - 1, len(frames) - geometry.frames + 1

        def push(number: int) -> float:
            return run(frames[geometry.frame_indices(first + number % span)])

        return Work(
            push,
            f"{backend} in {precision}",
            WARM_UP_CLIPS,
            lambda: np.array([push(0)], np.float32),
        )
    make = stepper_maker(bundle, backend, precision, trust_engine=trust)
    if mode is BenchMode.STREAM:
        stepper = make(1)
        forecaster: CarriedState | ExactLanes = CarriedState(stepper, geometry)
    else:
        lanes = LaneSchedule(geometry.steps, geometry.frames_per_step, every).lanes
        stepper = make(lanes)
        forecaster = ExactLanes(stepper, geometry, every)
    return Work(
        lambda number: forecaster.push(frames[number % len(frames)]),
        stepper.describe(),
        WARM_UP_STEPS * geometry.frames_per_step,
        lambda: stepper.step(frames[: geometry.frames_per_step], 0),
    )


def measure(order: dict[str, Any]) -> dict[str, Any]:
    """Follows an order of `realtime.benchmark.measure`.

    Raises:
        FishrtError: If the way cannot be measured here.
    """
    device = None if order["backend"] == Backend.CPU else CudaDevice()
    used_before = device.used_mb() if device else 0.0
    frames = np.load(order["frames"], allow_pickle=False)
    work = make_work(load_bundle(order["bundle"]), order, frames)
    startup = time.time() - order["begun"]
    warming = time_calls(work.push, 0, work.warm_up, work.warm_up, LIMIT_S)
    count = order["count"] // (CLIP_SHARE if order["mode"] == BenchMode.CLIP else 1)
    times = time_calls(work.push, work.warm_up, max(count, FEWEST), FEWEST, LIMIT_S)
    return {
        **percentiles(times),
        "first_ms": max(warming),
        "warm_up_frames": work.warm_up,
        "startup_s": startup,
        "host_mb": peak_memory_mb(),
        "device_mb": device.used_mb() - used_before if device else None,
        "computed_by": work.computed_by,
        "finite": bool(np.isfinite(work.answer()).all()),
    }


if __name__ == "__main__":
    given = json.load(sys.stdin)
    try:
        answer = measure(given)
    except FishrtError as error:
        answer = {"reason": str(error), "bundle_at_fault": isinstance(error, BundleError)}
    print(json.dumps(answer), flush=True)
