"""Named pipes as logs: to open one without a reader would block, so the reader is waited for."""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from fishrt.errors import OutputError

POLL_S = 0.05
WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0)  # Windows has neither this nor named pipes


@contextlib.contextmanager
def readers_awaited(
    targets: Iterable[str], say: Callable[[str], None], stop: Callable[[], bool]
) -> Iterator[None]:
    """Waits for the readers of those targets that are named pipes, and keeps them for the block.

    Args:
        targets: Paths of logs.
        say: Takes a sentence for each pipe that has no reader yet.
        stop: Asked while waiting.

    Yields:
        When all are read. A pipe that is opened within the block keeps its reader.

    Raises:
        KeyboardInterrupt: If `stop` says so.
    """
    with contextlib.ExitStack() as stack:
        for target in targets:
            if is_named_pipe(target):
                stack.callback(os.close, _reached(target, say, stop))
        yield


def is_named_pipe(target: str) -> bool:
    """Whether a path is a named pipe."""
    with contextlib.suppress(OSError, ValueError):  # opening it says what is wrong
        return stat.S_ISFIFO(Path(target).stat().st_mode)
    return False


def open_read(target: str, flags: int) -> int:
    """Opens a file to write to it; a pipe only if somebody reads it.

    Args:
        target: Its path.
        flags: How, as `os.open` takes it.

    Returns:
        Its descriptor.

    Raises:
        OutputError: If it is a named pipe that nobody reads.
        OSError: If it cannot be opened.
    """
    try:
        descriptor = os.open(target, flags | WITHOUT_WAITING, 0o666)
    except OSError as error:
        if error.errno == errno.ENXIO and is_named_pipe(target):
            raise OutputError(f"nobody reads {target}; start its reader first.") from error
        raise
    if WITHOUT_WAITING:  # only opening was not to wait
        os.set_blocking(descriptor, True)
    return descriptor


def _reached(target: str, say: Callable[[str], None], stop: Callable[[], bool]) -> int:
    told = False
    while True:
        try:
            return open_read(target, os.O_WRONLY)
        except OutputError:
            if not told:
                say(f"waiting for a reader of {target}")
                told = True
        if stop():
            raise KeyboardInterrupt
        time.sleep(POLL_S)
