"""Bursts as events: decisions from probabilities, and whether they caught what came.

A label says at every frame that a burst starts within the horizon. A run of such frames announces
one burst; the frame after the run, when motion leaves its low, is the burst's onset. A decider
turns probabilities into alarms. An alarm claims that a burst starts within the horizon: it catches
a burst if it starts within the horizon before the onset or where a label announces that burst, and
is a false alarm if it catches none.

An alarm counts where it starts, not for as long as it lasts; so an alarm that never ends catches
at most one burst.
"""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

MERGE = 30
"""Runs of burst labels no further apart than this many frames announce the same burst.

Motion may dip for a frame a second before it rises. With 15 frames, 9 of 121 bursts in 15 minutes
of the simulated tank (54 of 572 in the published training part) had their rise only after the next
run of labels; with 30 frames, none of 112 (12 of 434)."""


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

    def at(self, threshold: float) -> "DecisionRule":
        """The same rule at another threshold, of which release keeps its share."""
        share = min(self.release / self.threshold, 1.0) if self.threshold else 0.0
        return replace(self, threshold=threshold, release=share * threshold)


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

    def push(self, probability: float | None, elapsed: int = 1) -> Edge | None:
        """Takes the next frame.

        Args:
            probability: 0 .. 1, or None (or NaN) where there is no forecast: that ends an alarm,
                as nothing is known any more. Where forecasts come every few frames, the last one
                stands until the next and is to be pushed at every frame, so that debounce and
                refractory time are times, however often forecasts come.
            elapsed: Frames since the last one that was pushed: more than 1 where frames were lost,
                which count for the refractory time.

        Returns:
            What starts or ends at this frame, or None.
        """
        rule = self.rule
        self._since_start += elapsed
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


@dataclass(frozen=True)
class Footage:
    """Frames in a row, with what was true and what was said.

    Attributes:
        labels: Burst labels, `(N,)`.
        probabilities: One for each frame, float64 `(N,)`; NaN where there is none.
    """

    labels: NDArray[np.generic]
    probabilities: NDArray[np.float64]


def alarm_starts(probabilities: NDArray[np.float64], rule: DecisionRule) -> NDArray[np.int64]:
    """Frames at which alarms start: what a `Decider` says, without a step for every frame.

    Args:
        probabilities: One for each frame, `(N,)`; NaN where there is none.
        rule: When an alarm starts and ends.

    Returns:
        int64 indices into `probabilities`, ascending.
    """
    above = probabilities >= rule.threshold  # NaN is not
    ready = np.flatnonzero(_run_lengths(above) >= rule.debounce)
    ends = np.flatnonzero(~(probabilities >= rule.release))
    starts: list[int] = []
    earliest = 0
    while (at := int(np.searchsorted(ready, earliest))) < len(ready):
        starts.append(int(ready[at]))
        end = int(np.searchsorted(ends, starts[-1]))
        if end == len(ends):
            break
        earliest = max(int(ends[end]), starts[-1] + rule.refractory) + 1
    return np.array(starts, np.int64)


def _run_lengths(above: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each frame, how many in a row up to it are above; 0 where it is not."""
    place = np.arange(1, len(above) + 1)
    return np.asarray(place - np.maximum.accumulate(np.where(above, 0, place)))


@dataclass(frozen=True)
class Bursts:
    """The bursts in frames in a row.

    Attributes:
        announced: int64 `(B,)`: the first label of each.
        onsets: int64 `(B,)`: the frame after the last label of each.
    """

    announced: NDArray[np.int64]
    onsets: NDArray[np.int64]


def find_bursts(labels: NDArray[np.generic], merge: int = MERGE) -> Bursts:
    """The bursts that labels announce.

    A run that reaches the end of the labels is left out, as its onset is not seen.

    Args:
        labels: 0 or 1 for frames in a row, `(N,)`.
        merge: Runs no further apart than this count as one.
    """
    burst = np.flatnonzero(np.asarray(labels))
    if not len(burst):
        return Bursts(np.zeros(0, np.int64), np.zeros(0, np.int64))
    parts = np.diff(burst) > merge
    first, last = burst[np.append(True, parts)], burst[np.append(parts, True)]
    seen = last + merge < len(labels)
    return Bursts(first[seen], last[seen] + 1)


@dataclass(frozen=True)
class EventScores:
    """How alarms and bursts met.

    Attributes:
        threshold: The decision threshold.
        bursts: Bursts that could have been caught.
        caught: Those with an alarm at most the horizon before their onset.
        alarms: Alarms that are right or false; alarms so near the end that this is not seen are
            left out.
        false_alarms: Those that catch no burst.
        minutes: Length of the footage with forecasts.
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

    @property
    def median_lead(self) -> float:
        """Median of the lead times in seconds; NaN if nothing was caught."""
        return float(np.median(self.lead_seconds)) if self.lead_seconds else float("nan")


FEW_BURSTS = 5
"""Up to so many "half of them" would be odd to say."""


def lead_words(caught: int, median_s: float) -> str:
    """How long before the bursts their alarms came.

    Args:
        caught: Bursts that were announced, at least 1.
        median_s: Median of the times in seconds.
    """
    if caught == 1:
        return f"{median_s:.1f} s ahead"
    if caught <= FEW_BURSTS:
        return f"{median_s:.1f} s ahead in the median"
    return f"half of them {median_s:.1f} s ahead or more"


@dataclass(frozen=True)
class Meeting:
    """Which alarms met which bursts, in frames in a row; all frames are indices into these.

    Attributes:
        bursts: The bursts that could have been caught.
        first_alarm: int64 `(B,)`: the first alarm that catches each burst, or -1.
        right: int64: alarms that catch a burst.
        false: int64: alarms that catch none.
    """

    bursts: Bursts
    first_alarm: NDArray[np.int64]
    right: NDArray[np.int64]
    false: NDArray[np.int64]


def meet(footage: Footage, rule: DecisionRule, horizon: int) -> Meeting:
    """Matches the alarms that a rule raises with bursts; see `match`.

    Args:
        footage: Frames in a row.
        rule: What makes an alarm.
        horizon: Frames that a label looks ahead.
    """
    return match(footage, alarm_starts(footage.probabilities, rule), horizon)


def match(footage: Footage, alarms: NDArray[np.int64], horizon: int) -> Meeting:
    """Matches alarms with bursts.

    A burst is within reach of the alarms from the horizon before its onset, or from its first
    label, to its onset. One whose reach begins before the first forecast, or in whose reach no
    forecast stood, could not be caught and is left out, as is an alarm whose horizon reaches
    beyond what the labels tell.

    Args:
        footage: Frames in a row.
        alarms: Frames at which alarms start, ascending indices into these.
        horizon: Frames that a label looks ahead.
    """
    found = find_bursts(footage.labels)
    opens = np.minimum(found.announced, found.onsets - horizon)
    covered = _covered(np.isfinite(footage.probabilities), opens, found.onsets)
    # windows of bursts end in order; the first that ends at or after an alarm is its only chance,
    # as every later one opens later
    following = np.searchsorted(found.onsets, alarms)
    there = following < len(found.onsets)
    right = np.zeros(len(alarms), bool)
    right[there] = opens[following[there]] <= alarms[there]
    # at a label a burst does come, even where its onset is not seen any more
    at_label = np.asarray(footage.labels, bool)[alarms]
    decided = right | ((alarms + horizon <= len(footage.labels) - MERGE) & ~at_label)
    first = np.searchsorted(alarms, opens)
    caught = np.append(alarms, np.iinfo(np.int64).max)[first]
    return Meeting(
        Bursts(found.announced[covered], found.onsets[covered]),
        np.where(caught <= found.onsets, caught, -1)[covered],
        alarms[right],
        alarms[decided & ~right],
    )


def _covered(
    known: NDArray[np.bool_], opens: NDArray[np.int64], onsets: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which bursts could have been caught: forecasts had begun, and one stood in their reach."""
    count = np.append(0, np.cumsum(known))
    begin = int(np.argmax(known)) if known.any() else len(known)
    stood = count[onsets + 1] > count[np.maximum(opens, 0)]
    return np.asarray((opens >= begin) & stood)


def score_events(
    footage: Sequence[Footage], rule: DecisionRule, *, horizon: int, fps: float
) -> EventScores:
    """Scores alarms against bursts.

    Args:
        footage: Stretches of frames in a row; no alarm and no burst crosses from one to the next.
        rule: What makes an alarm.
        horizon: Frames that a label looks ahead.
        fps: Frames a second.
    """
    meetings = [meet(stretch, rule, horizon) for stretch in footage]
    leads = [(one.bursts.onsets - one.first_alarm)[one.first_alarm >= 0] / fps for one in meetings]
    return EventScores(
        threshold=rule.threshold,
        bursts=sum(len(one.bursts.onsets) for one in meetings),
        caught=sum(map(len, leads)),
        alarms=sum(len(one.right) + len(one.false) for one in meetings),
        false_alarms=sum(len(one.false) for one in meetings),
        minutes=sum(int(np.isfinite(one.probabilities).sum()) for one in footage) / fps / 60.0,
        lead_seconds=tuple(np.concatenate([np.zeros(0), *leads]).tolist()),
    )


CURVE_SHARES = np.unique(np.append(np.linspace(0.0, 0.99, 67), 1.0 - np.geomspace(1e-5, 0.1, 54)))
"""Which quantiles of the probabilities are tried as thresholds: bearable false alarms are rare, so
most of them lie near the top."""


def event_curve(
    footage: Sequence[Footage], rule_at: RuleAt, *, horizon: int, fps: float
) -> list[EventScores]:
    """Events caught and false alarms at thresholds from the highest to the lowest.

    Args:
        footage: Stretches of frames in a row.
        rule_at: Gives the decision rule for a threshold.
        horizon: Frames that a label looks ahead.
        fps: Frames a second.
    """
    said = np.concatenate([np.zeros(0), *(stretch.probabilities for stretch in footage)])
    known = said[np.isfinite(said)]
    if not len(known):
        return []
    thresholds = np.unique(np.quantile(known, CURVE_SHARES))[::-1]
    return [
        score_events(footage, rule_at(float(threshold)), horizon=horizon, fps=fps)
        for threshold in thresholds
    ]


def best_bearable(curve: Sequence[EventScores], per_minute: float) -> EventScores | None:
    """The point that catches most bursts with no more false alarms than are bearable.

    Of points that catch as many, the one with the fewest false alarms. The walk goes down from
    the highest threshold and ends where false alarms pass the rate for the first time: below that
    an alarm may last so long that it seems rare.

    Args:
        curve: From the highest threshold to the lowest, as `event_curve` gives it.
        per_minute: False alarms a minute that are bearable.

    Returns:
        The point, or None where even the highest threshold alarms too often.
    """
    found: EventScores | None = None
    for point in curve:
        if not point.false_alarms_per_minute <= per_minute:
            break
        better = found is None or (point.caught, -point.false_alarms) > (
            found.caught,
            -found.false_alarms,
        )
        found = point if better else found
    return found
