"""The page as a sink: what the loop hands over is kept for whoever looks."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

from realtime.event import Event, EventKind
from realtime.run_view import RunView
from realtime.update import Update
from realtime.web.access import Access, new_token, own_names
from realtime.web.address import WebAddress, is_loopback, listen, page_url
from realtime.web.feed import Feed
from realtime.web.handlers import Handlers
from realtime.web.messages import Messages
from realtime.web.picture import Pictures
from realtime.web.recording import Recorder, RecordingControl
from realtime.web.server import ServerThread

REPEAT_S = 60.0  # the same failure is told so often at most


class WebSink:
    """Serves the page; nothing that happens in there slows or ends the loop.

    Attributes:
        url: The address to open in a browser, with its token if there is one.
        loopback: Whether only this machine can open it.
    """

    def __init__(
        self,
        address: WebAddress,
        run: RunView,
        record_folder: Path,
        make_recorder: Callable[[Path], Recorder],
    ) -> None:
        """Takes the port and starts to serve.

        Args:
            address: Where to serve.
            run: The run that it shows; what goes wrong is left in its outbox.
            record_folder: Where recordings go.
            make_recorder: Opens a recorder for a file.

        Raises:
            OutputError: If the port is in use, or there is no folder for recordings.
        """
        self._outbox = run.outbox
        self._told: dict[str, float] = {}
        self._feed = Feed(run.fps, run.horizon)
        self._recording = RecordingControl(record_folder, make_recorder, run.outbox)
        listener = listen(address)
        self.loopback = is_loopback(listener)
        token = None if self.loopback else new_token()
        self.url = page_url(address, listener, token)
        access = _access(address, listener, token, loopback=self.loopback)
        messages = Messages(run, self._feed, self._recording)
        handlers = Handlers(
            access, messages, Pictures(self._feed.latest), self._recording, self._failed
        )
        self._server = ServerThread(handlers.application, listener, self._ended)

    @property
    def sentence(self) -> str:
        """Where the page is and who can open it."""
        if self.loopback:
            return f"the page is at {self.url}, for this machine alone"
        return f"the page is at {self.url}; whoever has this address can watch and record"

    def write(self, update: Update) -> None:
        """Keeps what the page shows of a frame; see `Sink.write`."""
        self._feed.add(update)
        self._recording.write(update)

    def event(self, event: Event) -> None:
        """Keeps an event; see `Sink.event`."""
        self._feed.add_event(event)
        self._recording.event(event)

    def close(self) -> None:
        """Ends the server, and the recording if one is running."""
        self._server.stop()
        self._recording.stop()

    def _failed(self, error: Exception) -> None:
        """Tells of a failure in an answer, once in a while."""
        text = f"the page could not answer a request ({type(error).__name__}: {error})"
        now = time.monotonic()
        if now - self._told.get(text, -REPEAT_S) >= REPEAT_S:
            self._told = {text: now}
            self._outbox.put(EventKind.WARNING, text)

    def _ended(self, error: Exception) -> None:
        """Tells that there is no page any more."""
        text = f"the page stopped ({type(error).__name__}: {error}); the run goes on without it"
        self._outbox.put(EventKind.SINK_FAILED, text)


def _access(
    address: WebAddress, listener: socket.socket, token: str | None, *, loopback: bool
) -> Access:
    port = listener.getsockname()[1]
    return Access(token, f"fishrt-{port}", own_names(address.host, loopback=loopback))
