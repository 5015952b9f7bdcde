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


@runtime_checkable
class Hurrying(Protocol):
    """A sink with a thread that can take long, and need not."""

    def hurry(self) -> None:
        """Asks it to end, and has `close` grant it a second from now on. Never waits."""
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
        OutputError: A failure, after all were tried.
        KeyboardInterrupt: If it came meanwhile; then none was waited for any longer.
    """
    finish_all(sinks)
    failure: Exception | None = None
    try:
        for sink in reversed(sinks):
            try:
                sink.close()
            except Exception as error:
                failure = error
    except KeyboardInterrupt:
        close_at_once(sinks)
        raise
    if failure is not None:
        raise failure


def close_at_once(sinks: Sequence[Sink]) -> None:
    """Closes all of them for someone who does not wait, neither for those nor for a failure.

    What is quickly finished still is: a video without its end could not be played.
    """
    for sink in sinks:
        if isinstance(sink, Hurrying):
            sink.hurry()
    for sink in reversed(sinks):
        with contextlib.suppress(Exception):
            sink.close()


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
