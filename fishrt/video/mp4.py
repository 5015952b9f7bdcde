"""Writing MP4 files."""

from pathlib import Path

import cv2

from fishrt.errors import OutputError
from fishrt.video.opencv import open_media

CODEC = "mp4v"  # in every OpenCV build, unlike H.264


def open_mp4(
    path: Path, fps: float, size: tuple[int, int], called: Path | None = None
) -> cv2.VideoWriter:
    """Opens an MP4 file for writing; an existing one is replaced.

    Args:
        path: The file.
        fps: Frames a second.
        size: Width and height in pixels.
        called: What the user calls it, if not so.

    Raises:
        OutputError: If it cannot be written.
    """
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*CODEC), fps, size)
    if not writer.isOpened():
        raise OutputError(
            f"cannot write the video {called or path}; check that the folder may be written to and "
            "that the name ends with .mp4."
        )
    return writer


def frames_in(path: Path) -> int:
    """Frames that the index of an MP4 file names; 0 if it cannot be played.

    OpenCV tells of no error while it writes. On a full disk the index, which comes last, is
    missing.
    """
    capture = open_media(str(path))
    try:
        return max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0) if capture.isOpened() else 0
    finally:
        capture.release()
