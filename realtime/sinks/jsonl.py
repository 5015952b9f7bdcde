"""The log: one JSON line a frame, and one JSON line an event in a file of its own."""

import contextlib
import os
import stat
import sys
from pathlib import Path

from fishrt.errors import output_error
from fishrt.storage import lock_file
from realtime.event import Event
from realtime.sinks.named_pipe import open_read
from realtime.sinks.sink import refuse_existing
from realtime.update import Update

STDOUT = "-"


def spoken_name(target: str) -> str:
    """What a person calls the file or, for `-`, the standard output."""
    return "the standard output" if target == STDOUT else target


class LineFile:
    """Writes lines to a file or to stdout, each line at once.

    Nothing is buffered in the process: whatever ends it, the file is whole to its last line.
    Lines are appended: where somebody else empties the file, they go on at its beginning. As long
    as it is open, no other run can write it.
    """

    def __init__(self, target: str, *, overwrite: bool = False) -> None:
        """Opens the file.

        Args:
            target: Path of a file, or `-` for stdout.
            overwrite: Whether an existing file may be replaced.

        Raises:
            OutputError: If the file exists, cannot be written, or is being written already.
        """
        self._name = spoken_name(target)
        self._descriptor: int | None = None
        if target != STDOUT:
            refuse_existing(Path(target), overwrite)
        try:
            if target == STDOUT:
                sys.stdout.flush()
                self._descriptor = os.dup(sys.stdout.fileno())
            else:
                self._descriptor = open_emptied(target)
        except OSError as error:
            raise output_error(self._name, error) from error

    def write(self, line: str) -> None:
        """Writes one line.

        Args:
            line: The line, without its line break.

        Raises:
            OutputError: If it cannot be written, or its reader has left.
        """
        if self._descriptor is None:
            return
        whole = rest = memoryview(f"{line}\n".encode())
        try:
            while rest:  # the system may take less than a whole line at a time
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self._take_back(len(whole) - len(rest))
            raise output_error(self._name, error) from error

    def close(self) -> None:
        """Closes the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            try:
                os.close(descriptor)
            except OSError as error:
                raise output_error(self._name, error) from error

    def _take_back(self, written: int) -> None:
        """Takes the beginning of a line back for which there was no room: only files can."""
        if written and self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, os.lseek(self._descriptor, -written, os.SEEK_CUR))


def open_emptied(target: str) -> int:
    """Opens a file to append to it, empty and locked; devices and pipes as they are.

    Args:
        target: Its path.

    Returns:
        Its descriptor.

    Raises:
        OutputError: If it is being written already, or is a pipe that nobody reads.
        OSError: If it cannot be opened.
    """
    descriptor = open_read(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            lock_file(descriptor, target)  # first: it may be another run's
            os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


class JsonlSink:
    """Writes one JSON object a frame."""

    def __init__(self, target: str, *, overwrite: bool = False) -> None:
        """Opens the log; see `LineFile`."""
        self._file = LineFile(target, overwrite=overwrite)

    def write(self, update: Update) -> None:
        """Writes one line; see `Sink.write`."""
        self._file.write(update.forecast.to_json())

    def event(self, event: Event) -> None:
        """Events are not for this file; see `EventLog`."""
        del event

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class EventLog:
    """Writes one JSON object an event."""

    def __init__(self, target: str, *, overwrite: bool = False) -> None:
        """Opens the log; see `LineFile`."""
        self._file = LineFile(target, overwrite=overwrite)

    def write(self, update: Update) -> None:
        """Forecasts are not for this file; see `JsonlSink`."""
        del update

    def event(self, event: Event) -> None:
        """Writes one line; see `Sink.event`."""
        self._file.write(event.to_json())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
