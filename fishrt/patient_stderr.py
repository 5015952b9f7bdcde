"""Stderr for a program that must go on: writing waits for no reader and never fails."""

import contextlib
import os
import sys
import threading
import time
from collections import deque

ROOM = 500  # texts; a terminal that is not read for longer gets the newest
FULL_PAUSE_S = 0.05  # before another try where a reader asked not to be waited for
SETTLE_S = 1.0  # for the last words: a terminal that is stuck holds nobody up for longer


class PatientStderr:
    """A text stream on stderr whose writes are done by a thread of its own.

    A terminal may be halted (Ctrl-S, a hung connection) or gone, the reader of a pipe may have
    left. What is written then waits, as far as there is room, or is lost; whoever writes goes on.
    Nothing of Python's own stderr is used, for a thread that hangs in it keeps its lock.

    Attributes:
        encoding: Of what is written.
    """

    def __init__(self) -> None:
        """Starts the thread."""
        self.encoding: str = getattr(sys.stderr, "encoding", None) or "utf-8"
        self._descriptor = stderr_descriptor()
        self._texts: deque[str] = deque(maxlen=ROOM)
        self._changed = threading.Condition()
        self._writing = self._closing = False
        self._thread = threading.Thread(target=self._run, name="fishrt-stderr", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        """Queues a text; the oldest gives way where there is no room."""
        with self._changed:
            if not self._closing:
                self._texts.append(text)
                self._changed.notify_all()
        return len(text)

    def flush(self) -> None:
        """Does nothing: whoever writes does not wait; see `close`."""

    def isatty(self) -> bool:
        """Whether stderr is a terminal."""
        return self._descriptor is not None and os.isatty(self._descriptor)

    @property
    def is_behind(self) -> bool:
        """Whether something is still to be written."""
        return self._writing or bool(self._texts)

    def close(self, within_s: float = SETTLE_S) -> None:
        """Waits a little for what is still to be written; what is written later is lost.

        Args:
            within_s: Seconds after which a reader that does not read is given up.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(within_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._writing = False
                self._changed.wait_for(lambda: self._texts or self._closing)
                if not self._texts:
                    break
                text = self._texts.popleft()
                self._writing = True
            # lost for good, or full for a while: either way the next text is tried on its own
            with contextlib.suppress(OSError):
                self._write(text)
        if self._descriptor is not None:
            os.close(self._descriptor)

    def _write(self, text: str) -> None:
        rest = text.encode(self.encoding, "backslashreplace")
        while rest and self._descriptor is not None:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                time.sleep(FULL_PAUSE_S)


def stderr_descriptor() -> int | None:
    """A descriptor of its own for stderr, or None if this process was started without one."""
    try:
        return None if sys.stderr is None else os.dup(sys.stderr.fileno())
    except (OSError, ValueError):
        return None


def last_words(sentence: str) -> None:
    """Writes one line on stderr, and waits a little until it is there; never fails.

    Args:
        sentence: The line, without its line break.
    """
    stderr = PatientStderr()
    stderr.write(f"{sentence}\n")
    stderr.close()
