"""OpenCV: its video backends, writing and reading a video for real, and windows."""

import re
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from fishrt.display import display_exists
from fishrt.doctor.finding import Finding, Level
from fishrt.errors import OutputError

TOPIC = "video"
PICTURES = 10
SIZE = (160, 120)
GREY_LIMIT = 4.0  # what the codec loses of a flat grey; measured: below 1
REINSTALL = "pip uninstall -y opencv-python-headless && pip install --force-reinstall opencv-python"


HEADLESS = "pip uninstall -y opencv-python && pip install --force-reinstall opencv-python-headless"


def check_video() -> list[Finding]:
    """Backends, a written and read video, and whether a window can be opened."""
    try:
        import cv2
    except Exception as error:  # mostly for want of libGL, on a machine without a screen
        what = f"OpenCV cannot be imported: {' '.join(str(error).split())}"
        return [Finding(TOPIC, Level.PROBLEM, what, HEADLESS)]
    information = cv2.getBuildInformation()
    return [check_backends(information), check_round_trip(), check_window(information)]


def check_backends(information: str) -> Finding:
    """Which video libraries this OpenCV was built with.

    Args:
        information: What `cv2.getBuildInformation` says.
    """
    import cv2

    built = {name: _built_with(information, name) for name in ("FFMPEG", "GStreamer", "v4l/v4l2")}
    having = ", ".join(name for name, there in built.items() if there) or "no video library"
    what = f"OpenCV {cv2.__version__} with {having}"
    values: dict[str, object] = {"built_with": built}
    if not built["FFMPEG"]:
        return Finding(
            TOPIC, Level.WARNING, f"{what}: files and streams cannot be read", REINSTALL, values
        )
    return Finding(TOPIC, Level.OK, what, values=values)


def check_round_trip() -> Finding:
    """Writes a video and reads it back."""
    import cv2

    from fishrt.video.mp4 import open_mp4

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "doctor.mp4"
        try:
            writer = open_mp4(path, 30.0, SIZE)
        except OutputError as error:
            return Finding(TOPIC, Level.WARNING, f"no MP4 can be written: {error}", REINSTALL)
        greys = np.linspace(20, 230, PICTURES).astype(np.uint8)
        for grey in greys:
            writer.write(np.full((SIZE[1], SIZE[0], 3), grey, np.uint8))
        writer.release()
        capture = cv2.VideoCapture(str(path))
        read = []
        while (picture := capture.read()[1]) is not None:
            read.append(float(picture.mean()))
        capture.release()
    if len(read) != PICTURES or np.abs(np.array(read) - greys).max() > GREY_LIMIT:
        what = f"of {PICTURES} pictures written as MP4, {len(read)} were read back as they were"
        return Finding(TOPIC, Level.WARNING, what, REINSTALL)
    return Finding(TOPIC, Level.OK, f"{PICTURES} pictures written as MP4 and read back")


def check_window(information: str) -> Finding:
    """Whether the live window can be had: window support in OpenCV, and a display.

    Args:
        information: What `cv2.getBuildInformation` says.
    """
    toolkit = re.search(r"^\s*GUI:\s*(\S+)", information, re.M)
    has_toolkit = toolkit is not None and toolkit.group(1) != "NONE"
    display = display_exists()
    values: dict[str, object] = {"window_support": has_toolkit, "display": display}
    if not display:
        what = "no display: fishrt live runs without its window (--record makes a video instead)"
        return Finding(TOPIC, Level.NOTE, what, values=values)
    if not has_toolkit:
        package = "opencv-python-headless" if _is_installed("opencv-python-headless") else "OpenCV"
        what = f"there is a display, but {package} has no window support"
        return Finding(TOPIC, Level.WARNING, what, REINSTALL, values)
    return Finding(TOPIC, Level.OK, "there is a display and OpenCV has windows", values=values)


def _built_with(information: str, library: str) -> bool:
    line = re.search(rf"^\s*{re.escape(library)}:\s*(\S+)", information, re.M)
    return line is not None and line.group(1).upper() == "YES"


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
