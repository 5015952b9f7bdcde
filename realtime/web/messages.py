"""What the page is told, as plain values for JSON."""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol
from urllib.parse import urlsplit

from fishrt import __version__
from fishrt.plain_values import plain
from realtime.event import Event
from realtime.stats import StatsSnapshot
from realtime.web.feed import SHOWN_SECONDS, Cursor, Feed, Point
from realtime.web.recording import RecordingControl
from realtime.web.state import FORECASTS, pictures_come, state_of

FIGURES_INTERVAL_S = 0.5  # percentiles and scores are worth no more work than that

Json = dict[str, Any]


class Scoreboard(Protocol):
    """Scores at one moment: a dataclass of plain values, as the page's `scores.js` shows them."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


Scores = Callable[[], Scoreboard | None]


@dataclass(frozen=True)
class RunFacts:
    """What does not change during a run.

    Attributes:
        camera: What the user named as camera.
        bundle: Name of the bundle.
        fps: Frames a second at the model's rate.
        horizon: Frames that a forecast looks ahead.
        threshold: Probability from which on an alarm may start.
    """

    camera: str
    bundle: str
    fps: float
    horizon: int
    threshold: float

    @property
    def horizon_s(self) -> float:
        """How far a forecast looks ahead, in seconds."""
        return self.horizon / self.fps


class Messages:
    """Puts together what the page is told; used by one thread."""

    def __init__(
        self,
        facts: RunFacts,
        feed: Feed,
        stats: Callable[[], StatsSnapshot],
        scores: Scores,
        recording: RecordingControl,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connects the parts.

        Args:
            facts: What does not change.
            feed: The last seconds.
            stats: Gives the figures of the run.
            scores: Gives the scoreboard, or None where there is none.
            recording: Recording from the page.
            clock: Monotonic seconds.
        """
        self._facts = facts
        self._feed = feed
        self._stats = stats
        self._scores = scores
        self._recording = recording
        self._clock = clock
        self._figures: Json = {}
        self._snapshot = stats()
        self._due = clock()

    def hello(self) -> Json:
        """The first message: what the run is."""
        facts = self._facts
        return {
            "type": "hello",
            "version": __version__,
            "camera": without_password(facts.camera),
            "bundle": facts.bundle,
            "fps": facts.fps,
            "horizon": facts.horizon,
            "threshold": facts.threshold,
            "seconds": SHOWN_SECONDS,
        }

    def news(self, cursor: Cursor) -> tuple[Json, Cursor]:
        """All that came since `cursor`, and where to go on."""
        news = self._feed.since(cursor)
        message = {
            "type": "news",
            "points": [_point(point) for point in news.points],
            "truths": [
                [point.truth.frame, point.truth.label] for point in news.points if point.truth
            ],
            "events": _events(news.events),
            **self._now(),
        }
        return dict(plain(message)), news.cursor

    def status(self) -> Json:
        """All that is known now, without what was before."""
        return dict(plain({**self.hello(), "type": "status", **self._now()}))

    def is_running(self) -> bool:
        """Whether pictures come."""
        return pictures_come(self._feed.latest())

    def _now(self) -> Json:
        self._renew()
        latest, facts = self._feed.latest(), self._facts
        state = state_of(latest, self._snapshot, facts.threshold, facts.horizon_s)
        forecast = latest.update.forecast if latest.update else None
        # what was said before a camera was lost is no forecast of what is to come
        stands = state.mood in FORECASTS
        return {
            "frame": forecast.frame if forecast else None,
            "probability": latest.probability if stands else None,
            "alarm": bool(forecast and forecast.alarm and stands),
            "state": asdict(state),
            "recording": asdict(self._recording.status()),
            **self._figures,
        }

    def _renew(self) -> None:
        """Reads figures and scores anew if it is time to."""
        now = self._clock()
        if self._figures and now < self._due:
            return
        self._due = now + FIGURES_INTERVAL_S
        self._snapshot = self._stats()
        scores = self._scores()
        self._figures = {
            "stats": asdict(self._snapshot),
            "scores": None if scores is None else asdict(scores),
        }


def _point(point: Point) -> list[object]:
    """`[frame, probability, motion energy, reason, alarm]`, short: there are many."""
    return [
        point.frame,
        None if point.probability is None else round(point.probability, 4),
        None if point.change is None else round(point.change, 7),
        point.reason,
        int(point.alarm),
    ]


def _events(events: Iterable[Event]) -> list[Json]:
    return [
        {
            "kind": event.kind.value,
            "time": event.wall,
            "frame": event.frame,
            "text": event.text,
            "values": dict(event.values),
        }
        for event in events
    ]


def without_password(camera: str) -> str:
    """A camera's address without user, password and query, which are nobody's business."""
    if "://" not in camera:
        return camera
    try:
        parts = urlsplit(camera)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return camera.partition("://")[0] + "://..."
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
