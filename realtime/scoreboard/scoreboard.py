"""The scoreboard: pairs every forecast with what came of it, and watches the picture."""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fishrt.footage_reference import FootageReference
from fishrt.held_motion import HeldMotion
from fishrt.motion import LabelRule
from fishrt.motion_baselines import OnlineBaseline, algorithmic_baseline
from fishrt.online_labels import LabelledLater
from realtime.event import Event, EventKind
from realtime.forecast import Forecast, Reason
from realtime.scoreboard.drift import DriftWatch, ReferenceFrom
from realtime.scoreboard.events import EventTally, FalseAlarm, Settled, UncoveredBurst
from realtime.scoreboard.skill import RollingTally, SkillTally
from realtime.scoreboard.snapshot import ScoreSnapshot
from realtime.scoring import Scored
from realtime.update import Truth

WINDOW_MINUTES = 10.0
NO_REFERENCE = (
    "this bundle says nothing about its training footage; the picture is compared with the first "
    "three minutes of this run, and the motion baseline is the published rule"
)


@dataclass(frozen=True)
class _Said:
    """What is kept of a frame until its label is known."""

    frame: int
    probability: float | None
    baseline: float | None
    standing: bool  # whether a forecast stood: its own, or the last one under --every
    alarm: bool  # whether an alarm started


class Scoreboard:
    """Scores forecasts while they are made; see `realtime.scoring.Scoring`.

    Only valid forecasts count. Work and memory per frame are constant. `push` belongs to the
    loop's thread; `snapshot` may be called from any.
    """

    def __init__(
        self,
        rule: LabelRule,
        fps: float,
        reference: FootageReference | None = None,
        climatology: float | None = None,
        window_minutes: float = WINDOW_MINUTES,
    ) -> None:
        """Begins before the first frame.

        Args:
            rule: The label rule that the model learned.
            fps: The model's frames a second.
            reference: What the training footage looked like, if the bundle says so.
            climatology: Share of burst labels in it, if the bundle says so.
            window_minutes: How far back the rolling scores look.
        """
        self._fps = fps
        self._climatology = climatology
        self._window_frames = max(round(window_minutes * 60.0 * fps), 1)
        self._pairs = LabelledLater[_Said](rule)
        self._held = HeldMotion()
        fitted = reference.baseline if reference is not None else None
        self._baseline_name = "published rule" if fitted is None else "fitted"
        self._baseline = OnlineBaseline(algorithmic_baseline if fitted is None else fitted)
        self._overall = SkillTally()
        self._rolling = RollingTally(self._window_frames)
        self._events = EventTally(rule.horizon, fps)
        self._drift = DriftWatch(reference, fps)
        self._frames = self._forecasts = 0
        self._stood = 0  # frames with a label at which a forecast stood
        self._standing = self._alarm = False
        self._lock = threading.Lock()  # held for a fraction of a millisecond, by whoever looks

    def push(self, forecast: Forecast, frame: NDArray[np.uint8]) -> Scored:
        """Takes the next frame; see `Scoring.push`."""
        with self._lock:
            first = not self._frames
            events = [_no_reference(forecast)] if first and self._compares_with_run else []
            said = self._take(forecast)
            moved = self._held.push(forecast.change, repeated=forecast.repeated)
            known = self._pairs.push(moved, said)
            if known is not None:
                events += self._settle(*known, wall=forecast.emit_time)
            self._rolling.forget_before(forecast.frame - self._pairs.delay)
            drifted = self._drift.push(frame, forecast.change)
        if drifted is not None:
            kind, wall = EventKind.DRIFT, forecast.emit_time
            events.append(Event(kind, wall, drifted.text, forecast.frame, drifted.values))
        truth = None if known is None else Truth(known[1].frame, known[0])
        return Scored(truth, tuple(events))

    @property
    def _compares_with_run(self) -> bool:
        return self._drift.compared_with is ReferenceFrom.RUN

    def _take(self, forecast: Forecast) -> _Said:
        if forecast.change is None:  # the first frame, or frames were lost
            self._events.gap()
        self._baseline.push(forecast.change)
        self._frames += 1
        counts = forecast.valid and forecast.probability is not None
        self._forecasts += counts
        if forecast.reason is not Reason.SKIPPED:
            self._standing = counts
        starts = forecast.alarm and not self._alarm
        self._alarm = forecast.alarm
        return _Said(
            forecast.frame,
            forecast.probability if counts else None,
            self._baseline.forecast() if counts else None,
            self._standing,
            starts,
        )

    def _settle(self, label: int, said: _Said, wall: float) -> list[Event]:
        if said.probability is not None:
            self._overall.add(label, said.probability, said.baseline)
        if said.standing:
            self._stood += 1
            self._rolling.add(said.frame, label, said.probability, said.baseline)
        settled = self._events.push(said.frame, label, known=said.standing, alarm=said.alarm)
        return [_event(outcome, wall) for outcome in settled]

    def snapshot(self) -> ScoreSnapshot:
        """The figures as they are now."""
        with self._lock:
            from_training = self._climatology is not None
            overall = self._overall.figures(self._minutes(self._stood), self._climatology)
            rolling = self._rolling.figures(self._minutes(len(self._rolling)), self._climatology)
            share = self._climatology
            if share is None and overall.labelled:
                share = overall.positives / overall.labelled
            return ScoreSnapshot(
                frames=self._frames,
                forecasts=self._forecasts,
                coverage=self._forecasts / self._frames if self._frames else None,
                delay_s=self._pairs.delay / self._fps,
                window_minutes=self._minutes(self._window_frames),
                climatology=share,
                climatology_from=ReferenceFrom.TRAINING if from_training else ReferenceFrom.RUN,
                baseline=self._baseline_name,
                rolling=rolling,
                overall=overall,
                events=self._events.figures(),
                drift=self._drift.figures(),
                drift_from=self._drift.compared_with,
                drift_warning=self._drift.warning,
            )

    def _minutes(self, frames: int) -> float:
        return frames / self._fps / 60.0


def _no_reference(forecast: Forecast) -> Event:
    return Event(EventKind.WARNING, forecast.emit_time, NO_REFERENCE)


def _event(outcome: Settled, wall: float) -> Event:
    if isinstance(outcome, FalseAlarm):
        text = "false alarm: no burst followed"
        return Event(EventKind.FALSE_ALARM, wall, text, outcome.frame)
    if isinstance(outcome, UncoveredBurst):
        text = "burst: not covered by forecasts, not counted"
        return Event(EventKind.BURST, wall, text, outcome.frame, {"covered": 0.0})
    if outcome.lead_s is None:
        return Event(EventKind.BURST, wall, "burst: missed", outcome.frame, {"caught": 0.0})
    text = f"burst: announced {outcome.lead_s:.1f} s ahead"
    values = {"caught": 1.0, "lead_s": outcome.lead_s}
    return Event(EventKind.BURST, wall, text, outcome.frame, values)
