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
    """Writes the scoreboard now and then, and once more at the end; behind a queue."""

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

    def take(self, update: Update) -> str | None:
        """The line that it is time for, or None; on the loop's thread, which owns the scores."""
        forecast = update.forecast
        self._newest = forecast
        if self._due is None:
            self._due = forecast.frame + self._every
        if forecast.frame < self._due:
            return None
        self._due = forecast.frame + self._every
        self._newest = None
        return self._line(forecast)

    def write(self, item: str) -> None:
        """Writes a line."""
        self._file.write(item)

    def event(self, event: Event) -> None:
        """Events are not for this file."""
        del event

    def close(self) -> None:
        """Writes the last line, now that the loop is done, and closes the file."""
        newest, self._newest = self._newest, None
        try:
            if newest is not None:
                self._file.write(self._line(newest))
        finally:
            self._file.close()

    def _line(self, forecast: Forecast) -> str:
        record = {"frame": forecast.frame, "time": round(forecast.emit_time, 6)}
        record |= asdict(self._scores())
        return json.dumps(record, separators=(",", ":"), allow_nan=False)
