"""The log of scores: one JSON line with the whole scoreboard every ten seconds of footage."""

import json
from collections.abc import Callable
from dataclasses import asdict

from realtime.event import Event
from realtime.forecast import Forecast
from realtime.scoreboard.snapshot import ScoreSnapshot
from realtime.sinks.jsonl import LineFile
from realtime.update import Update

SCORES_EVERY_S = 10.0


class ScoreSink:
    """Writes the scoreboard now and then, and once more at the end."""

    def __init__(
        self,
        target: str,
        scores: Callable[[], ScoreSnapshot],
        every: int,
        *,
        overwrite: bool = False,
    ) -> None:
        """Opens the log; see `LineFile`.

        Args:
            target: Path of a file, or `-` for stdout.
            scores: Gives the scoreboard.
            every: Frames from one line to the next.
            overwrite: Whether an existing file may be replaced.
        """
        self._file = LineFile(target, overwrite=overwrite)
        self._scores = scores
        self._every = every
        self._newest: Forecast | None = None  # that no line tells of yet
        self._due: int | None = None

    def write(self, update: Update) -> None:
        """Writes a line if it is time to; see `Sink.write`."""
        self._newest = update.forecast
        if self._due is None:
            self._due = update.forecast.frame + self._every
        if update.forecast.frame >= self._due:
            self._due = update.forecast.frame + self._every
            self._write_line(update.forecast)

    def event(self, event: Event) -> None:
        """Events are not for this file."""
        del event

    def close(self) -> None:
        """Writes the last line and closes the file."""
        try:
            if self._newest is not None:
                self._write_line(self._newest)
        finally:
            self._file.close()

    def _write_line(self, forecast: Forecast) -> None:
        self._newest = None
        record = {"frame": forecast.frame, "time": round(forecast.emit_time, 6)}
        record |= asdict(self._scores())
        self._file.write(json.dumps(record, separators=(",", ":"), allow_nan=False))
