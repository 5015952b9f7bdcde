"""Overlay and sinks: what is drawn, written, recorded, shown, and what is left alone."""

import dataclasses
import errno
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from fishrt.config import Config
from fishrt.display import display_exists
from fishrt.errors import OutputError
from realtime.capture import Policy
from realtime.forecast import Forecast, Reason
from realtime.options import LiveOptions
from realtime.overlay import BURST, FOOTER_HEIGHT, FRAME_WIDTH, TRACE_SECONDS, Overlay, state_text
from realtime.run_view import RunView
from realtime.scoreboard.snapshot import ScoreSnapshot
from realtime.sinks.jsonl import JsonlSink
from realtime.sinks.open import check_targets, make_sinks
from realtime.sinks.outbox import Outbox
from realtime.sinks.status import StatusSink, status_line
from realtime.sinks.video import QUEUE_PICTURES, VideoRecorder
from realtime.sinks.window import REDRAW_S, WindowSink, window_opens, window_wanted
from realtime.stats import Histogram, LiveStats, StatsSnapshot
from realtime.update import Update

FPS = 30.0
THRESHOLD = 0.6
PATIENCE_S = 20.0
CALM = Forecast(7, 7, 0.25, 1e9, 1e9 + 0.01, 10.0, 0.2, False, True, None, False)


def said(frame: int = 7, probability: float | None = 0.2, **changes: object) -> Forecast:
    valid = probability is not None
    return dataclasses.replace(
        CALM,
        frame=frame,
        probability=probability,
        burst=probability >= THRESHOLD if probability is not None else None,
        valid=valid,
        reason=None if valid else Reason.FILLING,
        **changes,  # type: ignore[arg-type]
    )


def update(forecast: Forecast, picture: np.ndarray, waited_s: float = 0.0) -> Update:
    return Update(forecast, picture, np.zeros((2, 2), np.uint8), waited_s=waited_s)


def a_run(policy: Policy) -> RunView:
    return RunView("0", "tiny", Config(), 0.5, policy, figures, ScoreSnapshot, Outbox())


def figures() -> StatsSnapshot:
    return LiveStats(FPS, 120).snapshot()


def drawn(overlay: Overlay, forecast: Forecast, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    overlay.observe(forecast)
    return overlay.draw(forecast, picture, figures())


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 200, shape, np.uint8)


@pytest.fixture
def overlay() -> Overlay:
    return Overlay(FPS, THRESHOLD, 1.5)


# -- the overlay -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "width"),
    [(12, 16), (47, 63), (240, 320), (241, 321), (480, 640), (1024, 1024), (1080, 1920),
     (2000, 300), (300, 4001), (1, 1)],
)  # fmt: skip
@pytest.mark.parametrize("channels", [0, 3])
def test_sizes_are_even_and_readable_whatever_the_camera(
    overlay: Overlay, height: int, width: int, channels: int
) -> None:
    picture = noise(height, width, channels) if channels else noise(height, width)
    before = picture.copy()
    canvas = drawn(overlay, said(), picture)
    assert canvas.dtype == np.uint8
    assert canvas.shape[2] == 3
    assert canvas.shape[0] % 2 == canvas.shape[1] % 2 == 0
    assert 640 <= canvas.shape[1] <= 1280
    assert FOOTER_HEIGHT < canvas.shape[0] <= 800 + FOOTER_HEIGHT
    np.testing.assert_array_equal(picture, before)


def test_the_picture_is_shown_as_it_is(overlay: Overlay) -> None:
    colour, grey = noise(480, 640, 3), noise(480, 640)
    np.testing.assert_array_equal(drawn(overlay, said(), colour)[:480], colour)
    canvas = drawn(overlay, said(8), grey)
    np.testing.assert_array_equal(canvas[:480], np.repeat(grey[:, :, None], 3, axis=2))
    assert canvas[480:].std() > 5  # there is something in the footer


def test_a_tall_picture_keeps_its_shape(overlay: Overlay) -> None:
    picture = np.full((1600, 800, 3), 255, np.uint8)
    canvas = drawn(overlay, said(), picture)[:-FOOTER_HEIGHT]
    white = (canvas == 255).all(axis=2)
    assert canvas.shape == (800, 640, 3)
    assert white.any(axis=0).sum() == 400  # half as wide as high
    np.testing.assert_array_equal(white, white[:, ::-1])  # in the middle


@pytest.mark.parametrize("alarm", [False, True])
@pytest.mark.parametrize("probability", [None, 0.2, 0.9])
def test_the_edge_is_red_while_the_alarm_is_on(
    overlay: Overlay, probability: float | None, alarm: bool
) -> None:
    """An alarm begins later than the threshold is reached, and ends later than it is left."""
    picture = noise(480, 640, 3)
    canvas = drawn(overlay, said(probability=probability, alarm=alarm), picture)[:480]
    inside = slice(FRAME_WIDTH, -FRAME_WIDTH)
    np.testing.assert_array_equal(canvas[inside, inside], picture[inside, inside])
    edge = np.concatenate([canvas[0], canvas[-1], canvas[:, 0], canvas[:, -1]])
    if alarm:
        assert (edge == BURST).all()
    else:
        np.testing.assert_array_equal(canvas, picture)


@pytest.mark.parametrize(
    ("forecast", "above", "word"),
    [
        (said(probability=0.2), False, "calm"),
        (said(probability=0.9), True, "rising"),
        (said(probability=0.9, alarm=True), True, "BURST AHEAD"),
        (said(probability=0.5, alarm=True), False, "BURST AHEAD"),  # not below the release yet
        (dataclasses.replace(said(probability=None), reason=Reason.SKIPPED), True, "rising"),
        (said(probability=None), False, "filling 0/120"),
        (dataclasses.replace(said(probability=0.9), reason=Reason.LATE), False, "late"),
    ],
)
def test_the_state_in_a_word(forecast: Forecast, above: bool, word: str) -> None:
    assert state_text(forecast, figures(), above=above)[0] == word


def test_the_trace_is_bounded_and_shows_the_last_seconds(overlay: Overlay) -> None:
    span = round(FPS * TRACE_SECONDS)
    for frame in range(5 * span):
        overlay.observe(said(frame, 0.5))
        assert len(overlay._trace) <= span
    assert [frame for frame, _ in overlay._trace] == list(range(4 * span, 5 * span))
    overlay.observe(said(9 * span, None))  # after a long loss, nothing old is left
    assert len(overlay._trace) == 0


def test_the_trace_goes_up_with_the_probability() -> None:
    rows = []
    for probability in (0.1, 0.5, 0.9):
        flat, empty = Overlay(FPS, THRESHOLD, 1.5), Overlay(FPS, THRESHOLD, 1.5)
        for frame in range(300):
            flat.observe(said(frame, probability))
        picture = noise(480, 640, 3)
        line = flat.draw(said(299, probability), picture, figures())[490:, 250:400].astype(int)
        blank = empty.draw(said(299, None), picture, figures())[490:, 250:400].astype(int)
        changed = np.abs(line - blank).sum(axis=2) > 30
        rows.append(float(np.nonzero(changed)[0].mean()))
    low, middle, high = rows
    assert low > middle > high
    assert low - high == pytest.approx(0.8 * 96, abs=3)  # the well is 96 pixels high


# -- the log -----------------------------------------------------------------------------------


def test_the_log_is_there_line_by_line_and_parses(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    sink = JsonlSink(str(path))
    forecasts = [said(i, None if i < 3 else i / 10) for i in range(6)]
    for number, forecast in enumerate(forecasts, start=1):
        sink.write(update(forecast, noise(2, 2)))
        # nothing waits in a buffer
        assert path.read_bytes().count(b"\n") == number
    sink.close()
    sink.close()
    sink.write(update(said(), noise(2, 2)))  # after closing: nothing
    read = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(read) == 6
    for forecast, line in zip(forecasts, read, strict=True):
        assert Forecast(**{**line, "reason": line["reason"] and Reason(line["reason"])}) == forecast


def test_a_log_writes_whole_lines_also_where_the_system_takes_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, path = os.write, tmp_path / "log.jsonl"
    sink = JsonlSink(str(path))
    monkeypatch.setattr(os, "write", lambda descriptor, data: whole(descriptor, bytes(data[:10])))
    sink.write(update(said(), noise(2, 2)))
    monkeypatch.undo()
    assert path.read_text() == said().to_json() + "\n"
    sink.close()


def test_a_line_for_which_the_disk_has_no_room_leaves_no_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, path = os.write, tmp_path / "log.jsonl"
    sink = JsonlSink(str(path))
    sink.write(update(said(1), noise(2, 2)))
    room = [10, 20]

    def write(descriptor: int, data: memoryview) -> int:
        if not room:
            raise OSError(errno.ENOSPC, "no space left on device")
        return whole(descriptor, bytes(data[: room.pop()]))

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OutputError, match="the disk is full"):
        sink.write(update(said(2), noise(2, 2)))
    monkeypatch.undo()
    assert path.read_text() == said(1).to_json() + "\n"
    sink.write(update(said(3), noise(2, 2)))  # and the next one stands where it belongs
    sink.close()
    assert path.read_text() == said(1).to_json() + "\n" + said(3).to_json() + "\n"


def test_a_log_never_holds_nan() -> None:
    with pytest.raises(ValueError, match="JSON"):
        said(probability=float("nan")).to_json()


def test_existing_logs_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("precious")
    with pytest.raises(OutputError, match=r"already exists; .*--overwrite"):
        JsonlSink(str(path))
    assert path.read_text() == "precious"
    JsonlSink(str(path), overwrite=True).close()
    assert path.read_text() == ""


# -- the recorder ------------------------------------------------------------------------------


class SlowOverlay(Overlay):
    """Draws only when told to."""

    def __init__(self) -> None:
        super().__init__(FPS, THRESHOLD, 1.5)
        self.drawing, self.go_on = threading.Event(), threading.Event()
        self.error: Exception | None = None

    def draw(
        self, forecast: Forecast, picture: NDArray[np.uint8], stats: StatsSnapshot
    ) -> NDArray[np.uint8]:
        self.drawing.set()
        assert self.go_on.wait(PATIENCE_S)
        if self.error is not None:
            raise self.error
        return super().draw(forecast, picture, stats)


@pytest.fixture
def slow() -> Iterator[SlowOverlay]:
    overlay = SlowOverlay()
    yield overlay
    overlay.go_on.set()


def frames_in(path: Path) -> int:
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        count += 1
    return count


def test_a_slow_recorder_drops_and_counts_on_live_sources(
    tmp_path: Path, slow: SlowOverlay
) -> None:
    path = tmp_path / "o.mp4"
    recorder = VideoRecorder(path, slow, figures, FPS, may_drop=True)
    recorder.write(update(said(0), noise(48, 64)))
    assert slow.drawing.wait(PATIENCE_S)  # the thread has the first one, and the queue is empty
    for frame in range(1, QUEUE_PICTURES + 8):
        recorder.write(update(said(frame), noise(48, 64)))
    assert recorder.dropped == 7
    slow.go_on.set()
    recorder.close()
    recorder.close()
    assert frames_in(path) == QUEUE_PICTURES + 1


def test_a_recorder_of_a_file_makes_the_loop_wait(tmp_path: Path, slow: SlowOverlay) -> None:
    path = tmp_path / "o.mp4"
    recorder = VideoRecorder(path, slow, figures, FPS, may_drop=False)
    count = QUEUE_PICTURES + 8

    def write_all() -> None:
        for frame in range(count):
            recorder.write(update(said(frame), noise(48, 64)))

    writing = threading.Thread(target=write_all, daemon=True)
    writing.start()
    assert slow.drawing.wait(PATIENCE_S)
    assert writing.is_alive()
    slow.go_on.set()
    writing.join(PATIENCE_S)
    assert not writing.is_alive()
    recorder.close()
    assert (recorder.dropped, frames_in(path)) == (0, count)


def test_a_recorder_that_failed_says_so_at_the_next_picture_and_at_the_end(
    tmp_path: Path, slow: SlowOverlay
) -> None:
    slow.error = RuntimeError("encoder")
    slow.go_on.set()
    recorder = VideoRecorder(tmp_path / "o.mp4", slow, figures, FPS, may_drop=False)
    recorder.write(update(said(), noise(48, 64)))
    recorder._thread.join(PATIENCE_S)
    with pytest.raises(OutputError, match=r"failed \(RuntimeError: encoder\)"):
        recorder.write(update(said(), noise(48, 64)))
    with pytest.raises(OutputError, match=r"failed \(RuntimeError: encoder\)"):
        recorder.close()


def test_a_recorder_without_a_picture_leaves_no_file(tmp_path: Path, overlay: Overlay) -> None:
    VideoRecorder(tmp_path / "o.mp4", overlay, figures, FPS, may_drop=True).close()
    assert list(tmp_path.iterdir()) == []


def test_a_recorder_stops_before_the_disk_is_full(
    tmp_path: Path, overlay: Overlay, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [10**12, 10**12, 10**6]
    usage = type("Usage", (), {"free": property(lambda self: free.pop(0))})
    monkeypatch.setattr("realtime.sinks.recording.shutil.disk_usage", lambda _: usage())
    monkeypatch.setattr("realtime.sinks.recording.CHECK_SPACE_FRAMES", 5)
    path = tmp_path / "o.mp4"
    recorder = VideoRecorder(path, overlay, figures, FPS, may_drop=False)
    for frame in range(6):
        recorder.write(update(said(frame), noise(48, 64)))
    with pytest.raises(OutputError, match=r"stopped because the disk is full.*is kept"):
        recorder.close()
    assert frames_in(path) == 5


# -- window and status -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "variables", "exists"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ""}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("darwin", {}, True),
        ("win32", {}, True),
        ("freebsd14", {"DISPLAY": ":0"}, True),
        ("freebsd14", {}, False),
    ],
)
def test_where_there_is_a_display(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], exists: bool
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert display_exists() is exists


def test_a_display_that_is_named_but_not_there_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Qt aborts the process that tries it, so another process has to."""
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":987")
    monkeypatch.setattr(sys, "platform", "linux")
    assert display_exists()
    assert not window_opens()
    assert window_wanted(None) is window_wanted(False) is False
    with pytest.raises(OutputError, match="run with --no-window"):
        window_wanted(True)


@pytest.mark.parametrize(("asked", "wanted"), [(None, True), (True, True), (False, False)])
def test_a_window_that_can_be_opened_is_shown_unless_unwanted(
    monkeypatch: pytest.MonkeyPatch, asked: bool | None, wanted: bool
) -> None:
    monkeypatch.setattr("realtime.sinks.window.display_exists", lambda: True)
    monkeypatch.setattr("realtime.sinks.window.PROBE", "")
    assert window_wanted(asked) is wanted


def test_without_a_python_to_try_it_no_window_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert not window_opens()


@pytest.mark.parametrize("window", [True, False])
def test_the_window_is_a_sink_only_when_wanted_and_the_status_comes_last(window: bool) -> None:
    console = Console(file=open(os.devnull, "w"), force_terminal=False)  # noqa: SIM115, PTH123
    sinks = make_sinks(LiveOptions(window=window), a_run(Policy.KEEP_UP), console)
    assert [type(sink) for sink in sinks] == ([WindowSink] if window else []) + [StatusSink]
    for sink in sinks:
        sink.close()


def test_sinks_that_were_opened_are_closed_when_a_later_one_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    close = VideoRecorder.close
    monkeypatch.setattr(VideoRecorder, "close", lambda self: closed.append(self) or close(self))
    options = LiveOptions(outputs=(str(tmp_path / "none" / "log"),), record=tmp_path / "o.mp4")
    with pytest.raises(OutputError, match="folder does not exist"):
        make_sinks(options, a_run(Policy.KEEP_UP), Console())
    assert [type(sink) for sink in closed] == [VideoRecorder]


def test_a_start_that_fails_leaves_no_file(tmp_path: Path) -> None:
    options = LiveOptions(outputs=(str(tmp_path / "log.jsonl"),), record=tmp_path / "o.gif")
    with pytest.raises(OutputError, match=r"ends with \.mp4"):
        make_sinks(options, a_run(Policy.KEEP_UP), Console())
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_into_the_footage(tmp_path: Path) -> None:
    log = str(tmp_path / "log.jsonl")
    for footage in ({"camera": str(tmp_path)}, {"replay": str(tmp_path)}):
        options = LiveOptions(outputs=(log,), **footage)
        with pytest.raises(OutputError, match="lies within the footage"):
            make_sinks(options, a_run(Policy.EVERY_FRAME), Console())
    assert not list(tmp_path.iterdir())


def test_the_standard_output_lies_in_no_footage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_targets(LiveOptions(outputs=("-",), camera="."))
    with pytest.raises(OutputError, match="lies within the footage"):
        check_targets(LiveOptions(outputs=("log.csv",), camera="."))


@pytest.mark.parametrize("option", ["outputs", "events", "record", "record_raw"])
@pytest.mark.parametrize("camera", ["{home}/tank.mp4", "~/tank.mp4", "tank.mp4"])
def test_the_footage_is_never_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, camera: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    footage = tmp_path / "tank.mp4"
    footage.write_bytes(b"precious")
    target = {"outputs": (str(footage),), "events": str(footage)}.get(option, footage)
    camera = camera.format(home=tmp_path)
    options = LiveOptions(camera=camera, overwrite=True, **{option: target})
    with pytest.raises(OutputError, match="is the footage itself"):
        make_sinks(options, a_run(Policy.EVERY_FRAME), Console())
    assert footage.read_bytes() == b"precious"


class Screen:
    """Stands in for OpenCV's windows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown = 0
        self.destroyed = 0
        self.key = -1
        self.visible = 1.0
        monkeypatch.setattr(cv2, "imshow", self._show)
        monkeypatch.setattr(cv2, "waitKey", lambda _: self.key)
        monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: self.visible)
        monkeypatch.setattr(cv2, "destroyWindow", self._destroy)

    def _show(self, title: str, canvas: NDArray[np.uint8]) -> None:
        self.shown += 1

    def _destroy(self, title: str) -> None:
        self.destroyed += 1


def test_the_window_shows_what_is_fresh(monkeypatch: pytest.MonkeyPatch, overlay: Overlay) -> None:
    clock = SimpleNamespace(now=50.0)
    monkeypatch.setattr("realtime.sinks.window.time", SimpleNamespace(monotonic=lambda: clock.now))
    screen = Screen(monkeypatch)
    sink = WindowSink(overlay, figures)
    sink.write(update(said(1), noise(48, 64), waited_s=5.0))
    sink.write(update(said(2), noise(48, 64), waited_s=5.0))
    assert screen.shown == 1
    clock.now += REDRAW_S + 0.01  # a loop that is always late still shows something
    sink.write(update(said(3), noise(48, 64), waited_s=5.0))
    assert screen.shown == 2
    # what the camera or its stream took is not our being behind
    sink.write(update(said(4, latency_ms=5000.0), noise(48, 64)))
    assert (screen.shown, sink.closed_by_user) == (3, False)
    screen.key = ord("q")  # and it hears its keys
    sink.write(update(said(5), noise(48, 64), waited_s=5.0))
    assert (screen.shown, sink.closed_by_user) == (3, True)
    sink.close()
    sink.close()
    assert screen.destroyed == 1


@pytest.mark.parametrize(("key", "visible"), [(ord("q"), 1.0), (27, 1.0), (-1, 0.0)])
def test_the_window_can_be_closed(
    monkeypatch: pytest.MonkeyPatch, overlay: Overlay, key: int, visible: float
) -> None:
    screen = Screen(monkeypatch)
    sink = WindowSink(overlay, figures)
    sink.write(update(said(1), noise(48, 64)))
    assert not sink.closed_by_user
    screen.key, screen.visible = key, visible
    sink.write(update(said(2), noise(48, 64)))
    assert sink.closed_by_user


def test_no_window_system_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, overlay: Overlay
) -> None:
    def fail(*_: object) -> None:
        raise cv2.error("The function is not implemented.\nRebuild the library")

    monkeypatch.setattr(cv2, "imshow", fail)
    sink = WindowSink(overlay, figures)
    with pytest.raises(OutputError, match="run with --no-window"):
        sink.write(update(said(), noise(48, 64)))
    sink.close()


def test_the_status_is_renewed_when_it_is_due_and_says_what_is_wrong(tmp_path: Path) -> None:
    clock = iter([0.0, 9.9, 10.0, 12.0, 20.1])
    with (tmp_path / "err").open("w+") as file:
        console = Console(file=file, force_terminal=False)
        sink = StatusSink(figures, THRESHOLD, console, lambda: next(clock))
        for frame in range(4):
            sink.write(update(said(frame, 0.42), noise(2, 2)))
        sink.close()
        file.seek(0)
        lines = file.read().splitlines()
    assert [line.rpartition("frame ")[2] for line in lines] == ["1", "3"]
    assert lines[0].startswith("0.42 ########............ |")  # 8 of 20
    assert "lost" not in lines[0]
    wrong = dataclasses.replace(figures(), dropped=3, lost=5, late=1, behind_s=2.0)
    text = status_line(said(9, None), None, THRESHOLD, wrong).plain
    assert text.startswith("filling 0/120 |")
    assert "dropped 3, lost 5, late 1" in text
    assert "2.0 s behind real time" in text


# -- figures -----------------------------------------------------------------------------------


def test_percentiles_are_those_of_a_sorted_list_to_a_bin() -> None:
    rng = np.random.default_rng(1)
    values = np.sort(np.concatenate([rng.gamma(3.0, 4.0, 990), rng.uniform(100, 900, 10)]))
    histogram = Histogram()
    for value in rng.permutation(values):
        histogram.add(float(value))
    got = histogram.percentiles()
    assert got.p50 == pytest.approx(values[499], abs=0.1)
    assert got.p99 == pytest.approx(values[989], abs=0.1)
    assert got.max == values[-1]
    histogram.add(1e9)  # beyond the range, but not forgotten
    assert histogram.percentiles().max == 1e9
    assert dataclasses.astuple(Histogram().percentiles()) == (0.0, 0.0, 0.0)


def test_rates_are_those_of_the_frames_from_first_to_last() -> None:
    stats = LiveStats(FPS, 120)
    for frame in range(101):  # the first 10 frames at 10 fps, the others at 30
        stats.count(said(frame), 5.0, now=min(frame, 10) / 10 + max(frame - 10, 0) / 30)
    snapshot = stats.snapshot()
    assert snapshot.fps_kept == pytest.approx(100 / (1 + 3))
    assert snapshot.fps == pytest.approx(30)
    assert snapshot.seconds == pytest.approx(4)
    assert snapshot.budget == pytest.approx(5.0 / (1000 / 30), rel=0.03)  # a bin of 0.1 in 5 ms


def test_repeated_frames_do_not_count_as_latency() -> None:
    stats = LiveStats(FPS, 120)
    stats.count(said(0), 1.0, now=0.0)
    stats.count(said(1, latency_ms=900.0, repeated=True), 1.0, now=0.1)
    assert stats.snapshot().latency.max == 10.0
    assert (stats.snapshot().frames, stats.snapshot().repeated) == (2, 1)
