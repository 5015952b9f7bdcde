"""Lab Streaming Layer, by pylsl: a stream of probabilities and one of markers."""

import math
import time
from typing import Any

from fishrt.errors import ConfigError, MachineError
from fishrt.install_hints import require
from realtime.event import Event
from realtime.forecast import Forecast
from realtime.sinks.address import Address

QUIET = "[log]\nlevel = -2\n"  # its library tells of every network card otherwise


class LslPeer:
    """Two outlets that any recorder in the network finds: NAME and NAME-events."""

    def __init__(self, address: Address) -> None:
        """Remembers the name.

        Raises:
            ConfigError: If there is no name, or options.
            MissingExtraError: If pylsl is not installed.
            MachineError: If its library cannot be loaded.
        """
        require("lsl", "pylsl")
        address.check_options()
        self._name = address.place or address.path.strip("/")
        if not self._name:
            raise ConfigError("--to lsl: needs a name of the stream; write lsl://tank.")
        self._lsl = load_pylsl()
        self._forecasts: Any = None
        self._markers: Any = None

    def connect(self) -> bool:
        """Opens the outlets."""
        lsl, source = self._lsl, f"fishrt-{self._name}"
        info = lsl.StreamInfo(
            self._name, "Probability", 1, lsl.IRREGULAR_RATE, lsl.cf_float32, source
        )
        channel = info.desc().append_child("channels").append_child("channel")
        channel.append_child_value("label", "burst_probability")
        markers = lsl.StreamInfo(
            f"{self._name}-events", "Markers", 1, lsl.IRREGULAR_RATE, lsl.cf_string,
            f"{source}-events",
        )  # fmt: skip
        self._forecasts, self._markers = lsl.StreamOutlet(info), lsl.StreamOutlet(markers)
        return True

    def write(self, item: Forecast) -> None:
        """Sends the probability with the time of its picture; NaN where it is not valid."""
        probability = item.probability if item.valid and item.probability is not None else math.nan
        self._forecasts.push_sample([probability], self._stamp(item.capture_time))

    def event(self, event: Event) -> None:
        """Sends the kind of the event as a marker, stamped with its time."""
        self._markers.push_sample([event.kind.value], self._stamp(event.wall))

    def close(self) -> None:
        """Takes the streams out of the network."""
        self._forecasts = self._markers = None

    def _stamp(self, wall: float) -> float:
        """A time of day on the clock of the Lab Streaming Layer."""
        return float(self._lsl.local_clock()) - (time.time() - wall)


def load_pylsl() -> Any:
    """Imports pylsl and keeps its library quiet.

    Raises:
        MachineError: If liblsl is not there or cannot be loaded.
    """
    try:
        import pylsl
    except (OSError, RuntimeError) as error:
        raise MachineError(
            f"pylsl cannot load liblsl ({' '.join(str(error).split())}); install liblsl, or take "
            "another kind of --to."
        ) from error
    pylsl.set_config_content(QUIET)
    return pylsl
