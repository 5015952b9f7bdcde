"""Blocks of the pictures of a video, which a single thread has to read one after another."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fishrt.errors import FishrtError
from fishrt.preprocess import Preprocessor
from fishrt.video import SourceFrame, VideoSource
from fishrt.video.prefetch import OneByOne, block_size, decoded_ahead
from training.picture_block import BlockMaker, PictureBlock


class _Grey(NamedTuple):
    view: NDArray[np.uint8]
    timestamp: float


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

    def grey(picture: SourceFrame) -> _Grey:  # at once, while it is in the processor's cache
        return _Grey(preprocess.view(picture.image), picture.timestamp)

    size = block_size(source.info)
    frames = np.empty((size, preprocess.height, preprocess.width), np.uint8)
    with decoded_ahead(source, grey) as pictures:
        yield _blocks(pictures, lambda: BlockMaker(preprocess, frames), first)


def _blocks(
    pictures: OneByOne[_Grey], new_maker: Callable[[], BlockMaker], first: int
) -> Iterator[PictureBlock]:
    while items := pictures.next_block():
        maker, views = new_maker(), []
        for item in items:
            try:
                if isinstance(item, FishrtError):
                    raise item
                maker.add(*item)
                views.append(item.view)
            except FishrtError as error:
                maker.fail(error)
        block = maker.block(range(first, first + len(items)))
        yield replace(block, views=tuple(views))
        first += len(items)
