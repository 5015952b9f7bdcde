"""The link to a source: one thread that only grabs pictures and hands them over."""

import threading
import time
from collections.abc import Callable

from fishrt.errors import SourceError
from fishrt.video import SourceFrame, VideoSource


class Link:
    """One connection to a source and the thread that reads it, from opening to closing.

    A read that hangs inside a driver cannot be interrupted. So nobody waits for this thread:
    whoever has enough of it tells it to `leave` and takes another link; should the read return
    some day, the thread closes the source and ends.

    Attributes:
        failure: Why reading ended, or None at the end of the footage and while it goes on.
        pictures: Pictures handed over so far.
        first: When the first picture was handed over, on the monotonic clock, or None.
        last: When the last one was.
        source: The source, once it is open.
    """

    def __init__(
        self,
        name: str,
        open_source: Callable[[], VideoSource],
        take: Callable[["Link", SourceFrame], None],
        wait_s: float = 0.0,
    ) -> None:
        """Prepares the thread; `start` starts it.

        Args:
            name: What to call the source in sentences.
            open_source: Gives the open source; called on the thread.
            take: Takes every picture; called on the thread.
            wait_s: Seconds to wait before opening.
        """
        self.failure: SourceError | None = None
        self.pictures = 0
        self.first: float | None = None
        self.last: float | None = None
        self.source: VideoSource | None = None
        self._name = name
        self._open = open_source
        self._take = take
        self._wait_s = wait_s
        self._waits_since: float | None = None
        self._leaving = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fishrt-capture", daemon=True)

    @property
    def started(self) -> bool:
        """Whether the thread was started."""
        return self._thread.ident is not None

    @property
    def ended(self) -> bool:
        """Whether reading has ended, for whatever reason."""
        return self._ended.is_set()

    @property
    def is_open(self) -> bool:
        """Whether the source was opened."""
        return self.source is not None

    def waiting_s(self, now: float) -> float:
        """For how long the source has been asked for a picture (or to open) without an answer."""
        since = self._waits_since  # read once: the thread may set it to None meanwhile
        return 0.0 if since is None else max(now - since, 0.0)

    def held_s(self) -> float:
        """Seconds from the first picture to the last."""
        return 0.0 if self.first is None or self.last is None else self.last - self.first

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def leave(self) -> None:
        """Tells the thread to close the source and end as soon as it can."""
        self._leaving.set()

    def join(self, timeout_s: float) -> bool:
        """Waits for the thread; says whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def wait(self, seconds: float) -> bool:
        """Waits on the thread's behalf, for pacing; says whether it is to leave."""
        return self._leaving.wait(seconds)

    def _run(self) -> None:
        try:
            if not self._leaving.wait(self._wait_s):
                self._read_all()
        except SourceError as error:
            self.failure = error
        except Exception as error:  # whatever a driver throws, the loop must hear of it
            self.failure = SourceError(
                f"reading {self._name} failed ({type(error).__name__}: {error})."
            )
        finally:
            self._waits_since = None
            self._ended.set()
            if self.source is not None:
                self.source.close()

    def _read_all(self) -> None:
        self._waits_since = time.monotonic()
        source = self.source = self._open()
        while not self._leaving.is_set():
            self._waits_since = time.monotonic()
            picture = source.read()
            self._waits_since = None
            if picture is None:
                return
            self._take(self, picture)
            self.last = time.monotonic()
            self.first = self.last if self.first is None else self.first
            self.pictures += 1
