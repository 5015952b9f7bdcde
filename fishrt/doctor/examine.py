"""All checks, in the order in which they are shown."""

from collections.abc import Callable, Sequence

from fishrt.doctor.cameras import check_cameras
from fishrt.doctor.finding import Finding, Level
from fishrt.doctor.gpu import check_gpu, check_tensorrt
from fishrt.doctor.machine import check_machine
from fishrt.doctor.packages import check_packages
from fishrt.doctor.providers import check_providers, check_rtx_plugin
from fishrt.doctor.tensorflow import check_tensorflow
from fishrt.doctor.video import check_video

Check = Callable[[], list[Finding]]

CHECKS: dict[str, Check] = {
    "machine": check_machine,
    "packages": check_packages,
    "gpu": check_gpu,
    "providers": check_providers,
    "tensorrt-rtx": check_rtx_plugin,
    "tensorrt": check_tensorrt,
    "tensorflow": check_tensorflow,
    "video": check_video,
    "cameras": check_cameras,
}


def examine(topics: Sequence[str] = tuple(CHECKS)) -> list[Finding]:
    """Runs the checks one after another: what is timed is timed alone.

    Args:
        topics: Which checks to run, by their name in `CHECKS`.

    Returns:
        The findings, in the order of the checks.
    """
    return [finding for topic in topics for finding in _run(topic, CHECKS[topic])]


def _run(topic: str, check: Check) -> list[Finding]:
    try:
        return check()
    except Exception as error:  # a doctor that dies of one odd machine helps nobody
        what = f"this check failed ({type(error).__name__}: {error})"
        return [Finding(topic, Level.WARNING, what, "please report it with fishrt doctor --json")]
