"""Parity of a bundle's TensorRT engines: the same comparison with Keras that the graphs passed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.backends import Runner, States, StepFunction, graphs_of
from export.parity import Agreement, check, compare
from export.reference import load_reference
from fishrt.bundle import Bundle, GraphKind, GraphPrecision
from fishrt.gpu.device import CudaDevice, Device, DeviceProgram, DeviceTensor
from fishrt.gpu.tensorrt_library import tensorrt_version
from fishrt.gpu.tensorrt_program import load_program
from fishrt.graph_names import NEXT_PREFIX

BACKEND = "tensorrt"
CLIP, PROBABILITY = "clip", "probability"


def check_engines(
    bundle: Bundle, precision: GraphPrecision, *, trust: bool = False
) -> list[Agreement]:
    """Compares a bundle's engines with what Keras computed when it was exported.

    Args:
        bundle: The bundle; its engines for this machine are built.
        precision: Which of them.
        trust: Whether code for the host in them may run.

    Raises:
        BundleError: If the bundle has no reference, or no engine that fits.
        ParityError: If they differ beyond the limit.
    """
    stretch, cases = load_reference(bundle)
    runner = engine_runner(bundle, precision, CudaDevice(), trust=trust)
    states = bundle.metadata.states
    found = compare(runner, stretch, cases, states, bundle.metadata.threshold)
    source = str(bundle.metadata.parity.get("frames_from", "the bundle's reference"))
    check(found, runner, graphs_of(bundle, precision), stretch, states, source)
    return found


def engine_runner(
    bundle: Bundle, precision: GraphPrecision, device: Device, *, trust: bool = False
) -> Runner:
    """A bundle's engines as parity runs them: states come and go with every step.

    Args:
        bundle: The bundle.
        precision: Which of its engines.
        device: Where to run them.
        trust: Whether code for the host in them may run.
    """
    run_clip = _function(
        device, load_program(bundle, GraphKind.CLIP, precision, None, device, trust=trust)
    )

    def clip(frames: NDArray[np.uint8]) -> float:
        return float(run_clip({CLIP: frames})[PROBABILITY][0])

    def step(lanes: int) -> StepFunction:
        kind = GraphKind.STEP
        run = _function(device, load_program(bundle, kind, precision, lanes, device, trust=trust))

        def advance(
            time_step: NDArray[np.uint8], states: States
        ) -> tuple[NDArray[np.float32], States]:
            results = run({"time_step": time_step, **states})
            probability = results.pop(PROBABILITY)
            return probability, {name.removeprefix(NEXT_PREFIX): v for name, v in results.items()}

        return advance

    return Runner(BACKEND, precision, tensorrt_version(), clip, step)


def _function(device: Device, program: DeviceProgram) -> Any:
    """A program as a function of arrays, with memory allocated once."""
    tensors: dict[str, DeviceTensor] = {
        name: device.allocate(*kind) for name, kind in {**program.inputs, **program.outputs}.items()
    }
    host = {name: device.host_array(t.shape, t.dtype) for name, t in tensors.items()}
    run = program.bind(tensors)

    def call(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        for name, array in arrays.items():
            np.copyto(host[name], array)
            device.upload(host[name], tensors[name])
        run()
        for name in program.outputs:
            device.download(tensors[name], host[name])
        device.synchronize()
        return {name: host[name].copy() for name in program.outputs}

    return call
