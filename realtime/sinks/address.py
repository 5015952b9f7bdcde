"""Addresses of sinks, as `--to` takes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from fishrt.errors import ConfigError


@dataclass(frozen=True)
class Address:
    """An address in its parts.

    Attributes:
        scheme: What kind of sink, in lower case.
        name: The address for sentences: without password and options.
        place: What stands between `//` and the path, without user and password.
        host: The host, or an empty string.
        port: The port, or None.
        path: The path with its leading slash, or an empty string.
        user: The user, or None.
        password: The password, or None; not shown when the address is printed.
        options: What stands after the question mark.
    """

    scheme: str
    name: str
    place: str
    host: str
    port: int | None
    path: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def check_options(self, *known: str) -> None:
        """Refuses options that this kind of sink does not have.

        Raises:
            ConfigError: If there is one.
        """
        for option in self.options:
            if option not in known:
                listed = f"it has {', '.join(known)}" if known else "it has none"
                raise ConfigError(f"--to {self.name}: there is no option {option}; {listed}.")

    def number(self, option: str, default: int) -> int:
        """An option that is a whole number above 0.

        Raises:
            ConfigError: If it is something else.
        """
        text = self.options.get(option)
        if text is None:
            return default
        if not text.isdecimal() or int(text) == 0:
            raise ConfigError(f"--to {self.name}: {option} must be a whole number, not {text!r}.")
        return int(text)

    def need_port(self) -> int:
        """The port.

        Raises:
            ConfigError: If the address has no host or no port.
        """
        if not self.host or self.port is None:
            raise ConfigError(
                f"--to {self.name} needs a host and a port, as in {self.scheme}://127.0.0.1:9000."
            )
        return self.port

    def redact(self, text: str) -> str:
        """A text without the password, should some library have put it there."""
        return text.replace(self.password, "***") if self.password else text


def parse_address(text: str) -> Address:
    """Takes an address apart.

    Args:
        text: Such as `mqtt://user:password@host:1883/tank?x=1` or `plugin:name?x=1`.

    Raises:
        ConfigError: If it has no kind, or its port is no number.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:  # the text may hold a password, and so may the message
        kind = text.split(":", 1)[0]
        raise ConfigError(f"--to {kind}:... is no address; check its host and port.") from error
    if not parts.scheme:
        raise ConfigError(
            "--to takes an address with a kind, such as osc://127.0.0.1:9000; see docs/sinks.md."
        )
    place = unquote(parts.netloc.rpartition("@")[2])
    return Address(
        scheme=parts.scheme,
        name=_name(parts.scheme, place, parts.path),
        place=place,
        host=parts.hostname or "",
        port=port,
        path=parts.path,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        options=dict(parse_qsl(parts.query, keep_blank_values=True)),
    )


def _name(scheme: str, place: str, path: str) -> str:
    if scheme in ("http", "https"):  # the paths of webhooks are secrets, too
        return f"{scheme}://{place}/..." if path.strip("/") else f"{scheme}://{place}"
    return f"{scheme}://{place}{path}" if place or path.startswith("/") else f"{scheme}:{path}"
