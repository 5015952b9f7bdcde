"""The sink: where forecasts and events go."""

import contextlib
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from fishrt.errors import OutputError
from realtime.event import Event
from realtime.update import Update


class Sink(Protocol):
    """Takes every frame's update and every event, in order, on the loop's thread."""

    def write(self, update: Update) -> None:
        """Takes one frame.

        Raises:
            OutputError: If it cannot be written.
        """
        ...

    def event(self, event: Event) -> None:
        """Takes one event.

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


@runtime_checkable
class Finishing(Protocol):
    """A sink with a thread, which can be told to end before anybody waits for it."""

    def finish(self) -> None:
        """Asks it to end; the time that `close` grants it begins now. Never waits."""
        ...


def finish_all(sinks: Sequence[Sink]) -> None:
    """Asks those that have a thread to end; never waits."""
    for sink in sinks:
        if isinstance(sink, Finishing):
            sink.finish()


def close_all(sinks: Sequence[Sink]) -> None:
    """Closes all of them, whatever one of them says.

    All are asked first, and their times run side by side: one that is stuck must not keep a
    trigger line switched on.

    Raises:
        OutputError: The first failure, after all were tried.
    """
    finish_all(sinks)
    with contextlib.ExitStack() as stack:
        for sink in sinks:
            stack.callback(sink.close)


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
