"""A whole live session from Python: what happens before its first frame and after its last."""

import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scripted_camera import Connection, ScriptedCamera, at, moving
from tiny_bundle import make_tiny_bundle

from fishrt.bundle import Bundle
from fishrt.clip import ClipGeometry
from fishrt.errors import ConfigError
from fishrt.video import SourceFrame, SourceInfo, SourceKind, VideoSource
from realtime import session
from realtime.capture import Capture
from realtime.keeping_up import CATCH_UP_S
from realtime.session import LiveOptions, run_live
from realtime.sinks.jsonl import JsonlSink
from realtime.stepper import OnnxStepper
from realtime.summary import LiveSummary, summary_lines

GEOMETRY = ClipGeometry(steps=2, frames_per_step=2, height=12, width=16)
PATIENCE_S = 20.0  # for a thread on a busy machine; nothing waits for it when all is well
STALE, FRESH = 5, 9
FRAME_MS = 1000.0 / 30.0
STALLS_AT = 120  # step; what the budget measures at the start takes fewer
SLACK_S = 0.5  # for a busy machine


class WaitingCamera:
    """A camera with pictures from before the start, then new ones when it is told to go on."""

    def __init__(self) -> None:
        self.info = SourceInfo(SourceKind.CAMERA, "0", GEOMETRY.width, GEOMETRY.height, 30.0, None)
        self.ended_early: str | None = None
        self.drained = threading.Event()
        self.go_on = threading.Event()
        self._next = 0

    def read(self) -> SourceFrame | None:
        index = self._next
        self._next += 1
        if index == STALE:
            self.drained.set()
            self.go_on.wait(PATIENCE_S)
        if index == STALE + FRESH:
            return None
        image = np.full((GEOMETRY.height, GEOMETRY.width), index, np.uint8)
        return SourceFrame(image, index, index / 30.0 + (3.0 if index >= STALE else 0.0))

    def close(self) -> None:
        pass


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_tiny_bundle(tmp_path / "tiny", GEOMETRY)


def run(
    bundle: Bundle, say: Callable[[str], None] = lambda _: None, **options: object
) -> LiveSummary:
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        return run_live(
            LiveOptions(bundle=str(bundle.folder), **options),  # type: ignore[arg-type]
            say,
            Console(file=nowhere, force_terminal=False),
            lambda _: None,
        )


def test_pictures_from_before_the_start_are_not_taken_for_a_gap(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = WaitingCamera()
    measure, discard = session.make_forecaster, Capture.discard

    def measure_while_pictures_come(*arguments: object) -> object:
        assert camera.drained.wait(PATIENCE_S)
        return measure(*arguments)  # type: ignore[arg-type]

    def discard_then_go_on(capture: Capture) -> None:
        discard(capture)
        camera.go_on.set()

    monkeypatch.setattr(session, "open_source", lambda *_, **__: camera)
    monkeypatch.setattr(session, "make_forecaster", measure_while_pictures_come)
    monkeypatch.setattr(Capture, "discard", discard_then_go_on)
    summary = run(bundle, outputs=(str(tmp_path / "log.jsonl"),))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["source_frame"] for line in lines] == list(range(STALE, STALE + FRESH))
    assert [line["frame"] for line in lines] == list(range(FRESH))
    assert (summary.figures.lost, summary.figures.dropped) == (0, 0)


def test_a_session_outlives_a_loss_of_its_camera(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.capture.retry.FIRST_WAIT_S", 0.01)
    # the loop discards what has come before it starts, so the first connection hangs until then
    first = Connection(moving(at(0)), then="hangs")
    camera = ScriptedCamera(first, None, Connection(moving(at(*range(30, 39))), then="ends"))

    def open_it(*_: object, **__: object) -> VideoSource:
        source = camera.open()
        source.info = replace(source.info, notes=("camera 0 does not obey.",))  # type: ignore[misc]
        return source

    discard = Capture.discard

    def discard_then_fail(capture: Capture) -> None:
        assert first.hanging.wait(PATIENCE_S)
        discard(capture)
        first.then = "fails"
        first.release.set()

    monkeypatch.setattr(session, "open_source", open_it)
    monkeypatch.setattr(Capture, "discard", discard_then_fail)
    said: list[str] = []
    summary = run(bundle, said.append, outputs=(str(tmp_path / "log.jsonl"),))
    assert said[0] == "camera 0 does not obey."
    assert (summary.figures.losses, summary.figures.frames, camera.attempts) == (1, 9, 3)
    assert "the camera was lost 1 time" in summary_lines(summary)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    withheld = GEOMETRY.frames - 1
    assert [line["reason"] for line in lines] == ["camera-lost"] * withheld + [None] * (
        9 - withheld
    )


def slow_steps(monkeypatch: pytest.MonkeyPatch, seconds_at: Callable[[int], float]) -> None:
    """Has the real stepper take so many seconds more at its nth step."""
    step, steps = OnnxStepper.step, itertools.count()

    def step_slowly(stepper: OnnxStepper, time_step: np.ndarray, phase: int) -> np.ndarray:
        time.sleep(seconds_at(next(steps)))
        return step(stepper, time_step, phase)

    monkeypatch.setattr(OnnxStepper, "step", step_slowly)


def test_after_a_stall_of_two_seconds_the_lag_is_gone_within_a_second(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With real threads and clocks; in simulated time it is in test_capture_faults.py."""
    slow_steps(monkeypatch, lambda step: 2.0 if step == STALLS_AT else 0.0)
    log = tmp_path / "log.jsonl"
    summary = run(bundle, camera="demo", frames=210, outputs=(str(log),))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(210))  # not one is lost
    stalled = next(at for at, line in enumerate(lines) if line["latency_ms"] >= 2000.0)
    assert lines[stalled]["reason"] == "late"
    back = next(line for line in lines[stalled:] if line["latency_ms"] < 1.5 * FRAME_MS)
    took_s = back["emit_time"] - lines[stalled]["emit_time"]
    assert took_s <= CATCH_UP_S + SLACK_S  # measured: 0.1
    assert {line["reason"] for line in lines[back["frame"] + GEOMETRY.frames :]} == {None}
    assert (summary.figures.lost, summary.figures.dropped) == (0, 0)


def test_a_machine_that_gets_too_slow_goes_on_with_every_other_forecast(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With real threads and clocks; in simulated time it is in test_too_slow.py."""
    slow_steps(monkeypatch, lambda step: 1.5 * FRAME_MS / 1000.0 if step > STALLS_AT else 0.0)
    log, told = tmp_path / "log.jsonl", tmp_path / "events.jsonl"
    summary = run(bundle, camera="demo", frames=260, outputs=(str(log),), events=str(told))
    events = [json.loads(line) for line in told.read_text().splitlines()]
    (rarer,) = [event for event in events if "too slow" in event["text"]]
    assert "from now on there is one every 2 frames" in rarer["text"]
    assert rarer["every"] == 2
    last = [json.loads(line)["reason"] for line in log.read_text().splitlines()][-40:]
    assert last in ([None, "skipped"] * 20, ["skipped", None] * 20)
    assert summary.computed_by.endswith("a forecast at every 2nd frame")


def test_a_signal_while_closing_does_not_cut_it_short(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    escaped: list[int] = []
    close, closed = JsonlSink.close, []

    def terminated_while_closing(sink: JsonlSink) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        close(sink)
        closed.append(sink)

    monkeypatch.setattr(JsonlSink, "close", terminated_while_closing)
    before = signal.signal(signal.SIGTERM, lambda number, _: escaped.append(number))
    try:
        summary = run(bundle, camera="demo", frames=6, outputs=(str(tmp_path / "log.jsonl"),))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(closed) == 1
    assert escaped == []  # without our handler, the default one would have ended the process
    assert not summary.interrupted  # it had done all it was asked to
    assert summary.figures.frames == 6


def test_the_handlers_of_signals_are_those_from_before(bundle: Bundle) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    run(bundle, camera="demo", frames=1)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_setting_of_the_model_cannot_be_changed_live(bundle: Bundle) -> None:
    with pytest.raises(ConfigError, match=r"clip\.fps belongs to the model"):
        run(bundle, camera="demo", overrides=("clip.fps=15",))
