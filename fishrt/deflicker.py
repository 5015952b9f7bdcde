"""Taking lamp flicker out of a picture, the same for footage and live: causal, one at a time."""

import statistics
from collections import deque
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.grey_sums import grey_sums

# One second at 30 frames/s: whole periods of every alias that mains flicker has at that rate
# (100 Hz shows as 10 Hz, 120 Hz at 29.97 as a slow beat that no second can hold).
REFERENCE_PICTURES = 30
# A picture is brightened or darkened by at most a quarter: more is no flicker but a lamp that
# was switched.
LARGEST_GAIN = 1.25


class Deflicker:
    """Scales every picture to the median brightness of the last second.

    It looks back only, so live pictures get what recorded ones got.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=REFERENCE_PICTURES)

    def __call__(self, view: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Takes the flicker out of the next picture.

        Args:
            view: uint8 `(H, W)`, the grey camera picture within the region of interest.

        Returns:
            uint8 `(H, W)`, scaled to the median brightness of the last 30 pictures, this one
            included; unchanged where the picture is black.
        """
        brightness = mean_brightness(view)
        self._recent.append(brightness)
        if brightness <= 0:
            return view
        gain = statistics.median(self._recent) / brightness
        gain = min(max(gain, 1 / LARGEST_GAIN), LARGEST_GAIN)
        return np.asarray(cv2.convertScaleAbs(view, alpha=gain), np.uint8)

    @property
    def past(self) -> tuple[float, ...]:
        """What the next picture is compared with, oldest first; `reset` takes it back."""
        return tuple(self._recent)

    def reset(self, past: Iterable[float] = ()) -> None:
        """Forgets the past, or takes one that `past` gave."""
        self._recent.clear()
        self._recent.extend(past)


def mean_brightness(view: NDArray[np.uint8]) -> float:
    """Mean grey level of a picture, uint8 `(H, W)`: 0 .. 255."""
    # the same as the mean, but quick where the rows do not follow one another in memory, too
    return float(cv2.norm(view, cv2.NORM_L1)) / view.size


def mean_brightnesses(views: NDArray[np.uint8]) -> NDArray[np.float64]:
    """`mean_brightness` of many pictures, uint8 `(N, H, W)`, in one call: float64 `(N,)`."""
    return np.asarray(grey_sums(views) / views[0].size, np.float64)
