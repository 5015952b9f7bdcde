"""Parity of TensorRT engines: the same comparison with Keras that the graphs passed."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.agreement import Agreement
from export.backends import (
    BackendAbsentError,
    ClipFunction,
    Opener,
    Runner,
    States,
    StepFunction,
    StepMaker,
    graphs_of,
    onnx_openers,
)
from export.parity import check, compare
from export.reference import load_reference
from fishrt.bundle import Bundle, GraphKind, GraphPrecision
from fishrt.choices import Runtime
from fishrt.errors import MachineError, MissingExtraError
from fishrt.gpu.card import Gpu, current_gpu
from fishrt.gpu.device import CudaDevice, Device, DeviceProgram, DeviceTensor
from fishrt.gpu.engine import EngineFile, EngineProof, find_engine
from fishrt.gpu.tensorrt_library import tensorrt_version
from fishrt.gpu.tensorrt_program import open_engine
from fishrt.graph_names import CLIP, NEXT_PREFIX, PROBABILITY, TIME_STEP

REBUILD = "build it with: fishrt export --tensorrt"

Engines = Mapping[GraphKind, EngineFile]


def bundle_openers(
    bundle: Bundle, *, runtimes: tuple[Runtime, ...] = tuple(Runtime), trust: bool = False
) -> dict[str, Opener]:
    """What a bundle can be compared on: ONNX Runtime with its providers, and its own engines.

    Args:
        bundle: The bundle.
        runtimes: Which of them.
        trust: Whether code for the host in its engines may run.
    """

    def engines(_: Mapping[GraphKind, bytes], precision: GraphPrecision) -> Runner:
        return open_engines(bundle, precision, trust=trust)

    openers = onnx_openers(runtime for runtime in runtimes if runtime is not Runtime.TENSORRT)
    return {**openers, Runtime.TENSORRT.value: engines} if Runtime.TENSORRT in runtimes else openers


def open_engines(bundle: Bundle, precision: GraphPrecision, *, trust: bool = False) -> Runner:
    """Makes the engines of a bundle that fit this machine runnable, those that there are.

    Raises:
        BackendAbsentError: If there is no TensorRT, GPU or engine that fits, or it is not trusted.
        BundleError: If an engine is damaged.
    """
    try:
        version, gpu = tensorrt_version(), current_gpu()
    except (MissingExtraError, MachineError) as error:
        raise BackendAbsentError(str(error).removesuffix(".")) from error
    found: dict[GraphKind, EngineFile] = {}
    reasons = []
    for kind in GraphKind:
        engine, why = find_engine(bundle, kind, precision, gpu, version, trust=trust)
        if engine is None:
            reasons.append(f"{why}; {REBUILD} {bundle.folder}")
        elif engine.metadata.options.version_compatible and not trust:
            reasons.append(f"{engine.path.name} carries code of its own; add --trust-engine")
        else:
            found[kind] = engine
    if not found:
        raise BackendAbsentError(reasons[0])
    return engine_runner(found, precision, CudaDevice(), trust=trust)


def prove_engine(
    bundle: Bundle, engine: EngineFile, gpu: Gpu, open_device: Callable[[], Device], *, trust: bool
) -> EngineProof:
    """Compares one engine with what Keras computed when the bundle was exported.

    Args:
        bundle: The bundle.
        engine: One of its engines, kept or just built.
        gpu: The GPU that it runs on.
        open_device: Opens that GPU.
        trust: Whether code for the host in it may run.

    Returns:
        What was found; or that there is nothing to compare with, in older bundles.

    Raises:
        BundleError: If the bundle's reference is damaged.
        ParityError: If it differs beyond the limit.
    """
    version = tensorrt_version()
    metadata = bundle.metadata
    if metadata.reference is None:
        why = "the bundle has no reference to compare with"
        return EngineProof(gpu=gpu.name, tensorrt=version, not_compared=why)
    stretch, cases = load_reference(bundle)
    kind, precision = engine.metadata.kind, engine.metadata.precision
    runner = engine_runner({kind: engine}, precision, open_device(), trust=trust)
    found = compare(runner, stretch, cases, metadata.states, metadata.threshold)
    source = str(metadata.parity.get("frames_from", "the bundle's reference"))
    check(found, runner, graphs_of(bundle, precision), stretch, cases, metadata.states, source)
    return EngineProof(
        gpu=gpu.name,
        tensorrt=version,
        clips=max(agreement.clips for agreement in found),
        max=max(agreement.max for agreement in found),
        flicker=_largest(found, "flicker"),
        hidden=_largest(found, "hidden"),
    )


def engine_runner(
    engines: Engines, precision: GraphPrecision, device: Device, *, trust: bool = False
) -> Runner:
    """Engines as parity runs them: states come and go with every step.

    Args:
        engines: The engine of the clip, of the step, or both.
        precision: What they compute in.
        device: Where to run them.
        trust: Whether code for the host in them may run.
    """
    clip_engine, step_engine = engines.get(GraphKind.CLIP), engines.get(GraphKind.STEP)
    return Runner(
        Runtime.TENSORRT,
        precision,
        tensorrt_version(),
        _clip(clip_engine, device, trust=trust) if clip_engine else None,
        _step_maker(step_engine, device, trust=trust) if step_engine else None,
        step_engine.metadata.lanes if step_engine else None,
    )


def _clip(engine: EngineFile, device: Device, *, trust: bool) -> ClipFunction:
    run = _function(device, open_engine(engine, None, device, trust=trust))
    return lambda frames: float(run({CLIP: frames})[PROBABILITY][0])


def _step_maker(engine: EngineFile, device: Device, *, trust: bool) -> StepMaker:
    def make(lanes: int) -> StepFunction:
        run = _function(device, open_engine(engine, lanes, device, trust=trust))

        def advance(
            time_step: NDArray[np.uint8], states: States
        ) -> tuple[NDArray[np.float32], States]:
            results = run({TIME_STEP: time_step, **states})
            probability = results.pop(PROBABILITY)
            return probability, {name.removeprefix(NEXT_PREFIX): v for name, v in results.items()}

        return advance

    return make


def _largest(found: list[Agreement], figure: str) -> float | None:
    figures = [getattr(agreement, figure) for agreement in found]
    return max((value for value in figures if value is not None), default=None)


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
