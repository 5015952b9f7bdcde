"""The recorder: the overlay as a video file, drawn and encoded on a thread of its own."""

import contextlib
import queue
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fishrt.errors import OutputError
from fishrt.video.mp4 import open_mp4
from realtime.event import Event
from realtime.overlay import Overlay
from realtime.sinks.sink import refuse_existing
from realtime.stats import StatsSnapshot
from realtime.update import Update

QUEUE_PICTURES = 32
PUT_TIMEOUT_S = 0.1  # how soon a loop that waits for room notices that the recorder failed
CLOSE_TIMEOUT_S = 30.0  # what is queued is still encoded, also by a slow machine
FREE_SPACE_BYTES = 64 * 1024 * 1024  # OpenCV does not say when a disk is full, so stop before
CHECK_SPACE_FRAMES = 30

_Item = tuple[Update, StatsSnapshot]


class VideoRecorder:
    """Records every frame's overlay; on live sources drops and counts what it cannot encode."""

    def __init__(
        self,
        path: Path,
        overlay: Overlay,
        snapshot: Callable[[], StatsSnapshot],
        fps: float,
        *,
        may_drop: bool,
        overwrite: bool = False,
    ) -> None:
        """Starts the thread; the file is opened with the first picture.

        Args:
            path: The file to write, ending with `.mp4`.
            overlay: Draws the pictures; used by the recorder alone.
            snapshot: Gives the figures of the run.
            fps: Frames a second of the video.
            may_drop: Whether to drop pictures rather than slow the loop.
            overwrite: Whether an existing file may be replaced.

        Raises:
            OutputError: If the file exists, cannot be written, or the disk is full.
        """
        self.dropped = 0
        self._path = path
        self._overlay = overlay
        self._snapshot = snapshot
        self._fps = fps
        self._may_drop = may_drop
        self._check(overwrite)
        self._queue: queue.Queue[_Item | None] = queue.Queue(QUEUE_PICTURES)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="fishrt-recorder", daemon=True)
        self._thread.start()

    def write(self, update: Update) -> None:
        """Hands one picture to the thread; see `Sink.write`."""
        item = (update, self._snapshot())
        while self._error is None:
            try:
                if self._may_drop:
                    self._queue.put_nowait(item)
                else:
                    self._queue.put(item, timeout=PUT_TIMEOUT_S)
                return
            except queue.Full:
                if self._may_drop:
                    self.dropped += 1
                    return
        raise self._error

    def event(self, event: Event) -> None:
        """Events are not drawn."""
        del event

    def close(self) -> None:
        """Encodes what is queued and finishes the file."""
        while self._thread.is_alive():
            with contextlib.suppress(queue.Full):
                self._queue.put(None, timeout=PUT_TIMEOUT_S)
                break
        self._thread.join(CLOSE_TIMEOUT_S)
        if self._thread.is_alive():
            raise OutputError(
                f"the recording {self._path} could not be finished within {CLOSE_TIMEOUT_S:.0f} s; "
                "its end is missing."
            )
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        writer: Any = None
        try:
            frames = 0
            while (item := self._queue.get()) is not None:
                update, stats = item
                self._overlay.observe(update.forecast)
                canvas = self._overlay.draw(update.forecast, update.picture, stats)
                if writer is None:
                    size = (canvas.shape[1], canvas.shape[0])
                    writer = open_mp4(self._path, self._fps, size)
                if frames % CHECK_SPACE_FRAMES == 0:
                    self._check_space()
                frames += 1
                if (canvas.shape[1], canvas.shape[0]) != size:
                    canvas = np.asarray(cv2.resize(canvas, size), np.uint8)
                writer.write(canvas)
        except Exception as error:
            self._error = error if isinstance(error, OutputError) else self._failed(error)
        finally:
            if writer is not None:
                writer.release()

    def _failed(self, error: Exception) -> OutputError:
        return OutputError(f"recording {self._path} failed ({type(error).__name__}: {error}).")

    def _check(self, overwrite: bool) -> None:
        if self._path.suffix.lower() != ".mp4":
            raise OutputError(f"the video {self._path} must have a name that ends with .mp4.")
        if not self._path.parent.is_dir():
            raise OutputError(f"cannot write {self._path}: its folder does not exist; create it.")
        refuse_existing(self._path, overwrite)
        self._check_space()

    def _check_space(self) -> None:
        if shutil.disk_usage(self._path.parent).free < FREE_SPACE_BYTES:
            raise OutputError(
                f"the recording {self._path} stopped because the disk is full; what was recorded "
                "before is kept."
            )
