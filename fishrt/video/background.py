"""Learning the still background from the source itself."""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fishrt.choices import Background
from fishrt.config import PreprocessConfig
from fishrt.errors import SourceError
from fishrt.preprocess import (
    crop,
    load_background,
    median_background,
    size_text,
    to_grey,
)
from fishrt.video.factory import open_recorded, open_source
from fishrt.video.images import ImageFolder
from fishrt.video.opencv import VideoFile
from fishrt.video.request import NOTHING_ASKED, CameraRequest
from fishrt.video.source import VideoSource

# How long an endless source is watched; animals that rest longer than half of it leave a ghost.
LEARN_SECONDS = 10.0


def learn_background(
    text: str,
    config: PreprocessConfig,
    fps: float = 30.0,
    request: CameraRequest = NOTHING_ASKED,
    *,
    skip_damaged: bool = False,
) -> NDArray[np.uint8] | None:
    """The background that preprocessing subtracts, as the config asks for it.

    The median is taken over `median_images` pictures: spread evenly over the whole length of a
    video file or image folder, and over the first 10 s of a camera, stream or simulated tank.

    Args:
        text: The source as the user named it; see `open_source`.
        config: The preprocessing settings.
        fps: Frames a second of sources that do not say it themselves.
        request: What to ask of a camera, as when its pictures are taken: a background of another
            size would not fit them.
        skip_damaged: Whether pictures that cannot be read, or do not fit, are left out.

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
    if request.options:
        source = open_source(text, fps=fps, request=request)
    else:
        source = open_recorded(text, fps=fps, skip_damaged=skip_damaged)
    try:
        return median_background(_pictures(source, config.median_images), config.region)
    finally:
        source.close()


def learn_common_background(
    texts: Sequence[str],
    config: PreprocessConfig,
    fps: float = 30.0,
    *,
    skip_damaged: bool = False,
) -> NDArray[np.uint8] | None:
    """The background of several sources that one camera filmed; see `learn_background`.

    Args:
        texts: The sources as the user named them.
        config: The preprocessing settings; each source gives its share of `median_images`.
        fps: Frames a second of sources that do not say it themselves.
        skip_damaged: Whether pictures that cannot be read, or do not fit, are left out.

    Returns:
        uint8 `(H, W)` in camera pixels of the region of interest, or None if none is subtracted.

    Raises:
        SourceError: If a source fails, or their pictures have different sizes.
        ConfigError: If the background picture cannot be read.
    """
    if len(texts) == 1 or config.background is not Background.MEDIAN:
        return learn_background(texts[0], config, fps, skip_damaged=skip_damaged)
    share = max(config.median_images // len(texts), 3)
    pictures: list[NDArray[np.uint8]] = []
    for text in texts:
        opened = open_recorded(text, fps=fps, skip_damaged=skip_damaged)
        with contextlib.closing(opened) as source:
            pictures.extend(
                crop(to_grey(image), config.region) for image in _pictures(source, share)
            )
    sizes = sorted({size_text(picture) for picture in pictures})
    if len(sizes) > 1:
        raise SourceError(
            f"the sources have pictures of different sizes ({', '.join(sizes)}), so they have no "
            "common background; make one recording of each."
        )
    return median_background(pictures, None)


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
