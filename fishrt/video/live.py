"""Cameras, network streams and GStreamer pipelines, read through OpenCV as they come."""

import re
import time
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.errors import SourceError
from fishrt.video.device_clock import DeviceClock
from fishrt.video.opencv import (
    OnlineVideo,
    check_size,
    decode,
    describe,
    open_capture,
    open_media,
)
from fishrt.video.request import NOTHING_ASKED, CameraRequest, ask_camera
from fishrt.video.source import SourceFrame, SourceKind
from fishrt.video.stream_clock import StreamClock

OPEN_TIMEOUT_MS = 8_000
READ_TIMEOUT_MS = 5_000
# FFmpeg would take one for every core, and all but one of them hold back a picture: with eight, of
# 1024x1024 H.264 at 30 frames/s, 0.3 s from sending to the forecast instead of 0.1.
DECODING_THREADS = 2
# A picture that cannot be decoded (USB cameras send some) is passed over, but not for ever.
DAMAGED_IN_A_ROW = 30
# GStreamer takes a password with / ? # in it as it stands; what is all digits there is a port.
_USER = re.compile(r"(?<=://)(?:[^/?#\s]*|[^/?#\s:@\[]*:(?!\d*[/?#])[^\s@]*)@")
# properties of GStreamer's network sources
_PASSWORD = re.compile(r"\b(?:user-id|user-pw|proxy-id|proxy-pw)=(?:\"[^\"]*\"|'[^']*'|\S+) ?")


class _LiveCapture:
    """What cameras, streams and pipelines share: pictures are stamped when they arrive.

    `info` and `ended_early` are as `VideoSource` says.
    """

    def __init__(
        self,
        kind: SourceKind,
        name: str,
        capture: cv2.VideoCapture,
        unopened: str,
        stopped: str,
        clock: DeviceClock | StreamClock | None = None,
    ) -> None:
        self._capture = capture
        self._clock = clock
        self._stopped = stopped
        self._closed = False
        self._index = 0
        first = self._next_picture()
        if first is None:
            capture.release()
            raise SourceError(unopened)
        self._first: SourceFrame | None = first
        self.info = describe(kind, name, capture, first.image, finished=False)
        self.ended_early = None  # a live source that stops raises `SourceError` instead

    def read(self) -> SourceFrame | None:
        """The next picture, uint8 `(H, W, 3)` BGR, or None after `close`.

        Raises:
            SourceError: If no more pictures come, or their size changes.
        """
        picture = self._first or self._next_picture()
        self._first = None
        if self._closed:
            return None
        if picture is None:
            raise SourceError(self._stopped)
        check_size(self.info, self._index, picture.image)
        self._index += 1
        return replace(picture, index=self._index - 1)

    def close(self) -> None:
        """Lets go of the device or connection; may be called more than once."""
        self._closed = True
        self._capture.release()

    def _next_picture(self) -> SourceFrame | None:
        for _ in range(DAMAGED_IN_A_ROW):
            try:
                if not self._capture.grab():
                    return None
                arrived = time.monotonic()  # before decoding, which takes its own time
                image = decode(self._capture)
            except cv2.error:
                continue
            if image is not None:
                return self._stamped(image, arrived)
        return None

    def _stamped(self, image: NDArray[np.uint8], arrived: float) -> SourceFrame:
        if self._clock is None:
            return SourceFrame(image, 0, arrived, arrived=arrived)
        sent = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
        timestamp = self._clock.stamp(sent, arrived)
        return SourceFrame(image, 0, timestamp, arrived=arrived, age_s=self._clock.age_s)


class Camera(_LiveCapture):
    """A camera of this computer; timestamps are the monotonic clock, by its driver if it can.

    The driver keeps its usual few buffers: with a single one it could not take a picture while we
    decode the one before, and whoever reads without a pause never finds old pictures in them.
    """

    def __init__(self, index: int, request: CameraRequest = NOTHING_ASKED) -> None:
        """Opens the camera and takes a first picture.

        Args:
            index: Number of the camera, from 0.
            request: What to ask of it; where it does not obey, `info.notes` says so.

        Raises:
            SourceError: If there is no such camera, or it gives no picture.
        """
        capture = open_capture(index, cv2.CAP_ANY)
        opened = capture.isOpened()
        notes = ask_camera(capture, f"camera {index}", request) if opened else ()
        video4linux = opened and capture.getBackendName() == "V4L2"
        super().__init__(
            SourceKind.CAMERA,
            str(index),
            capture,
            f"camera {index} cannot be opened; check that it is plugged in, that no other program "
            "uses it and that you may read it (on Linux: group video), or try another number.",
            f"camera {index} stopped giving pictures; check its cable.",
            DeviceClock() if video4linux else None,
        )
        self.info = replace(self.info, notes=notes)


class Pipeline(_LiveCapture):
    """A GStreamer pipeline that ends in an appsink; timestamps are the monotonic clock."""

    def __init__(self, description: str) -> None:
        """Starts the pipeline and waits for a first picture.

        Args:
            description: As `gst-launch-1.0` takes it; ` ! appsink` is added where it is missing.

        Raises:
            SourceError: If OpenCV has no GStreamer, or the pipeline gives no picture.
        """
        name = without_password(description)
        if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
            raise SourceError(
                "the OpenCV that is installed was built without GStreamer, so pipelines cannot be "
                "run; give the camera's number or address instead (OpenCV reads rtsp and http by "
                "itself), or install an OpenCV with GStreamer (Debian and Ubuntu: python3-opencv)."
            )
        if not re.search(r"\bappsink\b", description):
            # a picture that nobody took is worth less than the one after it
            description += " ! videoconvert ! appsink max-buffers=4 drop=true sync=false"
        super().__init__(
            SourceKind.PIPELINE,
            name,
            open_capture(description, cv2.CAP_GSTREAMER),
            f"the pipeline {name} gives no picture; try it with gst-launch-1.0.",
            f"the pipeline {name} stopped giving pictures; check the camera behind it.",
        )


class NetworkStream(_LiveCapture):
    """A network stream such as rtsp:// or http://.

    Timestamps are the monotonic clock: when a picture was sent where its stamps tell that, else
    when it arrived.
    """

    def __init__(self, url: str, capture: cv2.VideoCapture | None = None) -> None:
        """Connects and waits for a first picture.

        Args:
            url: Address of the stream; a user name and password in it are never shown.
            capture: A connection to it, or None to make one.

        Raises:
            SourceError: If the address cannot be reached, gives no picture in time, or is a
                finished file, which would arrive at the network's pace instead of its own.
        """
        name = without_password(url)
        capture = _open_url(url) if capture is None else capture
        super().__init__(
            SourceKind.URL,
            name,
            capture,
            f"the stream {name} cannot be opened (waited at most "
            f"{(OPEN_TIMEOUT_MS + READ_TIMEOUT_MS) / 1000:.0f} s); check the address, the user "
            "name and password, and the network.",
            f"the stream {name} stopped giving pictures; check the camera and the network.",
            StreamClock() if _is_stamped(capture) else None,
        )
        if _is_finished(url, capture):
            self.close()
            raise SourceError(
                f"{name} is a finished video, not a live stream; download it and give the file."
            )


def open_url(url: str, fps: float, source_fps: float | None) -> OnlineVideo | NetworkStream:
    """Connects once, and finds out whether a finished video or a live stream is behind a URL.

    Args:
        url: Its address; a user name and password in it are never shown.
        fps: Frames a second of a finished video that has neither clock nor frame rate.
        source_fps: Frames a second of a finished video whatever it says, or None.

    Raises:
        SourceError: If it cannot be reached, or gives no first picture.
    """
    capture = _open_url(url)
    if _is_finished(url, capture):
        return OnlineVideo(without_password(url), capture, fps, source_fps)
    return NetworkStream(url, capture)


def _is_finished(url: str, capture: cv2.VideoCapture) -> bool:
    """Whether what was opened is a video of known length; rtsp tells lengths of live streams."""
    return bool(url.lower().startswith("http") and capture.get(cv2.CAP_PROP_FRAME_COUNT) >= 1)


def _is_stamped(capture: cv2.VideoCapture) -> bool:
    """Whether pictures carry the sender's stamps; those of plain motion JPEG are made up here."""
    if not capture.isOpened() or capture.getBackendName() != "FFMPEG":
        return False
    return int(capture.get(cv2.CAP_PROP_FOURCC)) != cv2.VideoWriter.fourcc(*"MJPG")


def _open_url(url: str) -> cv2.VideoCapture:
    """A capture of a network address that does not wait for ever."""
    wishes = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS,
        cv2.CAP_PROP_N_THREADS, DECODING_THREADS,
    ]  # fmt: skip
    return open_media(url, wishes)


def without_password(text: str) -> str:
    """A URL, or a pipeline with some in it, without user names and passwords, for sentences."""
    return _PASSWORD.sub("", _USER.sub("", text))
