"""The live loop: place by timestamp, preprocess, forecast, hand to the sinks."""

import enum
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fishrt.events import Decider, DecisionRule, Edge
from fishrt.motion import frame_change
from fishrt.preprocess import Preprocessor
from fishrt.video.resample import Resampler
from realtime.capture import Capture, Captured, Policy
from realtime.event import Event, EventKind
from realtime.forecast import Forecast, Reason
from realtime.lanes import Forecaster
from realtime.pipeline import Evaluated, FramePipeline
from realtime.scoring import UNSCORED, Scoring
from realtime.sinks.outbox import Outbox
from realtime.sinks.sink import Sink
from realtime.stats import LiveStats
from realtime.update import Update

MAX_LAG_S = 0.5  # a third of the published 1.5 s horizon: older forecasts are not acted on
GET_TIMEOUT_S = 0.1  # how soon the loop notices that it is to stop while no picture comes


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
        preprocessor: Preprocessor,
        forecaster: Forecaster,
        sinks: Sequence[Sink],
        stats: LiveStats,
        rule: DecisionRule,
        scoring: Scoring | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        """Connects the parts; `run` runs them.

        Args:
            capture: Where pictures come from; started by the caller.
            resampler: Places pictures on the model's frames.
            preprocessor: From picture to frame.
            forecaster: From frame to probability.
            sinks: Where forecasts go, in this order.
            stats: What is counted.
            rule: When probabilities become an alarm, and when it ends.
            scoring: Learns what came true, or None.
            outbox: Where other threads leave events, or None.
        """
        self._capture = capture
        self._resampler = resampler
        self._pipeline = FramePipeline(preprocessor, forecaster)
        self._forecaster = forecaster
        self._sinks = sinks
        self._stats = stats
        self._decider = Decider(rule)
        self._scoring = scoring
        self._outbox = outbox
        self._before: NDArray[np.uint8] | None = None
        self._shown: Captured | None = None

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
        while not stop():
            for event in self._outbox.drain() if self._outbox else ():
                self.tell(event)
            captured = self._capture.get(GET_TIMEOUT_S)
            if captured is not None:
                self._take(captured, frame_limit)
            elif self._capture.exhausted:
                self._capture.raise_failure()
                return LoopEnd.SOURCE_ENDED
            if frame_limit is not None and self._stats.frames >= frame_limit:
                return LoopEnd.FRAME_LIMIT
        return LoopEnd.STOPPED

    def _take(self, captured: Captured, frame_limit: int | None) -> None:
        """Gives a picture its place: repeats or a gap before it, then its own frame."""
        placement = self._resampler.push(captured.picture.timestamp)
        self._stats.dropped = self._capture.dropped
        self._stats.behind_s = self._capture.behind_s
        if placement.lost:
            self._stats.count_lost(placement.lost)
        began = time.perf_counter()
        for evaluated in self._pipeline.push(captured.picture, placement):
            if not evaluated.repeated or self._shown is None:
                self._shown = captured
            self._hand_on(evaluated, self._shown, began)
            if frame_limit is not None and self._stats.frames >= frame_limit:
                return
            began = time.perf_counter()

    def _hand_on(self, evaluated: Evaluated, captured: Captured, began: float) -> None:
        self._stats.filled = self._forecaster.filled
        latency_s = time.monotonic() - captured.monotonic
        reason = self._reason(evaluated, latency_s)
        said = evaluated.outcome.probability if reason is None else None
        edge = None if reason is Reason.SKIPPED else self._decider.push(said)
        forecast = self._describe(evaluated, captured, latency_s, reason)
        self._stats.count(forecast, (time.perf_counter() - began) * 1000.0)
        scored = self._scoring.push(forecast, evaluated.frame) if self._scoring else UNSCORED
        update = Update(forecast, captured.picture.image, evaluated.frame, scored.truth)
        for sink in self._sinks:
            sink.write(update)
        for event in (*self._alarm_events(forecast, edge), *scored.events):
            self.tell(event)

    def tell(self, event: Event) -> None:
        """Hands an event to all sinks."""
        for sink in self._sinks:
            sink.event(event)

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
        threshold = self._decider.rule.threshold
        return Forecast(
            frame=evaluated.slot,
            source_frame=captured.picture.index,
            media_time=captured.picture.timestamp,
            capture_time=captured.wall,
            emit_time=time.time(),
            latency_ms=latency_s * 1000.0,
            probability=probability,
            burst=probability >= threshold if valid and probability is not None else None,
            valid=valid,
            reason=reason,
            repeated=evaluated.repeated,
            alarm=self._decider.active,
            change=self._change(evaluated),
        )

    def _alarm_events(self, forecast: Forecast, edge: Edge | None) -> Iterator[Event]:
        if edge is Edge.START:
            said = f"{forecast.probability:.2f}"
            text = f"alarm: a burst is forecast, probability {said}"
            values = {"probability": forecast.probability or 0.0}
            yield Event(EventKind.ALARM_START, forecast.emit_time, text, forecast.frame, values)
        elif edge is Edge.END:
            yield Event(EventKind.ALARM_END, forecast.emit_time, "alarm over", forecast.frame)
