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

# From so many pixels on, pictures are made grey by whoever takes the blocks: a large one keeps the
# only thread that decodes busy enough.
LARGE_PICTURE = 1 << 18


class _Decoded(NamedTuple):
    image: NDArray[np.uint8]
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
    info = source.info

    def grey(picture: SourceFrame) -> _Decoded:
        return _Decoded(preprocess.view(picture.image), picture.timestamp)

    large = info.width * info.height >= LARGE_PICTURE
    look, to_view = (_as_it_is, preprocess.view) if large else (grey, _unchanged)
    frames = np.empty((block_size(info), preprocess.height, preprocess.width), np.uint8)
    with decoded_ahead(source, look) as pictures:
        yield _blocks(pictures, to_view, lambda: BlockMaker(preprocess, frames), first)


def _blocks(
    pictures: OneByOne[_Decoded],
    to_view: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    new_maker: Callable[[], BlockMaker],
    first: int,
) -> Iterator[PictureBlock]:
    while items := pictures.next_block():
        maker, views = new_maker(), []
        for item in items:
            try:
                if isinstance(item, FishrtError):
                    raise item
                view = to_view(item.image)
                maker.add(view, item.timestamp)
                views.append(view)
            except FishrtError as error:
                maker.fail(error)
        block = maker.block(range(first, first + len(items)))
        yield replace(block, views=tuple(views))
        first += len(items)


def _as_it_is(picture: SourceFrame) -> _Decoded:
    return _Decoded(picture.image, picture.timestamp)


def _unchanged(view: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return view
