"""Sinks whose other end may be gone for a while: brokers, programs, devices."""

import contextlib
import time
from collections.abc import Callable
from typing import Protocol

from fishrt.errors import OutputError
from realtime.event import Event, EventKind
from realtime.sinks.outbox import Outbox
from realtime.sinks.queued import Item, Item_contra, QueuedSink, WhenFull, Worker, as_output_error
from realtime.update import Update

FIRST_RETRY_S = 0.5
LAST_RETRY_S = 30.0
PEER_ROOM = 90  # 3 s at 30 frames/s: older values are worth nothing to whoever listens
PEER_CLOSE_S = 3.0
STALE_S = 1.0  # whoever comes back is not triggered by what it missed


class Peer(Worker[Item_contra], Protocol[Item_contra]):
    """A worker that reaches its other end before it works, and again after it failed."""

    def connect(self) -> bool:
        """Reaches the other end; after `close`, once more.

        Returns:
            Whether it is there for certain; false where only a delivery tells.
        """
        ...


class PeerSink(QueuedSink[Item]):
    """A sink that tries again, ever more rarely, when its other end is gone.

    Meanwhile frames are left out and counted, for they grow old; events are kept and delivered
    late. A failure is told once, and the return once something got through.
    """

    def __init__(
        self,
        name: str,
        peer: Peer[Item],
        take: Callable[[Update], Item | None],
        outbox: Outbox,
        *,
        room: int = PEER_ROOM,
        when_full: WhenFull = WhenFull.DROP_OLDEST,
    ) -> None:
        """Starts the thread, which connects.

        Args:
            name: The address without its password.
            peer: Does the work; used by the thread alone from now on.
            take: What is queued of an update, or None for nothing.
            outbox: Where failure and return are told.
            room: Frames that the queue holds.
            when_full: What gives way then, as long as the other end is there.
        """
        self._peer = peer
        self._told = outbox
        self._retry_s = FIRST_RETRY_S
        self._gone = False
        self._unheard: OutputError | None = None  # the failure since which nothing got through
        super().__init__(name, peer, take, room, when_full, outbox, PEER_CLOSE_S)

    def event(self, event: Event) -> None:
        """Queues one event; that it is gone itself is no news to the other end."""
        if self._gone and event.kind in (EventKind.SINK_FAILED, EventKind.SINK_BACK):
            return
        super().event(event)

    def _begin(self) -> None:
        if not self._connect():
            self._reconnect()

    def _deliver(self, job: Event | tuple[Item]) -> None:
        if self._gone:  # the run ended before the other end was back
            self._lose(job)
            return
        try:
            super()._deliver(job)
        except Exception as error:
            self._lost_contact(error)
            self._keep(job)
            self._reconnect()
        else:
            self._got_through()

    def _accepts(self) -> bool:
        return super()._accepts() and not self._gone

    def _connect(self) -> bool:
        try:
            certain = self._peer.connect()
        except Exception as error:
            self._lost_contact(error)
            return False
        self._gone = False
        if certain:
            self._got_through()
        return True

    def _reconnect(self) -> None:
        """Waits and tries, ever more rarely, until it works or the run ends."""
        while self._wait() and not self._connect():
            pass

    def _wait(self) -> bool:
        """Waits for the next try; false if the run ends."""
        now, self._retry_s = self._retry_s, min(2 * self._retry_s, LAST_RETRY_S)
        return self._pause(now)

    def _lost_contact(self, failure: Exception) -> None:
        error = as_output_error(self.name, failure)
        first = self._unheard is None
        with self._changed:
            self._gone = True
            self._unheard = error
            self._failures += first
            self.dropped += len(self._items)
            self._items.clear()
            self._changed.notify_all()
        with contextlib.suppress(Exception):
            self._peer.close()
        if first:
            self._told.put(
                EventKind.SINK_FAILED, f"{str(error).removesuffix('.')}; fishrt keeps trying"
            )

    def _got_through(self) -> None:
        if self._unheard is not None:
            self._unheard = None
            self._retry_s = FIRST_RETRY_S
            self._told.put(EventKind.SINK_BACK, f"{self.name} is back")

    def _keep(self, job: Event | tuple[Item]) -> None:
        """An event waits for the next contact; a frame would be old by then."""
        with self._changed:
            if isinstance(job, Event):
                self._events.appendleft(job)
            else:
                self.dropped += 1

    def _close_worker(self) -> None:
        super()._close_worker()
        if self._error is None:
            self._error = self._unheard


def acts_now(wall: float) -> bool:
    """Whether what was said then may still switch something on.

    Args:
        wall: When, in Unix seconds.
    """
    return time.time() - wall <= STALE_S


def reason_of(error: Exception) -> str:
    """What the system says is wrong, without its number: `connection refused`."""
    inner = getattr(error, "reason", error)  # urllib wraps what went wrong
    text = str(getattr(inner, "strerror", None) or inner)
    return text[:1].lower() + text[1:]
