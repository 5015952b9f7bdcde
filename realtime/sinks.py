"""Sinks: where forecasts go. The log of JSON lines is here; pictures have modules of their own."""

import contextlib
import os
import stat
import sys
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fishrt.errors import OutputError, output_error
from realtime.forecast import Forecast

STDOUT = "-"


class Sink(Protocol):
    """Takes every forecast with the camera picture it is about."""

    def write(self, forecast: Forecast, picture: NDArray[np.uint8]) -> None:
        """Takes one forecast.

        Args:
            forecast: The forecast.
            picture: uint8 `(H, W)` grey or `(H, W, 3)` BGR; must not be changed.

        Raises:
            OutputError: If it cannot be written.
        """
        ...

    def close(self) -> None:
        """Finishes what was begun; may be called more than once.

        Raises:
            OutputError: If the rest cannot be written.
        """
        ...


class JsonlSink:
    """Writes one JSON object a line to a file or to stdout, each line at once.

    Nothing is buffered in the process: whatever ends it, the log is whole to its last line.
    """

    def __init__(self, target: str, *, overwrite: bool = False) -> None:
        """Opens the log.

        Args:
            target: Path of a file, or `-` for stdout.
            overwrite: Whether an existing file may be replaced.

        Raises:
            OutputError: If the file exists or cannot be written.
        """
        self._name = "the standard output" if target == STDOUT else target
        self._descriptor: int | None = None
        if target != STDOUT:
            refuse_existing(Path(target), overwrite)
        try:
            if target == STDOUT:
                sys.stdout.flush()
                self._descriptor = os.dup(sys.stdout.fileno())
            else:
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
                self._descriptor = os.open(target, flags, 0o666)
        except OSError as error:
            raise output_error(self._name, error) from error

    def write(self, forecast: Forecast, picture: NDArray[np.uint8]) -> None:
        """Writes one line; see `Sink.write`."""
        del picture
        if self._descriptor is None:
            return
        rest = memoryview(f"{forecast.to_json()}\n".encode())
        try:
            while rest:  # the system may take less than a whole line at a time
                rest = rest[os.write(self._descriptor, rest) :]
        except BrokenPipeError:  # the reader has left, as `head` does; the command line knows
            raise
        except OSError as error:
            raise output_error(self._name, error) from error

    def close(self) -> None:
        """Closes the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            try:
                os.close(descriptor)
            except OSError as error:
                raise output_error(self._name, error) from error


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Refuses to replace a regular file unless told to; devices and pipes may be written.

    Raises:
        OutputError: If `path` is an existing file and `overwrite` is false.
    """
    with contextlib.suppress(OSError):  # what cannot be looked at fails with a reason on opening
        if stat.S_ISREG(path.stat().st_mode) and not overwrite:
            raise OutputError(
                f"{path} already exists; name another file, or add --overwrite to replace it."
            )
