"""Measuring how far the camera moved from one picture to the next."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.area_mean import area_mean

STRIDE = 15  # pictures from one measurement to the next: half a second at 30 frames/s
SMALL_WIDTH = 160
AGREEMENT = 0.25  # pixels of the small picture by which quarters of a shaken one may differ
SMALLEST = 16  # a smaller picture has no quarters to compare


class ShakeMeter:
    """Compares one picture in fifteen with the one directly before it.

    The shift is that of phase correlation (Kuglin and Hines, 1975) in the four quarters of a
    small picture. Only a camera moves all four alike; fish that swim together do not.
    """

    def __init__(self) -> None:
        self._before: tuple[int, NDArray[np.float32]] | None = None

    def push(self, number: int, view: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Takes the next picture.

        Args:
            number: Which one of its source's pictures that fill a frame, from 0. It says when to
                measure, so whoever goes on in the middle measures at the same pictures.
            view: uint8 `(H, W)`, the grey camera picture within the region of interest.

        Returns:
            float32 `(3,)`: dx and dy in pixels of the small picture, and the response: that of
            the quarter with the smallest, or 0 if the quarters disagree. None where nothing was
            measured.
        """
        position = number % STRIDE
        if position < STRIDE - 2 or min(view.shape) < SMALLEST:
            return None
        before, small = self._before, _small(view)
        self._before = (number, small)
        measured = position == STRIDE - 1 and before is not None and before[0] == number - 1
        return _shift(before[1], small) if measured and before is not None else None


def _shift(before: NDArray[np.float32], now: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = now.shape[0] // 2, now.shape[1] // 2
    window = _window(width, height)
    quarters = []
    for top in (0, height):
        for left in (0, width):
            part = (slice(top, top + height), slice(left, left + width))
            (dx, dy), response = cv2.phaseCorrelate(
                np.ascontiguousarray(before[part]), np.ascontiguousarray(now[part]), window
            )
            quarters.append((dx, dy, response))
    measured = np.asarray(quarters, np.float32)
    middle = np.median(measured[:, :2], axis=0)
    agree = bool((np.abs(measured[:, :2] - middle) <= AGREEMENT).all())
    response = float(measured[:, 2].min()) if agree else 0.0
    return np.asarray([*middle, response], np.float32)


@lru_cache(maxsize=4)
def _window(width: int, height: int) -> NDArray[np.float32]:
    return np.asarray(cv2.createHanningWindow((width, height), cv2.CV_32F), np.float32)


def _small(view: NDArray[np.uint8]) -> NDArray[np.float32]:
    height, width = view.shape
    if width > SMALL_WIDTH:
        view = area_mean(view, max(round(height * SMALL_WIDTH / width), 2), SMALL_WIDTH)
    return view.astype(np.float32)
