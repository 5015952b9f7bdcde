"""What every video source has in common, whatever it reads from."""

import enum
import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fishrt.cut import Cut
from fishrt.errors import SourceError


class SourceKind(enum.StrEnum):
    """Where pictures come from."""

    FILE = "file"
    IMAGES = "images"
    CAMERA = "camera"
    URL = "url"
    PIPELINE = "pipeline"
    DEMO = "demo"
    RECORDING = "recording"


@dataclass(frozen=True)
class SourceInfo:
    """What is known about a source when it is opened.

    Attributes:
        kind: Where the pictures come from.
        name: As the user named it.
        width: Picture width in pixels.
        height: Picture height in pixels.
        declared_fps: Frames a second as the header or the driver says (for image folders and
            the simulated tank: as the caller says), or None where that is missing or nonsense.
        frame_count: Number of pictures as the header says, or None where there is no end.
        notes: A sentence for each thing that the source was asked for and does not do.
    """

    kind: SourceKind
    name: str
    width: int
    height: int
    declared_fps: float | None
    frame_count: int | None
    notes: tuple[str, ...] = ()

    @property
    def is_live(self) -> bool:
        """Whether pictures come at their own pace and are lost when nobody takes them."""
        # a video behind a URL whose length is known is read like a file
        live = (SourceKind.CAMERA, SourceKind.URL, SourceKind.PIPELINE)
        return self.kind in live and self.frame_count is None


@dataclass(frozen=True)
class SourceFrame:
    """One picture as it came from a source, before preprocessing.

    Attributes:
        image: uint8 `(H, W)` grey or `(H, W, 3)` BGR.
        index: Position in the source, from 0.
        timestamp: Seconds on the source's own clock: media time for files, images and the
            simulated tank, the monotonic clock for cameras and streams.
        cut: Why the picture does not follow the one before it, if the source knows that it does
            not; else None, and the timestamps tell.
        repeated: Whether the source says that it is the picture before once more, because there
            was none for its time.
        arrived: When the picture came, before it was decoded as far as that can be told, in
            seconds on the monotonic clock; None where pictures wait for us.
        age_s: How old it was by then, as far as the source knows; else 0.
    """

    image: NDArray[np.uint8]
    index: int
    timestamp: float
    cut: Cut | None = None
    repeated: bool = False
    arrived: float | None = None
    age_s: float = 0.0


class VideoSource(Protocol):
    """Gives pictures one after another."""

    @property
    def info(self) -> SourceInfo:
        """What is known about the source."""
        ...

    @property
    def ended_early(self) -> str | None:
        """One sentence if the source ended before the end that it declared, else None."""
        ...

    def read(self) -> SourceFrame | None:
        """The next picture, or None at the end.

        Raises:
            DamagedPictureError: If this picture cannot be had, but perhaps the next one.
            SourceError: If the source fails.
        """
        ...

    def close(self) -> None:
        """Lets go of the file or device; may be called more than once."""
        ...


@runtime_checkable
class RecordedSource(VideoSource, Protocol):
    """A source that waits for us and gives the same pictures whenever it is read."""

    def skip(self) -> float | None:
        """Passes over the next picture, which is cheaper than reading it.

        Returns:
            Its timestamp, or None at the end.
        """
        ...


class PicturePart(Protocol):
    """Consecutive pictures of a source; small, and can be sent to another process.

    Any thread or process may read and decode any of them, at any time and as often as it likes.
    """

    @property
    def name(self) -> str:
        """The source, as the user named it."""
        ...

    @property
    def pictures(self) -> range:
        """Which pictures of the source these are."""
        ...

    @property
    def timestamps(self) -> NDArray[np.float64]:
        """Of each of them, in seconds on the source's clock, float64 `(N,)`."""
        ...

    def file_name(self, index: int) -> str:
        """Name of the file that holds a picture, without its folder.

        Args:
            index: The picture, as the source counts.
        """
        ...

    def encoded(self, index: int) -> bytes:
        """A picture as it is stored.

        Raises:
            UnreadablePictureError: If it cannot be read, and such are to be left out.
            SourceError: If it cannot be read.
        """
        ...

    def image(self, index: int, data: bytes) -> NDArray[np.uint8]:
        """A picture from what `encoded` gave: uint8 `(H, W)` grey or `(H, W, 3)` BGR.

        Raises:
            DamagedPictureError: If it is no picture, or one that is to be left out.
            SourceError: If it has another size than the first one.
        """
        ...


def decoded(part: PicturePart, index: int) -> SourceFrame:
    """Reads a picture of a part.

    Raises:
        DamagedPictureError: If it is damaged, or one that is to be left out.
        SourceError: If it cannot be read, or has another size than the first one.
    """
    image = part.image(index, part.encoded(index))
    return SourceFrame(image, index, float(part.timestamps[index - part.pictures.start]))


@runtime_checkable
class IndexedSource(RecordedSource, Protocol):
    """A recorded source each picture of which can be decoded by itself."""

    @property
    def alphabetical(self) -> bool:
        """Whether these are all pictures of their folder, in the order of their names."""
        ...

    def claim(self, count: int) -> PicturePart | None:
        """Passes over at most `count` pictures.

        Returns:
            Those, to be decoded later and by whoever; None at the end.
        """
        ...

    def part(self, pictures: range) -> PicturePart:
        """Pictures that were passed over before, once more."""
        ...


class DamagedPictureError(SourceError):
    """One picture cannot be had; `read` goes on with the next one.

    One that is damaged, of a folder; where damaged pictures are to be left out also one that
    cannot be opened or does not fit, or that a video file lacks because it is damaged there.
    """


class UnreadablePictureError(DamagedPictureError):
    """The file of one picture cannot be read, where such are to be left out."""


MAX_PLAUSIBLE_FPS = 1000.0


def plausible_fps(fps: float) -> float | None:
    """A declared frame rate, or None if it is nonsense (0, NaN, or a time base such as 90000)."""
    return fps if math.isfinite(fps) and 0.0 < fps <= MAX_PLAUSIBLE_FPS else None


def size_change_sentence(name: str, number: int, before: str, after: str) -> str:
    """The error for a picture that has another size than the first one.

    Args:
        name: The source, or the file, as the user knows it.
        number: Which picture, counted from 0.
        before: Size of the first picture, such as `320x240`.
        after: Size of this one.
    """
    return (
        f"the picture size of {name} changes from {before} to {after} at picture {number}; give "
        "footage of one size, and run the parts one by one."
    )
