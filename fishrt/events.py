"""Bursts as events: decisions from probabilities, and whether they caught what came.

A label says at every frame that a burst starts within the horizon. A run of such frames announces
one burst; the frame after the run, when motion leaves its low, is the burst's onset. A decider
turns probabilities into alarms. An alarm claims that a burst starts within the horizon: it catches
the next onset if that comes so soon, and is a false alarm if none does.
"""

import enum
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MERGE = 15
"""Runs of burst labels no further apart than this many frames announce the same burst."""


@dataclass(frozen=True)
class DecisionRule:
    """When probabilities become an alarm, and when it ends.

    Attributes:
        threshold: An alarm starts when the probability is at least this.
        release: It ends when the probability falls below this (hysteresis); at most `threshold`.
        debounce: So many frames in a row must be at or above the threshold, at least 1.
        refractory: So many frames after an alarm's start no other one starts.
    """

    threshold: float
    release: float
    debounce: int = 1
    refractory: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.release <= self.threshold:
            raise ValueError("release must lie between 0 and the threshold.")
        if self.debounce < 1 or self.refractory < 0:
            raise ValueError("debounce must be at least 1 and refractory at least 0.")


@dataclass(frozen=True)
class RuleAt:
    """Decision rules that differ in their threshold alone.

    Attributes:
        release_share: Release as a share of the threshold.
        debounce: See `DecisionRule`.
        refractory: See `DecisionRule`.
    """

    release_share: float = 0.8
    debounce: int = 3
    refractory: int = 30

    def __call__(self, threshold: float) -> DecisionRule:
        """The rule with this threshold."""
        return DecisionRule(
            threshold, self.release_share * threshold, self.debounce, self.refractory
        )


class Edge(enum.StrEnum):
    """What happens to the alarm at a frame."""

    START = "start"
    END = "end"


class Decider:
    """Turns probabilities, one frame at a time, into the starts and ends of alarms."""

    def __init__(self, rule: DecisionRule) -> None:
        """Begins without an alarm."""
        self.rule = rule
        self.active = False
        self._above = 0
        self._since_start = rule.refractory

    def push(self, probability: float | None) -> Edge | None:
        """Takes the next frame.

        Args:
            probability: 0 .. 1, or None (or NaN) where there is no forecast: that ends an alarm,
                as nothing is known any more.

        Returns:
            What starts or ends at this frame, or None.
        """
        rule = self.rule
        self._since_start += 1
        known = probability is not None and not math.isnan(probability)
        p = probability if known and probability is not None else -1.0
        if self.active:
            if p < rule.release or not known:
                self.active, self._above = False, 0
                return Edge.END
            return None
        self._above = self._above + 1 if p >= rule.threshold else 0
        if self._above >= rule.debounce and self._since_start > rule.refractory:
            self.active, self._since_start = True, 0
            return Edge.START
        return None


def alarm_starts(probabilities: NDArray[np.float64], rule: DecisionRule) -> NDArray[np.int64]:
    """Frames at which alarms start.

    Args:
        probabilities: One for each frame, `(N,)`; NaN where there is none.
        rule: When an alarm starts and ends.

    Returns:
        int64 indices into `probabilities`, ascending.
    """
    decider = Decider(rule)
    edges = [decider.push(p) for p in probabilities.tolist()]
    return np.array([i for i, edge in enumerate(edges) if edge is Edge.START], np.int64)


def burst_onsets(labels: NDArray[np.generic], merge: int = MERGE) -> NDArray[np.int64]:
    """Frames at which bursts start: one after the last label of each run.

    A run that reaches the end of the labels is left out, as its onset is not seen.

    Args:
        labels: 0 or 1 for frames in a row, `(N,)`.
        merge: Runs no further apart than this count as one.

    Returns:
        int64 indices, ascending.
    """
    burst = np.flatnonzero(np.asarray(labels))
    if not len(burst):
        return np.zeros(0, np.int64)
    last = burst[np.append(np.diff(burst) > merge, True)]
    return np.asarray(last[last + merge < len(labels)] + 1, np.int64)


@dataclass(frozen=True)
class EventScores:
    """How alarms and bursts met.

    Attributes:
        threshold: The decision threshold.
        bursts: Bursts in the scored footage.
        caught: Bursts with an alarm at most the horizon before their onset.
        alarms: Alarms in all.
        false_alarms: Alarms with no onset within the horizon after them.
        minutes: Length of the scored footage.
        lead_seconds: For every burst caught, the time from its first such alarm to its onset.
    """

    threshold: float
    bursts: int
    caught: int
    alarms: int
    false_alarms: int
    minutes: float
    lead_seconds: tuple[float, ...]

    @property
    def share_caught(self) -> float:
        """Share of bursts caught; NaN if there was none."""
        return self.caught / self.bursts if self.bursts else float("nan")

    @property
    def false_alarms_per_minute(self) -> float:
        """False alarms a minute of footage; NaN without footage."""
        return self.false_alarms / self.minutes if self.minutes else float("nan")


def score_events(
    labels: NDArray[np.generic],
    probabilities: NDArray[np.float64],
    rule: DecisionRule,
    *,
    horizon: int,
    fps: float,
) -> EventScores:
    """Scores alarms against bursts on frames in a row.

    Args:
        labels: Burst labels, `(N,)`.
        probabilities: One for each frame, `(N,)`; NaN where there is none.
        rule: What makes an alarm.
        horizon: Frames that a label looks ahead.
        fps: Frames a second.
    """
    onsets = burst_onsets(labels)
    alarms = alarm_starts(probabilities, rule)
    # the first onset at or after each alarm, and the first alarm not too long before each onset
    following = np.append(onsets, np.iinfo(np.int64).max)[np.searchsorted(onsets, alarms)]
    right = following - alarms <= horizon
    first = np.append(alarms, np.iinfo(np.int64).max)[np.searchsorted(alarms, onsets - horizon)]
    leads = (onsets - first)[first <= onsets]
    return EventScores(
        rule.threshold,
        len(onsets),
        len(leads),
        len(alarms),
        int((~right).sum()),
        float(np.isfinite(probabilities).sum()) / fps / 60.0,
        tuple((leads / fps).tolist()),
    )


def threshold_for_false_alarms(
    labels: NDArray[np.generic],
    probabilities: NDArray[np.float64],
    per_minute: float,
    rule_at: RuleAt,
    *,
    horizon: int,
    fps: float,
    steps: int = 99,
) -> float:
    """The lowest threshold above which false alarms stay at or below a rate.

    Args:
        labels: Burst labels, `(N,)`.
        probabilities: One for each frame, `(N,)`.
        per_minute: False alarms a minute that are bearable.
        rule_at: Gives the decision rule for a threshold.
        horizon: Frames that a label looks ahead.
        fps: Frames a second.
        steps: Thresholds to try: quantiles of the probabilities.

    Returns:
        A threshold; 1 where every one tried alarms too often.
    """
    found = 1.0
    for point in event_curve(labels, probabilities, rule_at, horizon=horizon, fps=fps, steps=steps):
        if point.false_alarms_per_minute > per_minute:
            break
        found = point.threshold
    return found


def event_curve(
    labels: NDArray[np.generic],
    probabilities: NDArray[np.float64],
    rule_at: RuleAt,
    *,
    horizon: int,
    fps: float,
    steps: int = 99,
) -> list[EventScores]:
    """Events caught and false alarms at thresholds from the highest to the lowest.

    Args:
        labels: Burst labels, `(N,)`.
        probabilities: One for each frame, `(N,)`; NaN where there is none.
        rule_at: Gives the decision rule for a threshold.
        horizon: Frames that a label looks ahead.
        fps: Frames a second.
        steps: Thresholds to try: quantiles of the probabilities.
    """
    known = probabilities[np.isfinite(probabilities)]
    if not len(known):
        return []
    thresholds = np.unique(np.quantile(known, np.linspace(0.01, 0.999, steps)))[::-1]
    return [
        score_events(labels, probabilities, rule_at(float(t)), horizon=horizon, fps=fps)
        for t in thresholds
    ]
