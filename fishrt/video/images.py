"""A folder of numbered pictures as a video source, such as the published 00000.png, 00001.png."""

import contextlib
import os
import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.errors import SourceError
from fishrt.preprocess import size_text
from fishrt.video.source import (
    DamagedPictureError,
    SourceFrame,
    SourceInfo,
    SourceKind,
    size_change_sentence,
)

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
WORKERS = min(os.cpu_count() or 1, 8)  # OpenCV decodes without holding the interpreter
LOOK_AHEAD = 4 * WORKERS  # pictures
LOOK_AHEAD_BYTES = 256 * 1024**2  # fewer of large ones, but one for every worker
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
        self._files = _numbered_pictures(folder)
        self._first_number = self._files[0][0]
        self._fps = fps
        self._next = 0
        self._pool: ThreadPoolExecutor | None = None
        self._ahead: deque[Future[NDArray[np.uint8]]] = deque()
        first = _first_whole([path for _, path in self._files])
        self._shape = first.shape[:2]
        self._look_ahead = max(WORKERS, min(LOOK_AHEAD, LOOK_AHEAD_BYTES // first.nbytes))
        self.info = SourceInfo(
            SourceKind.IMAGES, str(folder), first.shape[1], first.shape[0], fps, len(self._files)
        )
        self.ended_early = None  # the pictures are counted, so the end is where it was declared

    def read(self) -> SourceFrame | None:
        """The next picture, uint8 `(H, W)` grey or `(H, W, 3)` BGR, or None at the end.

        Raises:
            DamagedPictureError: If it is no picture; the next call gives the one after it.
            SourceError: If it cannot be read, or has another size than the first one.
        """
        if self._next >= len(self._files):
            return None
        index = self._next
        self._next += 1
        try:
            image = self._checked(index, self._decoded(index))
        except DamagedPictureError:
            raise
        except SourceError:
            self._next = index  # what is wrong here may be mended; it is asked for once more
            self._ahead.clear()
            raise
        return SourceFrame(image, index, self._timestamp(index))

    def skip(self) -> float | None:
        """Passes over the next picture without reading it and gives its timestamp."""
        if self._next >= len(self._files):
            return None
        self._next += 1
        if self._ahead:
            self._ahead.popleft().cancel()
        return self._timestamp(self._next - 1)

    def spread(self, count: int) -> Iterator[NDArray[np.uint8]]:
        """At most `count` pictures spread evenly over the whole folder; `read` goes on as before.

        Damaged ones are left out: that is for whoever reads the whole folder to judge.

        Raises:
            SourceError: If one cannot be read, or has another size than the first one.
        """
        for position in spread_positions(len(self._files), count):
            with contextlib.suppress(DamagedPictureError):
                yield self._checked(position, _read_picture(self._files[position][1]))

    def close(self) -> None:
        """Ends the source; `read` gives None from now on."""
        self._next = len(self._files)
        self._ahead.clear()
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _decoded(self, index: int) -> NDArray[np.uint8]:
        """Picture `index`, which `read` wants now; those after it are being decoded already."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="fishrt-image")
        while len(self._ahead) < self._look_ahead and index + len(self._ahead) < len(self._files):
            path = self._files[index + len(self._ahead)][1]
            self._ahead.append(self._pool.submit(_read_picture, path))
        return self._ahead.popleft().result()

    def _timestamp(self, index: int) -> float:
        return (self._files[index][0] - self._first_number) / self._fps

    def _checked(self, index: int, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if image.shape[:2] != self._shape:
            before = f"{self.info.width}x{self.info.height}"
            raise SourceError(size_change_sentence(self.info.name, index, before, size_text(image)))
        return image


def spread_positions(total: int, count: int) -> list[int]:
    """At most `count` positions in `0 .. total - 1`, evenly spread with both ends included."""
    return [int(at) for at in np.unique(np.linspace(0, total - 1, min(count, total)).round())]


def _numbered_pictures(folder: Path) -> list[tuple[int, Path]]:
    """Number and path of every numbered picture, in the order of the numbers."""
    numbered: dict[int, Path] = {}
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise SourceError(
            f"cannot list the folder {folder}: {error.strerror}; check its permissions."
        ) from error
    for path in paths:
        number = _LAST_NUMBER.search(path.stem)
        hidden = path.name.startswith(".")
        if hidden or number is None or path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        other = numbered.setdefault(int(number[1]), path)
        if other is not path:
            raise SourceError(
                f"the folder {folder} has two pictures with number {int(number[1])} "
                f"({other.name} and {path.name}); leave only one series in it."
            )
    if not numbered:
        raise SourceError(
            f"the folder {folder} holds no numbered pictures (00000.png, 00001.png, ...; also jpg, "
            "tif or bmp); give a folder that does, or a video file."
        )
    return sorted(numbered.items())


def _first_whole(paths: list[Path]) -> NDArray[np.uint8]:
    """The first picture that is not damaged; if all are, what is wrong with the first one."""
    damage: list[DamagedPictureError] = []
    for path in paths:
        try:
            return _read_picture(path)
        except DamagedPictureError as error:
            damage.append(error)
    raise damage[0]


def _read_picture(path: Path) -> NDArray[np.uint8]:
    """One picture as uint8 grey `(H, W)` or BGR `(H, W, 3)`."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        # unchanged, so that a 16-bit picture is seen for what it is and not silently darkened
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    except OSError as error:
        raise SourceError(
            f"cannot read the picture {path}: {error.strerror}; check its permissions."
        ) from error
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
