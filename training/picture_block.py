"""One block of consecutive pictures: what is read of it, and what that becomes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fishrt.deflicker import mean_brightness, mean_brightnesses
from fishrt.errors import FishrtError, SourceError
from fishrt.footage.shake import ShakeMeter
from fishrt.motion import motion_energy
from fishrt.preprocess import Preprocessor
from fishrt.video.source import PicturePart


@dataclass(frozen=True)
class PictureBlock:
    """Consecutive pictures of a source and what they became; n of them are whole.

    Attributes:
        pictures: Which pictures of the source these are.
        whole: Position of every entry below among `pictures`, ascending.
        frames: uint8 `(n, H, W)`.
        energy: Motion energy between the frames, float64 `(n - 1,)`.
        brightness: Mean grey level of the camera pictures within the region of interest, 0 .. 255,
            float64 `(n,)`.
        timestamps: Seconds on the source's clock, float64 `(n,)`.
        errors: What is wrong with the others of `pictures`, by position.
        shifts: How far the camera moved from the entry before to this one, where that is likely to
            be asked for and was measured already; as `ShakeMeter.push` gives it, by entry.
        files: Their files, damaged ones included, as the digest of a folder takes them; empty
            where the source has no file for each.
        views: The grey camera pictures within the region of interest, by entry, each uint8
            `(H, W)`; None where they can be read anew.
    """

    pictures: range
    whole: list[int]
    frames: NDArray[np.uint8]
    energy: NDArray[np.float64]
    brightness: NDArray[np.float64]
    timestamps: NDArray[np.float64]
    errors: dict[int, FishrtError]
    shifts: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    files: bytes | memoryview = b""
    views: tuple[NDArray[np.uint8], ...] | None = None

    def picture(self, entry: int) -> int:
        """Which picture of the source an entry is."""
        return self.pictures[self.whole[entry]]


class BlockMaker:
    """Makes a block of pictures, which it is given one after another."""

    def __init__(self, preprocess: Preprocessor, frames: NDArray[np.uint8]) -> None:
        """Begins a block.

        Args:
            preprocess: What makes frames.
            frames: Where the frames go, uint8 `(n, H, W)` with room for all.
        """
        self._preprocess = preprocess
        self._frames = frames
        self._count = 0
        self._whole: list[int] = []
        self._brightness: list[float] = []
        self._timestamps: list[float] = []
        self._errors: dict[int, FishrtError] = {}

    def add(self, view: NDArray[np.uint8], timestamp: float) -> int:
        """Takes the next picture.

        Args:
            view: uint8 `(H, W)`, as `Preprocessor.view` gives it.
            timestamp: Seconds on the source's clock.

        Returns:
            Which entry of the block it is.

        Raises:
            ConfigError: If the background has another size; the picture is not taken then.
        """
        entry = len(self._whole)
        self._preprocess.frame(view, out=self._frames[entry])
        self._brightness.append(mean_brightness(view))
        self._timestamps.append(timestamp)
        self._whole.append(self._count)
        self._count += 1
        return entry

    def add_all(self, views: NDArray[np.uint8], timestamps: Sequence[float]) -> None:
        """Takes the next pictures, as `add` takes one.

        Args:
            views: uint8 `(N, H, W)`, as `Preprocessor.views` gives them.
            timestamps: N seconds on the source's clock.

        Raises:
            ConfigError: If the background has another size; no picture is taken then.
        """
        count, entry = len(views), len(self._whole)
        self._preprocess.frames(views, self._frames[entry : entry + count])
        self._brightness += mean_brightnesses(views).tolist()
        self._timestamps += timestamps
        self._whole += range(self._count, self._count + count)
        self._count += count

    def fail(self, error: FishrtError) -> None:
        """Takes note that the next picture could not be read."""
        self._errors[self._count] = error
        self._count += 1

    def block(self, pictures: range) -> PictureBlock:
        """The block.

        Args:
            pictures: Which pictures of the source were taken.
        """
        frames = self._frames[: len(self._whole)]
        return PictureBlock(
            pictures,
            self._whole,
            frames,
            motion_energy(frames),
            np.array(self._brightness, np.float64),
            np.array(self._timestamps, np.float64),
            self._errors,
        )


def look_at(
    part: PicturePart, preprocess: Preprocessor, number: int, frames: NDArray[np.uint8]
) -> PictureBlock:
    """Reads a block of pictures, in whatever thread or process.

    Args:
        part: The pictures.
        preprocess: What makes frames.
        number: The likely number of the frame that the first one fills.
        frames: Where the frames go, uint8 `(n, H, W)` with room for all.
    """
    maker, meter = BlockMaker(preprocess, frames), ShakeMeter()
    shifts: dict[int, NDArray[np.float32]] = {}
    files: list[bytes] = []
    for index, timestamp in zip(part.pictures, part.timestamps.tolist(), strict=True):
        try:
            data = part.encoded(index)
            files += (part.file_name(index).encode(), b"\0", data)
            view = preprocess.view(part.image(index, data))
            entry = maker.add(view, timestamp)
        except FishrtError as error:
            maker.fail(error)
            continue
        except Exception as error:  # whatever a decoder throws, whoever reads must hear of it
            maker.fail(_told(part.name, error))
            continue
        means = frames[entry] if preprocess.only_shrinks else None
        if (shift := meter.push(number + entry, view, means)) is not None:
            shifts[entry] = shift
    return replace(maker.block(part.pictures), shifts=shifts, files=b"".join(files))


def _told(name: str, error: Exception) -> SourceError:
    failure = SourceError(f"reading {name} failed ({type(error).__name__}: {error}).")
    failure.__cause__ = error
    return failure
