"""Stopping: Ctrl-C and termination signals ask the loop to end, so that everything is closed."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any


def stop_signals() -> tuple[signal.Signals, ...]:
    """The signals that end a run: Ctrl-C, SIGTERM, and the end of the terminal, if it counts.

    What started us under `nohup` has it ignore SIGHUP, and that stays so.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        numbers.append(hangup)
    return tuple(numbers)


@contextlib.contextmanager
def handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handles the signals that end a run for the length of a block, on the main thread.

    Args:
        handler: Takes them.
    """
    before: dict[signal.Signals, Any] = {}
    try:
        for number in stop_signals():
            before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, usual in before.items():
            signal.signal(number, usual)


def interruptible() -> contextlib.AbstractContextManager[None]:
    """While entered, every signal that ends a run is a Ctrl-C: what goes on is broken off."""
    return handled(signal.default_int_handler)


class StopRequest:
    """While entered, those signals only leave a note; a second one interrupts for good.

    The end of a terminal does not: the system and the shell both tell it.
    """

    def __init__(self) -> None:
        self.received = False
        self._handled = handled(self._note)

    def __enter__(self) -> "StopRequest":
        self._handled.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handled.__exit__(kind, error, trace)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.received and number in (signal.SIGINT, signal.SIGTERM):
            raise KeyboardInterrupt
        self.received = True
