"""Motion energy and burst labels: the published rule, vectorised.

Both follow the published targets: m[t] is the mean absolute grey-level change from frame t to
frame t + 1, and a burst label says that motion is low now and rises soon.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fishrt.grey_sums import grey_sums

PAIRS = 16  # of frames that are compared in one call: few, which stay in the processor's caches


@dataclass(frozen=True)
class LabelRule:
    """The burst label rule over the window m[t .. t + horizon].

    Attributes:
        horizon: How far the label looks ahead, in frames (45 is 1.5 s at 30 fps).
        depth: `b`: the share of the window's range within which m[t] counts as low.
        threshold: `c`: the smallest range of motion energy that is a burst.
    """

    horizon: int = 45
    depth: float = 0.1
    threshold: float = 0.001


def motion_energy(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean absolute change between consecutive frames, as a share of full scale.

    Args:
        frames: uint8 `(T, H, W)`.

    Returns:
        float64 `(T - 1,)` (empty for fewer than two frames); entry t compares frames t and t + 1.
    """
    energy = np.empty(max(len(frames) - 1, 0))
    for start in range(0, len(energy), PAIRS):
        few = frames[start : start + PAIRS + 1]
        change = cv2.absdiff(few[:-1], few[1:])
        energy[start : start + PAIRS] = grey_sums(change) / change[0].size / 255.0
    return energy


def frame_change(previous: NDArray[np.uint8], current: NDArray[np.uint8]) -> float:
    """Motion energy between two frames, uint8 `(H, W)` each: mean |difference| / 255."""
    # the sum of whole grey levels, which is exact
    return float(cv2.norm(previous, current, cv2.NORM_L1)) / previous.size / 255.0


def labelled_range(frame_count: int, clip_frames: int, horizon: int) -> range:
    """Frames that have both a whole clip behind them and a whole label window ahead.

    Args:
        frame_count: T, the number of frames.
        clip_frames: Frames in a clip (120).
        horizon: Frames that the label looks ahead (45).

    Returns:
        `clip_frames - 1 .. T - 2 - horizon`, both included.
    """
    return range(clip_frames - 1, max(frame_count - 1 - horizon, clip_frames - 1))


def burst_labels(energy: NDArray[np.float64], rule: LabelRule) -> NDArray[np.uint8]:
    """Burst label of every frame whose label window is whole.

    label[t] = 1 if range(m[t..t+h]) >= c and m[t] <= min(m[t..t+h]) + b * range(m[t..t+h]).

    Args:
        energy: Motion energy m, float64 `(T - 1,)`.
        rule: Horizon h, depth b and threshold c.

    Returns:
        uint8 `(max(T - 1 - h, 0),)`; entry t is the label of frame t.
    """
    if len(energy) <= rule.horizon:
        return np.zeros(0, np.uint8)
    windows = sliding_window_view(energy, rule.horizon + 1)
    low = windows.min(axis=1)
    span = windows.max(axis=1) - low
    now = energy[: len(low)]
    label = (span >= rule.threshold) & (now <= low + rule.depth * span)
    return np.asarray(label, np.uint8)
