"""Changes between real pictures of a source: without repeated frames, and not across lost time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fishrt.stored_array import Entries, entries_before

NEIGHBOURS = 3
CHUNK = 1 << 14  # changes looked at together, so that memory does not grow with the length


@dataclass(frozen=True)
class Chunk:
    """Changes that follow each other, `(N,)` each.

    Attributes:
        at: Their entries in the motion energy.
        ratio: How far each stands above its neighbours, see `peak_ratio`.
        between: The mean of the change before and the change after; at an end, the change itself.
    """

    at: NDArray[np.int64]
    ratio: NDArray[np.float64]
    between: NDArray[np.float64]


@dataclass(frozen=True)
class RealChanges:
    """The motion energy of one source, of which only changes between real pictures count.

    Attributes:
        energy: Motion energy, float64 `(T - 1,)`.
        segments: Frames `[first, stop)` without lost time, in order.
        repeated: Numbers of the frames that are the one before once more, ascending.
        first: Number of the source's first frame among them.
    """

    energy: Entries
    segments: Sequence[tuple[int, int]]
    repeated: Entries
    first: int = 0

    def rank(self, entry: int) -> int:
        """How many real changes there are before an entry."""
        return entry - self._repeated_before(entry)

    def repeated_in(self, start: int, stop: int) -> NDArray[np.int64]:
        """The entries from `start` up to `stop` whose change leads to a repeated frame."""
        low, high = self._repeated_before(start), self._repeated_before(stop)
        return np.asarray(self.repeated[low:high], np.int64) - self.first - 1

    def chunks(self, segment: tuple[int, int]) -> Iterator[Chunk]:
        """The real changes within one stretch, `CHUNK` at a time, the last time what is left."""
        begin, end = segment[0], segment[1] - 1
        at, energy, lead = np.zeros(0, np.int64), np.zeros(0), 0
        while begin < end or len(at) > lead:
            while begin < end and len(at) < lead + CHUNK + NEIGHBOURS:
                read = self._read(begin, min(begin + CHUNK, end))
                at, energy = np.concatenate([at, read[0]]), np.concatenate([energy, read[1]])
                begin = min(begin + CHUNK, end)
            stop = min(lead + CHUNK, len(at))
            between = energy.copy()
            between[1:-1] = (energy[:-2] + energy[2:]) / 2
            part = slice(lead, stop)
            if stop > lead:
                yield Chunk(at[part], peak_ratio(energy)[part], between[part])
            kept = max(stop - NEIGHBOURS, 0)
            at, energy, lead = at[kept:], energy[kept:], stop - kept

    def _read(self, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        at = np.delete(np.arange(start, stop), self.repeated_in(start, stop) - start)
        return at, np.asarray(self.energy[start:stop], np.float64)[at - start]

    def _repeated_before(self, entry: int) -> int:
        frame = self.first + entry + 1  # to which the entry's change leads
        return entries_before(self.repeated, frame)


def peak_ratio(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each entry stands above the largest of the three before and the three after it.

    Args:
        energy: float64 `(N,)`.

    Returns:
        float64 `(N,)`; 0 for the three at either end, and where all is still.
    """
    length = len(energy)
    padded = np.pad(energy, NEIGHBOURS, constant_values=np.inf)
    shifts = [k for k in range(2 * NEIGHBOURS + 1) if k != NEIGHBOURS]
    around = np.max([padded[k : k + length] for k in shifts], axis=0, initial=0.0)
    # a still neighbourhood with one movement in it is no encoder's doing
    usable = (around > 0) & np.isfinite(around)
    ratio: NDArray[np.float64] = np.divide(energy, around, out=np.zeros(length), where=usable)
    return ratio
