"""One block of consecutive pictures: what is read of it, and what that becomes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fishrt.errors import FishrtError, SourceError
from fishrt.footage.shake import ShakeMeter
from fishrt.motion import motion_energy
from fishrt.preprocess import Preprocessor, mean_brightness
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
        shifts: How far the camera moved from the entry before to this one, where that is likely to
            be asked for; as `ShakeMeter.push` gives it, by entry.
        errors: What is wrong with the others of `pictures`, by position.
        files: Their files, damaged ones included, as the digest of a folder takes them.
    """

    pictures: range
    whole: list[int]
    frames: NDArray[np.uint8]
    energy: NDArray[np.float64]
    brightness: NDArray[np.float64]
    timestamps: NDArray[np.float64]
    shifts: dict[int, NDArray[np.float32]]
    errors: dict[int, FishrtError]
    files: bytes | memoryview

    def picture(self, entry: int) -> int:
        """Which picture of the source an entry is."""
        return self.pictures[self.whole[entry]]


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
    whole: list[int] = []
    brightness: list[float] = []
    timestamps: list[float] = []
    shifts: dict[int, NDArray[np.float32]] = {}
    errors: dict[int, FishrtError] = {}
    files: list[bytes] = []
    meter = ShakeMeter()
    for at, index in enumerate(part.pictures):
        try:
            data = part.encoded(index)
            files += (part.file_name(index).encode(), b"\0", data)
            picture = part.decoded(index, data)
            view = preprocess.view(picture.image)
            entry = len(whole)
            preprocess.frame(view, out=frames[entry])
        except FishrtError as error:
            errors[at] = error
            continue
        except Exception as error:  # whatever a decoder throws, whoever reads must hear of it
            errors[at] = _told(part.name, error)
            continue
        if (shift := meter.push(number + entry, view)) is not None:
            shifts[entry] = shift
        whole.append(at)
        brightness.append(mean_brightness(view))
        timestamps.append(picture.timestamp)
    frames = frames[: len(whole)]
    return PictureBlock(
        part.pictures,
        whole,
        frames,
        motion_energy(frames),
        np.array(brightness, np.float64),
        np.array(timestamps, np.float64),
        shifts,
        errors,
        b"".join(files),
    )


def _told(name: str, error: Exception) -> SourceError:
    failure = SourceError(f"reading {name} failed ({type(error).__name__}: {error}).")
    failure.__cause__ = error
    return failure
