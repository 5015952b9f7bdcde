"""A bundle's TensorRT engine, ready to run on a device."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from fishrt.bundle import Bundle, GraphKind, GraphPrecision
from fishrt.errors import BundleError, MachineError
from fishrt.gpu.card import current_gpu
from fishrt.gpu.device import Device, DeviceTensor, Kind, Tensors
from fishrt.gpu.engine import EngineFile, find_engine
from fishrt.gpu.tensorrt_library import tensorrt_version

if TYPE_CHECKING:
    import tensorrt

TYPES = {"FLOAT": np.float32, "HALF": np.float16, "UINT8": np.uint8}


class TensorrtProgram:
    """An engine with a context, for a fixed number of lanes; see `DeviceProgram`.

    Every set of addresses is recorded as a CUDA graph once, so that a run is one call and not one
    for every kernel. Where the engine cannot be recorded, its kernels are queued each time.
    """

    def __init__(
        self,
        engine: "tensorrt.ICudaEngine",
        context: "tensorrt.IExecutionContext",
        device: Device,
        name: str,
    ) -> None:
        """Takes over an engine and a context whose input shapes are set; see `load_program`."""
        self.name = name
        self._engine = engine  # must outlive its context
        self._context = context
        self._device = device
        self.inputs: Mapping[str, Kind] = {}
        self.outputs: Mapping[str, Kind] = {}
        self._spare: dict[str, DeviceTensor] = {}

    def set_tensors(self, inputs: Mapping[str, Kind], outputs: Mapping[str, Kind]) -> None:
        """Takes shapes and types; outputs that a caller does not want need memory all the same."""
        self.inputs = inputs
        self.outputs = outputs

    def bind(self, tensors: Tensors) -> Callable[[], None]:
        """Fixes the addresses, runs once to settle what TensorRT does late, and records."""
        for name in set(self.outputs) - set(tensors) - set(self._spare):
            self._spare[name] = self._device.allocate(*self.outputs[name])

        def enqueue() -> None:
            for name, tensor in {**self._spare, **tensors}.items():
                _require(
                    self._context.set_tensor_address(name, tensor.address), f"the address of {name}"
                )
            _require(self._context.execute_async_v3(self._device.stream), "to run the engine")

        recorded: list[Callable[[], None]] = []

        def run() -> None:
            if recorded:
                recorded[0]()
                return
            enqueue()
            self._device.synchronize()
            recorded.append(self._device.capture(enqueue) or enqueue)

        return run


def load_program(
    bundle: Bundle,
    kind: GraphKind,
    precision: GraphPrecision,
    lanes: int | None,
    device: Device,
    *,
    trust: bool = False,
) -> TensorrtProgram:
    """Loads the engine of a bundle that fits this machine.

    Args:
        bundle: The bundle; its engine is built by `fishrt export --tensorrt`.
        kind: Which graph.
        precision: What it computes in.
        lanes: Lanes in a phase, or None for a clip.
        device: Where it will run.
        trust: Whether code for the host in the engine may run (version-compatible engines).

    Raises:
        MissingExtraError: If TensorRT or cuda-bindings is not installed.
        MachineError: If there is no GPU or TensorRT does not load.
        BundleError: If no engine fits this machine, or the one that does is damaged.
    """
    found, why = find_engine(
        bundle, kind, precision, current_gpu(), tensorrt_version(), trust=trust
    )
    if found is None:
        raise BundleError(f"{why}; build one with: fishrt export --tensorrt {bundle.folder}")
    return open_engine(found, lanes, device, trust=trust)


def open_engine(
    found: EngineFile, lanes: int | None, device: Device, *, trust: bool = False
) -> TensorrtProgram:
    """Loads one engine; see `load_program`."""
    engine = _deserialize(found, trust=trust)
    context = engine.create_execution_context()
    if context is None:
        raise MachineError(
            f"TensorRT has no memory for the engine {found.path.name}; close what else runs on the "
            "GPU, or use --every to take fewer lanes."
        )
    name = f"TensorRT {tensorrt_version()} in {found.metadata.precision}"
    program = TensorrtProgram(engine, context, device, name)
    program.set_tensors(*_set_shapes(engine, context, found, lanes))
    return program


def _deserialize(found: EngineFile, *, trust: bool) -> "tensorrt.ICudaEngine":
    import tensorrt as trt

    if found.metadata.options.version_compatible and not trust:
        raise BundleError(
            f"the engine {found.path.name} is version-compatible and carries code that would run "
            "on this machine; add --trust-engine if you built it or know who did."
        )
    runtime = trt.Runtime(trt.Logger(trt.ILogger.Severity.INTERNAL_ERROR))
    runtime.engine_host_code_allowed = trust
    engine = runtime.deserialize_cuda_engine(found.read())
    if engine is None:
        raise BundleError(
            f"TensorRT cannot load the engine {found.path}; delete it and build it again with: "
            f"fishrt export --tensorrt {found.path.parent.parent}"
        )
    return engine


def _set_shapes(
    engine: "tensorrt.ICudaEngine",
    context: "tensorrt.IExecutionContext",
    found: EngineFile,
    lanes: int | None,
) -> tuple[dict[str, Kind], dict[str, Kind]]:
    """Fixes the lanes; gives shapes and types of the inputs and of the outputs."""
    import tensorrt as trt

    most = found.metadata.lanes
    if lanes is not None and most is not None and lanes > most:
        raise BundleError(
            f"the engine {found.path.name} takes up to {most} lanes, and {lanes} are needed; "
            "build it again with: fishrt export --tensorrt."
        )
    inputs, outputs = dict[str, Kind](), dict[str, Kind]()
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        dims = engine.get_tensor_shape(name)
        shape = tuple(
            lanes if dims[axis] == -1 and lanes is not None else dims[axis]
            for axis in range(len(dims))
        )
        kind = (shape, np.dtype(TYPES[engine.get_tensor_dtype(name).name]))
        if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
            _require(context.set_input_shape(name, shape), f"the shape of {name}")
            inputs[name] = kind
        else:
            outputs[name] = kind
    missing = context.infer_shapes()
    if missing:
        raise BundleError(
            f"the engine {found.path.name} does not fit its graph: it also wants "
            f"{', '.join(missing)}; build it again with: fishrt export --tensorrt."
        )
    return inputs, outputs


def _require(done: bool, what: str) -> None:
    if not done:
        raise MachineError(f"TensorRT refuses {what}; run fishrt doctor, or use another --backend.")
