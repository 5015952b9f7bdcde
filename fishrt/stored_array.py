"""Arrays on the disk of which as much is read as is asked for.

A memory map would do the same, but what was looked at of it counts as memory of the process.
"""

from bisect import bisect_left
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class StoredArray:
    """Entries `first .. stop - 1` of a file; a slice of it is read into a new array.

    Attributes:
        path: The file.
        dtype: Type of the entries.
        item_shape: Shape of one entry.
        offset: Where its entry 0 begins, in bytes.
        first: The first entry of this array.
        stop: The entry of the file after its last one.
    """

    path: Path
    dtype: np.dtype[Any]
    item_shape: tuple[int, ...]
    offset: int
    first: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.first

    def __getitem__(self, entries: slice) -> NDArray[Any]:
        start, stop, step = entries.indices(len(self))
        items = int(np.prod(self.item_shape, dtype=np.int64))
        read = np.fromfile(
            self.path,
            self.dtype,
            count=max(stop - start, 0) * items,
            offset=self.offset + (self.first + start) * items * self.dtype.itemsize,
        )
        return read.reshape(-1, *self.item_shape)[::step]

    def part(self, first: int, stop: int) -> "StoredArray":
        """The entries `first .. stop - 1` of this one, as far as there are; nothing is read."""
        first = min(max(first, 0), len(self))
        stop = min(max(stop, first), len(self))
        return replace(self, first=self.first + first, stop=self.first + stop)


Entries: TypeAlias = NDArray[Any] | StoredArray
"""What slices can be taken of, wherever it lies."""


def entries_before(entries: Entries, value: float) -> int:
    """How many entries begin with less than a value, found by reading a few of them.

    Args:
        entries: `(N,)` or `(N, k)`, ascending by their first number.
        value: The value.
    """
    return bisect_left(range(len(entries)), value, key=lambda k: entries[k : k + 1].flat[0])
