"""What is installed, and what does not go together."""

import importlib.metadata
import platform
import re

from fishrt.doctor.finding import Finding, Level
from fishrt.install_hints import install_command

TOPIC = "packages"
SHOWN = (
    "fishrt", "numpy", "onnxruntime", "onnxruntime-gpu", "opencv-python", "opencv-python-headless",
    "tensorflow", "keras", "onnx", "tf2onnx", "matplotlib", "tensorrt-cu12", "tensorrt-cu13",
    "tensorrt", "cuda-bindings", "onnxruntime-ep-nv-tensorrt-rtx-cu12",
    "onnxruntime-ep-nv-tensorrt-rtx-cu13", "pyarrow", "av", "python-osc", "paho-mqtt", "pyzmq",
    "pyserial", "pylsl",
)  # fmt: skip
ONNX_RUNTIMES = re.compile(r"onnxruntime(-(gpu|directml|openvino|silicon|rocm|migraphx|qnn))?")
OPENCVS = re.compile(r"opencv-(contrib-)?python(-headless)?")
CUDA_12_RUNTIME = "onnxruntime-gpu[cuda,cudnn]==1.26.0"
FIRST_ON_CUDA_13 = (1, 27)
"""onnxruntime-gpu from this version on is built for CUDA 13."""


def installed() -> dict[str, str]:
    """Versions of all installed distributions, by normalised name."""
    found = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name:  # a half-removed package has none
            found[re.sub(r"[-_.]+", "-", name).lower()] = distribution.version
    return found


def check_packages() -> list[Finding]:
    """What is installed, and every known conflict."""
    found = installed()
    versions = {name: found[name] for name in SHOWN if name in found}
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    python = f"Python {platform.python_version()}"
    return [
        Finding(TOPIC, Level.OK, f"{python}, {listed}", values={"versions": versions}),
        *onnx_runtime_conflicts(found),
        *cuda_conflicts(found),
        *opencv_conflicts(found),
    ]


def onnx_runtime_conflicts(found: dict[str, str]) -> list[Finding]:
    """No ONNX Runtime, or several that overwrite each other."""
    runtimes = sorted(name for name in found if ONNX_RUNTIMES.fullmatch(name))
    if not runtimes:
        return [
            Finding(
                TOPIC,
                Level.PROBLEM,
                "ONNX Runtime is not installed, and live forecasting runs on it",
                install_command("cpu"),
            )
        ]
    if len(runtimes) == 1:
        return []
    kept = "onnxruntime-gpu" if "onnxruntime-gpu" in runtimes else runtimes[0]
    return [
        Finding(
            TOPIC,
            Level.WARNING,
            f"{' and '.join(runtimes)} are both installed and overwrite each other's files: which "
            "providers there are depends on the order of installation",
            f"pip uninstall -y {' '.join(runtimes)} && "
            f"pip install {_pinned(kept, found)}  # or onnxruntime, without a GPU",
        )
    ]


def cuda_conflicts(found: dict[str, str]) -> list[Finding]:
    """CUDA 12 and CUDA 13 side by side: only one of them gets loaded."""
    twelve = sorted(name for name in found if name.endswith("-cu12"))
    thirteen = sorted(name for name in found if name.endswith("-cu13"))
    if found.get("nvidia-cuda-runtime", "").startswith("13."):
        thirteen.append("nvidia-cuda-runtime")  # CUDA 13 dropped the suffix
    gpu = found.get("onnxruntime-gpu")
    gpu_on_13 = gpu is not None and numbers(gpu) >= FIRST_ON_CUDA_13
    stack = twelve or ([f"onnxruntime-gpu {gpu}"] if gpu and not gpu_on_13 else [])
    if gpu_on_13 and twelve:
        what = (
            f"onnxruntime-gpu {gpu} is built for CUDA 13, but the CUDA 12 packages "
            f"{_few(twelve)} are installed"
        )
        return [Finding(TOPIC, Level.WARNING, what, f"pip install '{CUDA_12_RUNTIME}'")]
    if thirteen and stack:
        what = f"CUDA 13 packages ({_few(thirteen)}) beside a CUDA 12 stack ({_few(stack)})"
        return [Finding(TOPIC, Level.WARNING, what, f"pip uninstall -y {' '.join(thirteen)}")]
    return []


def opencv_conflicts(found: dict[str, str]) -> list[Finding]:
    """Several OpenCV packages, which overwrite each other's `cv2`."""
    packages = sorted(name for name in found if OPENCVS.fullmatch(name))
    if len(packages) < 2:
        return []
    return [
        Finding(
            TOPIC,
            Level.WARNING,
            f"{' and '.join(packages)} are both installed and overwrite each other's files",
            f"pip uninstall -y {' '.join(packages)} && pip install opencv-python",
        )
    ]


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: 1.27.0rc1 gives (1, 27, 0)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def _pinned(name: str, found: dict[str, str]) -> str:
    if name == "onnxruntime-gpu" and numbers(found[name]) < FIRST_ON_CUDA_13:
        return f"'{CUDA_12_RUNTIME}'"
    return f"{name}=={found[name]}"


def _few(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
