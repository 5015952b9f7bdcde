"""One row a frame: how rows are kept while sources are forecast, and what is written of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fishrt.motion import frame_change
from realtime.forecast import Reason
from realtime.pipeline import Evaluated

ROW = np.dtype(
    [
        ("frame", "<i8"),
        ("source_frame", "<i8"),
        ("time_s", "<f8"),
        ("probability", "<f8"),  # NaN: none
        ("reason", "i1"),  # place in REASONS; -1: none
        ("repeated", "?"),
        ("change", "<f8"),  # motion energy from the frame before to this one; NaN: none before
    ]
)
REASONS = tuple(Reason)
TIME_DIGITS = 6  # as in the log of `fishrt live`
CHUNK_ROWS = 1 << 16

Rows = NDArray[np.void]


def row_of(evaluated: Evaluated, before: NDArray[np.uint8] | None) -> NDArray[np.void]:
    """The row of one frame.

    Args:
        evaluated: The frame.
        before: The frame evaluated before it, uint8 `(height, width)`, or None at the beginning.

    Returns:
        One entry of `ROW`.
    """
    probability, reason = evaluated.outcome.probability, evaluated.outcome.reason
    joined = evaluated.joined and before is not None
    return np.array(
        (
            evaluated.slot,
            evaluated.picture.index,
            round(evaluated.picture.timestamp, TIME_DIGITS),
            np.nan if probability is None else probability,
            -1 if reason is None else REASONS.index(reason),
            evaluated.repeated,
            frame_change(before, evaluated.frame) if joined and before is not None else np.nan,
        ),
        ROW,
    )


@dataclass(frozen=True)
class Table:
    """Columns of consecutive rows of one source, as they are written.

    Attributes:
        source: As the user named it.
        frame: int64 `(n,)`, index at the model's rate; jumps where frames were lost.
        source_frame: int64 `(n,)`, index of the picture in the source.
        time_s: float64 `(n,)`, the picture's time on the source's own clock.
        probability: float64 `(n,)`, NaN where there is none.
        reason: int8 `(n,)`, why not: place in `REASONS`, or -1.
        repeated: bool `(n,)`, whether the picture stands in for a missing one.
        motion_energy: float64 `(n,)`, m at this frame: the change from it to the next one; NaN
            where there is no next one.
    """

    source: str
    frame: NDArray[np.int64]
    source_frame: NDArray[np.int64]
    time_s: NDArray[np.float64]
    probability: NDArray[np.float64]
    reason: NDArray[np.int8]
    repeated: NDArray[np.bool_]
    motion_energy: NDArray[np.float64]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Whether there is a forecast, bool `(n,)`."""
        return np.asarray(self.reason < 0)

    @property
    def reasons(self) -> list[str | None]:
        """Why there is no forecast, in words, or None where there is one."""
        return [None if code < 0 else REASONS[code].value for code in self.reason.tolist()]


def tables(source: str, rows: Rows) -> Iterator[Table]:
    """All rows of a source as tables of at most 65536 rows.

    Args:
        source: As the user named it.
        rows: `ROW` `(n,)`; may be a memory map.
    """
    for start in range(0, len(rows), CHUNK_ROWS):
        part = np.array(rows[start : start + CHUNK_ROWS + 1])
        energy = np.append(part["change"], np.nan)[1 : CHUNK_ROWS + 1]
        part, energy = part[:CHUNK_ROWS], energy[: min(len(part), CHUNK_ROWS)]
        yield Table(
            source,
            part["frame"],
            part["source_frame"],
            part["time_s"],
            part["probability"],
            part["reason"],
            part["repeated"],
            energy,
        )
