"""What the page is told, as plain values for JSON."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from fishrt import __version__
from fishrt.plain_values import plain
from fishrt.video.live import without_password
from realtime.event import Event
from realtime.run_view import RunView
from realtime.web.feed import SHOWN_SECONDS, Cursor, Feed, Point
from realtime.web.recording import RecordingControl
from realtime.web.state import FORECASTS, pictures_come, state_of

FIGURES_INTERVAL_S = 0.5  # percentiles and scores are worth no more work than that
_QUERY = re.compile(r"(?<=://)(?P<place>[^?#\s\"']*)[?#][^\s\"']*")

Json = dict[str, Any]


class Messages:
    """Puts together what the page is told; used by one thread."""

    def __init__(
        self,
        run: RunView,
        feed: Feed,
        recording: RecordingControl,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connects the parts.

        Args:
            run: The run that is told of.
            feed: The last seconds.
            recording: Recording from the page.
            clock: Monotonic seconds.
        """
        self._run = run
        self._feed = feed
        self._recording = recording
        self._clock = clock
        self._figures: Json = {}
        self._snapshot = run.figures()
        self._due = clock()

    def hello(self) -> Json:
        """The first message: what the run is."""
        run = self._run
        return {
            "type": "hello",
            "version": __version__,
            "camera": shown_camera(run.camera),
            "bundle": run.bundle,
            "fps": run.fps,
            "horizon": run.horizon,
            "threshold": run.threshold,
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
        latest, run = self._feed.latest(), self._run
        state = state_of(latest, self._snapshot, run.threshold, run.horizon_s)
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
        self._snapshot = self._run.figures()
        self._figures = {"stats": asdict(self._snapshot), "scores": asdict(self._run.scores())}


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


def shown_camera(camera: str) -> str:
    """A camera's address without user, password and queries, which are nobody's business.

    Args:
        camera: What the user named as camera: also a pipeline, in the middle of which addresses
            stand.
    """
    return _QUERY.sub(r"\g<place>", without_password(camera))
