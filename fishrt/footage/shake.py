"""Measuring how far the camera moved from one picture to the next."""

import cv2
import numpy as np
from numpy.typing import NDArray

STRIDE = 15  # pictures from one measurement to the next: half a second at 30 frames/s
SMALL_WIDTH = 160
NOT_MEASURED = np.full(3, np.nan, np.float32)


class ShakeMeter:
    """Compares one picture in fifteen with the one directly before it.

    The shift is that of phase correlation (Kuglin and Hines, 1975) on a small picture. Its
    response tells whether the whole picture moved (near 1) or only what swims in it (near 0).
    """

    def __init__(self) -> None:
        self._index = 0
        self._before: NDArray[np.float32] | None = None
        self._window: NDArray[np.float32] | None = None

    def push(self, view: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Takes the next picture.

        Args:
            view: uint8 `(H, W)`, the grey camera picture within the region of interest.

        Returns:
            float32 `(3,)`: dx and dy in pixels of the small picture and the response, or NaN
            where nothing was measured.
        """
        position = self._index % STRIDE
        self._index += 1
        if position == STRIDE - 2:
            self._before = _small(view)
        if position != STRIDE - 1 or self._before is None:
            return NOT_MEASURED
        now, before = _small(view), self._before
        if self._window is None or self._window.shape != now.shape:
            self._window = np.asarray(
                cv2.createHanningWindow((now.shape[1], now.shape[0]), cv2.CV_32F), np.float32
            )
        (dx, dy), response = cv2.phaseCorrelate(before, now, self._window)
        return np.asarray([dx, dy, response], np.float32)


def _small(view: NDArray[np.uint8]) -> NDArray[np.float32]:
    height, width = view.shape
    if width > SMALL_WIDTH:
        size = (SMALL_WIDTH, max(round(height * SMALL_WIDTH / width), 2))
        view = np.asarray(cv2.resize(view, size, interpolation=cv2.INTER_AREA), np.uint8)
    return view.astype(np.float32)
