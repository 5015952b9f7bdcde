"""Decoding ahead in a thread of its own."""

import contextlib
import queue
import threading
from collections.abc import Iterator

from fishrt.errors import SourceError
from fishrt.video.source import DamagedPictureError, SourceFrame, SourceInfo, VideoSource

PICTURES_AHEAD = 16
BYTES_AHEAD = 128 * 1024**2  # fewer of large pictures, but two

_Item = SourceFrame | SourceError | None


class DecodedAhead(Iterator[SourceFrame]):
    """The pictures of a source in order, and its errors where they belong in that order.

    After a `DamagedPictureError` the next call gives the picture behind it; every other error,
    like the end, is the last thing that it gives. Use it through `decoded_ahead`.
    """

    def __init__(self, source: VideoSource, capacity: int) -> None:
        self._source = source
        # Both queues are used without any lock of Python's own: Ctrl-C may come at any moment, and
        # must not leave one locked that the thread waits for.
        self._items: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()  # one entry for every free place
        for _ in range(capacity):
            self._room.put(None)
        self._stopping = False
        self._over = False
        self._thread = threading.Thread(target=self._run, name="fishrt-decode", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def __next__(self) -> SourceFrame:
        """The next picture.

        Raises:
            SourceError: What the source raised at this place.
            StopIteration: At the end.
        """
        if self._over:
            raise StopIteration
        item = self._items.get()
        self._room.put(None)
        if isinstance(item, SourceFrame):
            return item
        self._over = not isinstance(item, DamagedPictureError)
        if item is None:
            raise StopIteration
        raise item

    def stop(self) -> None:
        """Ends the thread, when the read that it is in returns; may be called more than once.

        Ctrl-C meanwhile is put off until then: whoever comes next closes the source, and to close
        it under a read would crash OpenCV.
        """
        self._over = self._stopping = True
        self._room.put(None)  # wakes the thread
        interrupt: KeyboardInterrupt | None = None
        while self._thread.is_alive():
            try:
                self._thread.join()
            except KeyboardInterrupt as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def _run(self) -> None:
        while True:
            self._room.get()
            if self._stopping:
                return
            item = self._read()
            self._items.put(item)
            if not isinstance(item, SourceFrame | DamagedPictureError):
                return

    def _read(self) -> _Item:
        try:
            return self._source.read()
        except SourceError as error:
            return error
        except Exception as error:  # whatever a decoder throws, whoever reads must hear of it
            failure = SourceError(
                f"reading {self._source.info.name} failed ({type(error).__name__}: {error})."
            )
            failure.__cause__ = error
            return failure


@contextlib.contextmanager
def decoded_ahead(
    source: VideoSource, capacity: int | None = None
) -> Iterator[Iterator[SourceFrame]]:
    """Reads a source in a thread, a few pictures ahead of whoever takes them.

    Args:
        source: An open source, which nobody else reads meanwhile; the caller closes it after the
            block.
        capacity: Pictures that may wait, at least 1; None for as many as do the memory no harm.

    Yields:
        The pictures in order; see `DecodedAhead`.
    """
    pictures = DecodedAhead(source, pictures_ahead(source.info) if capacity is None else capacity)
    try:
        pictures.start()
        yield pictures
    finally:
        pictures.stop()


def pictures_ahead(info: SourceInfo) -> int:
    """Pictures that may wait for whoever takes them: 16, or fewer of large ones."""
    return max(2, min(PICTURES_AHEAD, BYTES_AHEAD // (info.width * info.height * 3)))
