"""Forecasts, updates and a worker to watch, for the tests of sinks."""

import dataclasses
import threading
import time
from collections.abc import Callable

import numpy as np

from realtime.event import Event, EventKind
from realtime.forecast import Forecast, Reason
from realtime.update import Update

PATIENCE_S = 20.0  # for a thread on a busy machine; nothing waits for it when all is well
CALM = Forecast(7, 7, 0.25, 1e9, 1e9 + 0.01, 10.0, 0.25, False, True, None, False)


def forecast(frame: int, probability: float | None = 0.25, **changes: object) -> Forecast:
    valid = probability is not None
    usual = {
        "frame": frame,
        "source_frame": frame,
        "media_time": frame / 30,
        "probability": probability,
        "burst": False if valid else None,
        "valid": valid,
        "reason": None if valid else Reason.FILLING,
    }
    return dataclasses.replace(CALM, **{**usual, **changes})  # type: ignore[arg-type]


def update(frame: int, probability: float | None = 0.25, **changes: object) -> Update:
    picture = np.full((8, 8), frame % 256, np.uint8)
    return Update(forecast(frame, probability, **changes), picture, picture)


def alarm(on: bool, frame: int = 7, wall: float = 1e9) -> Event:
    kind = EventKind.ALARM_START if on else EventKind.ALARM_END
    return Event(kind, wall, "alarm" if on else "alarm over", frame)


def until(true: Callable[[], object], what: str = "it") -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.005)


class WatchedWorker:
    """Notes what it gets; works only while `go_on` is set, and fails while `error` is there."""

    def __init__(self, *, halted: bool = False) -> None:
        self.got: list[object] = []
        self.connections = self.closed = 0
        self.error: Exception | None = None
        self.unreachable: Exception | None = None
        self.busy, self.go_on = threading.Event(), threading.Event()
        if not halted:
            self.go_on.set()

    def connect(self) -> bool:
        if self.unreachable is not None:
            raise self.unreachable
        self.connections += 1
        return True

    def write(self, item: Update) -> None:
        self._take(item.forecast.frame)

    def event(self, event: Event) -> None:
        self._take(event.kind.value)

    def close(self) -> None:
        self.closed += 1

    def _take(self, what: object) -> None:
        self.busy.set()
        assert self.go_on.wait(PATIENCE_S)
        if self.error is not None:
            raise self.error
        self.got.append(what)
