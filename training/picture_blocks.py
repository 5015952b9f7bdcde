"""Blocks of the pictures of a folder, any of which can be read by itself, several at once."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from functools import partial

from fishrt.preprocess import Preprocessor
from fishrt.video import SourceInfo
from fishrt.video.in_order import done_in_order
from fishrt.video.prefetch import WORKERS, keep_freed_memory
from fishrt.video.source import IndexedSource
from training.picture_block import PictureBlock
from training.picture_helpers import Room, helpers

# Many small pictures, so that what is done once a block costs little, and few large ones, whose
# files take memory: about 16 MiB a block at most, of which some are under way for every worker. In
# steps that share the shake meter's beat of 15, so that the pictures that it compares mostly lie
# in one block.
BLOCK_SIZES, BLOCK_BYTES = (60, 15, 5, 3), 16 * 1024**2
BLOCKS_AHEAD_PER_WORKER = 4


@contextlib.contextmanager
def blocks_ahead(
    source: IndexedSource, preprocess: Preprocessor, first_number: Callable[[int], int]
) -> Iterator[Iterator[PictureBlock]]:
    """Reads a source block by block, ahead of whoever takes the blocks.

    Of a long one in processes that help this one; see `training.picture_helpers`.

    Args:
        source: An open source, which nobody else reads meanwhile.
        preprocess: What makes frames; without deflicker, which needs the pictures in order.
        first_number: For a picture of the source, the likely number of the frame it fills, which
            decides where shake is measured.

    Yields:
        The blocks in order. Frames and files of one are overwritten when the next one is taken.
    """
    keep_freed_memory()
    info = source.info
    size = block_size(info)
    ahead = BLOCKS_AHEAD_PER_WORKER * WORKERS
    # of grey pictures hardly a file is larger than half the picture
    files = size * info.width * info.height // 2
    room = Room(ahead, size, preprocess.height, preprocess.width, files)
    places = itertools.cycle(range(ahead))
    with helpers(preprocess, room, pictures=info.frame_count or 0) as crew:

        def next_task() -> Callable[[], PictureBlock] | None:
            part = source.claim(size)
            if part is None:
                return None
            return partial(crew.look_at, part, first_number(part.pictures.start), next(places))

        with done_in_order(next_task, workers=crew.threads, ahead=ahead) as blocks:
            yield blocks


def block_size(info: SourceInfo) -> int:
    """Pictures in a block."""
    fitting = BLOCK_BYTES // (info.width * info.height * 3)
    return next((size for size in BLOCK_SIZES if size <= fitting), BLOCK_SIZES[-1])
