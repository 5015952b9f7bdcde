"""What is written of one source: its frames, and what the footage check measures on the way."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.footage.shake import ShakeMeter, compared, ends_pair
from fishrt.preprocess import Preprocessor
from fishrt.recording_writer import RecordingWriter
from training.source_reader import FrameRun, SourceReader

# Camera pictures kept for the report: a few from the beginning on, ever farther apart, because
# nobody knows how long it will be.
EXAMPLE_FRAMES = (0, 100, 1_000, 10_000, 100_000)
EXAMPLES_FOLDER = "examples"


def record_source(
    writer: RecordingWriter,
    reader: SourceReader,
    preprocess: Preprocessor,
    state: Callable[[], Mapping[str, Any]],
    progress: Callable[[str, int], None],
) -> None:
    """Writes all frames of a source.

    Args:
        writer: Where they go.
        reader: Where they come from.
        preprocess: What makes frames.
        state: Gives what is needed to go on behind what was written.
        progress: Told the source and the number of frames written.

    Raises:
        SourceError: If the source fails.
        OSError: If they cannot be written.
    """
    meter = ShakeMeter()
    if reader.before is not None:
        meter.push(*reader.before)
    if reader.in_blocks:
        with contextlib.closing(reader.runs()) as runs:
            for run in runs:
                _record_run(writer, reader, meter, run)
                writer.keep(state)
                progress(reader.tally.name, writer.count)
        return
    with contextlib.closing(reader.frames()) as frames:
        for seen, repeats in frames:
            frame = preprocess.frame(seen.view)
            repeat(writer, repeats)
            keep_example(writer, seen.view)
            note_shift(writer, writer.count, meter.push(reader.placed - 1, seen.view))
            writer.append(frame, brightness=seen.brightness)
            writer.keep(state)
            progress(reader.tally.name, writer.count)


def _record_run(
    writer: RecordingWriter, reader: SourceReader, meter: ShakeMeter, run: FrameRun
) -> None:
    repeat(writer, run.repeats)
    block, first, stop = run.block, run.entries.start, run.entries.stop
    for frame in EXAMPLE_FRAMES:
        if (entry := frame - writer.count + first) in run.entries:
            _write_example(writer.folder, frame, reader.view(block, entry))
    for number in compared(range(run.number, run.number + len(run.entries))):
        entry = number - run.number + first
        if ends_pair(number) and entry > first and entry in block.shifts:
            shift: NDArray[np.float32] | None = block.shifts[entry]
        elif not ends_pair(number) and entry + 1 < stop and entry + 1 in block.shifts:
            continue  # measured with the next one
        else:
            shift = meter.push(number, reader.view(block, entry))
        note_shift(writer, writer.count + entry - first, shift)
    writer.extend(
        block.frames[first:stop],
        block.energy[first : stop - 1],
        brightness=block.brightness[first:stop],
    )


def repeat(writer: RecordingWriter, times: int) -> None:
    """Writes the last frame again, and notes which frames these are."""
    for frame in range(writer.count, writer.count + times):
        writer.note("repeated", np.int64(frame))
    writer.repeat(times)


def note_shift(writer: RecordingWriter, frame: int, shift: NDArray[np.float32] | None) -> None:
    """Keeps the shift that was measured at a frame, if there is one."""
    if shift is not None:
        writer.note("shift", np.array([frame, *shift], np.float64))


def keep_example(writer: RecordingWriter, view: NDArray[np.uint8]) -> None:
    """Keeps the camera picture of the frame that is written next, if it is one for the report."""
    if writer.count in EXAMPLE_FRAMES:
        _write_example(writer.folder, writer.count, view)


def _write_example(folder: Path, frame: int, view: NDArray[np.uint8]) -> None:
    (folder / EXAMPLES_FOLDER).mkdir(exist_ok=True)
    cv2.imwrite(str(folder / EXAMPLES_FOLDER / f"{frame:08d}.png"), view)
