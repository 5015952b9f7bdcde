"""Open Sound Control over UDP, by python-osc: for Max, Pure Data, SuperCollider and their like."""

from typing import Any

from fishrt.install_hints import require
from realtime.event import Event
from realtime.forecast import Forecast
from realtime.sinks.address import Address

PREFIX = "/fishrt"
NONE = -1  # where there is no probability or frame: OSC's nil is not understood everywhere


class OscPeer:
    """Sends messages to a host and port; nobody says whether they arrived."""

    def __init__(self, address: Address) -> None:
        """Remembers the address.

        Raises:
            ConfigError: If it has no port, or options.
            MissingExtraError: If python-osc is not installed.
        """
        require("osc", "pythonosc")
        address.check_options()
        self._host, self._port = address.host, address.need_port()
        self._prefix = address.path.rstrip("/") or PREFIX
        self._client: Any = None

    def connect(self) -> bool:
        """Looks the host up."""
        from pythonosc.udp_client import UDPClient

        self._client = UDPClient(self._host, self._port)
        return False

    def write(self, item: Forecast) -> None:
        """Sends frame, probability, whether it is valid, and whether the alarm is on."""
        probability = NONE if item.probability is None else item.probability
        self._send(
            "forecast",
            ("i", item.frame),
            ("f", float(probability)),
            ("i", int(item.valid)),
            ("i", int(item.alarm)),
        )

    def event(self, event: Event) -> None:
        """Sends kind, frame, time and text."""
        frame = NONE if event.frame is None else event.frame
        self._send(
            "event", ("s", event.kind.value), ("i", frame), ("d", event.wall), ("s", event.text)
        )

    def close(self) -> None:
        """Closes the socket."""
        client, self._client = self._client, None
        if client is not None:
            client._sock.close()  # python-osc has no other way

    def _send(self, what: str, *arguments: tuple[str, str | float]) -> None:
        from pythonosc.osc_message_builder import OscMessageBuilder

        builder = OscMessageBuilder(f"{self._prefix}/{what}")
        for kind, value in arguments:
            builder.add_arg(value, kind)
        self._client.send(builder.build())
