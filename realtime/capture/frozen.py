"""Frozen pictures: a camera that gives the same picture again and again."""

import numpy as np
from numpy.typing import NDArray

from fishrt.video import SourceInfo, SourceKind

# A real sensor has noise: no two pictures of it are alike to the bit.
CAMERA_FROZEN_AFTER_S = 1.0
# A codec may leave out all changes of a still scene until its next key picture, a second or two.
STREAM_FROZEN_AFTER_S = 3.0
FEWEST_ALIKE = 4  # two pictures that are alike are no freeze, however slow the camera is
SAMPLED_EVERY = 8  # rows and columns that are compared first, as almost all pictures differ there


def usual_limit_s(info: SourceInfo) -> float | None:
    """Seconds of the same picture that mean a freeze, or None where that may be the footage."""
    if not info.is_live:
        return None
    is_camera = info.kind is SourceKind.CAMERA
    return CAMERA_FROZEN_AFTER_S if is_camera else STREAM_FROZEN_AFTER_S


class FrozenWatch:
    """Says when a picture has not changed by a single bit for too long."""

    def __init__(self, limit_s: float) -> None:
        """Starts without a picture.

        Args:
            limit_s: Seconds of the same picture that mean a freeze.
        """
        self._limit_s = limit_s
        self.restart()

    def restart(self) -> None:
        """Forgets the picture, as after a loss."""
        self._image: NDArray[np.uint8] | None = None
        self._since = 0.0
        self._alike = 0

    def push(self, image: NDArray[np.uint8], timestamp: float) -> float | None:
        """Takes the next picture.

        Args:
            image: uint8 `(H, W)` or `(H, W, 3)`.
            timestamp: Seconds on the source's clock.

        Returns:
            For how many seconds it has been the same picture, once that means a freeze; else None.
        """
        if self._image is None or not _alike(self._image, image):
            self._since, self._alike = timestamp, 0
        self._image = image  # the newest one, so that no old one is kept
        self._alike += 1
        same_s = timestamp - self._since
        return same_s if same_s >= self._limit_s and self._alike >= FEWEST_ALIKE else None


def _alike(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> bool:
    if before.shape != after.shape:
        return False
    sample = np.s_[::SAMPLED_EVERY, ::SAMPLED_EVERY]
    return np.array_equal(before[sample], after[sample]) and np.array_equal(before, after)
