"""Measures one way to a forecast; started by `realtime.benchmark` with an order on stdin."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fishrt.bundle import Bundle, GraphPrecision, load_bundle
from fishrt.errors import FishrtError
from fishrt.gpu.device import CudaDevice
from fishrt.timing import peak_memory_mb, percentiles, time_calls
from realtime.backends import Backend, clip_runner, stepper_maker
from realtime.benchmark import Mode
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


def make_push(
    bundle: Bundle, order: dict[str, Any], frames: NDArray[np.uint8]
) -> tuple[Push, str, int]:
    """What does a frame's work, what computes it, and how many frames are warm-up."""
    geometry = bundle.metadata.config.clip.geometry
    backend, precision = Backend(order["backend"]), GraphPrecision(order["precision"])
    mode, every, trust = Mode(order["mode"]), order["every"], order["trust"]
    if mode is Mode.CLIP:
        run = clip_runner(bundle, backend, precision, trust_engine=trust)
        first, span = geometry.frames - 1, len(frames) - geometry.frames + 1

        def push(number: int) -> object:
            return run(frames[geometry.frame_indices(first + number % span)])

        return push, f"{backend} in {precision}", WARM_UP_CLIPS
    make = stepper_maker(bundle, backend, precision, trust_engine=trust)
    if mode is Mode.STREAM:
        stepper = make(1)
        forecaster: CarriedState | ExactLanes = CarriedState(stepper, geometry)
    else:
        lanes = LaneSchedule(geometry.steps, geometry.frames_per_step, every).lanes
        stepper = make(lanes)
        forecaster = ExactLanes(stepper, geometry, every)
    return (
        lambda number: forecaster.push(frames[number % len(frames)]),
        stepper.describe(),
        WARM_UP_STEPS * geometry.frames_per_step,
    )


def measure(order: dict[str, Any]) -> dict[str, Any]:
    """Follows an order of `realtime.benchmark.measure`.

    Raises:
        FishrtError: If the way cannot be measured here.
    """
    device = None if order["backend"] == Backend.CPU else CudaDevice()
    used_before = device.used_mb() if device else 0.0
    frames = np.load(order["frames"], allow_pickle=False)
    push, computed_by, warm_up = make_push(load_bundle(order["bundle"]), order, frames)
    startup = time.time() - order["begun"]
    warming = time_calls(push, 0, warm_up, warm_up, LIMIT_S)
    count = order["count"] // (CLIP_SHARE if order["mode"] == Mode.CLIP else 1)
    times = time_calls(push, warm_up, max(count, FEWEST), FEWEST, LIMIT_S)
    return {
        **percentiles(times),
        "first_ms": max(warming),
        "warm_up_frames": warm_up,
        "startup_s": startup,
        "host_mb": peak_memory_mb(),
        "device_mb": device.used_mb() - used_before if device else None,
        "computed_by": computed_by,
    }


if __name__ == "__main__":
    given = json.load(sys.stdin)
    try:
        answer = measure(given)
    except FishrtError as error:
        answer = {"reason": str(error)}
    print(json.dumps(answer), flush=True)
