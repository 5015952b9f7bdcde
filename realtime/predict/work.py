"""One source from its first frame to its last, into its part."""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fishrt.bundle import Bundle
from fishrt.errors import ConfigError, RecordingError, SourceError
from fishrt.recording import FRAMES_FILE, METADATA_FILE
from fishrt.video.factory import path_of
from fishrt.video.numbered_names import IMAGE_SUFFIXES
from realtime.lanes import Forecaster
from realtime.modes import open_forecaster
from realtime.predict.part import Part, read_state
from realtime.predict.plan import Plan
from realtime.predict.reading import (
    Anchor,
    Reading,
    Stop,
    another_source,
    open_reading,
)
from realtime.predict.rows import row_of
from realtime.replay import is_recording
from realtime.wording import count

SOURCE_FAILURES = (SourceError, RecordingError, ConfigError)
"""What is wrong with one source, so that the others are still worth while."""

TellRows = Callable[[int], None]


class SourceAwayError(SourceError):
    """A source of which rows are kept cannot be read now."""


def forecast_source(
    text: str,
    folder: Path,
    plan: Plan,
    bundle: Bundle,
    stop: Stop,
    tell: TellRows = lambda _: None,
    threads: int = 0,
) -> None:
    """Forecasts a source, or the rest of it, into its part.

    What is wrong with the source is written down in the part; every row before it is kept. The
    part of a source that was changed since is begun anew.

    Args:
        text: The source, as `absolute_source` names it.
        folder: Of the part.
        plan: How it is forecast.
        bundle: The plan's bundle.
        stop: Asked at every frame; when it says so, the part stays unfinished.
        tell: Told how many rows there are.
        threads: Threads of the forecaster; 0 takes one for every core of this process.

    Raises:
        SourceAwayError: If it cannot be read now, and the part has rows; it stays as it is.
        BundleError: If the bundle cannot be used.
        OSError, OutputError: If the part cannot be written.
    """
    part = Part(folder, checked_fingerprint(text, folder))
    part.retry()
    try:
        forecaster = open_forecaster(bundle, plan.mode, plan.every, threads)
        try:
            with contextlib.closing(open_reading(text, plan, bundle, forecaster)) as reading:
                _fill(text, part, reading, forecaster, plan, stop, tell)
        except SOURCE_FAILURES as error:
            rows = part.state.rows
            part.fail(_away(text, rows) if rows and fingerprint(text) is None else error)
    finally:
        part.close()


def _fill(
    text: str,
    part: Part,
    reading: Reading,
    forecaster: Forecaster,
    plan: Plan,
    stop: Stop,
    tell: TellRows,
) -> None:
    """Evaluates what the anchor asks for once more, and then appends row by row."""
    done = part.count
    anchor = (part.state.anchor if done else None) or Anchor()
    states = part.stored_states()
    row, ended = anchor.frames, False
    before: NDArray[np.uint8] | None = None
    try:
        with contextlib.closing(reading.frames(anchor, stop)) as frames:
            for evaluated in frames:
                if row >= done:
                    part.append(row_of(evaluated, before))
                before = evaluated.frame
                row += 1
                if row == done and states:
                    forecaster.restore(states)
                if part.due and row > done:
                    part.safe(reading.anchor(), forecaster.states())
                tell(max(row, done))
                if plan.frames is not None and row >= plan.frames:
                    ended = True
                    break
            else:
                ended = not stop()
    except SOURCE_FAILURES:
        if row > done:
            part.safe(reading.anchor(), forecaster.states())
        raise
    if ended and row < done:
        raise another_source(text)
    if row > done:
        part.safe(reading.anchor(), forecaster.states())
    if ended and reading.note is not None and fingerprint(text) is None:
        raise _away(text, part.count)  # it did not end: a disk was taken away, a network is gone
    if ended:
        part.finish(reading.note)


def fingerprint(text: str) -> str | None:
    """What a source is like, without reading it: names, sizes and times of its files.

    Returns:
        Text that changes when the source does; None for a file or a folder that is not there or
        cannot be looked at, and for a folder without pictures: so an absent disk looks.
    """
    path = path_of(text)
    if path is None:
        return text
    try:
        if is_recording(text):
            return _stamp([path / METADATA_FILE, path / FRAMES_FILE])
        if path.is_dir():
            files = sorted(each for each in path.iterdir() if each.suffix.lower() in IMAGE_SUFFIXES)
            return _stamp(files) if files else None
        return _stamp([path])
    except OSError:
        return None


def checked_fingerprint(text: str, folder: Path) -> str | None:
    """As `fingerprint`, but a source that is only away is not taken for another one.

    Args:
        text: The source.
        folder: Of its part.

    Raises:
        SourceAwayError: If the source cannot be read now, and could be when the rows were made.
        OSError: If the part cannot be read.
    """
    now, kept = fingerprint(text), read_state(folder)
    if now is None and kept.rows and kept.fingerprint is not None:
        raise _away(text, kept.rows)
    return now


def _away(text: str, rows: int) -> SourceAwayError:
    return SourceAwayError(
        f"{text} cannot be read now; what was forecast of it ({count(rows, 'frame')}) is kept, and "
        "the same command goes on there when it is back."
    )


def _stamp(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        found = file.stat()
        digest.update(f"{file.name} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
