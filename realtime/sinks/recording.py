"""What a recorder does on its thread: pictures to a video file, their times to a file beside it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Generic

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.errors import OutputError
from realtime.event import Event
from realtime.forecast import Forecast
from realtime.sinks.jsonl import LineFile
from realtime.sinks.queued import Item
from realtime.sinks.sink import refuse_existing
from realtime.sinks.video_file import VideoFile, check_video_name, open_video

FREE_SPACE_BYTES = 64 * 1024 * 1024  # stop before the disk is full: others write there, too
CHECK_SPACE_FRAMES = 30
TIMESTAMPS_SUFFIX = ".timestamps.csv"
COLUMNS = ("frame", "source_frame", "media_time", "capture_time")
LONGEST_STEP_S = 3600.0  # MP4 cannot say more than 13 h; the timestamps still can

Picture = NDArray[np.uint8]


def timestamps_path(video: Path) -> Path:
    """Where the timestamps of a video lie."""
    return video.with_name(video.stem + TIMESTAMPS_SUFFIX)


class VideoRecording(Generic[Item]):
    """A video and its timestamps; both are made with the first picture."""

    def __init__(
        self,
        path: Path,
        fps: float,
        render: Callable[[Item], tuple[Forecast, Picture]],
        clock: Callable[[Forecast], float],
        *,
        overwrite: bool,
    ) -> None:
        """Checks that the files can be made.

        Args:
            path: The video, ending with `.mp4`.
            fps: Frames a second, as players show it.
            render: The picture of an item, uint8 `(H, W)` or `(H, W, 3)` BGR.
            clock: Seconds at which a picture is shown; only differences count.
            overwrite: Whether existing files may be replaced.

        Raises:
            OutputError: If a file exists, cannot be written, or the disk is full.
        """
        check_video_name(path)
        for each in (path, timestamps_path(path)):
            refuse_existing(each, overwrite)
        self._path = path
        self._fps = fps
        self._render = render
        self._clock = clock
        self._video: VideoFile | None = None
        self._timestamps: LineFile | None = None
        self._size = (0, 0)
        self._frames = 0
        self._seconds = self._before = 0.0
        self._check_space()

    def write(self, item: Item) -> None:
        """Adds one picture.

        Raises:
            OSError, OutputError: If it cannot be written; what is there stays.
        """
        forecast, picture = self._render(item)
        if self._frames % CHECK_SPACE_FRAMES == 0:
            self._check_space()
        video, timestamps = self._opened(forecast, picture)
        now = self._clock(forecast)
        self._seconds += min(max(now - self._before, 0.0), LONGEST_STEP_S)
        self._before = now
        video.write(fitted(picture, self._size), self._seconds)
        values = (forecast.media_time, forecast.capture_time)
        timestamps.write(
            ",".join(
                [
                    str(forecast.frame),
                    str(forecast.source_frame),
                    *(f"{time:.6f}" for time in values),
                ]
            )
        )
        self._frames += 1

    def event(self, event: Event) -> None:
        """Events are not drawn."""
        del event

    def close(self) -> None:
        """Finishes both files."""
        video, self._video = self._video, None
        timestamps, self._timestamps = self._timestamps, None
        try:
            if video is not None:
                video.close()
        finally:
            if timestamps is not None:
                timestamps.close()

    def _opened(self, forecast: Forecast, picture: Picture) -> tuple[VideoFile, LineFile]:
        if self._video is None or self._timestamps is None:
            height, width = picture.shape[:2]
            self._size = (even(width), even(height))
            self._before = self._clock(forecast)
            # first: their lock keeps the video of another run from being written over
            self._timestamps = LineFile(str(timestamps_path(self._path)), overwrite=True)
            self._timestamps.write(",".join(COLUMNS))
            self._video = open_video(self._path, self._fps, self._size)
        return self._video, self._timestamps

    def _check_space(self) -> None:
        if shutil.disk_usage(self._path.parent).free < FREE_SPACE_BYTES:
            raise OutputError(
                f"the recording {self._path} stopped because the disk is full; what was recorded "
                "before is kept."
            )


def even(side: int) -> int:
    """The next even number: encoders take no odd sizes."""
    return side + side % 2


def fitted(picture: Picture, size: tuple[int, int]) -> Picture:
    """A picture of the video's size: its edge doubled where that is one more, else resized.

    Args:
        picture: uint8 `(H, W)`, `(H, W, 1)` or `(H, W, 3)`.
        size: Width and height.
    """
    if picture.ndim == 3 and picture.shape[2] == 1:
        picture = picture[:, :, 0]
    height, width = picture.shape[:2]
    if (width, height) == size:
        return np.ascontiguousarray(picture)
    if (even(width), even(height)) == size:
        right, below = size[0] - width, size[1] - height
        padded = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)
        return np.asarray(padded, np.uint8)
    return np.asarray(cv2.resize(picture, size), np.uint8)
