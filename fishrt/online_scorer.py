"""Scores while the footage comes in: forecasts wait for the label that tells what came."""

import numpy as np

from fishrt.metrics import Scorer, Scores
from fishrt.motion import LabelRule
from fishrt.online_labels import LabelledLater


class OnlineScorer:
    """Pairs each forecast with its label, which is known the horizon and a frame later.

    Memory does not grow with the footage where the scorer has a window.
    """

    def __init__(self, rule: LabelRule, scorer: Scorer) -> None:
        """Begins before the first frame.

        Args:
            rule: The label rule.
            scorer: Takes labels and forecasts.
        """
        self._scorer = scorer
        self._pairs = LabelledLater[tuple[float | None, float | None]](rule)

    def push(
        self, energy: float | None, probability: float | None, baseline: float | None = None
    ) -> int | None:
        """Takes the next frame t.

        Args:
            energy: m[t - 1], the change from the frame before to this one; None where this frame
                is the first or follows a gap, which begins anew.
            probability: The forecast at this frame, or None where there is none.
            baseline: Another forecaster's, or None.

        Returns:
            The label of frame t - 1 - horizon, or None while it is not known.
        """
        known = self._pairs.push(energy, (probability, baseline))
        if known is None:
            return None
        label, (said, theirs) = known
        if said is not None:
            other = None if theirs is None else np.array([theirs])
            self._scorer.accumulate(np.array([label]), np.array([said]), other)
        return label

    def compute(self) -> Scores | None:
        """The scores of all frames whose label is known; None while there is none."""
        return self._scorer.compute()
