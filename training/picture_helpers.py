"""Processes that read blocks of pictures for this one.

Threads alone keep one and a half cores busy: a small picture is a dozen calls into libraries, and
after every one of them a thread waits for Python's lock.

A helper is told what to read through a pipe and puts what is large where this process sees it, too.
When this process dies, however it dies, the pipe ends and with it the helper. A helper that dies,
or that cannot be started, is no error: its work is done by a thread of this process.
"""

import contextlib
import itertools
import math
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.preprocess import Preprocessor
from fishrt.video.in_order import wait_for
from fishrt.video.prefetch import WORKERS, keep_freed_memory
from fishrt.video.source import PicturePart
from training.picture_block import PictureBlock, look_at
from training.shared_bytes import SharedBytes, SharedBytesInFile, shared_bytes

# To start them takes as long as to read so many pictures without them.
WORTH_PICTURES = 6_000
# What helpers share, because it is imported before they are forked: this, and what the script
# `fishrt` imports, which every helper looks into.
PRELOADED = [__name__, *({"fishrt.cli"} & sys.modules.keys())]
SAFE_PATH = "PYTHONSAFEPATH"  # as `python -P`
# Blocks that one helper is told at a time: while one is taken from it, it reads the next one.
TOLD_AHEAD = 2
# To wait for the first helpers is better than to begin without them: four threads in each other's
# way are so slow that helpers soon wait for them. Not for as long as the first start of all takes.
WAIT_SECONDS = 0.03
END_SECONDS = 5.0  # for a helper that is told to end; it has nothing to do


@dataclass(frozen=True)
class Room:
    """How much is held in memory that helpers share.

    Attributes:
        places: Blocks.
        pictures: Pictures in a block.
        height: Frame height in pixels.
        width: Frame width in pixels.
        files: Bytes for the files of a block; larger ones go through the pipe.
    """

    places: int
    pictures: int
    height: int
    width: int
    files: int

    @property
    def size(self) -> int:
        """All of it in bytes."""
        return self.places * (self.pictures * self.height * self.width + self.files)

    def frames(self, memory: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Where frames go, uint8 `(places, pictures, height, width)`."""
        shape = (self.places, self.pictures, self.height, self.width)
        return memory[: math.prod(shape)].reshape(shape)

    def packed(self, memory: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Where files go, uint8 `(places, files)`."""
        return memory[self.size - self.places * self.files :].reshape(self.places, self.files)


class _Helper(NamedTuple):
    process: BaseProcess
    connections: list["Connection[Any, Any]"]


class Crew:
    """Reads blocks of pictures, in helpers as far as there are free ones. Use it by `helpers`."""

    def __init__(self, preprocess: Preprocessor, room: Room, count: int) -> None:
        self._preprocess = preprocess
        self._room = room
        self._count = count
        # pipes at whose other end there is room for a block
        self._free: queue.SimpleQueue[Connection[Any, Any]] = queue.SimpleQueue()
        self._all: list[_Helper] = []
        self._stopping = False
        self._wait_until = 0.0
        self._starter = threading.Thread(target=self._start_all, name="fishrt-helpers", daemon=True)
        self._shared = shared_bytes(room.size) if count else None
        memory = np.empty(room.size, np.uint8) if self._shared is None else self._shared.array()
        self._frames, self._packed = room.frames(memory), room.packed(memory)

    def start(self) -> None:
        """Begins to start the helpers; until they are ready others do their work."""
        if self._count:
            self._wait_until = time.monotonic() + WAIT_SECONDS
            self._starter.start()

    @property
    def threads(self) -> int:
        """How many threads should call `look_at`."""
        return TOLD_AHEAD * self._count or WORKERS

    def look_at(self, part: PicturePart, number: int, place: int) -> PictureBlock:
        """Reads a block of pictures.

        Args:
            part: The pictures.
            number: The likely number of the frame that the first one fills.
            place: Where its frames and files go; nobody needs what was there before.
        """
        frames = self._frames[place]
        try:
            connection = self._free.get(timeout=max(self._wait_until - time.monotonic(), 0))
        except queue.Empty:
            return look_at(part, self._preprocess, number, frames)
        try:
            connection.send((part, number, place))
            block, size = cast(tuple[PictureBlock, int], connection.recv())
        except (EOFError, OSError):  # the system, or somebody, ended it
            return look_at(part, self._preprocess, number, frames)
        self._free.put(connection)
        files = self._packed[place, :size].data if size else block.files
        return replace(block, frames=frames[: len(block.whole)], files=files)

    def stop(self) -> None:
        """Ends the helpers, which have nothing to do any more; may be called repeatedly."""
        self._stopping = True
        wait_for([self._starter])
        for helper in self._all:
            for connection in helper.connections:
                connection.close()
        for helper in self._all:
            helper.process.join(END_SECONDS)
            helper.process.kill()
        self._all.clear()

    def _start_all(self) -> None:
        # any failure here, such as a limit on processes, leaves the work to threads
        with contextlib.suppress(Exception), _imports_not_from_here():
            context = _context()
            for _ in range(self._count):
                if not self._stopping:
                    self._start_one(context)

    def _start_one(self, context: SpawnContext | ForkServerContext) -> None:
        pipes = [context.Pipe() for _ in range(TOLD_AHEAD)]
        theirs = [there for _, there in pipes]
        process = context.Process(
            target=_help,
            args=(theirs, self._shared, self._room, self._preprocess, __file__),
            name="fishrt-pictures",
            daemon=True,
        )
        process.start()
        for there in theirs:
            there.close()
        self._all.append(_Helper(process, [here for here, _ in pipes]))
        for here, _ in pipes:
            self._free.put(here)


@contextlib.contextmanager
def helpers(preprocess: Preprocessor, room: Room, *, pictures: int) -> Iterator[Crew]:
    """Helpers, if they are worth their start.

    A script that ends up here must have the usual `if __name__ == "__main__":`, because helpers
    import it.

    Args:
        preprocess: What makes frames.
        room: For how many blocks of how many pictures.
        pictures: How many there are to read.

    Yields:
        What reads blocks, with helpers or without.
    """
    worth = pictures >= WORTH_PICTURES and WORKERS > 1
    # a helper, or a daemon of somebody else, may not have children
    alone = multiprocessing.parent_process() is None
    crew = Crew(preprocess, room, WORKERS if worth and alone else 0)
    try:
        crew.start()
        yield crew
    finally:
        crew.stop()


def _context() -> SpawnContext | ForkServerContext:
    if hasattr(signal, "pthread_sigmask"):
        # Ctrl-C is for this process, which then ends the helpers; who starts a process hands on
        # what it blocks. (The tracker, which comes with the first process, would unblock it.)
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


@contextlib.contextmanager
def _imports_not_from_here() -> Iterator[None]:
    """Keeps a Python that is started meanwhile from importing what lies in the current folder.

    What starts helpers would else take somebody's `random.py` or `training` there for Python's or
    ours.
    """
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        del os.environ[SAFE_PATH]
        if before is not None:
            os.environ[SAFE_PATH] = before


def _ready(connections: list["Connection[Any, Any]"]) -> Iterator[list["Connection[Any, Any]"]]:
    """Again and again those of some pipes in which there is something, or which have ended."""
    while True:
        yield cast(list["Connection[Any, Any]"], wait(connections))


def _help(
    connections: list["Connection[Any, Any]"],
    shared: SharedBytes | SharedBytesInFile,
    room: Room,
    preprocess: Preprocessor,
    code: str,
) -> None:
    """What a helper does: one block after another, until a pipe ends."""
    if code != __file__:  # it was forked with another installation of fishrt in it
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    keep_freed_memory()
    frames, packed = room.frames(shared.array()), room.packed(shared.array())
    with contextlib.suppress(EOFError, OSError):  # the other end is closed, or was killed
        for connection in itertools.chain.from_iterable(_ready(connections)):
            part, number, place = connection.recv()
            block = look_at(part, preprocess, number, frames[place])
            size = len(block.files) if len(block.files) <= room.files else 0
            packed[place, :size] = np.frombuffer(block.files, np.uint8, size)
            files = b"" if size else block.files
            connection.send((replace(block, frames=block.frames[:0], files=files), size))
