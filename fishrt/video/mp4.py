"""Writing MP4 files."""

from pathlib import Path

import cv2

from fishrt.errors import OutputError

CODEC = "mp4v"  # in every OpenCV build, unlike H.264


def open_mp4(path: Path, fps: float, size: tuple[int, int]) -> cv2.VideoWriter:
    """Opens an MP4 file for writing; an existing one is replaced.

    Args:
        path: The file.
        fps: Frames a second.
        size: Width and height in pixels.

    Raises:
        OutputError: If it cannot be written.
    """
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*CODEC), fps, size)
    if not writer.isOpened():
        raise OutputError(
            f"cannot write the video {path}; check that the folder may be written to and "
            "that the name ends with .mp4."
        )
    return writer
