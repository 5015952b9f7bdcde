"""What a camera is asked for, and whether it obeys."""

import math
from dataclasses import dataclass

import cv2

# Drivers round a rate to what their clock can divide, and exposures to their own steps.
RATE_TOLERANCE = 0.02
EXPOSURE_TOLERANCE = 0.2
# Video4Linux counts exposure in steps of 100 microseconds; Windows in powers of two of a second.
V4L2_STEPS_PER_MS = 10.0
V4L2_MANUAL, WINDOWS_MANUAL = 1.0, 0.25  # what each calls manual exposure


@dataclass(frozen=True)
class CameraRequest:
    """What the user wants of a camera of this computer; None leaves the camera's own choice.

    Attributes:
        fps: Frames a second.
        size: Width and height in pixels.
        exposure_ms: Exposure time in milliseconds, instead of the automatic one.
    """

    fps: float | None = None
    size: tuple[int, int] | None = None
    exposure_ms: float | None = None

    @property
    def options(self) -> list[str]:
        """The command line's names of what is asked for."""
        wanted = {
            "--camera-fps": self.fps,
            "--camera-size": self.size,
            "--exposure": self.exposure_ms,
        }
        return [name for name, value in wanted.items() if value is not None]


NOTHING_ASKED = CameraRequest()


def ask_camera(capture: cv2.VideoCapture, name: str, request: CameraRequest) -> tuple[str, ...]:
    """Asks a camera for what the user wants, before its first picture is taken.

    Args:
        capture: The open camera.
        name: What to call it.
        request: What is wanted.

    Returns:
        A sentence for each wish that the camera says it does not fulfil.
    """
    notes = []
    if request.size is not None:
        notes += _ask_size(capture, name, request.size)
    if request.fps is not None:
        notes += _ask_fps(capture, name, request.fps)
    if request.exposure_ms is not None:
        notes += _ask_exposure(capture, name, request.exposure_ms)
    return tuple(notes)


def _ask_size(capture: cv2.VideoCapture, name: str, size: tuple[int, int]) -> list[str]:
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    width, height = (
        round(capture.get(which)) for which in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    if (width, height) == size:
        return []
    return [
        f"{name} was asked for pictures of {size[0]}x{size[1]} and gives {width}x{height}; leave "
        "--camera-size away, or ask for a size that it has."
    ]


def _ask_fps(capture: cv2.VideoCapture, name: str, fps: float) -> list[str]:
    capture.set(cv2.CAP_PROP_FPS, fps)
    given = capture.get(cv2.CAP_PROP_FPS)
    if math.isclose(given, fps, rel_tol=RATE_TOLERANCE):
        return []
    says = f"says {given:g}" if given > 0 else "does not say what it gives"
    return [
        f"{name} was asked for {fps:g} frames a second and {says}; many cameras allow more with a "
        "smaller --camera-size or a shorter --exposure."
    ]


def _ask_exposure(capture: cv2.VideoCapture, name: str, milliseconds: float) -> list[str]:
    backend = capture.getBackendName()
    if backend == "V4L2":
        capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, V4L2_MANUAL)
        capture.set(cv2.CAP_PROP_EXPOSURE, milliseconds * V4L2_STEPS_PER_MS)
        given = capture.get(cv2.CAP_PROP_EXPOSURE) / V4L2_STEPS_PER_MS
    elif backend in ("DSHOW", "MSMF"):
        capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, WINDOWS_MANUAL)
        capture.set(cv2.CAP_PROP_EXPOSURE, round(math.log2(milliseconds / 1000.0)))
        given = 1000.0 * 2.0 ** capture.get(cv2.CAP_PROP_EXPOSURE)
        # the nearest power of two is all that there is
        if math.isclose(math.log2(given / milliseconds), 0.0, abs_tol=0.5):
            return []
    else:
        return [f"the exposure of {name} cannot be set through {backend}; it stays as it is."]
    if given > 0 and math.isclose(given, milliseconds, rel_tol=EXPOSURE_TOLERANCE):
        return []
    says = f"says {given:g} ms" if given > 0 else "does not let it be set"
    return [
        f"{name} was asked for an exposure of {milliseconds:g} ms and {says}; set it in the "
        "camera's own program, or leave --exposure away."
    ]
