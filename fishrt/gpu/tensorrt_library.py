"""The installed TensorRT: is it there, and is it one that fishrt knows?"""

import re

from fishrt.errors import MachineError, MissingExtraError
from fishrt.install_hints import install_hint

OLDEST = (10, 12)
"""The first version with strongly typed networks as fishrt builds them."""

FIRST_UNKNOWN = (12,)


def tensorrt_version() -> str:
    """The version of the installed TensorRT.

    Raises:
        MissingExtraError: If it is not installed.
        MachineError: If its libraries do not load, or it is of a version that fishrt does not know.
    """
    try:
        import tensorrt
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"this needs TensorRT, which is not installed; {install_hint('tensorrt')} "
            "(docs/gpu.md), or use another --backend"
        ) from error
    except ImportError as error:
        raise MachineError(
            f"TensorRT is installed but does not load ({' '.join(str(error).split())}); run fishrt "
            "doctor, or use another --backend."
        ) from error
    version = tensorrt.__version__
    numbers = tuple(int(part) for part in re.findall(r"\d+", version))
    if not OLDEST <= numbers < FIRST_UNKNOWN:
        raise MachineError(
            f"fishrt works with TensorRT 10.12 to 11, and {version} is installed; for the one "
            f"that was tested, {install_hint('tensorrt')}"
        )
    return version
