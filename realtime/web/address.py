"""Where the page is served: reading the address, taking the port, saying how to get there."""

import contextlib
import errno
import ipaddress
import socket
from dataclasses import dataclass

from fishrt.errors import OutputError

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765
BACKLOG = 32
ANYWHERE = "192.0.2.1"  # a documentation address: no packet is sent to find out the way to it


@dataclass(frozen=True)
class WebAddress:
    """Where the page is to be served.

    Attributes:
        host: Name or IP address of a network interface of this machine.
        port: TCP port, or 0 for any that is free.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"


def parse_address(text: str) -> WebAddress:
    """Reads `HOST:PORT`, where either may be left out.

    Args:
        text: `HOST:PORT`, `HOST`, `:PORT`, `PORT`, or nothing; IPv6 addresses with a port stand in
            brackets.

    Raises:
        ValueError: If it is none of these; its text says what to write.
    """
    host, port = _split(text.strip())
    if not port:
        return WebAddress(host or DEFAULT_HOST)
    if not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{port!r} is no port; write HOST:PORT, such as 127.0.0.1:{DEFAULT_PORT}.")
    return WebAddress(host or DEFAULT_HOST, int(port))


def _split(text: str) -> tuple[str, str]:
    if text.isdecimal():
        return "", text
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    if text.count(":") > 1:  # an IPv6 address without a port
        return text, ""
    host, _, port = text.partition(":")
    return host, port


def listen(address: WebAddress) -> socket.socket:
    """Takes the port, so that a run never starts without its page.

    Args:
        address: Where to listen.

    Returns:
        A listening socket.

    Raises:
        OutputError: If the port is in use or the address is not this machine's.
    """
    try:
        # not `localhost`'s IPv6 address, which not every browser tries
        family = socket.AF_INET if address.host == "localhost" else socket.AF_UNSPEC
        found = socket.getaddrinfo(
            address.host, address.port, family, socket.SOCK_STREAM, 0, socket.AI_PASSIVE
        )
        return socket.create_server(found[0][4][:2], family=found[0][0], backlog=BACKLOG)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that cannot be one
        raise OutputError(_sentence(address, error)) from error


def _sentence(address: WebAddress, error: Exception) -> str:
    start = f"the page cannot be served on {address}:"
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EADDRINUSE:
        other = WebAddress(address.host, address.port % 65535 + 1)
        return (
            f"{start} another program uses that port, perhaps another fishrt live; name another "
            f"port, such as --web {other}."
        )
    if code in (errno.EACCES, errno.EPERM):
        return f"{start} permission is denied; choose a port above 1023."
    if isinstance(error, socket.gaierror | UnicodeError) or code == errno.EADDRNOTAVAIL:
        return (
            f"{start} that is no address of this machine; give one of its own, {DEFAULT_HOST} for "
            "this machine alone, or 0.0.0.0 for all its networks."
        )
    return f"{start} {error}."


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine can reach the socket."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def page_url(address: WebAddress, listener: socket.socket, token: str | None) -> str:
    """The address to open in a browser.

    Args:
        address: What the user asked for.
        listener: The socket that listens there.
        token: What lets a browser in, or None.
    """
    bound, port = listener.getsockname()[:2]
    host = address.host
    if ipaddress.ip_address(bound).is_unspecified:
        host = _own_address(listener.family) or socket.gethostname()
    query = f"?token={token}" if token else ""
    return f"http://{bracketed(host)}:{port}/{query}"


def _own_address(family: socket.AddressFamily | int) -> str | None:
    """This machine's address on the network that leads outside, or None without one."""
    target = ANYWHERE if family == socket.AF_INET else "2001:db8::1"
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((target, 9))
        return str(probe.getsockname()[0])
    return None


def bracketed(host: str) -> str:
    """A host as it stands in an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host
