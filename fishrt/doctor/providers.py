"""Which providers of ONNX Runtime really load: each runs the demo model, all of it."""

import re

from fishrt.doctor.finding import Finding, Level
from fishrt.doctor.probe import Answer, ask
from fishrt.install_hints import install_command, install_hint

TOPIC = "providers"
RTX_TOPIC = "tensorrt-rtx"
LIMIT_S = 120.0  # a TensorRT provider builds its engine first
CPU = "CPUExecutionProvider"
NO_DEVICE = {"AzureExecutionProvider"}
"""Listed in every build, but it calls a service elsewhere and computes nothing here."""

RTX_PACKAGE = "onnxruntime_ep_nv_tensorrt_rtx"
MISSING_LIBRARY = re.compile(r"(lib[\w.+-]+\.so[.\d]*): cannot open shared object file")
CUDA_CURE = "pip install 'onnxruntime-gpu[cuda,cudnn]==1.26.0'"
DRIVER_CURE = "update the NVIDIA driver, then reboot (Ubuntu: sudo ubuntu-drivers install)"


def check_providers() -> list[Finding]:
    """One finding for each provider that ONNX Runtime lists."""
    listed = ask("listed_providers", limit_s=LIMIT_S)
    if listed.values is None:
        if "No module named 'onnxruntime'" in listed.reason:
            what = "ONNX Runtime is not installed, so there is no provider to try"
            return [Finding(TOPIC, Level.PROBLEM, what, install_command("cpu"))]
        return [
            Finding(
                TOPIC,
                Level.PROBLEM,
                f"ONNX Runtime is installed but cannot be imported: {listed.reason}",
                "pip install --force-reinstall --no-deps onnxruntime",
            )
        ]
    names = [name for name in listed.values["providers"] if name not in NO_DEVICE]
    return [provider_finding(name, ask("onnx_provider", name, limit_s=LIMIT_S)) for name in names]


def provider_finding(name: str, tried: Answer) -> Finding:
    """What trying one provider says.

    Args:
        name: The provider, as ONNX Runtime calls it.
        tried: The answer of the probe `onnx_provider`.
    """
    if tried.values is not None:
        milliseconds = tried.values["milliseconds"]
        difference = f", {tried.values['difference_from_cpu']:.0e} off the CPU"
        return Finding(
            TOPIC,
            Level.OK,
            f"{name} runs the demo model: {milliseconds:.1f} ms for a step of 30 lanes"
            + (difference if name != CPU else ""),
            values={"provider": name, **tried.values},
        )
    reason, cure = why(tried)
    return Finding(
        TOPIC,
        Level.PROBLEM if name == CPU else Level.WARNING,
        f"{name} is listed but does not run the demo model: {reason}",
        "pip install --force-reinstall --no-deps onnxruntime" if name == CPU else cure,
        values={"provider": name},
    )


def check_rtx_plugin() -> list[Finding]:
    """Whether NVIDIA's TensorRT-RTX plugin registers, where it is installed."""
    from importlib.util import find_spec

    if find_spec(RTX_PACKAGE) is None:
        what = (
            "the TensorRT-RTX plugin is not installed; it is for --backend tensorrt-rtx alone "
            f"(docs/gpu.md): {install_hint('rtx')}"
        )
        return [Finding(RTX_TOPIC, Level.NOTE, what)]
    tried = ask("tensorrt_rtx", limit_s=LIMIT_S)
    if tried.values is None:
        reason, cure = why(tried)
        return [
            Finding(
                RTX_TOPIC,
                Level.WARNING,
                f"the TensorRT-RTX plugin does not register: {reason}",
                cure,
            )
        ]
    what = (
        f"the TensorRT-RTX plugin {tried.values['version']} registers and takes "
        f"{tried.values['devices']} of the GPUs of this machine"
    )
    return [Finding(RTX_TOPIC, Level.OK, what, values=tried.values)]


def why(tried: Answer) -> tuple[str, str]:
    """The reason in a few words, and what mends it."""
    library = MISSING_LIBRARY.search(tried.log) or MISSING_LIBRARY.search(tried.reason)
    if library is None:
        return tried.reason, "run fishrt doctor again with the driver and libraries of docs/gpu.md"
    name = library.group(1)
    if name.startswith(("libnvinfer", "libnvonnxparser")):
        return f"{name} is missing", install_command("tensorrt")
    if name.startswith(("libcuda.so", "libnvidia-ml")):
        return f"{name} is missing, which comes with the NVIDIA driver", DRIVER_CURE
    return f"{name} is missing", CUDA_CURE
