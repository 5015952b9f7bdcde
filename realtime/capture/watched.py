"""From an open source to its capture: what is watched, and whether it is opened again."""

from collections.abc import Callable

from fishrt.video import VideoSource
from fishrt.video.request import CameraRequest
from fishrt.video.resample import Resampler
from realtime.capture.capture import Capture
from realtime.capture.frozen import usual_limit_s
from realtime.capture.policy import Pace
from realtime.capture.watch import PictureWatch


def watched_capture(
    source: VideoSource,
    open_again: Callable[[], VideoSource],
    pace: Pace,
    fps: float,
    request: CameraRequest,
    frozen_after_s: float | None,
) -> Capture:
    """Prepares the capture of a source; a live source is opened again when it is lost.

    Args:
        source: The open source.
        open_again: Opens a live source after every loss.
        pace: How fast to go where the source has no pace of its own.
        fps: The model's frames a second.
        request: What was asked of the camera.
        frozen_after_s: Seconds of the same picture that mean a freeze; 0 for never; None for what
            is usual for the kind of source.
    """
    live = source.info.is_live
    limit_s = usual_limit_s(source.info) if frozen_after_s is None else frozen_after_s
    watch = PictureWatch(min(fps, request.fps or fps) if live else None, limit_s)
    reopen = open_again if live else None
    return Capture(source, pace, reopen=reopen, watch=watch)


def resampler_of(source: VideoSource, fps: float, request: CameraRequest) -> Resampler:
    """The resampler of a source.

    Args:
        source: The open source.
        fps: The model's frames a second.
        request: What was asked of the camera; a rate below the one it declares is taken for the
            true one.
    """
    promised = [rate for rate in (source.info.declared_fps, request.fps) if rate]
    return Resampler(fps, min(promised, default=None), live=source.info.is_live)
