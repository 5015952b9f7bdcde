"""The live loop: place by timestamp, preprocess, forecast, hand to the sinks."""

import enum
import math
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from fishrt.events import DecisionRule, Edge
from fishrt.motion import frame_change
from fishrt.video.resample import GAP_INTERVALS, Resampler
from realtime.alarm import Alarm
from realtime.capture import Capture, Captured, Policy
from realtime.event import Event, EventKind
from realtime.forecast import MAX_LAG_S, Forecast, Reason
from realtime.keeping_up import KeepUp, Work
from realtime.pipeline import Evaluated, FramePipeline
from realtime.relief import Relief
from realtime.scoring import UNSCORED, Scoring
from realtime.sinks.outlets import Outlets
from realtime.stats import LiveStats
from realtime.update import Update

GET_TIMEOUT_S = 0.1  # how soon the loop notices that it is to stop while no picture comes
SKIPS_TOLD_EVERY_S = 60.0  # a machine that is always too slow must not fill the log with it


class LoopEnd(enum.StrEnum):
    """Why the loop ended."""

    SOURCE_ENDED = "source-ended"
    FRAME_LIMIT = "frame-limit"
    STOPPED = "stopped"


class LiveLoop:
    """Turns captured pictures into forecasts, one line for every frame that has a picture."""

    def __init__(
        self,
        capture: Capture,
        resampler: Resampler,
        pipeline: FramePipeline,
        outlets: Outlets,
        stats: LiveStats,
        rule: DecisionRule,
        scoring: Scoring | None = None,
    ) -> None:
        """Connects the parts; `run` runs them.

        Args:
            capture: Where pictures come from; started by the caller.
            resampler: Places pictures on the model's frames.
            pipeline: From picture to frame, and from frame to probability.
            outlets: Where forecasts and events go.
            stats: What is counted.
            rule: When probabilities become an alarm, and when it ends.
            scoring: Learns what came true, or None.
        """
        self._capture = capture
        self._resampler = resampler
        self._pipeline = pipeline
        self._outlets = outlets
        self._stats = stats
        self._alarm = Alarm(rule)
        self._scoring = scoring
        self._keep_up = KeepUp(resampler.fps)
        self._relief = Relief(pipeline.forecaster, resampler.fps)
        self._skips_told = -math.inf
        self._before: NDArray[np.uint8] | None = None
        self._shown: Captured | None = None
        self._taken_at = math.inf  # when the last picture was, on the monotonic clock

    def run(self, stop: Callable[[], bool], frame_limit: int | None = None) -> LoopEnd:
        """Runs until the source ends, enough frames are done, or `stop` says so.

        Args:
            stop: Asked after every frame, and while waiting for one.
            frame_limit: Frames to write at most, or None.

        Raises:
            SourceError: If the source fails.
            OutputError: If a sink fails.
            ConfigError: If the preprocessing does not fit the picture.
        """
        try:
            return self._run(stop, frame_limit)
        finally:  # whatever is switched by the alarm must not stay on because we left
            self._end_alarm("the run has ended")

    def _run(self, stop: Callable[[], bool], frame_limit: int | None) -> LoopEnd:
        while not stop():
            self._outlets.tell_waiting()
            captured = self._capture.get(GET_TIMEOUT_S)
            self._stats.losses = self._capture.losses
            for event in self._capture.events():
                self._outlets.tell(event)
            if captured is not None:
                self._taken_at = captured.monotonic
                self._take(captured, frame_limit)
            elif self._capture.exhausted:
                self._capture.raise_failure()
                return LoopEnd.SOURCE_ENDED
            else:
                self._end_alarm_in_silence()
            if frame_limit is not None and self._stats.frames >= frame_limit:
                return LoopEnd.FRAME_LIMIT
        return LoopEnd.STOPPED

    def _take(self, captured: Captured, frame_limit: int | None) -> None:
        """Gives a picture its place: repeats or a gap before it, then its own frame."""
        placement = self._resampler.push(captured.picture.timestamp)
        self._stats.dropped = self._capture.dropped
        self._stats.behind_s = self._capture.behind_s
        self._stats.camera_fps = self._capture.fps
        if placement.lost:
            self._stats.count_lost(placement.lost)
        evaluate = self._has_time(captured)
        taken = began = time.perf_counter()
        computed_s = self._pipeline.computing_s
        for evaluated in self._pipeline.push(
            captured.picture, placement, captured.interrupted, evaluate=evaluate
        ):
            if evaluated.picture is captured.picture or self._shown is None:
                self._shown = captured
            self._hand_on(evaluated, self._shown, began if evaluate else None)
            if frame_limit is not None and self._stats.frames >= frame_limit:
                return
            began = time.perf_counter()
        if placement.slot is not None:
            frames = placement.repeats + 1
            whole_s = time.perf_counter() - taken
            computing_s = self._pipeline.computing_s - computed_s
            self._keep_up.note(Work(whole_s / frames, computing_s / frames))

    def _has_time(self, captured: Captured) -> bool:
        """Whether there is time to evaluate a picture's frames; a file always waits."""
        if self._capture.policy is Policy.EVERY_FRAME:
            return True
        now = time.monotonic()
        lag_s = now - captured.monotonic
        if self._keep_up.has_time(lag_s, now):
            return True
        self._relieve()
        if now - self._skips_told > SKIPS_TOLD_EVERY_S and not self._relief.exhausted:
            self._skips_told = now
            text = (
                f"this machine was {lag_s:.1f} s behind the camera: frames are taken in without a "
                "forecast until it has caught up; if this happens again and again, use a larger "
                "--every or stop other programs"
            )
            self._outlets.tell(Event(EventKind.WARNING, time.time(), text, values={"lag_s": lag_s}))
        return False

    def _relieve(self) -> None:
        """Makes forecasts rarer if skipping them by the window turned out to be no way to live."""
        overload = self._keep_up.overload()
        event = None if overload is None else self._relief.give(overload)
        if event is not None:
            self._keep_up.forget_costs()
            self._outlets.tell(event)

    def _hand_on(self, evaluated: Evaluated, captured: Captured, began: float | None) -> None:
        """Says what there is to say about a frame; `began` is None if it was not evaluated."""
        self._stats.filled = self._pipeline.filled
        now = time.monotonic()
        latency_s, waited_s = now - captured.taken, now - captured.monotonic
        reason = self._reason(evaluated, latency_s)
        edge = self._alarm.push(evaluated.slot, evaluated.outcome.probability, reason)
        forecast = self._describe(evaluated, captured, latency_s, reason)
        work_ms = None if began is None else (time.perf_counter() - began) * 1000.0
        self._stats.count(forecast, work_ms)
        scored = self._scoring.push(forecast, evaluated.frame) if self._scoring else UNSCORED
        image = captured.picture.image
        self._outlets.write(Update(forecast, image, evaluated.frame, scored.truth, waited_s))
        for event in (*self._alarm_events(forecast, edge), *scored.events):
            self._outlets.tell(event)

    def _end_alarm_in_silence(self) -> None:
        """Ends an alarm for which no new picture stands; frames alone would not, as none come."""
        if not self._alarm.active:
            return
        if self._capture.lost:
            self._end_alarm("the camera is lost")
        elif self._capture.policy is Policy.KEEP_UP:
            silent_s = time.monotonic() - self._taken_at
            rate = self._capture.fps or self._capture.info.declared_fps or self._resampler.fps
            if silent_s > max(MAX_LAG_S, GAP_INTERVALS / rate):
                self._end_alarm(f"no picture for {silent_s:.1f} s")

    def _end_alarm(self, why: str) -> None:
        if self._alarm.forget() is Edge.END:
            text = f"alarm over: {why}"
            self._outlets.tell(Event(EventKind.ALARM_END, time.time(), text, self._alarm.frame))

    def _reason(self, evaluated: Evaluated, latency_s: float) -> Reason | None:
        # a file waits for us, so nothing in it is ever late; a repeated picture is old by nature
        acts_now = self._capture.policy is Policy.KEEP_UP and not evaluated.repeated
        if evaluated.outcome.reason is None and acts_now and latency_s > MAX_LAG_S:
            return Reason.LATE
        return evaluated.outcome.reason

    def _change(self, evaluated: Evaluated) -> float | None:
        before, self._before = self._before, evaluated.frame
        if before is None or not evaluated.joined:
            return None
        return frame_change(before, evaluated.frame)

    def _describe(
        self, evaluated: Evaluated, captured: Captured, latency_s: float, reason: Reason | None
    ) -> Forecast:
        valid = reason is None
        probability = evaluated.outcome.probability
        threshold = self._alarm.rule.threshold
        return Forecast(
            frame=evaluated.slot,
            source_frame=captured.picture.index,
            media_time=captured.picture.timestamp,
            capture_time=captured.wall - (captured.monotonic - captured.taken),
            emit_time=time.time(),
            latency_ms=latency_s * 1000.0,
            probability=probability,
            burst=probability >= threshold if valid and probability is not None else None,
            valid=valid,
            reason=reason,
            repeated=evaluated.repeated,
            alarm=self._alarm.active,
            change=self._change(evaluated),
        )

    def _alarm_events(self, forecast: Forecast, edge: Edge | None) -> Iterator[Event]:
        if edge is Edge.START:
            probability = self._alarm.standing or 0.0
            text = f"alarm: a burst is forecast, probability {probability:.2f}"
            values = {"probability": probability}
            yield Event(EventKind.ALARM_START, forecast.emit_time, text, forecast.frame, values)
        elif edge is Edge.END:
            yield Event(EventKind.ALARM_END, forecast.emit_time, "alarm over", forecast.frame)
