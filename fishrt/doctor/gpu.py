"""The GPU, its driver, CUDA and TensorRT."""

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from fishrt.doctor.finding import Finding, Level
from fishrt.doctor.packages import installed
from fishrt.doctor.probe import ask
from fishrt.doctor.providers import DRIVER_CURE, why
from fishrt.install_hints import gpu_command, install_hint

TOPIC = "gpu"
QUERY = ("name", "driver_version", "memory.total", "memory.used", "compute_cap")
SMI_LIMIT_S = 20.0
TENSORRT_LIMIT_S = 60.0
NVIDIA_VENDOR = "0x10de"
PCI_DEVICES = Path("/sys/bus/pci/devices")
CONTAINER = Path("/.dockerenv")
JETSON = Path("/etc/nv_tegra_release")
NEEDED_CUDA = 12
RUNS_ON_GPU = r"onnxruntime-(gpu|ep-nv-tensorrt-rtx)|tensorrt(-cu\d+)?$"


def check_gpu() -> list[Finding]:
    """GPUs with their driver, or why there are none."""
    if JETSON.exists():
        release = JETSON.read_text(encoding="utf-8", errors="replace").splitlines()[0]
        return [Finding(TOPIC, Level.NOTE, f"a Jetson ({release.strip('# ')}); see docs/gpu.md")]
    table = _smi(f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader,nounits")
    if table is None:
        return [_no_driver()]
    cuda = re.search(r"CUDA Version\s*:?\s*(\d+)\.(\d+)", _smi() or "")
    findings = [
        _card([part.strip() for part in line.split(",")], cuda)
        for line in table.splitlines()
        if line.count(",") == len(QUERY) - 1
    ]
    if not findings:
        what = f"nvidia-smi fails: {' '.join(table.split())[:200]}"
        return [Finding(TOPIC, Level.WARNING, what, DRIVER_CURE)]
    return findings + unused_gpu(installed())


def unused_gpu(found: dict[str, str]) -> list[Finding]:
    """A GPU is there, but nothing that fishrt would run on it.

    Args:
        found: What is installed.
    """
    if any(re.match(RUNS_ON_GPU, name) for name in found):
        return []
    what = "there is an NVIDIA GPU, but only what runs on the CPU is installed"
    return [Finding(TOPIC, Level.NOTE, what, gpu_command())]


def check_tensorrt() -> list[Finding]:
    """Whether TensorRT loads and makes a builder, where it is installed."""
    packages = sorted(name for name in installed() if re.fullmatch(r"tensorrt(-cu\d+)?", name))
    if find_spec("tensorrt") is None:
        return [
            Finding(
                "tensorrt",
                Level.NOTE,
                "TensorRT is not installed; it is for --backend tensorrt alone (docs/gpu.md): "
                f"{install_hint('tensorrt')}",
            )
        ]
    tried = ask("tensorrt_library", limit_s=TENSORRT_LIMIT_S)
    if tried.values is None or not tried.values["builder"]:
        reason, cure = why(tried)
        named = packages[0] if packages else "TensorRT"
        what = f"{named} is installed but does not work: {reason or 'it makes no builder'}"
        return [Finding("tensorrt", Level.WARNING, what, cure)]
    what = f"TensorRT {tried.values['version']} loads and makes a builder"
    return [Finding("tensorrt", Level.OK, what, values=tried.values)]


def _card(values: list[str], cuda: re.Match[str] | None) -> Finding:
    name, driver, total, used, capability = values
    supports = f", CUDA up to {cuda.group(1)}.{cuda.group(2)}" if cuda else ""
    old = cuda is not None and int(cuda.group(1)) < NEEDED_CUDA
    return Finding(
        TOPIC,
        Level.WARNING if old else Level.OK,
        f"{name}, {used} of {total} MiB in use, compute capability {capability}, driver {driver}"
        f"{supports}" + (f"; the extra gpu needs CUDA {NEEDED_CUDA}" if old else ""),
        DRIVER_CURE if old else None,
        values={"name": name, "driver": driver, "compute_capability": capability},
    )


def _no_driver() -> Finding:
    if any(_vendor(device) == NVIDIA_VENDOR for device in _pci_devices()):
        what = "there is an NVIDIA card in this machine, but no driver that answers"
        if CONTAINER.exists():
            return Finding(TOPIC, Level.WARNING, what, "docker run --gpus all ...")
        return Finding(TOPIC, Level.WARNING, what, DRIVER_CURE)
    return Finding(TOPIC, Level.NOTE, "no NVIDIA GPU; everything runs on the CPU")


def _pci_devices() -> list[Path]:
    return sorted(PCI_DEVICES.glob("*")) if PCI_DEVICES.is_dir() else []


def _vendor(device: Path) -> str:
    try:
        return (device / "vendor").read_text().strip()
    except OSError:
        return ""


def _smi(*arguments: str) -> str | None:
    """What nvidia-smi prints, or None where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=SMI_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout or done.stderr
