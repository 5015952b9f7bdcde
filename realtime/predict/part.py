"""The rows of one source while they are being made: they outlive a kill, seconds at most lost."""

import contextlib
import enum
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fishrt.errors import ExitCode, FishrtError
from fishrt.growing_array import GrowingArray
from fishrt.storage import write_text
from realtime.predict.reading import Anchor
from realtime.predict.rows import ROW, Rows
from realtime.stepper import States

ROWS_FILE = "rows.npy"
STATE_FILE = "state.json"
SAFE_EVERY_SECONDS = 5.0  # what a kill may cost


class Status(enum.StrEnum):
    """How far a source is."""

    UNFINISHED = "unfinished"
    WHOLE = "whole"
    FAILED = "failed"


@dataclass(frozen=True)
class PartState:
    """What is known about a part at the last point that is safe.

    Attributes:
        rows: Rows that are safe.
        status: How far the source is.
        fingerprint: What the source was like; another one means that it was changed since.
        anchor: Where to begin to go on, or None if only the beginning will do.
        states: Name of the file with the forecaster's states, if it has any.
        note: One sentence if the source ended before its declared end.
        error: Why it failed, in one sentence.
        exit_code: The exit code of that.
    """

    rows: int = 0
    status: Status = Status.UNFINISHED
    fingerprint: str | None = None
    anchor: Anchor | None = None
    states: str | None = None
    note: str | None = None
    error: str | None = None
    exit_code: int = int(ExitCode.OK)


class Part:
    """Takes the rows of one source.

    Attributes:
        folder: Where it lies.
        state: What is safe.
    """

    def __init__(self, folder: Path, fingerprint: str | None) -> None:
        """Opens the part, or begins it.

        A part that is damaged, or whose source was changed since, is begun anew.

        Args:
            folder: Where it lies; made if need be.
            fingerprint: What the source is like now.

        Raises:
            OSError: If it cannot be read or written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.state = read_state(folder)
        if self.state.fingerprint != fingerprint or self.state.anchor is None:
            self.state = PartState(fingerprint=fingerprint)
        try:
            self._rows = GrowingArray(folder / ROWS_FILE, ROW, (), self.state.rows)
        except (ValueError, FileNotFoundError):
            self.state = PartState(fingerprint=fingerprint)
            self._rows = GrowingArray(folder / ROWS_FILE, ROW)
        self._safe_at = time.monotonic()

    @property
    def count(self) -> int:
        """Rows so far."""
        return self._rows.count

    def append(self, row: ArrayLike) -> None:
        """Adds a row.

        Raises:
            OSError: If it cannot be written.
        """
        self._rows.append(row)

    @property
    def due(self) -> bool:
        """Whether it is time to make safe what there is."""
        return time.monotonic() - self._safe_at >= SAFE_EVERY_SECONDS

    def safe(self, anchor: Anchor | None, states: States) -> None:
        """Makes sure that a kill loses nothing of the rows so far.

        Args:
            anchor: Where to begin to go on behind them.
            states: The forecaster's states behind them.

        Raises:
            OSError: If the disk does not take it.
        """
        self._rows.flush(durable=True)
        old = self.state.states
        name = f"states-{self.count}.npz" if states else None
        if name is not None:
            _save_states(self.folder / name, states)
        self._write(replace(self.state, rows=self.count, anchor=anchor, states=name))
        if old is not None and old != name:
            (self.folder / old).unlink(missing_ok=True)
        self._safe_at = time.monotonic()

    def finish(self, note: str | None) -> None:
        """Says that the source was read to its end; `safe` was called before."""
        self._write(replace(self.state, status=Status.WHOLE, note=note))

    def fail(self, error: FishrtError) -> None:
        """Says that the source failed behind the rows that are safe."""
        self._write(
            replace(
                self.state,
                status=Status.FAILED,
                error=str(error),
                exit_code=int(error.exit_code),
            )
        )

    def retry(self) -> None:
        """Says that a source that failed is tried once more."""
        self.state = replace(
            self.state, status=Status.UNFINISHED, error=None, exit_code=int(ExitCode.OK)
        )

    def stored_states(self) -> States:
        """The forecaster's states behind the rows that are safe.

        Raises:
            OSError, ValueError: If they are damaged.
        """
        if self.state.states is None:
            return {}
        with np.load(self.folder / self.state.states, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def close(self) -> None:
        """Closes the file; what was not made safe is lost."""
        self._rows.close()

    def _write(self, state: PartState) -> None:
        write_text(self.folder / STATE_FILE, json.dumps(asdict(state)))
        self.state = state


def read_state(folder: Path) -> PartState:
    """What is safe of a part; that of an empty one if there is none, or a damaged one.

    Raises:
        OSError: If it is there and cannot be read: its rows may be good, so it is not empty.
    """
    with contextlib.suppress(FileNotFoundError, ValueError, TypeError, KeyError):
        data = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        return _state_of(data)
    return PartState()


def read_rows(folder: Path) -> Rows:
    """The rows of a part that are safe, `ROW` `(n,)`, a read-only memory map.

    Raises:
        OSError, ValueError: If they cannot be read.
    """
    count = read_state(folder).rows
    if not count:
        return np.zeros(0, ROW)
    rows: NDArray[np.void] = np.load(folder / ROWS_FILE, mmap_mode="r", allow_pickle=False)
    return rows[:count]


def store_result(folder: Path, rows: bytes, state: PartState) -> None:
    """Takes over a part that was made elsewhere.

    Args:
        folder: Where it goes.
        rows: The bytes of its rows file.
        state: What is known about it.

    Raises:
        OutputError: If it cannot be written.
        OSError: If it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STATE_FILE).unlink(missing_ok=True)  # never a state beside rows that are not its own
    (folder / ROWS_FILE).write_bytes(rows)
    write_text(folder / STATE_FILE, json.dumps(asdict(state)))


def _state_of(data: Mapping[str, Any]) -> PartState:
    anchor = data["anchor"]
    return PartState(
        **{**data, "anchor": Anchor(**anchor) if anchor else None, "status": Status(data["status"])}
    )


def _save_states(path: Path, states: States) -> None:
    with path.open("wb") as file:
        np.savez(file, **states)  # type: ignore[arg-type]
