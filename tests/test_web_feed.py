"""What the page is told: nothing twice, nothing missing, in words, and never more than is kept."""

import dataclasses
import io
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from web_run import CLIP, FPS, HORIZON, THRESHOLD, a_run, forecast, update

from realtime.event import Event, EventKind
from realtime.forecast import Forecast, Reason
from realtime.scoreboard.snapshot import ReliabilityPoint, ScoreSnapshot, SkillFigures
from realtime.sinks.outbox import Outbox
from realtime.stats import LiveStats, StatsSnapshot
from realtime.update import Truth
from realtime.web.feed import KEPT_EVENTS, SHOWN_SECONDS, Cursor, Feed
from realtime.web.messages import Messages
from realtime.web.picture import MAX_HEIGHT, MAX_WIDTH, jpeg
from realtime.web.recording import RecordingControl
from realtime.web.state import STALLED_S, Mood, pictures_come, state_of

KEPT = round(SHOWN_SECONDS * FPS) + HORIZON + 1


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(["point", "event", "read"]), st.integers(1, 400))))
def test_readers_get_all_that_is_new_and_still_kept(acts: list[tuple[str, int]]) -> None:
    """Against two lists that keep everything."""
    feed, cursor = Feed(FPS, HORIZON), Cursor()
    points: list[int] = []
    events: list[str] = []
    read_points = read_events = 0
    for act, times in acts:
        if act == "point":
            for _ in range(times):
                feed.add(update(forecast(len(points))))
                points.append(len(points))
        elif act == "event":
            for _ in range(times):
                events.append(str(len(events)))
                feed.add_event(Event(EventKind.WARNING, 0.0, events[-1]))
        else:
            news = feed.since(cursor)
            cursor = news.cursor
            assert [point.frame for point in news.points] == points[read_points:][-KEPT:]
            assert [event.text for event in news.events] == events[read_events:][-KEPT_EVENTS:]
            read_points, read_events = len(points), len(events)


def test_a_new_reader_gets_the_labels_of_all_that_is_shown() -> None:
    feed = Feed(FPS, HORIZON)
    for frame in range(2000):
        feed.add(update(forecast(frame), truth=Truth(frame - HORIZON - 1, frame % 2)))
    points = feed.since(Cursor()).points
    known = {point.truth.frame for point in points if point.truth}
    shown = range(2000 - round(SHOWN_SECONDS * FPS), 2000 - HORIZON - 1)
    assert set(shown) <= known


def figures(filled: int = CLIP) -> StatsSnapshot:
    return dataclasses.replace(LiveStats(FPS, CLIP).snapshot(), filled=filled)


def state(feed: Feed, filled: int = CLIP) -> tuple[Mood, str]:
    said = state_of(feed.latest(), figures(filled), THRESHOLD, 1.5)
    assert said.text.endswith(".")
    return said.mood, said.name


def reason(kind: Reason, probability: float | None = None) -> Forecast:
    return dataclasses.replace(forecast(5, None), reason=kind, probability=probability)


def test_the_state_is_said_in_words() -> None:
    feed, skipped = Feed(FPS, HORIZON), reason(Reason.SKIPPED)
    assert state(feed) == (Mood.WAITING, "Starting")
    steps = [
        (forecast(0, None), (Mood.WAITING, "Filling")),
        (skipped, (Mood.WAITING, "Filling")),
        (forecast(1, 0.2), (Mood.CALM, "Calm")),
        (skipped, (Mood.CALM, "Calm")),
        (forecast(2, 0.9), (Mood.RISING, "Rising")),
        (forecast(3, 0.9, alarm=True), (Mood.ALARM, "Burst ahead")),
        (dataclasses.replace(skipped, alarm=True), (Mood.ALARM, "Burst ahead")),
        (reason(Reason.GAP), (Mood.TROUBLE, "Gap")),
        (reason(Reason.LATE, 0.9), (Mood.TROUBLE, "Late")),
        (reason(Reason.NOT_FINITE), (Mood.TROUBLE, "Not finite")),
    ]
    for said, expected in steps:
        feed.add(update(said))
        assert state(feed) == expected


def test_every_reason_has_words() -> None:
    names = {}
    for kind in Reason:
        feed = Feed(FPS, HORIZON)
        feed.add(update(reason(kind)))
        names[kind] = state(feed)
    assert names == {
        Reason.FILLING: (Mood.WAITING, "Filling"),
        Reason.SKIPPED: (Mood.WAITING, "Filling"),
        Reason.GAP: (Mood.TROUBLE, "Gap"),
        Reason.FROZEN: (Mood.TROUBLE, "Picture was frozen"),
        Reason.CAMERA_LOST: (Mood.TROUBLE, "Camera was lost"),
        Reason.LATE: (Mood.TROUBLE, "Late"),
        Reason.NOT_FINITE: (Mood.TROUBLE, "Not finite"),
    }


def test_a_window_that_fills_says_how_far_it_is() -> None:
    feed = Feed(FPS, HORIZON)
    feed.add(update(forecast(29, None)))
    said = state_of(feed.latest(), figures(30), THRESHOLD, 1.5)
    assert said.progress == 30 / CLIP
    assert "30 of 120 frames" in said.text


def test_troubles_of_the_camera_go_before_the_forecast() -> None:
    clock = Clock()
    feed = Feed(FPS, HORIZON, clock)
    assert not pictures_come(feed.latest())
    feed.add(update(forecast(0, 0.9, alarm=True)))
    assert pictures_come(feed.latest())
    clock.now += STALLED_S + 1
    assert state(feed) == (Mood.TROUBLE, "No picture")
    assert not pictures_come(feed.latest())
    feed.add_event(Event(EventKind.CAMERA_LOST, 0.0, "lost"))
    assert state(feed) == (Mood.TROUBLE, "Camera lost")
    feed.add_event(Event(EventKind.CAMERA_BACK, 0.0, "back"))
    feed.add(update(forecast(1, 0.2)))
    assert state(feed) == (Mood.CALM, "Calm")
    feed.add_event(Event(EventKind.FROZEN, 0.0, "frozen"))
    assert state(feed) == (Mood.TROUBLE, "Frozen")
    feed.add_event(Event(EventKind.DRIFT, 0.0, "darker"))  # no trouble that withholds forecasts
    feed.add_event(Event(EventKind.RUNNING, 0.0, "runs"))
    assert state(feed) == (Mood.CALM, "Calm")


def test_a_camera_is_frozen_until_its_picture_moves_whatever_else_is_right_again() -> None:
    feed = Feed(FPS, HORIZON)
    feed.add(update(forecast(0, 0.2)))
    for kind in (EventKind.RATE, EventKind.FROZEN, EventKind.RATE_RIGHT):
        feed.add_event(Event(kind, 0.0, kind))
    assert state(feed) == (Mood.TROUBLE, "Frozen")
    assert not pictures_come(feed.latest())
    feed.add_event(Event(EventKind.CAMERA_LOST, 0.0, "lost"))
    assert state(feed) == (Mood.TROUBLE, "Camera lost")
    feed.add_event(Event(EventKind.CAMERA_BACK, 0.0, "back"))
    assert state(feed) == (Mood.TROUBLE, "Frozen")
    feed.add_event(Event(EventKind.RUNNING, 0.0, "runs"))
    feed.add_event(Event(EventKind.RATE, 0.0, "slow"))  # pictures come, if few
    assert state(feed) == (Mood.CALM, "Calm")
    assert pictures_come(feed.latest())


def test_figures_are_read_now_and_then_and_numbers_that_are_none_become_null(
    tmp_path: Path,
) -> None:
    clock, asked = Clock(), []
    board = ScoreSnapshot(
        overall=SkillFigures(auc=math.nan, reliability=(ReliabilityPoint(0, 1, 9, 0.5, math.inf),))
    )
    feed = Feed(FPS, HORIZON)
    recording = RecordingControl(tmp_path, lambda _: None, Outbox())  # type: ignore[arg-type, return-value]
    run = a_run(figures, lambda: asked.append(1) or board)
    messages = Messages(run, feed, recording, clock)
    for _ in range(10):
        told, _ = messages.news(Cursor())
        clock.now += 0.1
    overall = told["scores"]["overall"]
    assert overall["auc"] is None
    assert list(overall["reliability"][0].values()) == [0, 1, 9, 0.5, None]
    assert len(asked) == 2  # in a second


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((48, 64), (48, 64)),
        ((240, 320, 3), (240, 320)),
        ((1080, 1920, 3), (540, 960)),
        ((2000, 500, 3), (MAX_HEIGHT, 180)),
        ((1, 5000), (1, MAX_WIDTH)),
    ],
)
def test_pictures_are_made_smaller_and_stay_what_they_are(
    shape: tuple[int, ...], size: tuple[int, int]
) -> None:
    across = np.linspace(0, 250, shape[1]).astype(np.uint8)
    image = np.ascontiguousarray(
        np.broadcast_to(across[None, :] if len(shape) == 2 else across[None, :, None], shape)
    )
    before = image.copy()
    decoded = np.asarray(Image.open(io.BytesIO(jpeg(image))).convert("L"), int)
    assert decoded.shape == size
    expected = np.broadcast_to(np.linspace(0, 250, size[1]), size)
    assert np.abs(decoded - expected).max() <= 6  # measured: 3
    np.testing.assert_array_equal(image, before)
