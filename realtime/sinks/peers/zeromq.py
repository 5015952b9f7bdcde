"""ZeroMQ, by pyzmq: a publisher to which any number of programs may subscribe."""

from typing import Any

from fishrt.install_hints import require
from realtime.event import Event
from realtime.forecast import Forecast
from realtime.sinks.address import Address

WAITING_MESSAGES = 1000  # for each subscriber; what a slow one does not take is left out
LINGER_MS = 1000  # at the end, for what is on its way
ANY_HOST = "*"


class ZmqPeer:
    """Publishes two-part messages: `forecast` or `event`, and a line of JSON."""

    def __init__(self, address: Address) -> None:
        """Remembers the address; `*` as the host binds, anything else connects.

        Raises:
            ConfigError: If it has no port, or options.
            MissingExtraError: If pyzmq is not installed.
        """
        require("zmq", "zmq")
        address.check_options()
        self._endpoint = f"tcp://{address.host}:{address.need_port()}"
        self._binds = address.host == ANY_HOST
        self._context: Any = None
        self._socket: Any = None

    def connect(self) -> bool:
        """Binds or connects."""
        import zmq

        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, WAITING_MESSAGES)
        self._socket.setsockopt(zmq.LINGER, LINGER_MS)
        reach = self._socket.bind if self._binds else self._socket.connect
        reach(self._endpoint)
        return True

    def write(self, item: Forecast) -> None:
        """Publishes a forecast."""
        self._socket.send_multipart([b"forecast", item.to_json().encode()])

    def event(self, event: Event) -> None:
        """Publishes an event."""
        self._socket.send_multipart([b"event", event.to_json().encode()])

    def close(self) -> None:
        """Sends what is on its way and closes the socket."""
        context, self._context = self._context, None
        if context is not None:
            self._socket.close()
            context.term()
