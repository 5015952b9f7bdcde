"""A run whose frames a test makes up, and the page that shows it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fishrt.config import Config
from realtime.capture import Policy
from realtime.event import Event, EventKind
from realtime.forecast import Forecast, Reason
from realtime.overlay import Overlay
from realtime.run_view import RunView
from realtime.scoreboard.snapshot import ScoreSnapshot
from realtime.sinks.outbox import Outbox
from realtime.sinks.video import VideoRecorder
from realtime.stats import LiveStats, StatsSnapshot
from realtime.update import Truth, Update
from realtime.web.address import WebAddress
from realtime.web.recording import Recorder
from realtime.web.sink import WebSink

FPS, HORIZON, CLIP, THRESHOLD = 30.0, 45, 120, 0.6
SAID = Forecast(0, 0, 0.0, 1e9, 1e9, 10.0, 0.2, False, True, None, False)


def forecast(frame: int, probability: float | None = 0.2, **changes: Any) -> Forecast:
    """A forecast of a frame; without a probability, the window is filling."""
    valid = probability is not None
    said = dataclasses.replace(
        SAID,
        frame=frame,
        source_frame=frame,
        probability=probability,
        burst=probability >= THRESHOLD if probability is not None else None,
        valid=valid,
        reason=None if valid else Reason.FILLING,
        change=0.002,
    )
    return dataclasses.replace(said, **changes)


def picture(height: int = 48, width: int = 64, level: int = 90) -> NDArray[np.uint8]:
    return np.full((height, width, 3), level, np.uint8)


def update(
    said: Forecast, image: NDArray[np.uint8] | None = None, truth: Truth | None = None
) -> Update:
    image = picture() if image is None else image
    return Update(said, image, np.zeros((2, 2), np.uint8), truth)


class Told(Outbox):
    """An outbox that is a list of what it was given."""

    def __init__(self, told: list[tuple[EventKind, str]]) -> None:
        super().__init__()
        self._told = told

    def put(self, kind: EventKind, sentence: str) -> None:
        self._told.append((kind, sentence))


def a_run(
    figures: Callable[[], StatsSnapshot],
    scores: Callable[[], ScoreSnapshot] = ScoreSnapshot,
    outbox: Outbox | None = None,
) -> RunView:
    """A run of the published config, from a camera with secrets in its address."""
    camera = "rtsp://me:secret@tank.local:554/stream?key=secret"
    outbox = Outbox() if outbox is None else outbox
    return RunView(camera, "tiny", Config(), THRESHOLD, Policy.KEEP_UP, figures, scores, outbox)


class Run:
    """A run with its page.

    Attributes:
        page: The page's sink.
        told: What the page told of its troubles.
        frame: The next frame.
    """

    def __init__(
        self,
        folder: Path,
        address: WebAddress | None = None,
        scores: Callable[[], ScoreSnapshot] = ScoreSnapshot,
        make_recorder: Callable[[Path], Recorder] | None = None,
    ) -> None:
        self.stats = LiveStats(FPS, CLIP)
        self.stats.filled = CLIP
        self.told: list[tuple[EventKind, str]] = []
        self.frame = 0
        run = a_run(self.stats.snapshot, scores, Told(self.told))
        self.page = WebSink(
            address or WebAddress(port=0), run, folder, make_recorder or self._recorder
        )

    def _recorder(self, path: Path) -> VideoRecorder:
        overlay = Overlay(FPS, THRESHOLD, HORIZON / FPS)
        return VideoRecorder(path, overlay, self.stats.snapshot, FPS, may_drop=False)

    def write(
        self,
        probability: float | None = 0.2,
        image: NDArray[np.uint8] | None = None,
        truth: Truth | None = None,
        **changes: Any,
    ) -> None:
        """One more frame."""
        said = forecast(self.frame, probability, **changes)
        self.stats.count(said, 5.0, now=self.frame / FPS)
        self.page.write(update(said, image, truth))
        self.frame += 1

    def event(self, kind: EventKind, text: str, **values: float) -> None:
        self.page.event(Event(kind, 1.8e9, text, self.frame, values))
