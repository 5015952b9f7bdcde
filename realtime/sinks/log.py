"""Logs behind a queue that outlive a full disk: they wait, try again and write on."""

from fishrt.errors import OutputError, is_disk_full
from realtime.event import Event, EventKind
from realtime.sinks.queued import Item, QueuedSink

RETRY_S = 30.0


class PatientLogSink(QueuedSink[Item]):
    """Writes lines and events; on a live source a full disk halts it until there is room again.

    The line that had no room is kept and written first, and those that follow wait in the queue,
    which leaves out and counts what it cannot hold. What was left out in the end is its failure.
    """

    _full: OutputError | None = None  # why it is halted
    _lacks_lines = False  # for want of room

    def _deliver(self, job: Event | tuple[Item]) -> None:
        before = self._left_out()
        ends = False
        while not self._has_room_for(job):
            if ends:
                self._lose(job)
                self._lacks_lines = True
                return
            ends = not self._pause(RETRY_S)  # as the run ends, it is tried once more
        if self._full is not None:
            self._lacks_lines |= self._left_out() > before
            self._go_on()

    def _has_room_for(self, job: Event | tuple[Item]) -> bool:
        """Writes a line if there is room for it."""
        try:
            super()._deliver(job)
        except OutputError as error:
            if self._outbox is None or not is_disk_full(error):
                raise
            self._halt(error)
            return False
        return True

    def _halt(self, error: OutputError) -> None:
        if self._full is None and self._outbox is not None:
            self._failures += 1
            sentence = f"{str(error).removesuffix('.')}; fishrt tries again"
            self._outbox.put(EventKind.SINK_FAILED, sentence)
        self._full = error

    def _go_on(self) -> None:
        self._full = None
        if self._outbox is not None:
            self._outbox.put(EventKind.SINK_BACK, f"{self.name} is written again")

    def _left_out(self) -> int:
        return self.dropped + self._lost_events

    def _close_worker(self) -> None:
        super()._close_worker()
        if self._error is None and self._lacks_lines:
            self._error = self._full or OutputError(
                f"{self.name} lacks lines, because the disk was full for a while; keep more space "
                "free, or write to another disk."
            )


class LogSink(PatientLogSink[Item]):
    """The same for a log of frames or scores, which takes no events."""

    def event(self, event: Event) -> None:
        """Events are not for this log; see `PatientLogSink`."""
        del event
