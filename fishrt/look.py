"""What frames look like over a while: a few figures by which footage is told from other footage.

The same code measures training footage and a running camera, so that the two can be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

BLOCK_SECONDS = 10.0
SAMPLES_PER_SECOND = 3.0  # neighbouring frames look the same
GRID = (6, 8)
"""Rows and columns of the layout."""


@dataclass(frozen=True)
class Look:
    """What frames look like.

    Attributes:
        brightness: Mean grey level, 0 .. 255.
        contrast: Standard deviation of the grey levels within a frame.
        background: Mean grey level of what does not move: of every pixel's lowest level in 10 s.
        motion_energy: Mean motion energy, as a share of full scale.
        layout: Share of the light in each of 6 x 8 cells, row by row, float64 `(48,)`; zeros
            where all is black.
    """

    brightness: float
    contrast: float
    background: float
    motion_energy: float
    layout: NDArray[np.float64]


class LookMeter:
    """Measures frames as they come; says what they looked like every ten seconds.

    Memory and work per frame are constant.
    """

    def __init__(self, fps: float) -> None:
        """Begins before the first frame.

        Args:
            fps: Frames a second.
        """
        self._block = max(round(BLOCK_SECONDS * fps), 1)
        self._every = max(round(fps / SAMPLES_PER_SECOND), 1)
        self._begin()

    def _begin(self) -> None:
        self._count = self._samples = self._changes = 0
        self._motion = 0.0
        self._levels = np.zeros(2)  # sums of means and of standard deviations
        self._lowest: NDArray[np.uint8] | None = None
        self._cells = np.zeros(GRID)

    def push(self, frame: NDArray[np.uint8], change: float | None) -> Look | None:
        """Takes the next frame.

        Args:
            frame: uint8 `(height, width)`; left as it is.
            change: Motion energy from the frame before, or None where there is none.

        Returns:
            What the last ten seconds looked like, or None while they are not over.
        """
        if self._count % self._every == 0:
            self._sample(frame)
        self._count += 1
        if change is not None:
            self._motion += change
            self._changes += 1
        if self._count < self._block:
            return None
        look = self._look()
        self._begin()
        return look

    def _sample(self, frame: NDArray[np.uint8]) -> None:
        mean, deviation = cv2.meanStdDev(frame)
        self._levels += (mean[0, 0], deviation[0, 0])
        if self._lowest is None:
            self._lowest = frame.copy()
        else:
            np.minimum(self._lowest, frame, out=self._lowest)
        # in whole grey levels a cell of few lit pixels would be rounded away
        exact = frame.astype(np.float32)
        self._cells += cv2.resize(exact, GRID[::-1], interpolation=cv2.INTER_AREA)
        self._samples += 1

    def _look(self) -> Look:
        brightness, contrast = self._levels / self._samples
        light = float(self._cells.sum())
        return Look(
            brightness=float(brightness),
            contrast=float(contrast),
            background=float(self._lowest.mean()) if self._lowest is not None else 0.0,
            motion_energy=self._motion / self._changes if self._changes else 0.0,
            layout=self._cells.ravel() / light if light else self._cells.ravel(),
        )


def mean_look(looks: Sequence[Look]) -> Look:
    """The mean of looks, at least one."""
    layout = np.mean([look.layout for look in looks], axis=0)
    return Look(
        brightness=float(np.mean([look.brightness for look in looks])),
        contrast=float(np.mean([look.contrast for look in looks])),
        background=float(np.mean([look.background for look in looks])),
        motion_energy=float(np.mean([look.motion_energy for look in looks])),
        layout=np.asarray(layout, np.float64),
    )


def light_elsewhere(layout: NDArray[np.float64], usual: NDArray[np.float64]) -> float:
    """Share of the light that lies elsewhere than usual: 0 for the same layout, at most 1.

    Half the sum of absolute differences (the total variation distance).

    Args:
        layout: `(48,)`; see `Look`.
        usual: The same.
    """
    return float(np.abs(layout - usual).sum() / 2.0)
