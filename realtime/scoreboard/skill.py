"""Scores of probabilities as labels become known, with memory and work that do not grow."""

import math
from collections import deque

import numpy as np

from realtime.scoreboard.snapshot import ReliabilityPoint, SkillFigures

RELIABILITY_BINS = 10
ENOUGH = 30
"""Forecasts with a burst ahead, and without one, from which on an AUC is shown."""
FORGET_AT_ONCE = 100
"""Frames that may leave a window when one comes, which takes 0.4 ms. After an outage a window of 10
minutes at 30 fps is so rid of what is too old within 6 s."""
LOGIT_LIMIT, LOGIT_WIDTH = 12.0, 0.004
BINS = round(2 * LOGIT_LIMIT / LOGIT_WIDTH) + 2
"""Bins of the histogram that the AUC comes from, 0.4 % wide in the odds, so that rare and certain
forecasts are told apart as finely as middling ones. Forecasts in the same bin count as ties."""


def bin_of(probability: float) -> int:
    """The bin of a probability, 0 .. 1; those beyond odds of e^12 share the outermost two."""
    if probability <= 0.0:
        return 0
    if probability >= 1.0:
        return BINS - 1
    place = math.floor((math.log(probability / (1.0 - probability)) + LOGIT_LIMIT) / LOGIT_WIDTH)
    return min(max(place + 1, 0), BINS - 1)


class RankHistogram:
    """Probabilities of calm and burst frames, counted in fine bins."""

    def __init__(self) -> None:
        """Starts empty."""
        self._counts = np.zeros((2, BINS), np.int64)

    def add(self, label: int, probability: float, times: int) -> None:
        """Counts a forecast (`times` 1), or takes one out again (-1)."""
        self._counts[label, bin_of(probability)] += times

    def auc(self) -> float | None:
        """Area under the ROC curve, ties counted half; None where one class is absent."""
        calm, burst = self._counts
        calms, bursts = int(calm.sum()), int(burst.sum())
        if not calms or not bursts:
            return None
        below = np.cumsum(calm) - calm
        return float(np.dot(burst, below + calm / 2.0)) / (calms * bursts)


class SkillTally:
    """Sums that all scores follow from; forecasts can be taken out again."""

    def __init__(self) -> None:
        """Starts empty."""
        self._ranks, self._baseline_ranks = RankHistogram(), RankHistogram()
        self._labels = np.zeros(2, np.int64)
        self._squares = 0.0
        self._both = 0  # forecasts beside which the baseline has one
        self._both_squares = self._baseline_squares = 0.0
        self._bins = np.zeros((3, RELIABILITY_BINS))  # count, probabilities, bursts

    def add(self, label: int, probability: float, baseline: float | None, times: int = 1) -> None:
        """Counts a forecast, or takes one out again.

        Args:
            label: 0 or 1.
            probability: 0 .. 1.
            baseline: The baseline's, or None.
            times: 1, or -1 to take it out.
        """
        square = times * (probability - label) ** 2
        self._ranks.add(label, probability, times)
        self._labels[label] += times
        self._squares += square
        place = min(int(probability * RELIABILITY_BINS), RELIABILITY_BINS - 1)
        self._bins[:, place] += (times, times * probability, times * label)
        if baseline is not None:
            self._both += times
            self._both_squares += square
            self._baseline_squares += times * (baseline - label) ** 2
            self._baseline_ranks.add(label, baseline, times)

    def figures(self, minutes: float, climatology: float | None) -> SkillFigures:
        """The scores of what is counted.

        Args:
            minutes: Footage that it is about.
            climatology: The share of bursts to measure skill against; None for the share among
                what is counted.
        """
        calms, bursts = map(int, self._labels)
        count = calms + bursts
        if not count:
            return SkillFigures(minutes=minutes)
        share = bursts / count if climatology is None else climatology
        usual = bursts * (1.0 - share) ** 2 + calms * share**2
        return SkillFigures(
            minutes=minutes,
            labelled=count,
            positives=bursts,
            enough=min(calms, bursts) >= ENOUGH,
            auc=self._ranks.auc(),
            baseline_auc=self._baseline_ranks.auc(),
            brier=max(self._squares, 0.0) / count,
            skill_climatology=_skill(self._squares, usual),
            skill_baseline=_skill(self._both_squares, self._baseline_squares),
            reliability=self._reliability(),
        )

    def _reliability(self) -> tuple[ReliabilityPoint, ...]:
        return tuple(
            ReliabilityPoint(
                low=place / RELIABILITY_BINS,
                high=(place + 1) / RELIABILITY_BINS,
                count=int(count),
                mean_probability=min(max(float(said) / count, 0.0), 1.0),
                burst_share=float(came) / count,
            )
            for place, (count, said, came) in enumerate(self._bins.T)
            if count > 0
        )


def _skill(squares: float, reference: float) -> float | None:
    """1 - ours / theirs; None where the other forecast is without a fault."""
    return 1.0 - squares / reference if reference > 1e-9 else None


class RollingTally:
    """The scores of the last frames alone."""

    def __init__(self, frames: int) -> None:
        """Starts empty.

        Args:
            frames: How many frames back the window reaches.
        """
        self._frames = frames
        self._tally = SkillTally()
        self._within: deque[tuple[int, int, float | None, float | None]] = deque()

    def __len__(self) -> int:
        """Frames that are in it."""
        return len(self._within)

    def add(
        self, frame: int, label: int, probability: float | None, baseline: float | None
    ) -> None:
        """Counts a frame at which a forecast stood.

        Args:
            frame: Which, larger than those before.
            label: 0 or 1.
            probability: 0 .. 1; None where an earlier forecast stood on, which counts only once.
            baseline: The baseline's, or None.
        """
        self._within.append((frame, label, probability, baseline))
        if probability is not None:
            self._tally.add(label, probability, baseline)

    def forget_before(self, frame: int) -> None:
        """Takes out what has left the window that ends with `frame`; some at a time.

        After a gap as long as the window all of it is to go, which would take long at once.
        """
        for _ in range(FORGET_AT_ONCE):
            if not self._within or self._within[0][0] > frame - self._frames:
                return
            _, label, probability, baseline = self._within.popleft()
            if probability is not None:
                self._tally.add(label, probability, baseline, -1)

    def figures(self, minutes: float, climatology: float | None) -> SkillFigures:
        """The scores of the window; see `SkillTally.figures`."""
        return self._tally.figures(minutes, climatology)
