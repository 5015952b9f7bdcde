"""Blocks of consecutive pictures, on which is done at once all that needs no order."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fishrt.errors import FishrtError, SourceError
from fishrt.footage.shake import compares
from fishrt.motion import motion_energy
from fishrt.preprocess import Preprocessor, mean_brightness
from fishrt.video.in_order import done_in_order
from fishrt.video.prefetch import WORKERS, keep_freed_memory
from fishrt.video.source import EncodedSource

# Many small pictures, so that what is done once a block costs little, and few large ones, which
# take memory: about 8 MiB a block, of which some are under way for every worker.
BLOCK_PICTURES, BLOCK_BYTES = 32, 8 * 1024**2
BLOCKS_AHEAD_PER_WORKER = 3


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
        files: Their files, damaged ones included, as the digest of a folder takes them.
        views: The camera pictures that are likely to be asked for, by entry.
        view_again: Reads one anew, given its number in the source; see `view`.
    """

    pictures: range
    whole: list[int]
    frames: NDArray[np.uint8]
    energy: NDArray[np.float64]
    brightness: NDArray[np.float64]
    timestamps: NDArray[np.float64]
    errors: dict[int, FishrtError]
    files: bytes
    views: dict[int, NDArray[np.uint8]]
    view_again: Callable[[int], NDArray[np.uint8]]

    def view(self, entry: int) -> NDArray[np.uint8]:
        """The grey camera picture within the region of interest, uint8 `(H, W)`.

        Most are not kept but decoded anew, because few are asked for.
        """
        kept = self.views.get(entry)
        return self.view_again(self.pictures[self.whole[entry]]) if kept is None else kept


def blocks_ahead(
    source: EncodedSource, preprocess: Preprocessor, first_number: Callable[[int], int]
) -> AbstractContextManager[Iterator[PictureBlock]]:
    """Reads a source block by block in threads, ahead of whoever takes the blocks.

    Args:
        source: An open source, which nobody else reads meanwhile.
        preprocess: What makes frames; without deflicker, which needs the pictures in order.
        first_number: For a picture of the source, the likely number of the frame it fills, which
            decides which views are kept for the shake meter.

    Yields:
        The blocks in order.
    """
    keep_freed_memory()
    size = min(max(BLOCK_BYTES // (source.info.width * source.info.height * 3), 1), BLOCK_PICTURES)

    def next_task() -> Callable[[], PictureBlock] | None:
        pictures = source.claim_range(size)
        number = first_number(pictures.start)
        return (lambda: look_at(source, pictures, preprocess, number)) if pictures else None

    return done_in_order(next_task, workers=WORKERS, ahead=BLOCKS_AHEAD_PER_WORKER * WORKERS)


def look_at(
    source: EncodedSource, pictures: range, preprocess: Preprocessor, number: int
) -> PictureBlock:
    """Reads a block of pictures, in whatever thread.

    Args:
        source: Where they are.
        pictures: Which ones.
        preprocess: What makes frames.
        number: The likely number of the frame that the first one fills.
    """
    frames = np.empty((len(pictures), preprocess.height, preprocess.width), np.uint8)
    whole: list[int] = []
    brightness: list[float] = []
    timestamps: list[float] = []
    views: dict[int, NDArray[np.uint8]] = {}
    errors: dict[int, FishrtError] = {}
    files: list[bytes] = []
    for at, index in enumerate(pictures):
        try:
            data = source.encoded(index)
            files += (source.file_name(index).encode(), b"\0", data)
            picture = source.decoded(index, data)
            view = preprocess.view(picture.image)
            entry = len(whole)
            frames[entry] = preprocess.frame(view)
        except FishrtError as error:
            errors[at] = error
            continue
        except Exception as error:  # whatever a decoder throws, whoever reads must hear of it
            errors[at] = _told(source.info.name, error)
            continue
        if compares(number + entry):
            views[entry] = view
        whole.append(at)
        brightness.append(mean_brightness(view))
        timestamps.append(picture.timestamp)
    frames = frames[: len(whole)]
    return PictureBlock(
        pictures,
        whole,
        frames,
        motion_energy(frames),
        np.array(brightness, np.float64),
        np.array(timestamps, np.float64),
        errors,
        b"".join(files),
        views,
        lambda index: preprocess.view(source.decoded(index, source.encoded(index)).image),
    )


def _told(name: str, error: Exception) -> SourceError:
    failure = SourceError(f"reading {name} failed ({type(error).__name__}: {error}).")
    failure.__cause__ = error
    return failure
