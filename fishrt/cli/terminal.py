"""What is said on stderr while it may be a terminal that somebody closes."""

import errno
import os
import sys
from typing import IO, Any, cast


class TerminalThatMayClose:
    """A text stream whose terminal may go away: then nobody reads, and nothing fails for it."""

    def __init__(self, stream: IO[str]) -> None:
        """Wraps a stream.

        Args:
            stream: The stream; all but writing is its own.
        """
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes, as streams do."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._leave(error)
        return len(text)

    def flush(self) -> None:
        """Flushes, as streams do."""
        try:
            self._stream.flush()
        except OSError as error:
            self._leave(error)

    def _leave(self, error: OSError) -> None:
        if error.errno != errno.EIO:
            raise error
        # what the stream still holds, and what the end of the process flushes, goes nowhere
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def stderr_that_may_close() -> IO[str]:
    """The standard error stream, for a run that outlives its terminal."""
    return cast("IO[str]", TerminalThatMayClose(sys.stderr))
