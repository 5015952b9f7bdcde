"""All sinks of a run together."""

import contextlib
from collections.abc import Iterable

from realtime.event import Event
from realtime.sinks.outbox import Outbox
from realtime.sinks.sink import Sink
from realtime.update import Update


class Outlets:
    """Hands everything to every sink, in their order.

    Attributes:
        sinks: The sinks; whoever opens another one appends it.
        outbox: Where other threads leave events.
    """

    def __init__(self, sinks: Iterable[Sink] = (), outbox: Outbox | None = None) -> None:
        """Takes over the sinks.

        Args:
            sinks: Those that are open already.
            outbox: Where other threads leave events; None for a new one.
        """
        self.sinks = list(sinks)
        self.outbox = outbox or Outbox()

    def write(self, update: Update) -> None:
        """Hands on a frame.

        Raises:
            OutputError: If a sink fails; those after it have not seen the frame.
        """
        for sink in self.sinks:
            sink.write(update)

    def tell(self, event: Event) -> None:
        """Hands on an event, whatever one of the sinks says.

        Raises:
            OutputError: If a sink fails, after all were told.
        """
        with contextlib.ExitStack() as stack:
            for sink in reversed(self.sinks):
                stack.callback(sink.event, event)

    def tell_waiting(self) -> None:
        """Hands on the events that other threads have left.

        Raises:
            OutputError: If a sink fails.
        """
        for event in self.outbox.drain():
            self.tell(event)
