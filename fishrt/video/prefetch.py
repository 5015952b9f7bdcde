"""Decoding ahead: in a thread of its own, or in several where every picture stands by itself."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Generic, TypeAlias, TypeVar, cast

import cv2
import numpy as np

from fishrt.cores import usable_cores
from fishrt.errors import SourceError
from fishrt.video.in_order import done_in_order, wait_for
from fishrt.video.source import (
    DamagedPictureError,
    IndexedSource,
    PicturePart,
    SourceFrame,
    SourceInfo,
    VideoSource,
    decoded,
)

WORKERS = min(usable_cores(), 8)  # OpenCV and libdeflate work without holding the interpreter
# Pictures are handed over in blocks of so many: a queue for each would take longer than a small
# picture. Fewer of larger ones, which are soon out of the cache, and of slow ones.
BLOCK_PICTURES, BLOCK_BYTES, BLOCK_SECONDS = 16, 2 * 1024**2, 0.05
# Blocks that may wait for whoever takes them.
BLOCKS_AHEAD, BLOCKS_AHEAD_PER_WORKER = 4, 3
BYTES_AHEAD = 128 * 1024**2  # fewer of large pictures, but two, or one for every worker
LARGEST_KEPT = 24 * 1024**2  # glibc knows nothing larger than 32 MiB

_Seen = TypeVar("_Seen")
_Item: TypeAlias = _Seen | SourceError | None  # None is the end
_NOTHING = object()  # at the end of a block


class OneByOne(Iterator[_Seen], Generic[_Seen]):
    """The items of blocks, one after another, and the errors among them raised in their place.

    After a `DamagedPictureError` the next call gives the item behind it; every other error, like
    the end, is the last thing that it gives.
    """

    def __init__(
        self, next_block: Callable[[], list[_Item[_Seen]]], taken: Callable[[], None] | None = None
    ) -> None:
        self._next_block = next_block
        self._taken = taken
        self._block: Iterator[object] = iter(())
        self._over = False

    def __next__(self) -> _Seen:
        """The next item.

        Raises:
            SourceError: What the source, or looking at its picture, raised at this place.
            StopIteration: At the end.
        """
        if self._over:
            raise StopIteration
        item = next(self._block, _NOTHING)
        if item is _NOTHING:
            self._block = iter(self._next_block())
            item = next(self._block)
        if self._taken:
            self._taken()
        if item is None:
            self._over = True
            raise StopIteration
        if isinstance(item, SourceError):
            self._over = _is_last(item)
            raise item
        return cast(_Seen, item)

    def next_block(self) -> list[_Seen | SourceError]:
        """Whatever was handed over together, errors in their places; empty at the end.

        Not to be mixed with `__next__`, which says what comes after an error.
        """
        items: list[_Seen | SourceError] = []
        while not self._over and not items:
            for item in self._next_block():
                if self._taken:
                    self._taken()
                self._over = self._over or _is_last(item)
                if item is not None:
                    items.append(item)
        return items

    def stop(self) -> None:
        """Gives nothing more."""
        self._over = True


class DecodedAhead(OneByOne[_Seen]):
    """What `look` gives for the pictures of a source that a thread reads one after another.

    Use it through `decoded_ahead`.
    """

    def __init__(
        self, source: VideoSource, look: Callable[[SourceFrame], _Seen], capacity: int
    ) -> None:
        self._source = source
        self._look = look
        # Both queues are used without any lock of Python's own: Ctrl-C may come at any moment, and
        # must not leave one locked that the thread waits for.
        self._blocks: queue.SimpleQueue[list[_Item[_Seen]]] = queue.SimpleQueue()
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()  # one entry for every free place
        for _ in range(capacity):
            self._room.put(None)
        self._size = block_size(source.info)
        self._stopping = False
        self._thread = threading.Thread(target=self._read_all, name="fishrt-decode", daemon=True)
        super().__init__(self._blocks.get, partial(self._room.put, None))

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, when the read that it is in returns; may be called more than once.

        Ctrl-C meanwhile is put off until then: whoever comes next closes the source, and to close
        it under a read would crash OpenCV.
        """
        super().stop()
        self._stopping = True
        self._room.put(None)  # wakes the thread
        wait_for([self._thread])

    def _read_all(self) -> None:
        block: list[_Item[_Seen]] = []
        begun = 0.0
        while True:
            if block and (self._room.empty() or time.monotonic() - begun > BLOCK_SECONDS):
                self._blocks.put(block)
                block = []
            self._room.get()
            if self._stopping:
                return
            begun = begun if block else time.monotonic()
            block.append(item := _seen(self._source.read, self._look, self._source.info.name))
            if len(block) == self._size or _is_last(item):
                self._blocks.put(block)
                block = []
                if _is_last(item):
                    return


def _seen(
    read: Callable[[], SourceFrame | None], look: Callable[[SourceFrame], _Seen], name: str
) -> _Item[_Seen]:
    try:
        frame = read()
        return None if frame is None else look(frame)
    except SourceError as error:
        return error
    except Exception as error:  # whatever a decoder throws, whoever reads must hear of it
        failure = SourceError(f"reading {name} failed ({type(error).__name__}: {error}).")
        failure.__cause__ = error
        return failure


def _all_seen(part: PicturePart, look: Callable[[SourceFrame], _Seen]) -> list[_Item[_Seen]]:
    items: list[_Item[_Seen]] = []
    for index in part.pictures:
        items.append(_seen(partial(decoded, part, index), look, part.name))
        if _is_last(items[-1]):
            break
    return items


def _is_last(item: object) -> bool:
    """Whether nothing comes after it: the end, and errors that reading does not go on behind."""
    return item is None or (
        isinstance(item, SourceError) and not isinstance(item, DamagedPictureError)
    )


@contextlib.contextmanager
def decoded_ahead(
    source: VideoSource, look: Callable[[SourceFrame], _Seen], *, capacity: int | None = None
) -> Iterator[OneByOne[_Seen]]:
    """Reads a source in threads, some pictures ahead of whoever takes them.

    Args:
        source: An open source, which nobody else reads meanwhile; the caller closes it after the
            block.
        look: What is done with every picture where it is decoded, in whatever thread and order;
            of what it gives nothing must be None.
        capacity: Pictures that may wait, at least 1; None for as many as do the memory no harm.

    Yields:
        What `look` gave, in the order of the pictures.
    """
    if capacity is None:
        capacity = pictures_ahead(source.info, in_pool=isinstance(source, IndexedSource))
    keep_freed_memory()
    with (
        _in_pool(source, look, capacity)
        if isinstance(source, IndexedSource)
        else _in_a_thread(source, look, capacity)
    ) as seen:
        yield seen


@contextlib.contextmanager
def _in_a_thread(
    source: VideoSource, look: Callable[[SourceFrame], _Seen], capacity: int
) -> Iterator[OneByOne[_Seen]]:
    seen = DecodedAhead(source, look, capacity)
    try:
        seen.start()
        yield seen
    finally:
        seen.stop()


@contextlib.contextmanager
def _in_pool(
    source: IndexedSource, look: Callable[[SourceFrame], _Seen], capacity: int
) -> Iterator[OneByOne[_Seen]]:
    size = min(block_size(source.info), capacity)

    def next_task() -> Callable[[], list[_Item[_Seen]]] | None:
        part = source.claim(size)
        return None if part is None else partial(_all_seen, part, look)

    with done_in_order(next_task, workers=WORKERS, ahead=capacity // size) as blocks:
        seen: OneByOne[_Seen] = OneByOne(lambda: next(blocks, [None]))
        try:
            yield seen
        finally:
            seen.stop()


def block_size(info: SourceInfo) -> int:
    """Pictures that are handed over together."""
    return max(1, min(BLOCK_PICTURES, BLOCK_BYTES // _bytes(info)))


def pictures_ahead(info: SourceInfo, *, in_pool: bool = False) -> int:
    """Pictures that may wait for whoever takes them: some blocks, or fewer of large ones.

    Args:
        info: Their size.
        in_pool: Whether several threads decode them.
    """
    least, blocks = (WORKERS, BLOCKS_AHEAD_PER_WORKER * WORKERS) if in_pool else (2, BLOCKS_AHEAD)
    return max(least, min(blocks * block_size(info), BYTES_AHEAD // _bytes(info)))


def _bytes(info: SourceInfo) -> int:
    return info.width * info.height * 3


@contextlib.contextmanager
def single_threaded_opencv() -> Iterator[None]:
    """Keeps OpenCV from sharing out its work, where threads of ours do it side by side already.

    Its own threads wait for work by spinning, in the way of those that decode: at 1024x1024 that
    was a sixth of all processor time.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def keep_freed_memory() -> None:
    """Lets the C library keep what is freed for the next picture, not hand it back to the system.

    Every picture would else come with fresh memory, of which the system has to find and to clear
    every page: as much work as decoding a small one. glibc keeps more once a large block was
    freed (`mallopt(3)`, "dynamic mmap threshold"); elsewhere this does nothing.
    """
    np.empty(LARGEST_KEPT, np.uint8)  # never touched, so it takes no memory
