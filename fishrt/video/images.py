"""A folder of numbered pictures as a video source, such as the published 00000.png, 00001.png."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.errors import SourceError
from fishrt.preprocess import size_text
from fishrt.storage import read_small_file
from fishrt.video.numbered_names import NumberedNames, numbered_pictures
from fishrt.video.png import END as PNG_END
from fishrt.video.png import is_cut_short, read_plain_png
from fishrt.video.source import (
    DamagedPictureError,
    SourceFrame,
    SourceInfo,
    SourceKind,
    UnreadablePictureError,
    decoded,
    size_change_sentence,
)


@dataclass(frozen=True)
class FolderPart:
    """Consecutive pictures of a folder; a `PicturePart`.

    Attributes:
        name: The folder as the user named it.
        pictures: Which pictures of the source these are.
        names: Their names.
        timestamps: Of each of them in seconds, float64 `(N,)`.
        size: Width and height that they must have.
        skip_damaged: Whether one that cannot be read, or does not fit, is a damaged one.
    """

    name: str
    pictures: range
    names: NumberedNames
    timestamps: NDArray[np.float64]
    size: tuple[int, int]
    skip_damaged: bool = False

    def file_name(self, index: int) -> str:
        """Name of the file that holds a picture, without its folder."""
        return self._names[index - self.pictures.start]

    @cached_property
    def _names(self) -> list[str]:
        return self.names.all()

    def encoded(self, index: int) -> bytes:
        """The file of a picture; see `PicturePart`."""
        return _read_file(self._path(index), self.skip_damaged)

    def image(self, index: int, data: bytes) -> NDArray[np.uint8]:
        """A picture from its file; see `PicturePart`."""
        plain = read_plain_png(data)
        image = _read_any(self._path(index), data, self.skip_damaged) if plain is None else plain
        if (image.shape[1], image.shape[0]) != self.size:
            before = f"{self.size[0]}x{self.size[1]}"
            unfit = DamagedPictureError if self.skip_damaged else SourceError
            raise unfit(size_change_sentence(self.name, index, before, size_text(image)))
        return image

    def _path(self, index: int) -> str:
        return _path(self.name, self.file_name(index))


class ImageFolder:
    """The numbered pictures of a folder, in the order of their numbers.

    The timestamps follow the numbers, so a number that is missing is time that was lost.
    `info` and `ended_early` are as `VideoSource` says.
    """

    def __init__(self, folder: Path, fps: float, *, skip_damaged: bool = False) -> None:
        """Lists the pictures and reads the first one that is whole, for the size.

        Args:
            folder: The folder; files in it that are no numbered pictures are left alone.
            fps: Frames a second that the numbers count.
            skip_damaged: Whether whoever reads leaves damaged pictures out, and would rather have
                a `DamagedPictureError` for whatever else is wrong with a single one.

        Raises:
            SourceError: If there is no numbered picture, or none can be read.
        """
        self._skip_damaged = skip_damaged
        self._names = numbered_pictures(folder)
        self._fps = fps
        self._next = 0
        count = len(self._names)
        paths = (_path(str(folder), self._names.name(at)) for at in range(count))
        first = _first_whole(paths, skip_damaged)
        height, width = first.shape[:2]
        self.info = SourceInfo(SourceKind.IMAGES, str(folder), width, height, fps, count)
        self.ended_early = None  # the pictures are counted, so the end is where it was declared

    @property
    def alphabetical(self) -> bool:
        """Whether these are all pictures of their folder, in the order of their names."""
        return self._names.alphabetical

    def read(self) -> SourceFrame | None:
        """The next picture, uint8 `(H, W)` grey or `(H, W, 3)` BGR, or None at the end.

        Raises:
            DamagedPictureError: If it is no picture; the next call gives the one after it.
            SourceError: If it cannot be read, or has another size than the first one.
        """
        if self._next >= len(self._names):
            return None
        self._next += 1
        try:
            return self._decoded(self._next - 1)
        except DamagedPictureError:
            raise
        except SourceError:
            self._next -= 1  # what is wrong here may be mended; it is asked for once more
            raise

    def claim(self, count: int) -> FolderPart | None:
        """Passes over at most `count` pictures; see `IndexedSource`."""
        first = self._next
        self._next = min(first + count, len(self._names))
        return self.part(range(first, self._next)) if first < self._next else None

    def part(self, pictures: range) -> FolderPart:
        """Some of the pictures; see `IndexedSource`."""
        names = self._names.part(pictures)
        return FolderPart(
            self.info.name,
            pictures,
            names,
            (names.numbers - self._names.numbers[0]) / self._fps,
            (self.info.width, self.info.height),
            self._skip_damaged,
        )

    def skip(self) -> float | None:
        """Passes over the next picture without reading it and gives its timestamp."""
        if self._next >= len(self._names):
            return None
        self._next += 1
        return self._timestamp(self._next - 1)

    def spread(self, count: int) -> Iterator[NDArray[np.uint8]]:
        """At most `count` pictures spread evenly over the whole folder; `read` goes on as before.

        Damaged ones are left out: that is for whoever reads the whole folder to judge.

        Raises:
            SourceError: If one cannot be read, or has another size than the first one.
        """
        for position in spread_positions(len(self._names), count):
            with contextlib.suppress(DamagedPictureError):
                yield self._decoded(position).image

    def close(self) -> None:
        """Ends the source; `read` gives None from now on."""
        self._next = len(self._names)

    def _decoded(self, index: int) -> SourceFrame:
        return decoded(self.part(range(index, index + 1)), index)

    def _timestamp(self, index: int) -> float:
        return float((self._names.numbers[index] - self._names.numbers[0]) / self._fps)


def _path(folder: str, name: str) -> str:
    return f"{folder}{os.sep}{name}"


def spread_positions(total: int, count: int) -> list[int]:
    """At most `count` positions in `0 .. total - 1`, evenly spread with both ends included."""
    return [int(at) for at in np.unique(np.linspace(0, total - 1, min(count, total)).round())]


def _first_whole(paths: Iterator[str], skip_damaged: bool) -> NDArray[np.uint8]:
    """The first picture that is not damaged; if all are, what is wrong with the first one."""
    damage: DamagedPictureError | None = None
    for path in paths:
        try:
            return _read_any(path, _read_file(path, skip_damaged), skip_damaged)
        except DamagedPictureError as error:
            damage = damage or error
    raise damage or AssertionError("no pictures")


def _read_file(path: str, skip_damaged: bool) -> bytes:
    try:
        return read_small_file(path, PNG_END)
    except OSError as error:
        unreadable = UnreadablePictureError if skip_damaged else SourceError
        raise unreadable(
            f"cannot read the picture {path}: {error.strerror}; check its permissions."
        ) from error


def _read_any(path: str, data: bytes, skip_damaged: bool) -> NDArray[np.uint8]:
    """A picture of any kind as uint8 grey `(H, W)` or BGR `(H, W, 3)`, by OpenCV."""
    try:
        # unchanged, so that a 16-bit picture is seen for what it is and not silently darkened
        encoded = np.frombuffer(data, np.uint8)
        whole = bool(data) and not is_cut_short(data)  # libpng would print a line of its own
        image = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if whole else None
    except cv2.error:
        image = None
    if image is None:
        raise DamagedPictureError(
            f"the picture {path} is damaged or cut short; copy it again, or remove it (its time "
            "then counts as lost)."
        )
    if image.dtype != np.uint8:
        unfit = DamagedPictureError if skip_damaged else SourceError
        raise unfit(
            f"the picture {path} has {image.dtype} pixels, but 8-bit ones (uint8) are needed; "
            "convert the footage to 8 bits first."
        )
    colour = np.asarray(image, np.uint8)
    return colour[:, :, :3] if colour.ndim == 3 and colour.shape[2] == 4 else colour
