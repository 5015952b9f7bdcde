"""Ctrl-C, which people press twice."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

REPEAT_S = 1.0  # so soon after another one it is the same; to tidy up takes no longer


@contextlib.contextmanager
def repeats_taken_for_one() -> Iterator[None]:
    """Within the block a Ctrl-C that follows soon on another one changes nothing.

    It would else end what the first one began: files that are being made whole, threads that are
    being waited for.
    """
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield  # whoever started us decided otherwise
        return
    last = -REPEAT_S

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal last
        del number, frame
        now = time.monotonic()
        repeated, last = now - last < REPEAT_S, now
        if not repeated:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if time.monotonic() - last >= REPEAT_S:  # else Python's own end is still to come
            signal.signal(signal.SIGINT, signal.default_int_handler)
