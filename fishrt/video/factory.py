"""From what a user types to an open video source."""

import contextlib
import re
from pathlib import Path

from fishrt.errors import SourceError
from fishrt.video.images import ImageFolder
from fishrt.video.live import Camera, NetworkStream, Pipeline, open_url, without_password
from fishrt.video.numbered_names import IMAGE_SUFFIXES
from fishrt.video.opencv import VideoFile
from fishrt.video.request import NOTHING_ASKED, CameraRequest
from fishrt.video.source import VideoSource
from fishrt.video.tank import DemoTank

_DEMO = re.compile(r"demo(?::(?P<seed>.*))?")
_CAMERA = re.compile(r"(?:/dev/video)?(?P<index>\d{1,3})")
_PIPELINE = re.compile(r"gst:(?P<given>.*)|(?P<told>.* ! .*)", re.DOTALL)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*")


def open_source(
    text: str, *, fps: float = 30.0, request: CameraRequest = NOTHING_ASKED
) -> VideoSource:
    """Opens a video source.

    Args:
        text: What the user typed: a number such as `0` (or `/dev/video0`) is a camera, something
            with `://` a network stream, with ` ! ` in it or `gst:` before it a GStreamer pipeline,
            `demo` or `demo:SEED` the simulated tank, a folder its numbered images, and everything
            else a video file. A file or folder that is itself called `0` or `demo` is reached as
            `./0` or `./demo`.
        fps: Frames a second of sources that do not say it themselves: image folders and the
            simulated tank.
        request: What to ask of a camera of this computer; nothing else can be asked.

    Returns:
        The open source; close it after use.

    Raises:
        SourceError: If it cannot be opened, gives no first picture, or cannot be asked.
    """
    if camera := _CAMERA.fullmatch(text):
        return Camera(int(camera["index"]), request)
    live = bool(_URL.fullmatch(text) or _pipeline(text))
    # of a stream the rate cannot be asked, but it can be known
    if refused := [name for name in request.options if not (live and name == "--camera-fps")]:
        raise SourceError(
            f"{' and '.join(refused)} can be asked of cameras of this computer alone, and "
            f"{without_password(text)} is none; run without."
        )
    return _open_any(text, fps, None)


def open_recorded(
    text: str,
    *,
    fps: float = 30.0,
    source_fps: float | None = None,
    skip_damaged: bool = False,
) -> VideoSource:
    """Opens a source to take it all in, not to watch it live.

    As `open_source`, but a finished video behind an http address is read like a file. All that
    has an end, and the simulated tank, is a `RecordedSource`.

    Args:
        text: What the user typed; see `open_source`.
        fps: Frames a second of sources that do not say it themselves.
        source_fps: Frames a second of files and image folders, whatever they say; or None.
        skip_damaged: Whether whoever reads goes on after a `DamagedPictureError`. Then files and
            image folders raise one for every single picture that cannot be had.

    Returns:
        The open source; close it after use.

    Raises:
        SourceError: If it cannot be opened, or gives no first picture.
    """
    if _URL.fullmatch(text) and not _pipeline(text):
        return open_url(text, fps, source_fps)
    return _open_any(text, fps, source_fps, skip_damaged)


def absolute_source(text: str) -> str:
    """A source by a name that is the same from another working folder, without a password.

    Args:
        text: What the user typed; see `open_source`.

    Returns:
        The full path of a file or folder that exists; everything else as it is.
    """
    if _URL.fullmatch(text) or _pipeline(text):
        return without_password(text)
    with contextlib.suppress(OSError, ValueError):  # opening it says what is wrong
        path = path_of(text)
        if path is not None and path.exists():
            return str(path)
    return text


def path_of(text: str) -> Path | None:
    """The full path of a source that is a file or a folder, whether it is there or not.

    Args:
        text: What the user typed; see `open_source`.

    Returns:
        The path, or None for anything else, and for a name that no path can have.
    """
    if any(pattern.fullmatch(text) for pattern in (_URL, _DEMO, _CAMERA)) or _pipeline(text):
        return None
    try:
        return Path(text).expanduser().resolve()
    except (OSError, ValueError, RuntimeError):  # also where there is no home
        return None


def _pipeline(text: str) -> str | None:
    """The GStreamer pipeline that a text describes, or None."""
    found = _PIPELINE.fullmatch(text)
    if found is None:
        return None
    return found["told"] if found["given"] is None else found["given"]


def _open_any(
    text: str, fps: float, source_fps: float | None, skip_damaged: bool = False
) -> VideoSource:
    if not text.strip():
        raise SourceError(
            "the video source is empty; give a file, a folder of images, a camera number, a URL "
            "or demo."
        )
    if demo := _DEMO.fullmatch(text):
        return DemoTank(text, demo["seed"], fps)
    if camera := _CAMERA.fullmatch(text):
        return Camera(int(camera["index"]))
    if pipeline := _pipeline(text):
        return Pipeline(pipeline)
    if _URL.fullmatch(text):
        return NetworkStream(text)
    path = Path(text).expanduser()
    try:
        if path.is_dir():
            return ImageFolder(path, source_fps or fps, skip_damaged=skip_damaged)
        exists = path.exists()
    except (OSError, ValueError) as error:  # a folder above is locked; a name no path can have
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"cannot look at {path}: {reason}; check the path.") from error
    if not exists:
        raise SourceError(
            f"there is no file or folder {path}; check the path, or give a camera number such as "
            "0, a URL, or demo for the simulated tank."
        )
    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise SourceError(
            f"{path} is a single picture; give the folder that holds the numbered pictures."
        )
    return VideoFile(path, fps, source_fps, skip_damaged=skip_damaged)
