"""A folder of numbered pictures as a video source, such as the published 00000.png, 00001.png."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.errors import SourceError
from fishrt.preprocess import size_text
from fishrt.storage import read_small_file
from fishrt.video.png import read_plain_png
from fishrt.video.source import (
    DamagedPictureError,
    SourceFrame,
    SourceInfo,
    SourceKind,
    size_change_sentence,
)

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
_PICTURE = re.compile(r"[^.].*(?:" + "|".join(map(re.escape, IMAGE_SUFFIXES)) + ")", re.IGNORECASE)
_LAST_NUMBER = re.compile(r"(\d+)\D*$")


class ImageFolder:
    """The numbered pictures of a folder, in the order of their numbers.

    The timestamps follow the numbers, so a number that is missing is time that was lost.
    `info` and `ended_early` are as `VideoSource` says.
    """

    def __init__(self, folder: Path, fps: float) -> None:
        """Lists the pictures and reads the first one that is whole, for the size.

        Args:
            folder: The folder; files in it that are no numbered pictures are left alone.
            fps: Frames a second that the numbers count.

        Raises:
            SourceError: If there is no numbered picture, or none can be read.
        """
        self._numbers, self._paths, self.alphabetical = _numbered_pictures(folder)
        self._fps = fps
        self._next = 0
        first = _first_whole(self._paths)
        self._shape = first.shape[:2]
        self.info = SourceInfo(
            SourceKind.IMAGES, str(folder), first.shape[1], first.shape[0], fps, len(self._paths)
        )
        self.ended_early = None  # the pictures are counted, so the end is where it was declared

    def read(self) -> SourceFrame | None:
        """The next picture, uint8 `(H, W)` grey or `(H, W, 3)` BGR, or None at the end.

        Raises:
            DamagedPictureError: If it is no picture; the next call gives the one after it.
            SourceError: If it cannot be read, or has another size than the first one.
        """
        decode = self.claim()
        try:
            return decode() if decode else None
        except DamagedPictureError:
            raise
        except SourceError:
            self._next -= 1  # what is wrong here may be mended; it is asked for once more
            raise

    def claim(self) -> Callable[[], SourceFrame] | None:
        """Passes over the next picture and gives what decodes it; see `IndexedSource`."""
        if self._next >= len(self._paths):
            return None
        self._next += 1
        return partial(self._decoded, self._next - 1)

    def claim_range(self, count: int) -> range:
        """Passes over at most `count` pictures; see `EncodedSource`."""
        first = self._next
        self._next = min(first + count, len(self._paths))
        return range(first, self._next)

    def file_name(self, index: int) -> str:
        """Name of the file that holds a picture, without its folder."""
        return self._paths[index].rpartition(os.sep)[2]

    def encoded(self, index: int) -> bytes:
        """The file of a picture; see `EncodedSource`."""
        return _read_file(self._paths[index])

    def decoded(self, index: int, data: bytes) -> SourceFrame:
        """A picture from its file; see `EncodedSource`."""
        image = _decode(self._paths[index], data)
        if image.shape[:2] != self._shape:
            before = f"{self.info.width}x{self.info.height}"
            raise SourceError(size_change_sentence(self.info.name, index, before, size_text(image)))
        return SourceFrame(image, index, self._timestamp(index))

    def skip(self) -> float | None:
        """Passes over the next picture without reading it and gives its timestamp."""
        if self._next >= len(self._paths):
            return None
        self._next += 1
        return self._timestamp(self._next - 1)

    def spread(self, count: int) -> Iterator[NDArray[np.uint8]]:
        """At most `count` pictures spread evenly over the whole folder; `read` goes on as before.

        Damaged ones are left out: that is for whoever reads the whole folder to judge.

        Raises:
            SourceError: If one cannot be read, or has another size than the first one.
        """
        for position in spread_positions(len(self._paths), count):
            with contextlib.suppress(DamagedPictureError):
                yield self._decoded(position).image

    def close(self) -> None:
        """Ends the source; `read` gives None from now on."""
        self._next = len(self._paths)

    def _decoded(self, index: int) -> SourceFrame:
        return self.decoded(index, self.encoded(index))

    def _timestamp(self, index: int) -> float:
        return (self._numbers[index] - self._numbers[0]) / self._fps


def spread_positions(total: int, count: int) -> list[int]:
    """At most `count` positions in `0 .. total - 1`, evenly spread with both ends included."""
    return [int(at) for at in np.unique(np.linspace(0, total - 1, min(count, total)).round())]


def picture_names(folder: Path) -> list[str]:
    """Names of all pictures of a folder, numbered or not, in alphabetical order.

    Raises:
        OSError: If the folder cannot be listed.
    """
    # names, not paths: making a Path of each takes longer than decoding a small picture
    return sorted(name for name in os.listdir(folder) if _PICTURE.fullmatch(name))  # noqa: PTH208


def _numbered_pictures(folder: Path) -> tuple[list[int], list[str], bool]:
    """All numbered pictures, in the order of the numbers.

    Returns:
        Their numbers, their paths, and whether these are all pictures in the order of their names.
    """
    numbered: dict[int, str] = {}
    try:
        names = picture_names(folder)
    except OSError as error:
        raise SourceError(
            f"cannot list the folder {folder}: {error.strerror}; check its permissions."
        ) from error
    for name in names:
        number = _LAST_NUMBER.search(name[: name.rindex(".")])
        if number is None:
            continue
        other = numbered.setdefault(int(number[1]), name)
        if other is not name:
            raise SourceError(
                f"the folder {folder} has two pictures with number {int(number[1])} "
                f"({other} and {name}); leave only one series in it."
            )
    if not numbered:
        raise SourceError(
            f"the folder {folder} holds no numbered pictures (00000.png, 00001.png, ...; also jpg, "
            "tif or bmp); give a folder that does, or a video file."
        )
    numbers = sorted(numbered)
    in_order = [numbered[number] for number in numbers]
    return numbers, [f"{folder}{os.sep}{name}" for name in in_order], in_order == names


def _first_whole(paths: list[str]) -> NDArray[np.uint8]:
    """The first picture that is not damaged; if all are, what is wrong with the first one."""
    damage: list[DamagedPictureError] = []
    for path in paths:
        try:
            return _decode(path, _read_file(path))
        except DamagedPictureError as error:
            damage.append(error)
    raise damage[0]


def _read_file(path: str) -> bytes:
    try:
        return read_small_file(path)
    except OSError as error:
        raise SourceError(
            f"cannot read the picture {path}: {error.strerror}; check its permissions."
        ) from error


def _decode(path: str, data: bytes) -> NDArray[np.uint8]:
    """One picture as uint8 grey `(H, W)` or BGR `(H, W, 3)`."""
    plain = read_plain_png(data)
    return _read_any(path, data) if plain is None else plain


def _read_any(path: str, data: bytes) -> NDArray[np.uint8]:
    """A picture of any kind, by OpenCV."""
    try:
        # unchanged, so that a 16-bit picture is seen for what it is and not silently darkened
        encoded = np.frombuffer(data, np.uint8)
        image = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error:
        image = None
    if image is None:
        raise DamagedPictureError(
            f"the picture {path} is damaged or cut short; copy it again, or remove it (its time "
            "then counts as lost)."
        )
    if image.dtype != np.uint8:
        raise SourceError(
            f"the picture {path} has {image.dtype} pixels, but 8-bit ones (uint8) are needed; "
            "convert the footage to 8 bits first."
        )
    colour = np.asarray(image, np.uint8)
    return colour[:, :, :3] if colour.ndim == 3 and colour.shape[2] == 4 else colour
