"""Burst labels with soft borders: a training target that says how clearly a frame is a burst."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fishrt.motion import LabelRule

RANGE_WIDTH = 0.1
"""Width of the border at the rule's smallest range, as a share of that range."""
DEPTH_WIDTH = 0.3
"""Width of the border at the rule's depth, as a share of that depth."""
STEEPEST = 50.0
"""Logits beyond this are 0 or 1 and would only overflow."""


def soft_labels(energy: NDArray[np.float64], rule: LabelRule) -> NDArray[np.float64]:
    """The label rule with logistic functions in place of its two comparisons.

    The rule cuts two continuous quantities at a border. A frame that falls just short of it is
    nearly a burst, and a network that is told so has less noise to learn.

    Args:
        energy: Motion energy m, float64 `(T - 1,)`.
        rule: Horizon h, depth b and threshold c.

    Returns:
        float64 `(max(T - 1 - h, 0),)`, 0 .. 1; entry t is the target of frame t.
    """
    if len(energy) <= rule.horizon:
        return np.zeros(0)
    windows = sliding_window_view(energy, rule.horizon + 1)
    low = windows.min(axis=1)
    span = windows.max(axis=1) - low
    place = (energy[: len(low)] - low) / np.maximum(span, np.finfo(np.float64).tiny)
    rises = _border(span - rule.threshold, RANGE_WIDTH * rule.threshold)
    return rises * _border(rule.depth - place, DEPTH_WIDTH * rule.depth)


def _border(inside: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    if not width:  # a rule with a border at zero has nothing on its other side to be near to
        return np.asarray(inside >= 0, np.float64)
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(inside / width, -STEEPEST, STEEPEST))))
