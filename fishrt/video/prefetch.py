"""Decoding ahead in a thread of its own."""

import contextlib
import queue
import threading
from collections.abc import Iterator

from fishrt.errors import SourceError
from fishrt.video.source import DamagedPictureError, SourceFrame, VideoSource

PICTURES_AHEAD = 16
PUT_TIMEOUT_S = 0.1  # how soon a thread that waits for room notices that it is to stop

_Item = SourceFrame | Exception | None


class DecodedAhead(Iterator[SourceFrame]):
    """The pictures of a source in order, and its errors where they belong in that order.

    After a `DamagedPictureError` the next call gives the picture behind it; every other error,
    like the end, is the last thing that it gives.
    """

    def __init__(self, source: VideoSource, capacity: int) -> None:
        self._source = source
        self._queue: queue.Queue[_Item] = queue.Queue(capacity)
        self._stopping = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="fishrt-decode", daemon=True)
        self._thread.start()

    def __next__(self) -> SourceFrame:
        """The next picture.

        Raises:
            SourceError: What the source raised at this place.
            StopIteration: At the end.
        """
        if self._over:
            raise StopIteration
        item = self._queue.get()
        if isinstance(item, SourceFrame):
            return item
        self._over = not isinstance(item, DamagedPictureError)
        if item is None:
            raise StopIteration
        raise item

    def stop(self) -> None:
        """Ends the thread; it lets go of the source when the read that it is in returns."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            item = self._read()
            self._put(item)
            if not isinstance(item, SourceFrame | DamagedPictureError):
                return

    def _read(self) -> _Item:
        try:
            return self._source.read()
        except SourceError as error:
            return error
        except Exception as error:  # whatever a decoder throws, whoever reads must hear of it
            return SourceError(
                f"reading {self._source.info.name} failed ({type(error).__name__}: {error})."
            )

    def _put(self, item: _Item) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=PUT_TIMEOUT_S)
                return


@contextlib.contextmanager
def decoded_ahead(
    source: VideoSource, capacity: int = PICTURES_AHEAD
) -> Iterator[Iterator[SourceFrame]]:
    """Reads a source in a thread, a few pictures ahead of whoever takes them.

    Args:
        source: An open source; the caller closes it after the block.
        capacity: Pictures that may wait.

    Yields:
        The pictures in order; see `DecodedAhead`.
    """
    pictures = DecodedAhead(source, capacity)
    try:
        yield pictures
    finally:
        pictures.stop()
