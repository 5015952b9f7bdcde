"""Blocks of the pictures of a video, which a single thread has to read one after another.

That thread and the one that takes the pictures work side by side only while neither needs Python's
lock, so whatever is handed over together is preprocessed in a few calls.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fishrt.errors import FishrtError
from fishrt.preprocess import Preprocessor
from fishrt.video import SourceFrame, VideoSource
from fishrt.video.prefetch import OneByOne, block_size, decoded_ahead
from training.picture_block import BlockMaker, PictureBlock

# A block is whole with so many pictures, or so much of them.
BLOCK_PICTURES, BLOCK_VIEW_BYTES = 32, 16 * 1024**2


@contextlib.contextmanager
def blocks_in_order(
    source: VideoSource, preprocess: Preprocessor, first: int
) -> Iterator[Iterator[PictureBlock]]:
    """Reads a source in a thread, ahead of whoever takes the blocks.

    Args:
        source: An open source, which nobody else reads meanwhile.
        preprocess: What makes frames; without deflicker.
        first: Which picture of the source comes next.

    Yields:
        The blocks in order, with their views and without shifts. Frames of one are overwritten
        when the next one is taken.
    """
    info = source.info
    whole = max(min(BLOCK_PICTURES, BLOCK_VIEW_BYTES // (info.width * info.height)), 1)
    if info.is_live:  # what came is to be written at once: it cannot be read again
        whole = 1
    room = whole - 1 + block_size(info)
    frames = np.empty((room, preprocess.height, preprocess.width), np.uint8)
    with decoded_ahead(source, lambda picture: picture) as pictures:
        yield _blocks(pictures, preprocess, frames, whole, first)


def _blocks(
    pictures: OneByOne[SourceFrame],
    preprocess: Preprocessor,
    frames: NDArray[np.uint8],
    whole: int,
    first: int,
) -> Iterator[PictureBlock]:
    while True:
        maker, views = BlockMaker(preprocess, frames), []
        count = 0
        while items := pictures.next_block():
            count += len(items)
            views += _taken(maker, preprocess, items)
            if count >= whole:
                break
        if not count:
            return
        yield replace(maker.block(range(first, first + count)), views=tuple(views))
        first += count


def _taken(
    maker: BlockMaker, preprocess: Preprocessor, items: Sequence[SourceFrame | FishrtError]
) -> list[NDArray[np.uint8]]:
    """Gives pictures to a block, and their views back."""
    views: list[NDArray[np.uint8]] = []
    run: list[SourceFrame] = []
    for item in (*items, None):
        if isinstance(item, SourceFrame):
            run.append(item)
            continue
        if run:
            new = preprocess.views([picture.image for picture in run])
            maker.add_all(new, [picture.timestamp for picture in run])
            views.extend(new)
            run = []
        if item is not None:
            maker.fail(item)
    return views
