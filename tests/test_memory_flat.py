"""After warm-up a frame allocates nothing that lasts, and nothing of a state's size."""

import gc
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from host_device import HostDevice
from tiny_bundle import make_tiny_bundle

from fishrt.bundle import Bundle, GraphKind
from fishrt.clip import ClipGeometry
from fishrt.preprocess import Preprocessor
from fishrt.video import SourceFrame
from fishrt.video.resample import Resampler
from realtime.device_stepper import DeviceStepper
from realtime.lanes import CarriedState, ExactLanes, LaneSchedule
from realtime.onnx_device import OnnxDeviceProgram
from realtime.pipeline import FramePipeline
from realtime.stepper import SessionSettings, Stepper, load_stepper, open_session

GEOMETRY = ClipGeometry(steps=4, frames_per_step=2, height=40, width=56)
WARM_UP, FRAMES, STRETCH = 200, 2000, 500
ONE_THREAD = SessionSettings(threads=1)
STATM = Path("/proc/self/statm")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny", GEOMETRY)


def on_cpu(bundle: Bundle, lanes: int) -> Stepper:
    return load_stepper(bundle, lanes, ONE_THREAD)


def on_device(bundle: Bundle, lanes: int) -> Stepper:
    session = open_session(bundle.graph(GraphKind.STEP), ONE_THREAD, lanes)
    program = OnnxDeviceProgram(session, "ONNX Runtime", memory="cpu")
    return DeviceStepper(HostDevice(), program, GEOMETRY, lanes)


def resident_bytes() -> int:
    return int(STATM.read_text().split()[1]) * 4096 if STATM.exists() else 0


@pytest.mark.parametrize("make", [on_cpu, on_device])
@pytest.mark.parametrize("every", [1, 3, None], ids=["every frame", "every third", "stream"])
def test_memory_is_flat(bundle: Bundle, make, every: int | None) -> None:
    schedule = LaneSchedule(GEOMETRY.steps, GEOMETRY.frames_per_step, every or 1)
    stepper = make(bundle, 1 if every is None else schedule.lanes)
    stepper.warm_up()
    if every is None:
        forecaster = CarriedState(stepper, GEOMETRY)
    else:
        forecaster = ExactLanes(stepper, GEOMETRY, every)
    pipeline = FramePipeline(Preprocessor(GEOMETRY.height, GEOMETRY.width), forecaster)
    resampler = Resampler(30.0, 30.0)
    pictures = np.random.default_rng(0).integers(0, 256, (7, 40, 56)).astype(np.uint8)
    forecasts = 0

    def run(first: int, stop: int) -> None:
        nonlocal forecasts
        for number in range(first, stop):
            lost = number // 101 * 3  # now and then three frames, so that windows start anew
            picture = SourceFrame(pictures[number % 7], number, (number + lost) / 30)
            for evaluated in pipeline.push(picture, resampler.push(picture.timestamp)):
                forecasts += evaluated.outcome.probability is not None

    run(0, WARM_UP)
    gc.collect()
    kept, peaks = [], []
    tracemalloc.start()
    try:
        run(WARM_UP, WARM_UP + 20)  # what tracing itself keeps
        resident = resident_bytes()
        for first in range(WARM_UP + 20, WARM_UP + FRAMES, STRETCH):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            run(first, first + STRETCH)
            after, peak = tracemalloc.get_traced_memory()
            kept.append(after - before)
            peaks.append(peak - before)
    finally:
        tracemalloc.stop()
    assert forecasts > FRAMES // 4
    # NumPy's memory is traced, too, and so is what other threads of this process do, now and then:
    # a leak is in every stretch. By itself a frame peaks at 4 kB and a stretch keeps 1 kB at most;
    # the states of one lane have 43 kB, those of all lanes 172
    assert min(peaks) < 16_000
    assert min(kept) < 4_000  # 8 bytes a frame are too many
    # and below Python, where ONNX Runtime allocates; measured: 0
    assert resident_bytes() - resident < 1_000_000
