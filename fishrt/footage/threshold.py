"""The label threshold c: how many windows it calls a burst, and one that fits the footage."""

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fishrt.footage.finding import Finding, FindingKind
from fishrt.motion import LabelRule
from fishrt.stored_array import Entries

# c = 0.001 is the 0.305 quantile of the window ranges of the published training footage.
DEFAULT_QUANTILE = 0.3
BLOCK = 1 << 15  # entries looked at together, so that memory does not grow with the length
MAX_WINDOWS = 100_000  # neighbouring windows hardly differ, so a sample says as much
# Shares of windows whose range reaches c; published footage: 0.69 (training), 0.81 (validation).
FEW, MANY = 0.01, 0.99


def window_ranges(
    energy: Entries, segments: Sequence[tuple[int, int]], horizon: int
) -> NDArray[np.float64]:
    """Ranges (maximum minus minimum) of the label windows m[t .. t + horizon].

    Args:
        energy: Motion energy, float64 `(T - 1,)`.
        segments: Frames `[first, stop)` without lost time; no window crosses from one to another.
        horizon: Frames that the label looks ahead.

    Returns:
        float64 `(N,)`, of at most about 100 000 windows, evenly spread.
    """
    total = sum(max(stop - 1 - horizon - first, 0) for first, stop in segments)
    stride = max(total // MAX_WINDOWS, 1)
    ranges = [np.zeros(0)]
    block = max(BLOCK // stride, 1) * stride
    for first, stop in segments:
        last = stop - 1 - horizon
        for start in range(first, last, block):
            end = min(start + block, last)
            windows = sliding_window_view(energy[start : end + horizon], horizon + 1)[::stride]
            ranges.append(windows.max(axis=1) - windows.min(axis=1))
    return np.concatenate(ranges)


def auto_threshold(
    energy: Entries,
    segments: Sequence[tuple[int, int]],
    horizon: int,
    quantile: float = DEFAULT_QUANTILE,
) -> float:
    """The threshold c that so many windows of this footage stay below.

    Args:
        energy: Motion energy, float64 `(T - 1,)`.
        segments: Frames `[first, stop)` without lost time.
        horizon: Frames that the label looks ahead.
        quantile: Share of windows that are to have a smaller range, 0 .. 1.

    Returns:
        The quantile; 0 where there is no whole window.
    """
    ranges = window_ranges(energy, segments, horizon)
    return float(np.quantile(ranges, quantile)) if len(ranges) else 0.0


def check_threshold(ranges: NDArray[np.float64], rule: LabelRule) -> list[Finding]:
    """Says when nearly no window, or nearly every window, reaches the threshold."""
    if not len(ranges):
        return []
    share = float((ranges >= rule.threshold).mean())
    if FEW <= share <= MANY:
        return []
    what = "hardly anything" if share < FEW else "nearly everything"
    fitting = float(np.quantile(ranges, DEFAULT_QUANTILE))
    if float((ranges >= fitting).mean()) <= MANY:
        way_out = f"Use --threshold auto (here {fitting:.2g})"
    else:
        way_out = (
            f"--threshold auto would not help (here {fitting:.2g}, which nearly all reach): see "
            "whether the footage shows moving fish, or give --threshold a number"
        )
    return [
        Finding(
            kind=FindingKind.THRESHOLD,
            source=None,
            sentence=f"With label.threshold {rule.threshold:g}, {what} is a burst: {share:.1%} of "
            f"the windows reach it, on the published footage 69 %. {way_out}.",
            values={"share": share, "threshold": rule.threshold, "auto_threshold": fitting},
        )
    ]
