"""What every video source has in common, whatever it reads from."""

import enum
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class SourceKind(enum.StrEnum):
    """Where pictures come from."""

    FILE = "file"
    IMAGES = "images"
    CAMERA = "camera"
    URL = "url"
    DEMO = "demo"


@dataclass(frozen=True)
class SourceInfo:
    """What is known about a source when it is opened.

    Attributes:
        kind: Where the pictures come from.
        name: As the user named it.
        width: Picture width in pixels.
        height: Picture height in pixels.
        declared_fps: Frames a second as the header or the driver says, or None.
        frame_count: Number of pictures as the header says, or None where there is no end.
    """

    kind: SourceKind
    name: str
    width: int
    height: int
    declared_fps: float | None
    frame_count: int | None

    @property
    def is_live(self) -> bool:
        """Whether pictures come at their own pace and are lost when nobody takes them."""
        return self.kind in (SourceKind.CAMERA, SourceKind.URL)


@dataclass(frozen=True)
class SourceFrame:
    """One picture as it came from a source, before preprocessing.

    Attributes:
        image: uint8 `(H, W)` grey or `(H, W, 3)` BGR.
        index: Position in the source, from 0.
        timestamp: Seconds on the source's own clock: media time for files, images and the
            simulated tank, the monotonic clock for cameras and streams.
    """

    image: NDArray[np.uint8]
    index: int
    timestamp: float


class VideoSource(Protocol):
    """Gives pictures one after another."""

    @property
    def info(self) -> SourceInfo:
        """What is known about the source."""
        ...

    def read(self) -> SourceFrame | None:
        """The next picture, or None at the end.

        Raises:
            SourceError: If the source fails.
        """
        ...

    def close(self) -> None:
        """Lets go of the file or device; may be called more than once."""
        ...
