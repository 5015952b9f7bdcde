"""The sum of all grey levels of each of many pictures."""

import cv2
import numpy as np
from numpy.typing import NDArray

# Of so many white pixels the sum still fits into 32 bits.
MOST_PIXELS = (2**31 - 1) // 255


def grey_sums(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The exact sums, in one call into OpenCV.

    Args:
        pictures: uint8 `(N, H, W)`, at least one.

    Returns:
        float64 `(N,)`.
    """
    flat = pictures.reshape(len(pictures), -1)
    if flat.shape[1] > MOST_PIXELS:
        return np.array([cv2.norm(picture, cv2.NORM_L1) for picture in pictures], np.float64)
    # in doubles it would take sixty times as long
    return np.asarray(cv2.reduce(flat, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0], np.float64)
