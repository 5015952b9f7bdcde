"""Fault drills: what a camera can do wrong, and that the run goes on and says what was lost."""

import contextlib
import itertools
import os
import queue
import threading
import time
import tracemalloc
from collections.abc import Sequence
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from scripted_camera import (
    FPS,
    HEIGHT,
    PATIENCE_S,
    WIDTH,
    Connection,
    ScriptedCamera,
    at,
    grey,
    moving,
)
from test_live_loop import CLIP, CountingForecaster, ListSink, reasons

from fishrt.errors import ConfigError
from fishrt.events import DecisionRule
from fishrt.preprocess import Preprocessor
from fishrt.video import SourceFrame, SourceInfo, SourceKind, open_source
from fishrt.video.request import CameraRequest
from realtime.capture import Capture, Captured, Pace, Policy, link
from realtime.capture import capture as capture_module
from realtime.capture.retry import FIRST_WAIT_S, LONGEST_WAIT_S, STEADY_S, Retry
from realtime.capture.watch import PictureWatch
from realtime.capture.watched import resampler_of, watched_capture
from realtime.event import Event, EventKind
from realtime.forecast import MAX_LAG_S
from realtime.keeping_up import CATCH_UP_S
from realtime.lanes import Forecaster
from realtime.loop import LiveLoop, LoopEnd
from realtime.pipeline import FramePipeline
from realtime.sinks.outbox import Outbox
from realtime.sinks.outlets import Outlets
from realtime.sinks.peers.open import open_peer
from realtime.sinks.queued import WhenFull
from realtime.sinks.sink import Sink
from realtime.stats import LiveStats

ROOM = 5000  # pictures: nothing is dropped for want of it
NEVER = DecisionRule(1.0, 1.0)  # no alarm
FROM_FRAME_8 = DecisionRule(8 / 255, 8 / 255)  # an alarm that only the end of all knowledge ends


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drills need not wait as long as a real camera does, and a busy machine is not late."""
    monkeypatch.setattr("realtime.capture.retry.FIRST_WAIT_S", 0.001)
    monkeypatch.setattr("realtime.capture.retry.LONGEST_WAIT_S", 0.01)
    monkeypatch.setattr("realtime.capture.capture.queue_capacity", lambda *_: ROOM)
    monkeypatch.setattr("realtime.loop.MAX_LAG_S", PATIENCE_S)
    monkeypatch.setattr("realtime.keeping_up.MAX_LAG_S", PATIENCE_S)
    monkeypatch.setattr("realtime.loop.GET_TIMEOUT_S", 0.01)


class Drill:
    """A live loop on a scripted camera, put together as a session does it."""

    def __init__(
        self,
        camera: ScriptedCamera,
        request: CameraRequest | None = None,
        frozen_after_s: float | None = None,
        preprocessor: Preprocessor | None = None,
        rule: DecisionRule = NEVER,
        sinks: Sequence[Sink] = (),
    ) -> None:
        asked = request or CameraRequest()
        source = camera.open()
        self.capture = watched_capture(
            source, camera.open, Pace.REALTIME, FPS, asked, frozen_after_s
        )
        self.sink, self.stats = ListSink(), LiveStats(FPS, CLIP)
        self.resampler = resampler_of(source, FPS, asked)
        self.loop = LiveLoop(
            self.capture,
            self.resampler,
            FramePipeline(preprocessor or Preprocessor(HEIGHT, WIDTH), CountingForecaster()),
            Outlets([self.sink, *sinks]),
            self.stats,
            rule,
        )
        self.capture.start()

    def to_the_end(self) -> "Drill":
        assert self.loop.run(lambda: False) is LoopEnd.SOURCE_ENDED
        self.capture.stop()
        return self

    @property
    def frames(self) -> list[int]:
        return [line.frame for line in self.sink.lines]

    @property
    def reasons(self) -> list[str | None]:
        return reasons(self.sink.lines)

    @property
    def told(self) -> list[EventKind]:
        return [event.kind for event in self.sink.events]


FILLING: list[str | None] = ["filling"] * (CLIP - 1)


def refilled(because: str, frames: int) -> list[str | None]:
    """The reasons of so many frames after an interruption."""
    return [because] * (CLIP - 1) + [None] * (frames - CLIP + 1)


# -- a camera that is lost ---------------------------------------------------------------------


def test_a_lost_camera_is_opened_again_and_what_was_missed_is_counted() -> None:
    camera = ScriptedCamera(
        Connection(moving(at(*range(20)))),
        None,
        None,
        Connection(moving(at(*range(50, 70))), then="ends"),
    )
    drill = Drill(camera).to_the_end()
    assert camera.attempts == 4
    assert drill.frames == [*range(20), *range(50, 70)]
    assert drill.reasons == FILLING + [None] * 15 + refilled("camera-lost", 20)
    # the pictures are counted on, whatever the camera says
    assert [line.source_frame for line in drill.sink.lines] == list(range(40))
    assert drill.told == [EventKind.CAMERA_LOST, EventKind.CAMERA_BACK]
    lost, back = drill.sink.events
    assert "stopped giving pictures; check its cable" in lost.text
    assert back.text.startswith("the camera is back after ")
    snapshot = drill.stats.snapshot()
    assert (snapshot.losses, snapshot.lost, snapshot.gaps, snapshot.dropped) == (1, 30, 1, 0)
    assert snapshot.frames == 40


def test_a_camera_that_comes_and_goes_is_followed() -> None:
    flapping = [Connection(moving(at(*range(start, start + 8)))) for start in range(0, 100, 20)]
    flapping[-1].then = "ends"
    drill = Drill(ScriptedCamera(*flapping)).to_the_end()
    assert drill.stats.snapshot().losses == 4
    assert drill.told == [EventKind.CAMERA_LOST, EventKind.CAMERA_BACK] * 4
    assert drill.stats.snapshot().lost == 4 * 12
    assert drill.reasons == FILLING + [None] * 3 + refilled("camera-lost", 8) * 4


def test_a_camera_that_never_comes_back_is_tried_until_the_run_is_stopped() -> None:
    camera = ScriptedCamera(Connection(moving(at(*range(10)))))
    drill = Drill(camera)
    deadline = time.monotonic() + PATIENCE_S
    end = drill.loop.run(lambda: camera.attempts > 6 or time.monotonic() > deadline)
    assert end is LoopEnd.STOPPED
    assert camera.attempts > 6
    assert drill.told == [EventKind.CAMERA_LOST]  # once, not at every attempt
    assert drill.frames == list(range(10))
    began = time.monotonic()
    drill.capture.stop()
    assert time.monotonic() - began < 5.0  # measured: under 0.01


def test_waits_grow_to_a_limit_and_start_anew_after_a_steady_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()  # the real waits
    retry = Retry()
    waits = [retry.next_wait_s(held_s=1.0) for _ in range(8)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]
    assert (waits[0], waits[-1]) == (FIRST_WAIT_S, LONGEST_WAIT_S)
    assert [retry.next_wait_s(STEADY_S), retry.next_wait_s()] == [0.5, 1.0]


# -- an alarm while nothing comes --------------------------------------------------------------


def test_an_alarm_ends_when_the_camera_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.capture.retry.FIRST_WAIT_S", PATIENCE_S)  # it stays lost
    drill = Drill(ScriptedCamera(Connection(moving(at(*range(12))))), rule=FROM_FRAME_8)
    deadline = time.monotonic() + PATIENCE_S
    ends: list[Event] = []

    def is_over() -> bool:
        ends.extend(event for event in drill.sink.events if event.kind is EventKind.ALARM_END)
        return bool(ends) or time.monotonic() > deadline

    drill.loop.run(is_over)
    assert drill.capture.lost
    assert [(end.text, end.frame) for end in ends] == [("alarm over: the camera is lost", 11)]
    assert sorted(drill.told) == ["alarm-end", "alarm-start", "camera-lost"]  # the end once
    assert drill.frames == list(range(12))
    drill.capture.stop()


@pytest.mark.parametrize(("fps", "ends"), [(FPS, True), (0.02, False)])
def test_an_alarm_ends_when_no_picture_comes_long_before_the_camera_counts_as_lost(
    fps: float, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But not in the pauses between the pictures of a camera that gives one in 50 s."""
    monkeypatch.setattr("realtime.loop.MAX_LAG_S", 0.1)
    hung = Connection(moving(at(*range(12))), then="hangs", fps=fps)
    drill = Drill(ScriptedCamera(hung), rule=FROM_FRAME_8)
    monkeypatch.setattr(drill.capture._watch, "_rate", None)  # pictures come at once here
    until = time.monotonic() + (PATIENCE_S if ends else 0.5)
    drill.loop.run(lambda: EventKind.ALARM_END in drill.told or time.monotonic() > until)
    last = drill.sink.events[-1]
    assert drill.told == [EventKind.ALARM_START, EventKind.ALARM_END]
    assert last.text.startswith("alarm over: no picture for 0." if ends else "alarm over: the run")
    hung.release.set()
    drill.capture.stop()


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")
def test_hardware_is_switched_off_while_the_camera_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("realtime.loop.MAX_LAG_S", 0.1)
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    sink = open_peer(f"serial://{os.ttyname(theirs)}", Outbox(), WhenFull.DROP_OLDEST)
    hung = Connection(moving(at(*range(12))), then="hangs")
    drill = Drill(ScriptedCamera(hung), rule=FROM_FRAME_8, sinks=[sink])
    deadline, written = time.monotonic() + PATIENCE_S, bytearray()

    def has_written(expected: bytes) -> bool:
        with contextlib.suppress(BlockingIOError):
            written.extend(os.read(ours, 9))
        assert time.monotonic() < deadline, written
        return bytes(written) == expected

    while not has_written(b"0"):  # it is there
        time.sleep(0.005)
    drill.loop.run(lambda: has_written(b"010"))  # on and off again while the run goes on
    hung.release.set()
    drill.capture.stop()
    sink.close()
    os.close(ours)
    os.close(theirs)


def hurry(monkeypatch: pytest.MonkeyPatch, hang_limit_s: float) -> None:
    monkeypatch.setattr(capture_module, "LOST_AFTER_S", 0.1)
    monkeypatch.setattr(capture_module, "LOST_AFTER_INTERVALS", 1.0)
    monkeypatch.setattr(capture_module, "HANG_LIMIT_S", hang_limit_s)


def test_a_read_that_hangs_for_good_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch, hang_limit_s=0.2)
    late = (at(13)[0], grey(99))
    first = Connection(moving(at(*range(12))), then="hangs", late=late, endless=True)
    second = Connection(moving(at(*range(30, 40))), then="hangs")
    drill = Drill(ScriptedCamera(first, second))

    def both_were_read() -> bool:
        return len(drill.frames) == 22

    deadline = time.monotonic() + PATIENCE_S
    drill.loop.run(lambda: both_were_read() or time.monotonic() > deadline)
    assert drill.frames == [*range(12), *range(30, 40)]
    assert drill.reasons == FILLING + [None] * 7 + refilled("camera-lost", 10)
    assert drill.told == [EventKind.CAMERA_LOST, EventKind.CAMERA_BACK]
    assert "no picture for" in drill.sink.events[0].text
    # the read returns at last: its picture is not taken, and its connection is closed
    assert first.closed == 0
    first.release.set()
    while not first.closed and time.monotonic() < deadline:
        time.sleep(0.005)
    assert first.closed == 1
    assert drill.capture.get(0.05) is None
    second.release.set()
    drill.capture.stop()


def test_a_camera_that_is_back_for_a_moment_is_back_and_then_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It fails again after the loop has looked for its pictures and before it looks at it."""
    monkeypatch.setattr("realtime.capture.retry.FIRST_WAIT_S", 0.3)
    moment = Connection(moving(at(*range(20, 23))))
    again = Connection(moving(at(*range(40, 43))), then="ends")
    drill = Drill(ScriptedCamera(Connection(moving(at(*range(9)))), moment, again))
    drill.loop.run(lambda: len(drill.frames) == 9 and bool(drill.told))
    assert drill.capture.get(0.0) is None  # the second connection is begun, and waits
    get = drill.capture._queue.get

    def in_between(timeout: float) -> Captured:
        drill.capture._queue.get = get  # type: ignore[method-assign]
        drill.capture._link.join(PATIENCE_S)
        raise queue.Empty

    drill.capture._queue.get = in_between  # type: ignore[method-assign]
    drill.to_the_end()
    assert drill.told == [EventKind.CAMERA_LOST, EventKind.CAMERA_BACK] * 2
    assert drill.frames == [*range(9), *range(20, 23), *range(40, 43)]
    assert drill.reasons[9:] == ["camera-lost"] * 6


def test_a_pause_is_a_loss_of_its_own_without_a_new_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hurry(monkeypatch, hang_limit_s=PATIENCE_S)
    paused = Connection(moving(at(*range(9))), then="hangs", late=(at(100)[0], grey(99)))
    camera = ScriptedCamera(paused)
    drill = Drill(camera)
    deadline = time.monotonic() + PATIENCE_S
    drill.loop.run(lambda: bool(drill.told) or time.monotonic() > deadline)
    assert drill.told == [EventKind.CAMERA_LOST]
    paused.release.set()
    drill.to_the_end()
    assert camera.attempts == 1
    assert drill.frames == [*range(9), 100]
    assert drill.reasons[-1] == "camera-lost"
    assert drill.told == [EventKind.CAMERA_LOST, EventKind.CAMERA_BACK]


def test_stopping_does_not_wait_for_a_camera_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch, hang_limit_s=PATIENCE_S)
    hung = Connection(moving(at(*range(9))), then="hangs")
    drill = Drill(ScriptedCamera(hung))
    deadline = time.monotonic() + PATIENCE_S
    drill.loop.run(lambda: bool(drill.told) or time.monotonic() > deadline)
    began = time.monotonic()
    drill.capture.stop()
    assert time.monotonic() - began < 5.0  # measured: 0.2, the time-out for a lost camera
    hung.release.set()


def test_no_more_than_a_few_threads_are_left_in_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch, hang_limit_s=0.05)
    monkeypatch.setattr(capture_module, "LOST_AFTER_S", 0.02)
    hung = [Connection(moving([float(k)]), then="hangs") for k in range(20)]
    camera = ScriptedCamera(*hung)
    drill = Drill(camera)
    deadline = time.monotonic() + PATIENCE_S
    most = capture_module.MOST_HANGING + 1
    drill.loop.run(lambda: camera.attempts == most or time.monotonic() > deadline)
    then = time.monotonic()
    drill.loop.run(lambda: time.monotonic() - then > 0.3)
    assert camera.attempts == capture_module.MOST_HANGING + 1
    for connection in hung:
        connection.release.set()
    drill.capture.stop()


# -- pictures that are wrong -------------------------------------------------------------------


def frozen_script(image: np.ndarray, kind: SourceKind = SourceKind.CAMERA) -> ScriptedCamera:
    """Two seconds that move, two of the same picture, two that move again."""
    times = at(*range(180))
    pictures = [
        (time, image if 60 <= number < 120 else grey(number)) for number, time in enumerate(times)
    ]
    return ScriptedCamera(Connection(pictures, then="ends"), kind=kind)


def test_a_frozen_picture_withholds_forecasts_until_it_moves() -> None:
    drill = Drill(frozen_script(grey(200))).to_the_end()
    assert drill.frames == list(range(180))  # every frame has its line, frozen or not
    # a second of the same picture, from frame 60 to frame 90, is a freeze
    expected = FILLING + [None] * 85 + ["frozen"] * 30 + ["frozen"] * (CLIP - 2)
    assert drill.reasons == expected + [None] * (180 - len(expected))
    assert [(event.kind, round(event.values["seconds"], 1)) for event in drill.sink.events] == [
        (EventKind.FROZEN, 1.0),
        (EventKind.RUNNING, 2.0),
    ]
    assert "restart the camera" in drill.sink.events[0].text
    assert drill.stats.snapshot().lost == 0
    # labels follow from the change of a picture, and that of a frozen one says nothing
    assert {line.change for line in drill.sink.lines[90:120]} == {None}


def test_black_pictures_are_frozen_and_say_so() -> None:
    drill = Drill(frozen_script(grey(0))).to_the_end()
    assert drill.told == [EventKind.FROZEN, EventKind.RUNNING]
    assert "it is black: check the light and the lens cap" in drill.sink.events[0].text


@pytest.mark.parametrize(
    ("kind", "frozen_after_s", "events"),
    [
        (SourceKind.URL, None, 0),  # a codec may leave a still scene alone for 3 s
        (SourceKind.URL, 1.5, 2),
        (SourceKind.CAMERA, 0.0, 0),  # switched off
        (SourceKind.FILE, None, 0),  # a drawing may stand still
        (SourceKind.FILE, 1.0, 2),
    ],
)
def test_what_counts_as_frozen(
    kind: SourceKind, frozen_after_s: float | None, events: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link.Link, "wait", lambda *_: None)  # files need not be paced here
    drill = Drill(frozen_script(grey(200), kind), frozen_after_s=frozen_after_s).to_the_end()
    assert len(drill.told) == events


def test_another_size_after_the_return_is_said_and_taken() -> None:
    wide = [(time, grey(number, (8, 20))) for number, time in enumerate(at(*range(30, 45)))]
    camera = ScriptedCamera(Connection(moving(at(*range(10)))), Connection(wide, then="ends"))
    drill = Drill(camera).to_the_end()
    assert drill.frames == [*range(10), *range(30, 45)]
    assert "with pictures of 20x8 instead of 6x4" in drill.sink.events[1].text
    assert drill.reasons[10:] == refilled("camera-lost", 15)


def test_another_size_that_the_background_does_not_fit_ends_the_run_with_a_sentence() -> None:
    wide = [(time, grey(number, (8, 20))) for number, time in enumerate(at(*range(30, 45)))]
    camera = ScriptedCamera(Connection(moving(at(*range(10)))), Connection(wide, then="ends"))
    drill = Drill(camera, preprocessor=Preprocessor(HEIGHT, WIDTH, background=grey(0)))
    with pytest.raises(ConfigError, match="the background image is 6x4 but the picture"):
        drill.loop.run(lambda: False)
    drill.capture.stop()
    assert drill.frames == list(range(10))  # what came before is written


def test_a_size_that_changes_in_mid_stream_is_a_new_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The real camera class on a driver that changes its mind."""
    opened = []

    class Driver:
        def __init__(self, *_: object) -> None:
            opened.append(self)
            self.taken = 0

        def isOpened(self) -> bool:
            return True

        def getBackendName(self) -> str:
            return "FAKE"

        def get(self, name: int) -> float:
            return FPS if name == cv2.CAP_PROP_FPS else 0.0

        def grab(self) -> bool:
            self.taken += 1
            time.sleep(0.002)
            return True

        def retrieve(self) -> tuple[bool, np.ndarray]:
            wide = len(opened) > 1 or self.taken > 10
            return True, np.full((20 if wide else 10, 30, 3), self.taken, np.uint8)

        def release(self) -> None:
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Driver)
    camera = SimpleNamespace(open=lambda: open_source("0"))
    drill = Drill(camera)  # type: ignore[arg-type]
    deadline = time.monotonic() + PATIENCE_S
    drill.loop.run(lambda: len(drill.told) == 2 or time.monotonic() > deadline)
    drill.capture.stop()
    lost, back = drill.sink.events[:2]
    assert "the picture size of 0 changes from 30x10 to 30x20" in lost.text
    assert "with pictures of 30x20 instead of 30x10" in back.text


# -- how old a forecast is ---------------------------------------------------------------------


@pytest.mark.parametrize(("stamped_s", "least_ms"), [(0.08, 100.0), (None, 20.0)])
def test_latency_counts_from_the_drivers_stamp_and_has_the_decoding_in_it(
    monkeypatch: pytest.MonkeyPatch, stamped_s: float | None, least_ms: float
) -> None:
    class Driver:
        """Decodes a picture in 20 ms, and stamps it before it can be taken, or not at all."""

        def __init__(self, *_: object) -> None:
            self.taken = 0
            self.came = time.monotonic()

        def isOpened(self) -> bool:
            return True

        def getBackendName(self) -> str:
            return "V4L2"

        def get(self, name: int) -> float:
            if name == cv2.CAP_PROP_POS_MSEC and stamped_s is not None:
                return 1000.0 * (self.came - stamped_s)
            return FPS if name == cv2.CAP_PROP_FPS else 0.0

        def grab(self) -> bool:
            self.taken += 1
            time.sleep(0.005)
            self.came = time.monotonic()
            return True

        def retrieve(self) -> tuple[bool, np.ndarray]:
            time.sleep(0.02)
            return True, np.full((10, 30, 3), self.taken, np.uint8)

        def release(self) -> None:
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Driver)
    drill = Drill(SimpleNamespace(open=lambda: open_source("0")))  # type: ignore[arg-type]
    assert drill.loop.run(lambda: False, 12) is LoopEnd.FRAME_LIMIT
    drill.capture.stop()
    for line in drill.sink.lines:
        assert line.latency_ms >= least_ms  # 1 to 3 where only the loop's share counted
        elapsed_ms = 1000.0 * (line.emit_time - line.capture_time)
        assert elapsed_ms == pytest.approx(line.latency_ms, abs=5.0)


def test_a_stream_that_lags_is_late_and_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.capture.watch.LAG_FOR_S", 0.0)
    ages = [0.0] * 20 + [100.0] * 40 + [0.0] * 20
    connection = Connection(moving(at(*range(80))), then="ends", ages=ages)
    drill = Drill(ScriptedCamera(connection, kind=SourceKind.URL)).to_the_end()
    assert drill.frames == list(range(80))
    assert drill.reasons == FILLING + [None] * 15 + ["late"] * 40 + [None] * 20
    assert all(line.probability is not None for line in drill.sink.lines[CLIP:])  # no skipping
    assert all(1e5 <= line.latency_ms < 1.2e5 for line in drill.sink.lines[20:60])
    assert max(drill.sink.waited) < PATIENCE_S  # it is not this machine that is behind
    assert drill.told == [EventKind.WARNING, EventKind.WARNING]
    late, again = drill.sink.events
    assert late.text.startswith("pictures come 100.0 s late")
    assert again.text == "pictures come in time again"


def test_only_a_lag_that_stays_is_an_event() -> None:
    watch = PictureWatch()

    moments = itertools.count()

    def events_of(*parts: tuple[float, float]) -> list[str]:
        events: list[Event] = []
        for seconds, age_s in parts:
            for _ in range(round(seconds * FPS)):
                now = next(moments) / FPS
                picture = SourceFrame(grey(1), 0, now, arrived=now, age_s=age_s)
                events += watch.push(Captured(picture, now, now))
        return [event.text[:21] for event in events]

    assert events_of((5, 0.01), (1.9, 1.6), (5, 0.01), (1.9, 1.6), (1, 0.01)) == []
    assert events_of((600, 1.6)) == ["pictures come 1.6 s l"]
    assert events_of((1.9, 0.01), (60, 1.6)) == []
    assert events_of((600, 0.01)) == ["pictures come in time"]


def test_a_stall_of_our_own_is_no_silence_of_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped_s = [0.0]  # for how long the process was
    clock = SimpleNamespace(time=time.time, monotonic=lambda: time.monotonic() + stopped_s[0])
    monkeypatch.setattr("realtime.capture.capture.time", clock)
    hung = Connection(moving(at(*range(5))), then="hangs")
    capture = Drill(ScriptedCamera(hung, kind=SourceKind.URL)).capture
    assert hung.hanging.wait(PATIENCE_S)
    while capture.get(0.0) is not None:
        pass
    stopped_s[0] += 30.0
    capture.get(0.0)
    capture.get(0.0)
    assert not capture.lost
    for _ in range(3):  # but it is if it stays silent
        stopped_s[0] += 0.9
        capture.get(0.0)
    assert capture.lost
    hung.release.set()
    capture.stop()


@pytest.mark.parametrize("paused_s", [1.5, 3.0])
def test_a_pause_is_no_low_rate(paused_s: float) -> None:
    """Pictures that this machine did not take for a while say nothing about the light."""
    times = [*steps((200, 30.0))]
    times += [times[-1] + paused_s + time for time in steps((300, 30.0))]
    drill = Drill(ScriptedCamera(Connection(moving(times), then="ends"))).to_the_end()
    assert drill.told == []
    assert drill.stats.snapshot().lost == pytest.approx(30 * paused_s, abs=1)
    assert drill.stats.snapshot().camera_fps == pytest.approx(30, abs=0.1)


def test_a_camera_that_is_very_slow_is_told_all_the_same() -> None:
    drill = Drill(ScriptedCamera(Connection(moving(steps((20, 0.7))), then="ends")))
    drill.to_the_end()
    assert drill.told == [EventKind.RATE]


# -- times that are wrong ----------------------------------------------------------------------


def steps(*parts: tuple[int, float]) -> list[float]:
    """Times of so many pictures at so many frames a second, one part after another."""
    gaps = itertools.chain.from_iterable([1 / fps] * count for count, fps in parts)
    return [0.0, *itertools.accumulate(gaps)]


def test_a_drop_to_17_frames_a_second_is_said_once_and_forecasts_are_withheld() -> None:
    # 17 frames a second: every pause is longer than 1.75 of the declared intervals
    times = steps((149, 30.0), (170, 17.0), (240, 30.0))
    drill = Drill(ScriptedCamera(Connection(moving(times), then="ends"))).to_the_end()
    assert drill.told == [EventKind.RATE, EventKind.RATE_RIGHT]
    slow, right = drill.sink.events
    assert slow.values["fps"] < 27 <= right.values["fps"]
    assert "frames a second and the model needs 30" in slow.text
    assert "--camera-fps" in slow.text
    in_the_dark = [line for line in drill.sink.lines if 5.1 < line.media_time < 14.9]
    assert {line.reason for line in in_the_dark} == {"gap"}
    assert drill.reasons[-1] is None  # and it goes on in the light
    snapshot = drill.stats.snapshot()
    assert snapshot.repeated == 0
    assert snapshot.lost + snapshot.frames == drill.frames[-1] + 1  # every frame is accounted for
    assert snapshot.lost == pytest.approx(10 * (30 - 17), abs=2)
    assert snapshot.camera_fps == pytest.approx(30, abs=0.1)


def test_a_slow_rate_that_the_user_accepts_is_filled_up_instead() -> None:
    times = steps((300, 17.0))
    request = CameraRequest(fps=17.0)
    drill = Drill(ScriptedCamera(Connection(moving(times), then="ends")), request).to_the_end()
    assert drill.told == []
    assert drill.stats.snapshot().lost == 0
    assert set(drill.reasons[CLIP:]) == {None}
    repeated = sum(line.repeated for line in drill.sink.lines)
    assert repeated / len(drill.frames) == pytest.approx(13 / 30, abs=0.01)


@pytest.mark.parametrize("declared", [15.0, 60.0, 120.0, None])
def test_a_camera_that_declares_a_wrong_rate_loses_nothing(declared: float | None) -> None:
    rng = np.random.default_rng(5)
    times = [k / 30 + float(rng.uniform(-0.3, 0.3)) / 30 for k in range(600)]
    camera = ScriptedCamera(Connection(moving(times), then="ends", fps=declared))
    drill = Drill(camera).to_the_end()
    assert drill.frames == list(range(600))
    assert drill.told == []
    assert drill.stats.snapshot().repeated == 0


def test_what_the_model_does_not_need_is_not_missed() -> None:
    """A camera that declares 60 frames a second and gives 25 is a camera of 25."""
    times = [k / 25 for k in range(300)]
    camera = ScriptedCamera(Connection(moving(times), then="ends", fps=60.0))
    drill = Drill(camera).to_the_end()
    snapshot = drill.stats.snapshot()
    assert (snapshot.lost, snapshot.repeated) == (0, len(drill.frames) - 300)
    assert drill.frames == list(range(len(drill.frames)))


@pytest.mark.parametrize("declared", [15.0, 30.0, 60.0])
def test_pictures_that_go_missing_are_lost_whatever_rate_is_declared(declared: float) -> None:
    frames = [*range(100), *range(101, 200), *range(203, 300)]
    camera = ScriptedCamera(Connection(moving(at(*frames)), then="ends", fps=declared))
    drill = Drill(camera).to_the_end()
    snapshot = drill.stats.snapshot()
    assert (snapshot.lost, snapshot.gaps, snapshot.repeated) == (4, 2, 0)
    assert drill.frames == frames


@pytest.mark.parametrize("declared", [30.0, 60.0, None])
def test_of_a_fast_camera_the_nearest_pictures_are_taken(declared: float | None) -> None:
    times = [k / 60 for k in range(600)]
    camera = ScriptedCamera(Connection(moving(times), then="ends", fps=declared))
    drill = Drill(camera).to_the_end()
    assert drill.frames == list(range(len(drill.frames)))
    off = [line.media_time * FPS - line.frame for line in drill.sink.lines[10:]]
    assert max(map(abs, off)) < 0.01
    assert len(drill.frames) == pytest.approx(300, abs=2)
    assert drill.resampler.surplus == pytest.approx(300, abs=2)


def test_stamps_that_come_twice_or_out_of_order_are_passed_over() -> None:
    times = at(*range(40))
    odd = [*times[:10], times[9], *times[10:20], times[15], times[4], float("nan"), *times[20:]]
    drill = Drill(ScriptedCamera(Connection(moving(odd), then="ends"))).to_the_end()
    assert drill.frames == list(range(40))
    assert drill.resampler.surplus == 4
    assert drill.reasons == FILLING + [None] * 35
    assert (drill.stats.snapshot().lost, drill.told) == (0, [])


def test_jitter_costs_no_frame() -> None:
    rng = np.random.default_rng(3)
    times = [k / 30 + float(rng.uniform(-0.37, 0.37)) / 30 for k in range(900)]
    drill = Drill(ScriptedCamera(Connection(moving(times), then="ends"))).to_the_end()
    assert drill.frames == list(range(900))
    assert drill.reasons == FILLING + [None] * 895
    assert drill.told == []


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
def test_a_step_of_the_wall_clock_changes_nothing_but_the_stamps(
    monkeypatch: pytest.MonkeyPatch, step_s: float
) -> None:
    now, real = [0.0], time.time
    for module in ("realtime.capture.capture", "realtime.loop"):
        clock = SimpleNamespace(
            time=lambda: real() + now[0], monotonic=time.monotonic, perf_counter=time.perf_counter
        )
        monkeypatch.setattr(f"{module}.time", clock)
    drill = Drill(ScriptedCamera(Connection(moving(at(*range(60))), then="ends")))
    write = drill.sink.write

    def write_and_step(update: object) -> None:
        write(update)  # type: ignore[arg-type]
        now[0] = step_s if len(drill.frames) >= 30 else 0.0

    monkeypatch.setattr(drill.sink, "write", write_and_step)
    drill.to_the_end()
    assert drill.frames == list(range(60))
    assert drill.reasons == FILLING + [None] * 55
    emitted = [line.emit_time for line in drill.sink.lines]
    assert emitted[40] - emitted[20] == pytest.approx(step_s, abs=PATIENCE_S)
    assert all(0 <= line.latency_ms < 1000 * PATIENCE_S for line in drill.sink.lines)


# -- a machine that is slow --------------------------------------------------------------------


class World:
    """A world whose time passes only where we say so, for the loop and a camera of 30 fps.

    Evaluating a frame takes `cost_s`, taking it in without that `least_s`, and the evaluation of
    frame `stall_at` takes `stall_s` on top.
    """

    def __init__(
        self, cost_s: float, stall_s: float, stall_at: int = 60, frames: int = 400
    ) -> None:
        self.now, self.cost_s, self.least_s = 1000.0, cost_s, 0.001
        self.dropped, self.behind_s, self.losses, self.fps = 0, 0.0, 0, None
        self.policy = Policy.KEEP_UP
        self.info = SourceInfo(SourceKind.CAMERA, "world", WIDTH, HEIGHT, FPS, None)
        self._start, self._next, self._frames = self.now, 0, frames
        self._stall = (stall_at, stall_s)
        self.most_waiting = 0
        self.evaluated: list[int] = []
        self.lags: list[tuple[float, float]] = []  # when a frame was done, and how old it was

    def monotonic(self) -> float:
        return self.now

    time = perf_counter = monotonic

    def get(self, timeout_s: float) -> Captured | None:
        if self._next == self._frames:
            return None
        taken_at = self._start + self._next / FPS
        self.most_waiting = max(self.most_waiting, int((self.now - taken_at) * FPS))
        self.now = max(self.now, taken_at)
        picture = SourceFrame(grey(self._next), self._next, taken_at)
        self._next += 1
        return Captured(picture, taken_at, taken_at)

    def events(self) -> list[Event]:
        return []

    @property
    def exhausted(self) -> bool:
        return self._next == self._frames

    def raise_failure(self) -> None:
        pass

    def work(self) -> None:
        frame, seconds = self._stall
        self.evaluated.append(self._next - 1)
        self.now += self.cost_s + (seconds if self._next - 1 == frame else 0.0)


def in_a_world(
    monkeypatch: pytest.MonkeyPatch, world: World, forecaster: Forecaster | None = None
) -> ListSink:
    monkeypatch.setattr("realtime.loop.time", world)
    monkeypatch.setattr("realtime.pipeline.time", world)
    for module in ("realtime.loop", "realtime.keeping_up"):
        monkeypatch.setattr(f"{module}.MAX_LAG_S", MAX_LAG_S)

    class Sink(ListSink):
        def write(self, update: object) -> None:
            super().write(update)  # type: ignore[arg-type]
            world.now += world.least_s
            age_s = world.now - self.lines[-1].media_time
            world.lags.append((world.now, age_s))

    sink = Sink()
    source = SimpleNamespace(info=world.info)
    LiveLoop(
        world,  # type: ignore[arg-type]
        resampler_of(source, FPS, CameraRequest()),  # type: ignore[arg-type]
        FramePipeline(
            Preprocessor(HEIGHT, WIDTH), forecaster or CountingForecaster(on_push=world.work)
        ),
        Outlets([sink]),
        LiveStats(FPS, CLIP),
        DecisionRule(1.0, 1.0),
    ).run(lambda: False)
    return sink


def lag_after(world: World, when: float) -> float:
    """The largest lag of the frames that were done after a time."""
    return max(lag for done, lag in world.lags if done > when)


STALLED_S = 60 / FPS + 1000.0  # when the stalling evaluation begins


def test_a_short_enough_backlog_is_worked_off_without_breaking_a_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(cost_s=0.3 / FPS, stall_s=2.0)
    sink = in_a_world(monkeypatch, world)
    assert [line.frame for line in sink.lines] == list(range(400))  # no frame is lost
    said = reasons(sink.lines)
    assert set(said[CLIP:]) == {None, "late"}
    assert all(line.probability is not None for line in sink.lines[CLIP:])  # all were evaluated
    back = STALLED_S + 2.0 + CATCH_UP_S
    assert lag_after(world, back) <= 1 / FPS  # measured: 0.011 s
    assert said[60 + 4 * 30 :] == [None] * (400 - 180)
    assert [event.kind for event in sink.events] == []


def test_a_backlog_that_would_take_too_long_is_taken_in_without_forecasts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(cost_s=0.6 / FPS, stall_s=2.0)
    sink = in_a_world(monkeypatch, world)
    assert [line.frame for line in sink.lines] == list(range(400))  # skips evaluations, not frames
    skipped = [line.frame for line in sink.lines[CLIP:] if line.probability is None]
    assert skipped == list(range(61, skipped[-1] + 1))
    last = skipped[-1]
    assert set(reasons(sink.lines[61 : last + 1])) == {"late"}
    # 60 frames came in the stall; the first one that is evaluated again begins a window
    again = next(frame for frame in world.evaluated if frame > 60)
    assert 61 + 59 <= again <= 61 + 64
    assert last == again + CLIP - 2
    # motion energy, and with it the labels, knows every frame
    assert all(line.change is not None for line in sink.lines[1:])
    assert lag_after(world, STALLED_S + 2.0 + CATCH_UP_S) <= 1 / FPS  # measured: 0.021 s
    assert reasons(sink.lines[last + 1 :]) == [None] * (399 - last)
    assert [event.kind for event in sink.events] == [EventKind.WARNING]
    assert "was 2.0 s behind the camera" in sink.events[0].text


@pytest.mark.parametrize("share", [0.1, 0.35, 0.5, 0.7, 0.9, 0.99])
@pytest.mark.parametrize("stall_s", [0.6, 1.0, 2.0, 2.9])
def test_after_a_stall_the_lag_is_gone_within_a_second(
    monkeypatch: pytest.MonkeyPatch, share: float, stall_s: float
) -> None:
    world = World(cost_s=share / FPS - 0.001, stall_s=stall_s)
    in_a_world(monkeypatch, world)
    back = STALLED_S + stall_s + CATCH_UP_S
    # one frame may wait while the one before it is evaluated
    assert lag_after(world, back + share / FPS) <= (1.001 + share) / FPS
    assert world.most_waiting <= 3.0 * FPS  # what the capture's queue holds


def test_a_machine_that_is_always_too_slow_never_lags_far_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(cost_s=1.5 / FPS, stall_s=0.0, frames=1500)
    sink = in_a_world(monkeypatch, world)
    assert [line.frame for line in sink.lines] == list(range(1500))
    assert max(lag for _, lag in world.lags) <= MAX_LAG_S + CATCH_UP_S + 1.5 / FPS
    behind, too_slow = [event.text for event in sink.events]  # of a forecaster without strides
    assert "was 0.5 s behind the camera" in behind
    assert "most forecasts are withheld; stop other programs" in too_slow


# -- for hours ---------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_frames() -> None:
    drill = Drill(ScriptedCamera(Connection(moving([0.0]), then="ends")))
    drill.to_the_end()
    capture: Capture = drill.capture
    capture._link = SimpleNamespace(ended=False, failure=None, last=0.0, waiting_s=lambda _: 0.0)

    def push(number: int) -> None:
        picture = SourceFrame(grey(number), number, number / 30)
        capture._queue.put(Captured(picture, time.monotonic(), 0.0))
        taken = capture.get(1.0)
        assert taken is not None
        drill.loop._take(taken, None)
        drill.sink.lines.clear()
        drill.sink.levels.clear()
        drill.sink.waited.clear()

    for number in range(1, 400):
        push(number)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(400, 3000):
        push(number)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20_000  # measured: some 100 to 2000 bytes, and a frame that stays would be 24


def test_threads_end_with_the_run() -> None:
    Drill(ScriptedCamera(Connection(moving(at(*range(9))), then="ends"))).to_the_end()
    names: Sequence[str] = [thread.name for thread in threading.enumerate()]
    assert "fishrt-capture" not in names
