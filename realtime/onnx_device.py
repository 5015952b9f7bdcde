"""ONNX Runtime on a GPU: the CUDA provider, and NVIDIA's TensorRT-RTX plugin."""

import enum
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fishrt.errors import BundleError, MachineError, MissingExtraError
from fishrt.gpu.device import Device, Kind, Tensors
from fishrt.gpu.rtx_plugin import rtx_devices
from fishrt.graph_names import LANES
from fishrt.install_hints import install_hint, no_cuda_hint
from fishrt.onnx_settings import NO_FALLBACK, SILENT_LOG_LEVEL

CUDA = "CUDAExecutionProvider"
GRAPH_ID = "gpu_graph_id"  # of a run: which recorded CUDA graph it is; 0 belongs to ONNX Runtime
NO_GRAPH = "-1"
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


class GraphRecording(enum.Enum):
    """Whether a provider records what it queues as CUDA graphs, to queue it again in one call."""

    NONE = enum.auto()
    """It does not, or does it by itself."""

    BY_ADDRESSES = enum.auto()
    """One graph for each set of addresses, told apart by a number that comes with the run."""


class OnnxDeviceProgram:
    """A step graph in an ONNX Runtime session, bound to addresses; see `DeviceProgram`."""

    def __init__(
        self,
        session: Any,
        name: str,
        memory: str = "cuda",
        recording: GraphRecording = GraphRecording.NONE,
    ) -> None:
        """Takes over a session.

        Args:
            session: An `onnxruntime.InferenceSession` with fixed shapes.
            name: What computes, for a person.
            memory: ONNX Runtime's word for where the addresses are.
            recording: Whether the session was opened to record CUDA graphs.
        """
        self.name = name
        self._session = session
        self._memory = memory
        self._recording = recording
        self._graphs = 0
        self.inputs: Mapping[str, Kind] = _kinds(session.get_inputs())
        self.outputs: Mapping[str, Kind] = _kinds(session.get_outputs())

    def bind(self, tensors: Tensors) -> Callable[[], None]:
        """Binds addresses; the run waits for the device, as ONNX Runtime does.

        A recorded graph reads and writes the addresses that it was recorded with, so each binding
        has one of its own. Where recording fails, runs go on without.
        """
        binding = self._session.io_binding()
        for name, tensor in tensors.items():
            method = binding.bind_input if name in self.inputs else binding.bind_output
            kind = tensor.dtype.type
            method(name, self._memory, 0, kind, tensor.shape, tensor.address)
        self._graphs += 1
        recorded, plain = _run_options(str(self._graphs)), _run_options(NO_GRAPH)

        def run() -> None:
            if self._recording is GraphRecording.BY_ADDRESSES:
                try:
                    self._session.run_with_iobinding(binding, recorded)
                    return
                except Exception:  # ONNX Runtime has a dozen error classes without a common base
                    # if the run itself fails, so does the next
                    self._recording = GraphRecording.NONE
            self._session.run_with_iobinding(binding, plain)

        return run


def _run_options(graph: str) -> Any:
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry(GRAPH_ID, graph)
    return options


def _kinds(tensors: Any) -> dict[str, Kind]:
    return {t.name: (tuple(t.shape), np.dtype(TYPES[t.type])) for t in tensors}


def cuda_program(path: Path, lanes: int | None, device: Device) -> OnnxDeviceProgram:
    """Opens a graph on the CUDA provider, all of it.

    TF32 is off: an FP32 graph computes in FP32.

    Raises:
        MissingExtraError: If this ONNX Runtime has no CUDA provider.
        MachineError: If the provider does not load.
        BundleError: If the graph is damaged.
    """
    options, onnxruntime = session_options(lanes)
    if CUDA not in onnxruntime.get_available_providers():
        raise MissingExtraError(no_cuda_hint())
    onnxruntime.preload_dlls()  # CUDA libraries that pip installed lie where nobody looks
    settings = {
        "device_id": "0",
        "use_tf32": "0",
        "user_compute_stream": str(device.stream),
        "enable_cuda_graph": "1",
    }
    session = _open(onnxruntime, path, options, [(CUDA, settings)])
    if session.get_providers()[0] != CUDA:
        raise MachineError(
            "the CUDA provider of ONNX Runtime does not load; run fishrt doctor to see which "
            "library is missing, or use --backend cpu."
        )
    name = f"ONNX Runtime {onnxruntime.__version__} with CUDA"
    return OnnxDeviceProgram(session, name, recording=GraphRecording.BY_ADDRESSES)


def rtx_program(path: Path, lanes: int | None, device: Device) -> OnnxDeviceProgram:
    """Opens a graph on NVIDIA's TensorRT-RTX plugin, all of it.

    Args:
        path: The graph.
        lanes: Lanes in a phase, or None for a clip.
        device: Whose stream to run on.

    Raises:
        MissingExtraError: If the plugin is not installed.
        MachineError: If it does not load or takes no GPU of this machine.
        BundleError: If the graph is damaged.
    """
    options, onnxruntime = session_options(lanes)
    devices = rtx_devices(onnxruntime)
    stream = {"has_user_compute_stream": "1", "user_compute_stream": str(device.stream)}
    settings = {
        **stream,
        "nv_runtime_cache_path": str(rtx_cache()),
        "nv_persistent_context_memory": "1",
    }
    options.add_provider_for_devices(devices[:1], settings)
    session = _open(onnxruntime, path, options, None)
    return OnnxDeviceProgram(session, f"ONNX Runtime {onnxruntime.__version__} with TensorRT-RTX")


def rtx_cache() -> Path:
    """Where the plugin keeps what it compiled for this GPU, so that the next start is faster."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "fishrt" / "tensorrt-rtx"


def session_options(lanes: int | None) -> tuple[Any, Any]:
    """Options for a session that leaves nothing to the CPU, and the module onnxruntime.

    Raises:
        MissingExtraError: If ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(
            f"this backend needs ONNX Runtime, which is not installed; {install_hint('gpu')}"
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT_LOG_LEVEL
    options.add_session_config_entry(NO_FALLBACK, "1")
    if lanes is not None:
        options.add_free_dimension_override_by_name(LANES, lanes)
    return options, onnxruntime


def _open(onnxruntime: Any, path: Path, options: Any, providers: Any) -> Any:
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=providers)
    except Exception as error:  # ONNX Runtime has a dozen error classes without a common base
        reason = " ".join(str(error).split())[-160:]
        raise BundleError(
            f"{path} does not run on the GPU with ONNX Runtime {onnxruntime.__version__} "
            f"({reason}); run fishrt doctor, or use --backend cpu."
        ) from error
