"""Registers NVIDIA's TensorRT-RTX plugin with ONNX Runtime and counts the GPUs it takes."""

from importlib.metadata import distributions
from typing import Any

from fishrt.doctor.probe import answer
from fishrt.gpu.rtx_plugin import rtx_devices


def try_plugin() -> dict[str, Any]:
    """Registers the plugin.

    Raises:
        FishrtError: If it does not load, or takes no GPU of this machine.
    """
    import onnxruntime

    names = ("onnxruntime-ep-nv-tensorrt-rtx-cu12", "onnxruntime-ep-nv-tensorrt-rtx-cu13")
    versions = {d.metadata["Name"]: d.version for d in distributions()}
    version = next((versions[name] for name in names if name in versions), "of unknown version")
    return {"version": version, "devices": len(rtx_devices(onnxruntime))}


if __name__ == "__main__":
    try:
        answer(try_plugin())
    except Exception as error:
        answer(None, f"{type(error).__name__}: {error}")
