"""Measuring how far the camera moved from one picture to the next."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.area_mean import area_mean
from fishrt.footage.whole_shift import phase_shift, whole_shift

STRIDE = 15  # pictures from one measurement to the next: half a second at 30 frames/s
SMALL_WIDTH = 160
# A shift of the whole picture counts from here on, in pixels of the small picture. Measured without
# shake: at most 0.11 (school video), 0.32 (simulated tank); a jitter of 1 to 1.5 pixels gave 1.2
# to 2.1.
MIN_SHIFT = 0.5
# The quarter that changes least is at rest if its phase correlation shows less than this. Measured:
# of a hundred moved pairs two end here, of the school video at shifts around a pixel one in four.
AT_REST = 0.25
# A quarter stands still that changes by less than this share of what a shift by MIN_SHIFT changes
# in theory. Measured: shifts by that much of sharp pictures changed 0.45 of it and more; of pairs
# at rest this tells all of the school video and seven in ten of the simulated tank.
STILL = 0.36
SMALLEST = 16  # a smaller picture has no quarters to compare


def compares(number: int) -> bool:
    """Whether the meter looks at a source's picture with this number at all; see `push`."""
    return number % STRIDE >= STRIDE - 2


def compared(numbers: range) -> list[int]:
    """Those of consecutive numbers that the meter looks at, ascending."""
    first = -(-(numbers.start + 1) // STRIDE) * STRIDE  # of the pair that is the first to end here
    pairs = range(first, numbers.stop + STRIDE, STRIDE)
    return [number for last in pairs for number in (last - 2, last - 1) if number in numbers]


def ends_pair(number: int) -> bool:
    """Whether the meter compares the picture with this number with the one before it."""
    return number % STRIDE == STRIDE - 1


class ShakeMeter:
    """Compares one picture in fifteen with the one directly before it.

    What moves is the camera if one shift of a small picture explains most of the change in all
    four quarters, see `whole_shift`. Most pairs need no such look: a quarter stands still.
    """

    def __init__(self) -> None:
        self._before: tuple[int, NDArray[np.uint8]] | None = None

    def push(
        self, number: int, view: NDArray[np.uint8], means: NDArray[np.uint8] | None = None
    ) -> NDArray[np.float32] | None:
        """Takes the next picture.

        Args:
            number: Which one of its source's pictures that fill a frame, from 0. It says when to
                measure, so whoever goes on in the middle measures at the same pictures.
            view: uint8 `(H, W)`, the grey camera picture within the region of interest.
            means: What `area_mean` made of it, of whatever size, if that is known; else None.

        Returns:
            float32 `(3,)`: dx and dy in pixels of the small picture, and the response: the share
            of the change that the shift explains in the quarter where it explains least, or 0 if
            the picture did not move as a whole by MIN_SHIFT (dx and dy are the last that was
            found then, or 0). None where nothing was measured.
        """
        if not compares(number):
            return None
        before, small = self._before, _small(view, means)
        if min(small.shape) < SMALLEST:  # also of a picture ten times as wide as high
            return None
        self._before = (number, small)
        measured = ends_pair(number) and before is not None and before[0] == number - 1
        return _shift(before[1], small) if measured and before is not None else None


def _shift(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> NDArray[np.float32]:
    height, width = now.shape[0] // 2, now.shape[1] // 2
    parts = [
        (slice(top, top + height), slice(left, left + width))
        for top in (0, height)
        for left in (0, width)
    ]
    # first where least changes: one that stands still is enough to know
    parts.sort(key=lambda part: cv2.norm(before[part], now[part], cv2.NORM_L1))
    if any(_stands_still(before[part], now[part]) for part in parts):
        return np.zeros(3, np.float32)
    shifts: list[tuple[float, float]] = []
    for part in parts:
        shifts.append(phase_shift(before[part], now[part]))
        if math.hypot(*shifts[0]) < AT_REST:
            return np.array([*shifts[0], 0.0], np.float32)
    dx, dy = np.median(shifts, axis=0).tolist()
    return np.array(whole_shift(before, now, (dx, dy), MIN_SHIFT), np.float32)


def _stands_still(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> bool:
    """Whether a quarter changes too little for a shift by MIN_SHIFT, whatever its direction.

    Brightness constancy: a small shift d changes a picture with the gradients g by the sum of
    (d g)^2, at least |d|^2 times the smaller eigenvalue of the structure tensor (Lucas and Kanade,
    1981). Noise adds to the change as much as to the gradients, and hides no shift. It takes a
    seventh of the time of a phase correlation.
    """
    here, right, below = before[:-1, :-1], before[:-1, 1:], before[1:, :-1]
    change, xx, yy = _squares(before, now), _squares(here, right), _squares(here, below)
    # as |x - y|^2 = x^2 + y^2 - 2 xy
    xy = (xx + yy - _squares(right, below)) / 2
    least = (xx + yy) / 2 - math.hypot((xx - yy) / 2, xy)
    return change <= STILL * MIN_SHIFT**2 * least


def _squares(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The sum of squared differences."""
    return float(cv2.norm(one, other, cv2.NORM_L2SQR))


def _small(view: NDArray[np.uint8], means: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    height, width = view.shape
    if width <= SMALL_WIDTH:
        return view.copy()  # the caller may fill its own buffer anew
    size = (max(round(height * SMALL_WIDTH / width), 2), SMALL_WIDTH)
    if means is not None and means.shape == size:
        return means.copy()
    return area_mean(view, *size)
