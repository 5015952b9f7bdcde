"""Registers NVIDIA's TensorRT-RTX plugin with ONNX Runtime and lists the GPUs it takes."""

from fishrt.doctor.probe import answer

if __name__ == "__main__":
    try:
        import onnxruntime
        import onnxruntime_ep_nv_tensorrt_rtx as plugin

        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()
        name = plugin.get_ep_name()
        onnxruntime.register_execution_provider_library(name, plugin.get_library_path())
        devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == name]
        answer({"version": plugin.__version__, "devices": len(devices)})
    except Exception as error:
        answer(None, f"{type(error).__name__}: {error}")
