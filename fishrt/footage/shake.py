"""Measuring how far the camera moved from one picture to the next."""

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.area_mean import area_mean

STRIDE = 15  # pictures from one measurement to the next: half a second at 30 frames/s
SMALL_WIDTH = 160
# A shift of the whole picture counts from here on, in pixels of the small picture. Measured without
# shake: at most 0.11 (school video), 0.32 (simulated tank); a jitter of 1 to 1.5 pixels gave 1.2
# to 2.1.
MIN_SHIFT = 0.5
AGREEMENT = 0.25  # pixels of the small picture by which quarters of a shaken one may differ
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

    The shift is that of phase correlation (Kuglin and Hines, 1975) in the four quarters of a
    small picture. Only a camera moves all four alike; fish that swim together do not.
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
            float32 `(3,)`: dx and dy in pixels of the small picture, and the response: that of
            the quarter with the smallest, or 0 if the quarters disagree or one stands still (dx
            and dy are of that quarter then, or 0). None where nothing was measured.
        """
        if not compares(number) or min(view.shape) < SMALLEST:
            return None
        before, small = self._before, _small(view, means)
        self._before = (number, small)
        measured = ends_pair(number) and before is not None and before[0] == number - 1
        return _shift(before[1], small) if measured and before is not None else None


def _shift(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> NDArray[np.float32]:
    height, width = now.shape[0] // 2, now.shape[1] // 2
    window = _window(width, height)
    quarters: list[tuple[float, float, float]] = []
    parts = [
        (slice(top, top + height), slice(left, left + width))
        for top in (0, height)
        for left in (0, width)
    ]
    # first where least changes: one that stands still is enough to know
    parts.sort(key=lambda part: cv2.norm(before[part], now[part], cv2.NORM_L1))
    if any(_stands_still(before[part], now[part]) for part in parts):
        return np.zeros(3, np.float32)
    for part in parts:
        (dx, dy), response = cv2.phaseCorrelate(
            before[part].astype(np.float32, "C"), now[part].astype(np.float32, "C"), window
        )
        quarters.append((dx, dy, response))
        if _no_shake(quarters):  # the other quarters would change nothing, and take their time
            return np.array([dx, dy, 0.0], np.float32)
    measured = np.asarray(quarters, np.float32)
    middle = np.median(measured[:, :2], axis=0)
    agree = bool((np.abs(measured[:, :2] - middle) <= AGREEMENT).all())
    response = float(measured[:, 2].min()) if agree else 0.0
    return np.asarray([*middle, response], np.float32)


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


def _no_shake(quarters: list[tuple[float, float, float]]) -> bool:
    """Whether these quarters alone say that the picture did not move as a whole by MIN_SHIFT.

    Four that agree lie within AGREEMENT of their middle, so one that is nearly still excludes it,
    and so do two that are far apart.
    """
    dx, dy, _ = quarters[-1]
    if math.hypot(dx, dy) < MIN_SHIFT - math.hypot(AGREEMENT, AGREEMENT):
        return True
    return any(max(abs(dx - x), abs(dy - y)) > 2 * AGREEMENT for x, y, _ in quarters[:-1])


@lru_cache(maxsize=4)
def _window(width: int, height: int) -> NDArray[np.float32]:
    return np.asarray(cv2.createHanningWindow((width, height), cv2.CV_32F), np.float32)


def _small(view: NDArray[np.uint8], means: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    height, width = view.shape
    if width <= SMALL_WIDTH:
        return view.copy()  # the caller may fill its own buffer anew
    size = (max(round(height * SMALL_WIDTH / width), 2), SMALL_WIDTH)
    if means is not None and means.shape == size:
        return means.copy()
    return area_mean(view, *size)
