"""Recording from the page: one video after another, begun and ended by a button."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fishrt.errors import OutputError
from realtime.event import Event, EventKind
from realtime.sinks.outbox import Outbox
from realtime.sinks.sink import Sink
from realtime.update import Update


class Recorder(Sink, Protocol):
    """A sink that writes a video and counts what it had to leave out."""

    dropped: int


@dataclass(frozen=True)
class RecordingStatus:
    """How a recording goes.

    Attributes:
        active: Whether pictures are written.
        file: Name of the video, or None where none was begun yet.
        seconds: Its length so far.
        frames: Pictures handed to it.
        dropped: Pictures for which the encoder had no time.
        problem: Why it stopped by itself, in one sentence, or None.
    """

    active: bool = False
    file: str | None = None
    seconds: float = 0.0
    frames: int = 0
    dropped: int = 0
    problem: str | None = None


class RecordingControl:
    """Begins and ends recordings on the server's thread, while the loop's thread feeds them."""

    def __init__(self, folder: Path, make: Callable[[Path], Recorder], outbox: Outbox) -> None:
        """Begins without a recording.

        Args:
            folder: Where videos go.
            make: Opens a recorder for a file.
            outbox: Takes what goes wrong.

        Raises:
            OutputError: If there is no such folder.
        """
        if not folder.is_dir():
            raise OutputError(
                f"the folder {folder} for recordings does not exist; create it, or name another "
                "with --web-record-dir."
            )
        self._folder = folder
        self._make = make
        self._outbox = outbox
        self._changing = threading.Lock()  # one start or stop at a time
        self._recorder: Recorder | None = None
        self._path: Path | None = None
        self._began = self._ended = 0.0
        self._frames = self._dropped = 0
        self._problem: str | None = None

    def start(self) -> None:
        """Begins a recording; does nothing if one is running.

        Raises:
            OutputError: If it cannot be begun.
        """
        with self._changing:
            if self._recorder is not None:
                return
            path = free_name(self._folder, time.localtime())
            with self._noting():
                recorder = self._make(path)
            self._path, self._problem = path, None
            self._frames = self._dropped = 0
            self._began = time.monotonic()
            self._recorder = recorder

    def stop(self) -> None:
        """Ends the recording and finishes its file, which may take seconds; or does nothing.

        Raises:
            OutputError: If the rest cannot be written.
        """
        with self._changing:
            recorder = self._taken()
            if recorder is not None:
                with self._noting():
                    recorder.close()

    def write(self, update: Update) -> None:
        """Hands a frame to the recording, if one is running; on the loop's thread."""
        recorder = self._recorder
        if recorder is None:
            return
        try:
            recorder.write(update)
            self._frames += 1
        except OutputError as error:
            self._failed(str(error))

    def event(self, event: Event) -> None:
        """Hands an event to the recording, if one is running; on the loop's thread."""
        recorder = self._recorder
        if recorder is None:
            return
        try:
            recorder.event(event)
        except OutputError as error:
            self._failed(str(error))

    def status(self) -> RecordingStatus:
        """How the recording goes, or how the last one went."""
        recorder, path = self._recorder, self._path
        active = recorder is not None
        return RecordingStatus(
            active=active,
            file=path.name if path is not None else None,
            seconds=(time.monotonic() if active else self._ended) - self._began,
            frames=self._frames,
            dropped=self._dropped if recorder is None else recorder.dropped,
            problem=self._problem,
        )

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        """Keeps what goes wrong for all who look, not only for who pressed the button."""
        try:
            yield
        except OutputError as error:
            self._problem = str(error)
            raise

    def _taken(self) -> Recorder | None:
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            self._ended = time.monotonic()
            self._dropped = recorder.dropped
        return recorder

    def _failed(self, sentence: str) -> None:
        """Gives the recording up; the run goes on."""
        recorder = self._taken()
        if recorder is None:  # it was ended meanwhile, and whoever did it is told
            return
        self._problem = sentence
        self._outbox.put(EventKind.SINK_FAILED, sentence)
        # not on the loop's thread, and no daemon: the program ends after the file is finished
        threading.Thread(target=_put_away, args=(recorder,), name="fishrt-web-recording").start()


def _put_away(recorder: Recorder) -> None:
    try:
        recorder.close()
    except OutputError:
        return  # that it failed was said already


def free_name(folder: Path, moment: time.struct_time) -> Path:
    """A name by local time that no file in the folder has.

    Args:
        folder: Where the file is to be.
        moment: Local time.
    """
    stem = f"fishrt-{time.strftime('%Y-%m-%d-%H%M%S', moment)}"
    path, number = folder / f"{stem}.mp4", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}.mp4", number + 1
    return path
