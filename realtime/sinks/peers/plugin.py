"""A sink of the user's own: a Python class that an installed package offers by an entry point."""

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points

from fishrt.errors import ConfigError
from realtime.event import Event
from realtime.sinks.address import Address
from realtime.sinks.sink import Sink
from realtime.update import Update

GROUP = "fishrt.sinks"


class PluginPeer:
    """Makes an object of the class, and a new one after it failed."""

    def __init__(self, address: Address) -> None:
        """Finds and imports the class.

        Raises:
            ConfigError: If no installed package offers it, or it cannot be imported.
        """
        self._make = load_plugin(address)
        self._options = dict(address.options)
        self._sink: Sink | None = None

    def connect(self) -> bool:
        """Makes the object."""
        self._sink = self._make(self._options)
        return False

    def write(self, item: Update) -> None:
        """Hands on one frame."""
        assert self._sink is not None
        self._sink.write(item)

    def event(self, event: Event) -> None:
        """Hands on one event."""
        assert self._sink is not None
        self._sink.event(event)

    def close(self) -> None:
        """Closes the object and forgets it."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()


def load_plugin(address: Address) -> Callable[[Mapping[str, str]], Sink]:
    """The class behind `plugin:NAME`.

    Args:
        address: Its path is the name of an entry point in the group `fishrt.sinks`.

    Raises:
        ConfigError: If no installed package offers it, or it cannot be imported.
    """
    found: dict[str, EntryPoint] = {entry.name: entry for entry in entry_points(group=GROUP)}
    name = address.place or address.path
    if name not in found:
        listed = ", ".join(sorted(found)) or "none"
        raise ConfigError(
            f"--to plugin:{name}: no installed package offers such a sink (there is {listed}); "
            "see docs/sinks.md for how to write one."
        )
    try:
        make: Callable[[Mapping[str, str]], Sink] = found[name].load()
    except Exception as error:  # someone else's code
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ConfigError(f"--to plugin:{name} cannot be imported ({reason}).") from error
    return make
