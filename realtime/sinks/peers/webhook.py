"""A webhook: events, and frames if wanted, are posted as JSON to a web address."""

import base64
import urllib.error
import urllib.parse
import urllib.request

from fishrt.errors import ConfigError, OutputError
from realtime.event import Event
from realtime.forecast import Forecast
from realtime.sinks.address import Address
from realtime.sinks.peer import reason_of

TIMEOUT_S = 5.0
FRAMES_OPTION = "frames"
SWITCH = {"0": False, "1": True}


class WebhookPeer:
    """Posts one JSON object a request; any answer but a 2xx is a failure."""

    def __init__(self, address: Address) -> None:
        """Remembers the address.

        Raises:
            ConfigError: If it has no host.
        """
        if not address.host:
            raise ConfigError(f"--to {address.name} names no host.")
        self._name = address.name
        options = {key: text for key, text in address.options.items() if key != FRAMES_OPTION}
        query = urllib.parse.urlencode(options)
        self._url = urllib.parse.urlunsplit(
            (address.scheme, address.place, address.path or "/", query, "")
        )
        self._headers = {"Content-Type": "application/json", "User-Agent": "fishrt"}
        if address.user is not None:
            pair = f"{address.user}:{address.password or ''}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    def connect(self) -> bool:
        """Nothing: each request is a connection of its own."""
        return False

    def write(self, item: Forecast) -> None:
        """Posts a forecast."""
        self._post(item.to_json())

    def event(self, event: Event) -> None:
        """Posts an event."""
        self._post(event.to_json())

    def close(self) -> None:
        """Nothing is open."""

    def _post(self, text: str) -> None:
        request = urllib.request.Request(self._url, text.encode(), self._headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S):
                return
        except urllib.error.HTTPError as error:
            reason = f"it answered with HTTP status {error.code}"
        except (OSError, ValueError) as error:
            reason = reason_of(error)
        raise OutputError(f"{self._name} takes nothing: {reason}.")


def wants_frames(address: Address) -> bool:
    """Whether frames are to be posted, too: `?frames=1`.

    Raises:
        ConfigError: If it is neither 0 nor 1.
    """
    text = address.options.get(FRAMES_OPTION, "0")
    if text not in SWITCH:
        raise ConfigError(f"--to {address.name}: frames must be 0 or 1, not {text!r}.")
    return SWITCH[text]
