"""How long a forecast takes on this machine, by each way of computing it."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fishrt.bundle import Bundle, GraphKind
from fishrt.simulate import SimulatedTank, TankSpec
from fishrt.timing import elapsed_ms
from realtime.lanes import CarriedState, ExactLanes, Forecaster, LaneSchedule
from realtime.stepper import SessionSettings, load_stepper, open_session, usable_cores

WARM_UP_FRAMES = 8
MATRIX_SIDE = 1024
"""Side of the matrices whose product tells how fast this machine multiplies just now."""


@dataclass(frozen=True)
class Timing:
    """Time of one frame's forecast, in milliseconds, nothing left out after warm-up.

    Attributes:
        name: What was timed.
        p50: Median.
        p90: 90th percentile.
        p99: 99th percentile.
        max: The longest.
    """

    name: str
    p50: float
    p90: float
    p99: float
    max: float


def time_bundle(bundle: Bundle, frames: int = 120) -> list[Timing]:
    """Times a stream, every-third-frame lanes, exact lanes, and running the clip again.

    Args:
        bundle: The bundle.
        frames: Frames of the simulated tank to time; the clip is run on an eighth of them.

    Returns:
        One timing for each way, cheapest first.
    """
    geometry = bundle.metadata.config.clip.geometry
    pictures = [bundle.preprocessor(image) for image in _pictures(frames)]
    ways: dict[str, Forecaster] = {
        "stream (one lane)": CarriedState(load_stepper(bundle, 1), geometry)
    }
    for every in (3, 1):
        lanes = LaneSchedule(geometry.steps, geometry.frames_per_step, every).lanes
        name = "every frame" if every == 1 else f"every {every} frames"
        ways[f"exact lanes, {name}"] = ExactLanes(load_stepper(bundle, lanes), geometry, every)
    timings = []
    for name, forecaster in ways.items():
        for picture in pictures[: WARM_UP_FRAMES * geometry.frames_per_step]:
            forecaster.push(picture)
        timings.append(
            _timing(name, [elapsed_ms(forecaster.push, picture) for picture in pictures])
        )
    timings.append(_time_clip(bundle, max(frames // 8, 5)))
    return timings


def machine_gflops(rounds: int = 8) -> float:
    """Speed of a float32 matrix product just now, in GFLOP/s; the machine's practical ceiling."""
    matrix = np.random.default_rng(0).random((MATRIX_SIDE, MATRIX_SIDE), np.float32)
    times = [elapsed_ms(np.matmul, matrix, matrix) for _ in range(rounds)]
    return 2 * MATRIX_SIDE**3 / (min(times) * 1e-3) / 1e9


def describe_machine() -> dict[str, Any]:
    """Cores and libraries that the timings were taken with."""
    import onnxruntime

    settings = SessionSettings()
    return {
        "cores": usable_cores(),
        "onnxruntime": onnxruntime.__version__,
        **{key: value for key, value in asdict(settings).items() if key == "spinning"},
        "threads": settings.thread_count,
    }


def _time_clip(bundle: Bundle, rounds: int) -> Timing:
    geometry = bundle.metadata.config.clip.geometry
    session = open_session(bundle.graph(GraphKind.CLIP))
    shape = (1, geometry.steps, geometry.frames_per_step, geometry.height, geometry.width)
    clip = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    session.run(None, {"clip": clip})
    times = [elapsed_ms(session.run, None, {"clip": clip}) for _ in range(rounds)]
    return _timing("the clip again, every frame", times)


def _pictures(count: int) -> list[Any]:
    tank = iter(SimulatedTank(TankSpec(seed=11)))
    return [next(tank)[0] for _ in range(count)]


def _timing(name: str, times: list[float]) -> Timing:
    p50, p90, p99 = np.quantile(times, [0.5, 0.9, 0.99])
    return Timing(name, float(p50), float(p90), float(p99), max(times))
