"""Video files that can be played to their last second even if the process is killed."""

from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.errors import OutputError, output_error
from fishrt.video.mp4 import open_mp4

CLOCK = 90_000  # ticks a second, as is usual for video
FRAGMENT_S = 1.0  # what a kill can cost
# Fragments that stand for themselves, each written as soon as it is whole. The index that an
# ordinary MP4 has at its end is lost in a kill, and grows in memory all day.
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
ENCODERS = (
    # no frames held back, and one thread: the forecaster needs the other cores
    ("libx264", {"preset": "ultrafast", "tune": "zerolatency", "crf": "20"}),
    ("mpeg4", {"qmin": "2", "qmax": "5"}),
)
FILL_PICTURES = 300  # OpenCV has no timestamps: gaps up to 10 s are filled with the last picture


class VideoFile(Protocol):
    """A video that is being written."""

    def write(self, picture: NDArray[np.uint8], seconds: float) -> None:
        """Adds a picture.

        Args:
            picture: uint8 `(H, W)` grey or `(H, W, 3)` BGR with even sides, always the same size.
            seconds: When it is shown; those that are not after the one before come just after it.

        Raises:
            OSError, OutputError: If it cannot be written.
        """
        ...

    def close(self) -> None:
        """Finishes the file."""
        ...


def can_fragment() -> bool:
    """Whether PyAV is installed, without which videos are written by OpenCV."""
    return find_spec("av") is not None


def open_video(path: Path, fps: float, size: tuple[int, int]) -> VideoFile:
    """Opens a video file for writing; an existing one is replaced.

    Args:
        path: The file, ending with `.mp4`.
        fps: Frames a second, as players show it.
        size: Width and height in pixels, both even.

    Raises:
        OutputError: If it cannot be written.
    """
    return FragmentedVideo(path, fps, size) if can_fragment() else PlainVideo(path, fps, size)


class FragmentedVideo:
    """H.264 in a fragmented MP4, by PyAV."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        """Opens the file; see `open_video`."""
        import av

        self._frame = av.VideoFrame
        self._path = path
        self._last = -1
        try:
            self._container: Any = av.open(str(path), "w", format="mp4", options=FRAGMENTED)
            self._stream = self._add_stream(fps, size)
        except OSError as error:
            raise output_error(path, error) from error

    def write(self, picture: NDArray[np.uint8], seconds: float) -> None:
        """Encodes a picture; see `VideoFile.write`."""
        if picture.ndim == 3:  # OpenCV is three times as fast at it as FFmpeg, and exact
            yuv = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
            frame = self._frame.from_ndarray(yuv, "yuv420p")
        else:
            frame = self._frame.from_ndarray(picture, "gray")
        self._last = max(round(seconds * CLOCK), self._last + 1)
        frame.pts = self._last
        frame.time_base = Fraction(1, CLOCK)
        self._mux(frame)

    def close(self) -> None:
        """Writes what the encoder still holds; may be called more than once."""
        container, self._container = self._container, None
        if container is None:
            return
        try:
            for packet in self._stream.encode(None):
                container.mux(packet)
            container.close()
        except OSError as error:
            raise output_error(self._path, error) from error

    def _mux(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except OSError as error:
            raise output_error(self._path, error) from error

    def _add_stream(self, fps: float, size: tuple[int, int]) -> Any:
        from av import codecs_available

        name, options = next(each for each in ENCODERS if each[0] in codecs_available)
        rate = Fraction(fps).limit_denominator(1001)
        stream = self._container.add_stream(name, rate=rate, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, CLOCK)
        stream.codec_context.gop_size = max(round(fps * FRAGMENT_S), 1)
        stream.codec_context.thread_count = 1
        return stream


class PlainVideo:
    """MPEG-4 in an ordinary MP4, by OpenCV; lost if the process is killed."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        """Opens the file; see `open_video`."""
        self._writer = open_mp4(path, fps, size)
        self._fps = fps
        self._written = 0
        self._last: NDArray[np.uint8] | None = None

    def write(self, picture: NDArray[np.uint8], seconds: float) -> None:
        """Encodes a picture, after as many copies of the last one as keep the time."""
        if picture.ndim == 2:
            picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8)
        missing = round(seconds * self._fps) - self._written if self._last is not None else 0
        for _ in range(min(missing, FILL_PICTURES)):
            self._writer.write(self._last)
            self._written += 1
        self._writer.write(picture)
        self._written += 1
        self._last = picture

    def close(self) -> None:
        """Finishes the file."""
        self._writer.release()


def check_video_name(path: Path) -> None:
    """Refuses a file that cannot become a video.

    Raises:
        OutputError: If its name or its folder is wrong.
    """
    if path.suffix.lower() != ".mp4":
        raise OutputError(f"the video {path} must have a name that ends with .mp4.")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: its folder does not exist; create it.")
