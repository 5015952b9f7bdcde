"""The NVIDIA GPU of this machine, as CUDA's runtime tells it."""

from dataclasses import dataclass
from typing import Any

from fishrt.errors import MachineError, MissingExtraError
from fishrt.install_hints import install_hint


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        name: As NVIDIA calls it.
        compute_capability: Such as 8.6.
        driver_cuda: The CUDA version that the driver supports, such as 12.8.
    """

    name: str
    compute_capability: str
    driver_cuda: str


def cuda_runtime() -> Any:
    """The module `cuda.bindings.runtime`, which needs no GPU to be imported.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise MissingExtraError(
            f"computing on an NVIDIA GPU needs the package cuda-bindings; {install_hint('gpu')}"
        ) from error
    return runtime


def check_cuda(runtime: Any, answer: tuple[Any, ...]) -> Any:
    """Takes apart what a CUDA call returned: an error code and values.

    Args:
        runtime: The module `cuda.bindings.runtime`.
        answer: What the call returned.

    Returns:
        The value, a tuple of several, or None.

    Raises:
        MachineError: If the code is not success.
    """
    error, *values = answer
    if error != runtime.cudaError_t.cudaSuccess:
        _, name = runtime.cudaGetErrorName(error)
        _, text = runtime.cudaGetErrorString(error)
        words = [part.decode() if isinstance(part, bytes) else str(part) for part in (name, text)]
        raise MachineError(
            f"CUDA says {words[0]} ({words[1]}); run fishrt doctor to see what this machine lacks, "
            "or use --backend cpu."
        )
    return values[0] if len(values) == 1 else tuple(values) or None


def current_gpu() -> Gpu:
    """The first GPU that this process may use.

    Raises:
        MissingExtraError: If cuda-bindings is not installed.
        MachineError: If there is no GPU, or the driver is missing or too old.
    """
    runtime = cuda_runtime()
    error, count = runtime.cudaGetDeviceCount()
    if error != runtime.cudaError_t.cudaSuccess or not count:
        reason = "the driver is missing or too old" if not count else "it does not answer"
        raise MachineError(
            f"no NVIDIA GPU can be used here ({reason}); run fishrt doctor, or use --backend cpu."
        )
    properties = check_cuda(runtime, runtime.cudaGetDeviceProperties(0))
    version = int(check_cuda(runtime, runtime.cudaDriverGetVersion()))
    return Gpu(
        properties.name.rstrip(b"\0").decode(),
        f"{properties.major}.{properties.minor}",
        f"{version // 1000}.{version % 1000 // 10}",
    )
