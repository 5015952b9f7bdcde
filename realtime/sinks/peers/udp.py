"""JSON datagrams: the lines of the log, one a datagram, to whoever listens."""

import socket
from typing import Any

from realtime.event import Event
from realtime.forecast import Forecast
from realtime.sinks.address import Address


class UdpPeer:
    """Sends to a host and port; nobody says whether it arrived."""

    def __init__(self, address: Address) -> None:
        """Remembers the address.

        Raises:
            ConfigError: If it has no port, or options.
        """
        address.check_options()
        self._host, self._port = address.host, address.need_port()
        self._socket: socket.socket | None = None
        self._target: Any = None

    def connect(self) -> bool:
        """Looks the host up."""
        family, kind, protocol, _, self._target = socket.getaddrinfo(
            self._host, self._port, type=socket.SOCK_DGRAM
        )[0]
        self._socket = socket.socket(family, kind, protocol)
        return False

    def write(self, item: Forecast) -> None:
        """Sends a forecast."""
        self._send(item.to_json())

    def event(self, event: Event) -> None:
        """Sends an event."""
        self._send(event.to_json())

    def close(self) -> None:
        """Closes the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, text: str) -> None:
        assert self._socket is not None
        self._socket.sendto(text.encode(), self._target)
