"""Capture and live loop: what is lost, dropped, repeated, late or broken is said, never hidden."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np
import pytest

from fishrt.errors import OutputError, SourceError
from fishrt.events import DecisionRule
from fishrt.preprocess import Preprocessor
from fishrt.video import SourceFrame, SourceInfo, SourceKind
from fishrt.video.resample import Resampler
from realtime.capture import Capture, Captured, Pace, Policy, policy_of
from realtime.capture.policy import QUEUE_PICTURES, UNPACED_QUEUE_PICTURES
from realtime.event import Event, EventKind
from realtime.forecast import MAX_LAG_S, Forecast, Reason
from realtime.lanes import Outcome
from realtime.loop import LiveLoop, LoopEnd
from realtime.pipeline import FramePipeline
from realtime.session import closing
from realtime.sinks.outlets import Outlets
from realtime.sinks.sink import close_all
from realtime.stats import LiveStats
from realtime.update import Update

FPS = 30.0
CLIP = 6  # frames
HEIGHT, WIDTH = 4, 6
PATIENCE_S = 20.0  # for a thread on a busy machine; nothing waits for it when all is well


class ScriptedSource:
    """Gives a picture at each of the given times; its grey level is its index."""

    def __init__(
        self,
        times: Sequence[float],
        kind: SourceKind = SourceKind.FILE,
        fps: float | None = FPS,
        error: Exception | None = None,
    ) -> None:
        self.info = SourceInfo(kind, "script", WIDTH, HEIGHT, fps, None)
        self.ended_early: str | None = None
        self.at_the_end = threading.Event()
        self.closed = 0
        self._times = list(times)
        self._error = error
        self._next = 0

    def read(self) -> SourceFrame | None:
        if self._next == len(self._times):
            self.at_the_end.set()
            if self._error is not None:
                raise self._error
            return None
        index = self._next
        self._next += 1
        return SourceFrame(np.full((HEIGHT, WIDTH), index, np.uint8), index, self._times[index])

    def close(self) -> None:
        self.closed += 1


class CountingForecaster:
    """Follows the contract of `Forecaster`; its probability is the last grey level / 255."""

    def __init__(self, clip: int = CLIP, on_push: Callable[[], None] = lambda: None) -> None:
        self.clip = clip
        self.count = 0
        self._because = Reason.FILLING
        self._on_push = on_push

    @property
    def filled(self) -> int:
        return min(self.count, self.clip)

    def push(self, frame: np.ndarray) -> Outcome:
        self._on_push()
        self.count += 1
        if self.count < self.clip:
            return Outcome(None, self._because)
        return Outcome(float(frame.mean()) / 255.0, None)

    def reset(self, because: Reason = Reason.FILLING) -> None:
        self.count, self._because = 0, because


class ListSink:
    def __init__(self, fail_at: int | None = None) -> None:
        self.lines: list[Forecast] = []
        self.levels: list[int] = []
        self.waited: list[float] = []
        self.events: list[Event] = []
        self.closed = 0
        self._fail_at = fail_at

    def write(self, update: Update) -> None:
        if len(self.lines) == self._fail_at:
            raise OutputError("the sink is full.")
        self.lines.append(update.forecast)
        self.levels.append(int(update.picture.flat[0]))
        self.waited.append(update.waited_s)

    def event(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.closed += 1


class Run:
    """A loop over a scripted source or capture, with all that one may want to look at."""

    def __init__(
        self,
        source: ScriptedSource | None = None,
        capture: Capture | None = None,
        forecaster: CountingForecaster | None = None,
        sinks: Sequence[ListSink] | None = None,
        threshold: float = 0.5,
        rule: DecisionRule | None = None,
    ) -> None:
        if capture is None:
            assert source is not None
            capture = Capture(source, Pace.AS_FAST_AS_POSSIBLE)
            capture.start()
        self.capture = capture
        self.sinks = [ListSink()] if sinks is None else list(sinks)
        self.stats = LiveStats(FPS, CLIP)
        self.loop = LiveLoop(
            capture,
            Resampler(FPS, capture.info.declared_fps),
            FramePipeline(Preprocessor(HEIGHT, WIDTH), forecaster or CountingForecaster()),
            Outlets(self.sinks),
            self.stats,
            rule or DecisionRule(threshold, threshold),
        )

    @property
    def lines(self) -> list[Forecast]:
        return self.sinks[0].lines

    def to_the_end(self) -> "Run":
        assert self.loop.run(lambda: False) is LoopEnd.SOURCE_ENDED
        self.capture.stop()
        return self


def at(*frames: float) -> list[float]:
    return [frame / FPS for frame in frames]


def reasons(lines: Sequence[Forecast]) -> list[str | None]:
    return [line.reason for line in lines]


# -- what happens to frames --------------------------------------------------------------------


def test_every_frame_gets_a_line_and_the_window_fills_first() -> None:
    run = Run(ScriptedSource(at(*range(20)))).to_the_end()
    assert [line.frame for line in run.lines] == list(range(20))
    assert [line.source_frame for line in run.lines] == list(range(20))
    assert [line.media_time for line in run.lines] == at(*range(20))
    assert reasons(run.lines) == ["filling"] * (CLIP - 1) + [None] * (20 - CLIP + 1)
    for line in run.lines:
        assert line.valid is (line.reason is None)
        assert line.probability == (line.frame / 255 if line.valid else None)
        assert line.burst is (False if line.valid else None)
        assert line.emit_time >= line.capture_time
        assert line.latency_ms >= 0
    snapshot = run.stats.snapshot()
    assert (snapshot.frames, snapshot.forecasts) == (20, 20 - CLIP + 1)
    assert (snapshot.lost, snapshot.dropped, snapshot.repeated, snapshot.late) == (0, 0, 0, 0)


def test_the_threshold_itself_is_a_burst() -> None:
    run = Run(ScriptedSource(at(*range(12))), threshold=8 / 255).to_the_end()
    assert [line.burst for line in run.lines[CLIP - 1 :]] == [False] * 3 + [True] * 4
    assert run.stats.snapshot().bursts == 4


def test_an_alarm_starts_and_ends_by_the_rule_and_is_told_once() -> None:
    # the probability of frame i is i / 255, and a gap ends the alarm
    rule = DecisionRule(8 / 255, 7 / 255, debounce=3)
    run = Run(ScriptedSource(at(*range(14), *range(16, 30))), rule=rule).to_the_end()
    alarms = [line.frame for line in run.lines if line.alarm]
    assert alarms == [10, 11, 12, 13, *range(16 + CLIP - 1 + 2, 30)]
    told = [(event.kind, event.frame) for event in run.sinks[0].events]
    assert told == [
        (EventKind.ALARM_START, 10),
        (EventKind.ALARM_END, 16),
        (EventKind.ALARM_START, 23),
        (EventKind.ALARM_END, 29),  # with the run
    ]


def ended_at_14(lines: list[Forecast]) -> bool:
    return len(lines) == 14


def broken_off_at_14(lines: list[Forecast]) -> bool:
    if ended_at_14(lines):
        raise KeyboardInterrupt
    return False


def never(lines: list[Forecast]) -> bool:
    del lines
    return False


@pytest.mark.parametrize(
    ("stop", "limit", "error", "fails_at", "expected"),
    [
        (never, None, None, None, LoopEnd.SOURCE_ENDED),
        (never, 14, None, None, LoopEnd.FRAME_LIMIT),
        (ended_at_14, None, None, None, LoopEnd.STOPPED),
        (never, None, SourceError("the script ends here."), None, SourceError),
        (never, None, None, 14, OutputError),
        (broken_off_at_14, None, None, None, KeyboardInterrupt),
    ],
)
def test_a_run_that_ends_with_the_alarm_on_ends_it_for_every_sink(
    stop: Callable[[list[Forecast]], bool],
    limit: int | None,
    error: Exception | None,
    fails_at: int | None,
    expected: LoopEnd | type[BaseException],
) -> None:
    first, last = ListSink(fails_at), ListSink()
    source = ScriptedSource(at(*range(14)), error=error)
    if fails_at or limit or stop is not never:
        source = ScriptedSource(at(*range(20)))
    run = Run(source, sinks=[first, last], rule=DecisionRule(8 / 255, 8 / 255))
    if isinstance(expected, LoopEnd):
        assert run.loop.run(lambda: stop(first.lines), limit) is expected
    else:
        with pytest.raises(expected):
            run.loop.run(lambda: stop(first.lines), limit)
    run.capture.stop()
    for sink in (first, last):
        assert [event.kind for event in sink.events] == [
            EventKind.ALARM_START,
            EventKind.ALARM_END,
        ]
        assert sink.events[1].text == "alarm over: the run has ended"
        assert sink.closed == 0  # the end comes before that


def test_a_sink_that_fails_keeps_no_event_from_the_others() -> None:
    class Failing(ListSink):
        def event(self, event: Event) -> None:
            raise OutputError("the sink is full.")

    good = ListSink()
    with pytest.raises(OutputError, match="the sink is full"):
        Outlets([Failing(), good]).tell(Event(EventKind.WARNING, 0.0, "mind"))
    assert [event.text for event in good.events] == ["mind"]


def test_the_change_since_the_frame_before_is_in_the_line() -> None:
    run = Run(ScriptedSource(at(0, 1, 2, 5, 6))).to_the_end()
    expected = [None, 1 / 255, 1 / 255, None, 1 / 255]  # the grey level is the picture's number
    assert [line.change for line in run.lines] == pytest.approx(expected)


def test_lost_frames_are_counted_and_forecasts_withheld_until_the_window_is_whole() -> None:
    # 10 frames, 3 lost, 4 frames (too few), 1 lost, 9 frames
    frames = [*range(10), *range(13, 17), *range(18, 27)]
    run = Run(ScriptedSource(at(*frames))).to_the_end()
    assert [line.frame for line in run.lines] == frames
    assert reasons(run.lines) == (
        ["filling"] * (CLIP - 1)
        + [None] * 5
        + ["gap"] * 4
        + ["gap"] * (CLIP - 1)
        + [None] * (9 - CLIP + 1)
    )
    snapshot = run.stats.snapshot()
    assert (snapshot.lost, snapshot.gaps, snapshot.frames) == (4, 2, len(frames))
    assert snapshot.forecasts == sum(line.valid for line in run.lines)


def test_a_slow_source_is_filled_up_with_its_last_picture() -> None:
    run = Run(ScriptedSource([i / 15 for i in range(8)], fps=15.0)).to_the_end()
    assert [line.frame for line in run.lines] == list(range(15))
    # the frame between two pictures shows the earlier one
    assert [line.source_frame for line in run.lines] == [i // 2 for i in range(15)]
    assert run.sinks[0].levels == [i // 2 for i in range(15)]
    assert [line.repeated for line in run.lines] == [i % 2 == 1 for i in range(15)]
    assert reasons(run.lines) == ["filling"] * (CLIP - 1) + [None] * 10
    snapshot = run.stats.snapshot()
    assert (snapshot.repeated, snapshot.lost, snapshot.frames) == (7, 0, 15)


def test_surplus_pictures_of_a_fast_source_get_no_line() -> None:
    run = Run(ScriptedSource([i / 60 for i in range(20)], fps=60.0)).to_the_end()
    assert [line.frame for line in run.lines] == list(range(10))
    assert [line.source_frame for line in run.lines] == list(range(0, 20, 2))


@pytest.mark.parametrize("limit", [1, 4, 7])
def test_the_frame_limit_holds_also_among_repeats(limit: int) -> None:
    run = Run(ScriptedSource([i / 10 for i in range(9)], fps=10.0))  # three frames a picture
    assert run.loop.run(lambda: False, limit) is LoopEnd.FRAME_LIMIT
    assert [line.frame for line in run.lines] == list(range(limit))
    run.capture.stop()


def test_the_loop_stops_when_asked_to() -> None:
    run = Run(ScriptedSource(at(*range(50))))
    assert run.loop.run(lambda: len(run.lines) == 5) is LoopEnd.STOPPED
    assert len(run.lines) == 5
    run.capture.stop()


# -- what gives way when the machine is slow ---------------------------------------------------


def test_a_full_queue_drops_and_counts_when_keeping_up() -> None:
    count, capacity = 30, 7
    source = ScriptedSource(at(*range(count)))
    capture = Capture(source, Pace.AS_FAST_AS_POSSIBLE, Policy.KEEP_UP, capacity)
    capture.start()
    assert source.at_the_end.wait(PATIENCE_S)  # nobody took a picture until now
    run = Run(capture=capture).to_the_end()
    # emptied when pictures 7, 14, 21 and 28 found it full: those after the last time are fresh
    assert [line.source_frame for line in run.lines] == [28, 29]
    assert capture.dropped == 28
    assert run.stats.snapshot().dropped == 28


def test_dropped_pictures_are_one_gap_in_the_frames_that_follow() -> None:
    capacity = 8
    halts = {4: (threading.Event(), threading.Event()), 20: (threading.Event(), threading.Event())}

    class Halting(ScriptedSource):
        def read(self) -> SourceFrame | None:
            if self._next in halts:
                reached, release = halts[self._next]
                reached.set()
                assert release.wait(PATIENCE_S)
            return super().read()

    capture = Capture(
        Halting(at(*range(20 + CLIP))), Pace.AS_FAST_AS_POSSIBLE, Policy.KEEP_UP, capacity
    )
    capture.start()
    sink = ListSink()
    run = Run(capture=capture, sinks=[sink])
    assert run.loop.run(lambda: len(sink.lines) == 4) is LoopEnd.STOPPED
    halts[4][1].set()
    assert halts[20][0].wait(PATIENCE_S)  # 4 .. 11 filled the queue, and 12 emptied it
    assert run.loop.run(lambda: len(sink.lines) == 4 + 8) is LoopEnd.STOPPED
    halts[20][1].set()
    run.to_the_end()
    assert [line.frame for line in run.lines] == [*range(4), *range(12, 20 + CLIP)]
    after = reasons(run.lines)[4:]
    assert after == ["gap"] * (CLIP - 1) + [None] * (len(after) - CLIP + 1)
    snapshot = run.stats.snapshot()
    assert (snapshot.dropped, snapshot.lost, snapshot.gaps) == (8, 8, 1)


@pytest.mark.parametrize("capacity", [1, None])
def test_nothing_is_dropped_when_every_frame_counts(capacity: int | None) -> None:
    source = ScriptedSource(at(*range(60)))
    capture = Capture(source, Pace.AS_FAST_AS_POSSIBLE, capacity=capacity)
    assert capture.policy is Policy.EVERY_FRAME
    capture.start()
    waited = []

    def note_how_far_it_is() -> None:
        waited.append(source._next)

    run = Run(capture=capture, forecaster=CountingForecaster(on_push=note_how_far_it_is))
    run.to_the_end()
    assert [line.source_frame for line in run.lines] == list(range(60))
    assert run.stats.snapshot().dropped == 0
    # the source waits for us: one picture is processed, some are queued, the thread holds one
    most = (capacity or UNPACED_QUEUE_PICTURES) + 2
    assert all(taken - done <= most for done, taken in enumerate(waited))


@pytest.mark.parametrize(
    ("kind", "pace", "policy"),
    [
        (SourceKind.FILE, Pace.REALTIME, Policy.EVERY_FRAME),
        (SourceKind.FILE, Pace.AS_FAST_AS_POSSIBLE, Policy.EVERY_FRAME),
        (SourceKind.IMAGES, Pace.REALTIME, Policy.EVERY_FRAME),
        (SourceKind.DEMO, Pace.REALTIME, Policy.KEEP_UP),
        (SourceKind.DEMO, Pace.AS_FAST_AS_POSSIBLE, Policy.EVERY_FRAME),
        (SourceKind.CAMERA, Pace.REALTIME, Policy.KEEP_UP),
        (SourceKind.CAMERA, Pace.AS_FAST_AS_POSSIBLE, Policy.KEEP_UP),
        (SourceKind.URL, Pace.REALTIME, Policy.KEEP_UP),
    ],
)
def test_cameras_keep_up_and_files_wait(kind: SourceKind, pace: Pace, policy: Policy) -> None:
    source = ScriptedSource([], kind)
    assert policy_of(source.info, pace) is policy
    capture = Capture(source, pace)
    assert capture.policy is policy
    waits = UNPACED_QUEUE_PICTURES if pace is Pace.AS_FAST_AS_POSSIBLE else QUEUE_PICTURES
    three_seconds = round(3 * FPS)
    assert capture._queue.maxsize == (three_seconds if policy is Policy.KEEP_UP else waits)


def test_what_queued_up_before_the_start_is_discarded_uncounted() -> None:
    source = ScriptedSource(at(*range(40)), SourceKind.CAMERA)
    capture = Capture(source, capacity=5)
    capture.start()
    assert source.at_the_end.wait(PATIENCE_S)
    assert capture.dropped == 35
    capture.discard()
    assert capture.dropped == 0
    assert capture.get(0.0) is None
    capture.stop()


def own_clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock of our own for the capture; only setting `now` moves it."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(
        "realtime.capture.capture.time",
        SimpleNamespace(monotonic=lambda: clock.now, time=lambda: clock.now),
    )
    return clock


def test_files_are_paced_by_their_timestamps(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock of our own: waiting is what moves it, and nothing else takes time."""
    clock = own_clock(monkeypatch)
    times = [0.0, 0.1, 0.15, 0.5]
    source = ScriptedSource(times)
    capture = Capture(source)

    def wait(seconds: float) -> bool:
        clock.now += seconds
        return False

    monkeypatch.setattr(capture._link, "wait", wait)
    capture.start()
    taken = [capture.get(PATIENCE_S) for _ in times]
    assert [c.monotonic - 100.0 for c in taken if c] == pytest.approx(times)
    assert capture.behind_s == 0.0
    capture.stop()


def test_a_file_that_lags_its_own_time_says_by_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = own_clock(monkeypatch)

    class Slow(ScriptedSource):
        def read(self) -> SourceFrame | None:
            clock.now += 0.3  # decoding alone takes longer than the 0.1 s of a picture
            return super().read()

    capture = Capture(Slow([0.0, 0.1, 0.2]))
    capture.start()
    capture._link.join(PATIENCE_S)
    assert capture.behind_s == pytest.approx(2 * 0.3 - 0.2)
    capture.stop()


def test_pictures_of_the_simulated_camera_are_as_old_as_they_are_overdue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = own_clock(monkeypatch)

    class Slow(ScriptedSource):
        def read(self) -> SourceFrame | None:
            clock.now += 0.3  # to draw a picture takes longer than the 0.1 s that it is shown
            return super().read()

    capture = Capture(Slow([0.0, 0.1, 0.2], SourceKind.DEMO))
    capture.start()
    taken = [capture.get(PATIENCE_S) for _ in range(3)]
    ages = [each.monotonic - each.taken for each in taken if each]
    assert ages == pytest.approx([0.0, 0.2, 0.4])
    capture.stop()


# -- late forecasts ----------------------------------------------------------------------------


class ScriptedCapture:
    """Hands over pictures that were taken so many seconds ago."""

    dropped = losses = 0
    behind_s = 0.0
    fps = None

    def __init__(self, times: Sequence[float], ages: Sequence[float], policy: Policy) -> None:
        source = ScriptedSource(times)
        self.info, self.policy = source.info, policy
        self._items = [(source.read(), age) for age in ages]

    def get(self, timeout_s: float) -> Captured | None:
        if not self._items:
            return None
        picture, age = self._items.pop(0)
        assert picture is not None
        return Captured(picture, time.monotonic() - age, time.time() - age)

    def events(self) -> list[Event]:
        return []

    @property
    def exhausted(self) -> bool:
        return not self._items

    def raise_failure(self) -> None:
        pass

    def stop(self) -> None:
        pass


def late_run(policy: Policy) -> Run:
    # 10 minutes rather than just above the limit: a busy machine must not make a difference
    ages = [0.0] * CLIP + [600.0] * 2 + [0.0] * 2
    assert MAX_LAG_S < 60
    capture = ScriptedCapture(at(*range(len(ages))), ages, policy)
    return Run(capture=capture, threshold=0.0).to_the_end()  # type: ignore[arg-type]


def test_late_forecasts_are_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.loop.MAX_LAG_S", 60.0)
    monkeypatch.setattr("realtime.keeping_up.CATCH_UP_S", math.inf)  # all of them are evaluated
    run = late_run(Policy.KEEP_UP)
    assert reasons(run.lines) == ["filling"] * (CLIP - 1) + [None, "late", "late", None, None]
    for line in run.lines[CLIP : CLIP + 2]:
        assert (line.valid, line.burst) == (False, None)
        assert line.probability is not None  # for those who look at the log later
        assert line.latency_ms == pytest.approx(600e3, rel=0.05)
    snapshot = run.stats.snapshot()
    assert (snapshot.late, snapshot.forecasts, snapshot.bursts) == (2, 3, 3)


def test_nothing_in_a_file_is_late() -> None:
    run = late_run(Policy.EVERY_FRAME)
    assert reasons(run.lines) == ["filling"] * (CLIP - 1) + [None] * 5
    assert run.stats.snapshot().late == 0


# -- failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (SourceError("the cable is out."), r"^the cable is out\.$"),
        (RuntimeError("driver"), r"^reading script failed \(RuntimeError: driver\)\.$"),
    ],
)
def test_a_source_that_fails_is_heard_of_after_its_last_line(
    error: Exception, sentence: str
) -> None:
    run = Run(ScriptedSource(at(*range(12)), error=error))
    with pytest.raises(SourceError, match=sentence):
        run.loop.run(lambda: False)
    assert [line.frame for line in run.lines] == list(range(12))
    run.capture.stop()


def test_a_failure_between_waiting_and_looking_is_no_end() -> None:
    """The source fails just after `get` gave up waiting: still a failure, not an end."""
    fail = threading.Event()

    class Hanging(ScriptedSource):
        def read(self) -> SourceFrame | None:
            assert fail.wait(PATIENCE_S)
            return super().read()

    class Racing(Capture):
        def get(self, timeout_s: float) -> Captured | None:
            captured = super().get(0.0)
            assert captured is None
            fail.set()
            self._link.join(PATIENCE_S)
            return captured

    capture = Racing(Hanging([], error=SourceError("gone.")))
    capture.start()
    with pytest.raises(SourceError, match="gone"):
        Run(capture=capture).loop.run(lambda: False)
    capture.stop()


def test_an_error_in_a_sink_ends_the_loop_after_the_lines_before_it() -> None:
    good, bad = ListSink(), ListSink(fail_at=4)
    run = Run(ScriptedSource(at(*range(12))), sinks=[good, bad])
    with pytest.raises(OutputError, match="the sink is full"):
        run.loop.run(lambda: False)
    assert [line.frame for line in good.lines] == list(range(5))
    assert [line.frame for line in bad.lines] == list(range(4))
    run.capture.stop()


def test_everything_is_closed_however_it_ends() -> None:
    source, sinks = ScriptedSource(at(*range(500))), [ListSink(), ListSink()]
    capture = Capture(source, Pace.AS_FAST_AS_POSSIBLE)
    capture.start()
    with pytest.raises(OutputError, match="half-way"), closing(capture, list(sinks)):
        raise OutputError("half-way.")
    assert source.closed == 1
    assert [sink.closed for sink in sinks] == [1, 1]
    assert not capture._link._thread.is_alive()
    capture.stop()  # may be called again


def test_an_impatient_second_interrupt_still_closes_the_sinks() -> None:
    class Hanging(Capture):
        def stop(self) -> None:
            raise KeyboardInterrupt

    sink = ListSink()
    with pytest.raises(KeyboardInterrupt), closing(Hanging(ScriptedSource(at(0))), [sink]):
        pass
    assert sink.closed == 1


def test_a_camera_that_hangs_does_not_keep_the_sinks_waiting() -> None:
    order: list[str] = []

    class Slow(Capture):
        def stop(self) -> None:
            order.append("camera")

    class Threaded(ListSink):
        def finish(self) -> None:
            order.append("asked to end")

        def close(self) -> None:
            order.append("closed")

    with closing(Slow(ScriptedSource(at(0))), [Threaded()]):
        pass
    assert order == ["asked to end", "camera", "asked to end", "closed"]


def test_a_sink_that_cannot_be_closed_does_not_keep_others_open() -> None:
    class Stuck(ListSink):
        def close(self) -> None:
            raise OutputError("stuck.")

    sinks = [ListSink(), Stuck(), ListSink()]
    with pytest.raises(OutputError, match="stuck"):
        close_all(sinks)
    assert [sink.closed for sink in sinks] == [1, 0, 1]


def test_stopping_ends_a_thread_that_waits_for_room() -> None:
    source = ScriptedSource(at(*range(500)))
    capture = Capture(source, Pace.AS_FAST_AS_POSSIBLE, capacity=1)
    capture.start()
    assert capture.get(PATIENCE_S) is not None
    capture.stop()
    assert not capture._link._thread.is_alive()
    assert source._next < 500
    assert source.closed >= 1
