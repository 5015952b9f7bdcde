"""Learning the still background from the source itself."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fishrt.config import PreprocessConfig
from fishrt.preprocess import Background, load_background, median_background
from fishrt.video.factory import open_source
from fishrt.video.images import ImageFolder
from fishrt.video.opencv import VideoFile
from fishrt.video.source import VideoSource

# How long an endless source is watched; animals that rest longer than half of it leave a ghost.
LEARN_SECONDS = 10.0


def learn_background(
    text: str, config: PreprocessConfig, fps: float = 30.0
) -> NDArray[np.uint8] | None:
    """The background that preprocessing subtracts, as the config asks for it.

    The median is taken over `median_images` pictures: spread evenly over the whole length of a
    video file or image folder, and over the first 10 s of a camera, stream or simulated tank.

    Args:
        text: The source as the user named it; see `open_source`.
        config: The preprocessing settings.
        fps: Frames a second of sources that do not say it themselves.

    Returns:
        uint8 `(H, W)` in camera pixels of the region of interest, or None if none is subtracted.

    Raises:
        SourceError: If the source fails.
        ConfigError: If the background picture cannot be read.
    """
    if config.background is Background.NONE:
        return None
    if config.background is Background.IMAGE and config.background_image is not None:
        return load_background(config.background_image)
    source = open_source(text, fps=fps)
    try:
        return median_background(_pictures(source, config.median_images), config.region)
    finally:
        source.close()


def _pictures(source: VideoSource, count: int) -> Iterator[NDArray[np.uint8]]:
    if isinstance(source, VideoFile | ImageFolder):
        return source.spread(count)
    return _first_seconds(source, count)


def _first_seconds(source: VideoSource, count: int) -> Iterator[NDArray[np.uint8]]:
    """At most `count` pictures, evenly spread over the first `LEARN_SECONDS`."""
    taken, start = 0, None
    while taken < count and (frame := source.read()) is not None:
        start = frame.timestamp if start is None else start
        seconds = frame.timestamp - start
        if seconds >= LEARN_SECONDS:
            return
        if seconds >= taken * LEARN_SECONDS / count:
            taken += 1
            yield frame.image
