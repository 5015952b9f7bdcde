"""From an address to a sink: what `--to` takes."""

from collections.abc import Callable
from typing import Any

from fishrt.errors import ConfigError
from realtime.forecast import Forecast
from realtime.sinks.address import Address, parse_address
from realtime.sinks.outbox import Outbox
from realtime.sinks.peer import PEER_ROOM, Peer, PeerSink
from realtime.sinks.peers.lsl import LslPeer
from realtime.sinks.peers.mqtt import MqttPeer
from realtime.sinks.peers.osc import OscPeer
from realtime.sinks.peers.plugin import PluginPeer
from realtime.sinks.peers.serial_line import SerialPeer
from realtime.sinks.peers.udp import UdpPeer
from realtime.sinks.peers.webhook import WebhookPeer, wants_frames
from realtime.sinks.peers.zeromq import ZmqPeer
from realtime.sinks.queued import WhenFull
from realtime.update import Update

PICTURE_ROOM = 32  # of a plugin's queue, which holds pictures: 1 s at 30 frames/s

KINDS: dict[str, Callable[[Address], Peer[Any]]] = {
    "osc": OscPeer,
    "udp": UdpPeer,
    "mqtt": MqttPeer,
    "mqtts": MqttPeer,
    "zmq": ZmqPeer,
    "serial": SerialPeer,
    "lsl": LslPeer,
    "http": WebhookPeer,
    "https": WebhookPeer,
    "plugin": PluginPeer,
}


def open_peer(text: str, outbox: Outbox, when_full: WhenFull) -> PeerSink[Any]:
    """Opens a sink; whether its other end is there is found out on its own thread.

    Args:
        text: The address.
        outbox: Where failure and return are told.
        when_full: What gives way when it is slow.

    Raises:
        ConfigError: If the address is wrong.
        MissingExtraError: If its library is not installed.
        MachineError: If its library cannot be loaded.
    """
    address = parse_address(text)
    make = KINDS.get(address.scheme)
    if make is None:
        raise ConfigError(
            f"--to {address.name}: there is no kind of sink {address.scheme}; there are "
            f"{', '.join(KINDS)}."
        )
    take = what_is_taken(address)
    room = PICTURE_ROOM if address.scheme == "plugin" else PEER_ROOM
    return PeerSink(address.name, make(address), take, outbox, room=room, when_full=when_full)


def what_is_taken(address: Address) -> Callable[[Update], Update | Forecast | None]:
    """What of an update is queued for an address.

    Raises:
        ConfigError: If its option is wrong.
    """
    if address.scheme == "plugin":
        return lambda update: update
    if address.scheme == "serial":
        return lambda _: None
    if address.scheme in ("http", "https") and not wants_frames(address):
        return lambda _: None
    return lambda update: update.forecast
