"""NumPy files that grow by one entry at a time and can be gone on with after a crash."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fishrt.stored_array import StoredArray

# Entries are written in blocks of about this size, or number where they are small.
BLOCK_BYTES = 1 << 20
BLOCK_ITEMS = 4096
# After so many the system is asked to begin with writing to the disk. By itself it would collect
# gigabytes, and whoever makes them durable waits for all of them.
WRITEBACK_BYTES = 1 << 26


class GrowingArray:
    """A `.npy` file `(count, *item shape)` that entries are appended to.

    The file is a valid array after every `flush`. Memory does not grow with it.
    """

    def __init__(
        self, path: Path, dtype: DTypeLike, item_shape: tuple[int, ...] = (), keep: int = 0
    ) -> None:
        """Opens the file.

        Args:
            path: The file.
            dtype: Type of the entries.
            item_shape: Shape of one entry.
            keep: Entries of an existing file to keep; 0 begins it anew.

        Raises:
            ValueError: If the existing file is not such an array, or has fewer entries.
            OSError: If it cannot be read or written.
        """
        self.path = path
        self.dtype = np.dtype(dtype)
        self.item_shape = item_shape
        self.count = keep
        rows = min(BLOCK_ITEMS, BLOCK_BYTES // max(self._item_bytes, 1))
        self._block = np.empty((max(rows, 1), *item_shape), self.dtype)
        self._filled = 0
        if keep:
            _check(path, self.dtype, item_shape, keep)
        # without a buffer of Python's, in which a full disk would leave a part of a block
        self._file = path.open("r+b" if keep else "w+b", buffering=0)
        self._write_header()
        self._offset = self._file.tell()
        self._file.truncate(self._offset + keep * self._item_bytes)
        self._file.seek(0, os.SEEK_END)
        self._handed_on = self._file.tell()  # to the disk, or about to be

    @property
    def _item_bytes(self) -> int:
        return self.dtype.itemsize * int(np.prod(self.item_shape, dtype=np.int64))

    def append(self, item: ArrayLike) -> None:
        """Adds one entry, which is copied.

        Raises:
            ValueError: If it has another shape.
            OSError: If a block of entries cannot be written; `flush` can be tried again.
        """
        # most are floats, and asking NumPy for their shape takes longer than storing them
        shape = () if isinstance(item, float) else np.asarray(item).shape
        if shape != self.item_shape:
            raise ValueError(f"an entry of {self.path} is {self.item_shape}, not {shape}.")
        if self._filled == len(self._block):  # it could not be written before
            self._write_block()
        self._block[self._filled] = item
        self._filled += 1
        self.count += 1
        if self._filled == len(self._block):
            self._write_block()

    def extend(self, items: NDArray[np.generic]) -> None:
        """Adds the entries `(n, *item shape)`, in order.

        Raises:
            ValueError: If they have another shape.
            OSError: If they cannot be written; then none of them is added.
        """
        array = np.asarray(items, self.dtype)
        if array.shape[1:] != self.item_shape:
            raise ValueError(f"entries of {self.path} are {self.item_shape}, not {array.shape}.")
        more = len(array)
        if self._filled + more <= len(self._block):
            self._block[self._filled : self._filled + more] = array
            # no call between these two: Ctrl-C may come at any one
            self._filled += more
            self.count += more
        else:
            self._write_block()
            self._write(np.ascontiguousarray(array))
            self.count += more

    def cut(self, count: int) -> None:
        """Forgets all entries from this one on, which makes room on the disk.

        Args:
            count: Entries to keep, at most those that there are.

        Raises:
            OSError: If the file cannot be made shorter.
        """
        written = self.count - self._filled
        self._filled = max(count - written, 0)
        self.count = count
        stop = self._offset + min(count, written) * self._item_bytes
        self._file.truncate(stop)
        self._handed_on = min(self._handed_on, stop)

    def flush(self, *, durable: bool = False) -> None:
        """Makes the file a valid array of all entries so far.

        Args:
            durable: Wait until the disk has them, too.

        Raises:
            OSError: If it cannot be written.
        """
        self._write_block()
        self._file.seek(0)
        self._write_header()
        if durable:
            os.fsync(self._file.fileno())

    def stored(self) -> StoredArray:
        """All entries so far, to be read from the file as they are needed."""
        self.flush()
        return StoredArray(self.path, self.dtype, self.item_shape, self._offset, 0, self.count)

    def view(self) -> NDArray[np.generic]:
        """All entries so far as a read-only memory map (an empty array if there are none)."""
        self.flush()
        if not self.count or not self._item_bytes:
            return np.zeros((self.count, *self.item_shape), self.dtype)
        view: NDArray[np.generic] = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return view

    def close(self) -> None:
        """Closes the file; what was not flushed is lost. May be called more than once."""
        self._filled = 0
        self._file.close()

    def _write_block(self) -> None:
        if self._filled:
            self._write(self._block[: self._filled])
            self._filled = 0

    def _write(self, entries: NDArray[np.generic]) -> None:
        """Writes entries behind those that are in the file.

        At their place by the count, wherever an earlier try was interrupted.
        """
        at = self._offset + (self.count - self._filled) * self._item_bytes
        self._file.seek(at)
        rest = entries.reshape(-1).view(np.uint8).data
        try:
            while rest:  # the system may take a part at a time
                rest = rest[self._file.write(rest) :]
        except OSError:  # half a block on a full disk
            self._file.truncate(at)
            raise
        self._begin_writeback(at + entries.nbytes)

    def _begin_writeback(self, stop: int) -> None:
        size = stop - self._handed_on
        if size < WRITEBACK_BYTES or not hasattr(os, "posix_fadvise"):
            return
        # Linux takes "not needed" for a reason to write; what is not yet written stays in memory
        os.posix_fadvise(self._file.fileno(), self._handed_on, size, os.POSIX_FADV_DONTNEED)
        self._handed_on = stop

    def _write_header(self) -> None:
        # numpy pads the header so that the first dimension can be written anew in place
        description = np.lib.format.dtype_to_descr(self.dtype)
        shape = (self.count, *self.item_shape)
        np.lib.format.write_array_header_1_0(
            self._file, {"descr": description, "fortran_order": False, "shape": shape}
        )


def _check(path: Path, dtype: np.dtype[np.generic], item_shape: tuple[int, ...], keep: int) -> None:
    """Refuses a file that does not hold at least `keep` such entries.

    The header may be older than the data: it is rewritten at every flush only.
    """
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        shape, _, stored = np.lib.format.read_array_header_1_0(file)
        size = path.stat().st_size - file.tell()
    item_bytes = dtype.itemsize * int(np.prod(item_shape, dtype=np.int64))
    if stored != dtype or shape[1:] != item_shape or size < keep * item_bytes:
        raise ValueError(f"{path} does not hold {keep} entries of {dtype} {item_shape}")
