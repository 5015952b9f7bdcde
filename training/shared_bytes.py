"""Memory that this process and its helpers share."""

import mmap
import multiprocessing
import os
from collections.abc import Callable
from ctypes import c_uint8
from typing import Any

import numpy as np
from numpy.typing import NDArray


class SharedBytes:
    """Bytes that a process sees, too, that is started with this as an argument.

    They lie in no file system, so nothing is left when all of them are killed, and no disk, nor
    what a container has for shared memory, can be too small for them.
    """

    def __init__(self, file: int, size: int) -> None:
        """Takes over a file in memory.

        Args:
            file: Its descriptor; belongs to this object from now on.
            size: How many bytes it has.

        Raises:
            OSError: If they cannot be had.
        """
        self._file = file  # `mmap` has one of its own, and does not tell it
        self._memory = mmap.mmap(file, size)

    def __del__(self) -> None:
        """Lets go of the file; the bytes live as long as any process or array sees them."""
        os.close(self._file)

    def __reduce__(self) -> tuple[Callable[..., "SharedBytes"], tuple[Any, int]]:
        """To hand it over to a process that is being started."""
        from multiprocessing.reduction import DupFd  # Windows has none

        return _taken_over, (DupFd(self._file), len(self._memory))

    def array(self) -> NDArray[np.uint8]:
        """The bytes, uint8 `(size,)`."""
        return np.frombuffer(self._memory, np.uint8)


def _taken_over(duplicate: Any, size: int) -> SharedBytes:
    return SharedBytes(duplicate.detach(), size)


class SharedBytesInFile:
    """The same where there are no files in memory: in one without a name."""

    def __init__(self, size: int) -> None:
        """Makes them, all 0.

        Args:
            size: How many.
        """
        self._memory = multiprocessing.RawArray(c_uint8, size)

    def array(self) -> NDArray[np.uint8]:
        """The bytes, uint8 `(size,)`."""
        return np.frombuffer(memoryview(self._memory).cast("B"), np.uint8)


def shared_bytes(size: int) -> SharedBytes | SharedBytesInFile:
    """Memory that helpers see, too, of the kind that this system has; all 0.

    Args:
        size: How many bytes; what of them is not touched takes no memory where that can be had.

    Raises:
        OSError: If there is none to be had.
    """
    try:
        file = os.memfd_create("fishrt")
    except (AttributeError, OSError):  # not Linux, or a sandbox that knows no such call
        return SharedBytesInFile(size)
    os.ftruncate(file, size)
    return SharedBytes(file, size)
