"""Recorders: videos of the overlay and of the camera's own picture, each on a thread of its own."""

from collections.abc import Callable
from pathlib import Path

from realtime.forecast import Forecast
from realtime.overlay import Canvas, Overlay
from realtime.sinks.outbox import Outbox
from realtime.sinks.queued import QueuedSink, WhenFull
from realtime.sinks.recording import Picture, VideoRecording
from realtime.stats import StatsSnapshot
from realtime.update import Update

QUEUE_PICTURES = 32

_Drawn = tuple[Update, StatsSnapshot]


class VideoRecorder(QueuedSink[_Drawn]):
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
        outbox: Outbox | None = None,
    ) -> None:
        """Starts the thread; the files are made with the first picture.

        Args:
            path: The file to write, ending with `.mp4`.
            overlay: Draws the pictures; used by the recorder alone.
            snapshot: Gives the figures of the run.
            fps: Frames a second of the video.
            may_drop: Whether to drop pictures rather than slow the loop.
            overwrite: Whether existing files may be replaced.
            outbox: Where a failure is told, or None to raise it.

        Raises:
            OutputError: If a file exists, cannot be written, or the disk is full.
        """

        def draw(item: _Drawn) -> tuple[Forecast, Canvas]:
            update, stats = item
            overlay.observe(update.forecast)
            return update.forecast, overlay.draw(update.forecast, update.picture, stats)

        recording = VideoRecording(
            path, fps, draw, lambda forecast: forecast.frame / fps, overwrite=overwrite
        )
        when_full = WhenFull.DROP_OLDEST if may_drop else WhenFull.WAIT
        super().__init__(
            str(path),
            recording,
            lambda update: (update, snapshot()),
            QUEUE_PICTURES,
            when_full,
            outbox,
        )


class CameraRecorder(QueuedSink[Update]):
    """Records the camera's pictures as they are, each once, shown at the camera's times."""

    def __init__(
        self,
        path: Path,
        fps: float,
        *,
        may_drop: bool,
        overwrite: bool = False,
        outbox: Outbox | None = None,
    ) -> None:
        """Starts the thread; see `VideoRecorder`."""

        def plain(update: Update) -> tuple[Forecast, Picture]:
            return update.forecast, update.picture

        recording = VideoRecording(
            path, fps, plain, lambda forecast: forecast.media_time, overwrite=overwrite
        )
        when_full = WhenFull.DROP_OLDEST if may_drop else WhenFull.WAIT
        super().__init__(
            str(path),
            recording,
            lambda update: None if update.forecast.repeated else update,
            QUEUE_PICTURES,
            when_full,
            outbox,
        )
