"""NVIDIA's TensorRT-RTX plugin for ONNX Runtime, which brings its libraries in its wheel."""

import contextlib
import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fishrt.errors import MachineError, MissingExtraError
from fishrt.install_hints import install_hint


def rtx_devices(onnxruntime: Any) -> Sequence[Any]:
    """The GPUs that the TensorRT-RTX plugin takes; registers it if need be.

    Raises:
        MissingExtraError: If the plugin is not installed.
        MachineError: If it does not load, or takes no GPU of this machine.
    """
    try:
        import onnxruntime_ep_nv_tensorrt_rtx as plugin
    except ImportError as error:
        raise MissingExtraError(
            f"this backend needs NVIDIA's TensorRT-RTX plugin; {install_hint('rtx')}"
        ) from error
    name = plugin.get_ep_name()
    _load_cuda_runtime(Path(plugin.__file__).parent)
    try:
        if not any(device.ep_name == name for device in onnxruntime.get_ep_devices()):
            onnxruntime.register_execution_provider_library(name, plugin.get_library_path())
    except Exception as error:  # ONNX Runtime's error classes have no common base
        reason = " ".join(str(error).split())[-160:]
        raise MachineError(
            f"the TensorRT-RTX plugin does not load ({reason}); run fishrt doctor, or use "
            "--backend cuda or cpu."
        ) from error
    devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == name]
    if not devices:
        raise MachineError(
            "the TensorRT-RTX plugin takes no GPU of this machine (it is for GeForce RTX 30 and "
            "later); use --backend cuda or cpu."
        )
    return devices


def _load_cuda_runtime(folder: Path) -> None:
    # version 0.5.0 of the package brings CUDA's runtime, but does not load it
    for library in folder.glob("libcudart.so.*"):
        with contextlib.suppress(OSError):
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
