"""What computes a forecast: the choices behind `--backend`."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fishrt.bundle import Bundle, GraphKind, GraphPrecision
from fishrt.choices import Backend as Backend
from fishrt.clip import ClipGeometry
from fishrt.gpu.device import CudaDevice, Device, DeviceProgram
from fishrt.graph_names import CLIP, PROBABILITY
from realtime.budget import BUDGET_SHARE, measure_ms
from realtime.device_stepper import DeviceStepper
from realtime.stepper import STREAM_SETTINGS, Stepper, StepperMaker, load_stepper, open_session

Loader = Callable[[Bundle, GraphKind, GraphPrecision, int | None, Device], DeviceProgram]

ClipRunner = Callable[[NDArray[np.uint8]], float]
"""Takes a clip, uint8 `(steps, frames_per_step, height, width)`, and gives its probability."""


def stepper_maker(
    bundle: Bundle,
    backend: Backend,
    precision: GraphPrecision = GraphPrecision.FP32,
    *,
    trust_engine: bool = False,
) -> StepperMaker:
    """What makes a stepper with so many lanes.

    Args:
        bundle: The bundle.
        backend: What computes.
        precision: Which of the bundle's graphs.
        trust_engine: Whether a TensorRT engine may run code on the host.

    Raises:
        MissingExtraError: (When called) if a package is missing; the sentence names it.
        MachineError: (When called) if there is no GPU or a library does not load.
        BundleError: (When called) if the bundle has no such graph or engine, or it is damaged.
    """
    if backend is Backend.CPU:
        return lambda lanes: _cpu_stepper(bundle, lanes, precision)
    geometry = bundle.metadata.config.clip.geometry

    def make(lanes: int) -> Stepper:
        device = CudaDevice()
        loader = _loader(backend, trust=trust_engine)
        program = loader(bundle, GraphKind.STEP, precision, lanes, device)
        return DeviceStepper(device, program, geometry, lanes)

    return make


def _cpu_stepper(bundle: Bundle, lanes: int, precision: GraphPrecision) -> Stepper:
    """One lane on one thread if that fits a frame's time, everything else on all cores."""
    clip = bundle.metadata.config.clip
    if lanes == 1:
        calm = load_stepper(bundle, lanes, STREAM_SETTINGS, precision)
        if measure_ms(calm, clip.geometry, None) <= BUDGET_SHARE * 1000.0 / clip.fps:
            return calm
    return load_stepper(bundle, lanes, precision=precision)


def clip_runner(
    bundle: Bundle,
    backend: Backend,
    precision: GraphPrecision = GraphPrecision.FP32,
    *,
    trust_engine: bool = False,
) -> ClipRunner:
    """Loads the clip graph: a window forecast by running all of its steps again.

    Args:
        bundle: The bundle.
        backend: What computes.
        precision: Which of the bundle's graphs.
        trust_engine: Whether a TensorRT engine may run code on the host.

    Raises:
        MissingExtraError: If a package is missing; the sentence names it.
        MachineError: If there is no GPU or a library does not load.
        BundleError: If the bundle has no such graph or engine, or it is damaged.
    """
    if backend is Backend.CPU:
        session = open_session(bundle.graph(GraphKind.CLIP, precision))
        return lambda clip: float(session.run([PROBABILITY], {CLIP: clip[None]})[0][0])
    device = CudaDevice()
    loader = _loader(backend, trust=trust_engine)
    program = loader(bundle, GraphKind.CLIP, precision, None, device)
    return device_clip(device, program, bundle.metadata.config.clip.geometry)


def device_clip(device: Device, program: DeviceProgram, geometry: ClipGeometry) -> ClipRunner:
    """A clip graph on a device, with memory allocated once."""
    shape = (1, geometry.steps, geometry.frames_per_step, geometry.height, geometry.width)
    pictures, answer = device.host_array(shape, np.uint8), device.host_array((1,), np.float32)
    tensors = {
        CLIP: device.allocate(shape, np.uint8),
        PROBABILITY: device.allocate((1,), np.float32),
    }
    run = program.bind(tensors)

    def forecast(clip: NDArray[np.uint8]) -> float:
        np.copyto(pictures[0], clip)
        device.upload(pictures, tensors[CLIP])
        run()
        device.download(tensors[PROBABILITY], answer)
        device.synchronize()
        return float(answer[0])

    return forecast


def _loader(backend: Backend, *, trust: bool) -> Loader:
    if backend is Backend.TENSORRT:
        from fishrt.gpu.tensorrt_program import load_program

        return partial(load_program, trust=trust)
    from realtime.onnx_device import cuda_program, rtx_program

    program = cuda_program if backend is Backend.CUDA else rtx_program
    return lambda bundle, kind, precision, lanes, device: program(
        bundle.graph(kind, precision), lanes, device
    )
