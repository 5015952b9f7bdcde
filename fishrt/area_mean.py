"""Shrinking a picture to area means: OpenCV's INTER_AREA, faster where that is slow.

But for halving it, INTER_AREA goes through every pixel one by one (1.8 ms for 1024x1024 to
160x120). The sum over a rectangle is also the difference of four entries of the
integral image (Crow, "Summed-area tables", 1984), and at borders within a pixel of four that are
interpolated linearly, which is exact because a pixel is flat (0.3 ms).

Such a border lies a whole number of parts into its pixel (fifteenths, from 1024 to 120), so sums
are counted in parts of parts of pixels, in whole numbers. That they pass 32 bits on the way does no
harm: they do so the same way in all entries, and the sum over one cell fits.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

# So many white pixels in the parts above are as much as 32 bits hold, be it in a single cell.
LARGEST_SUM = (2**31 - 1) // 255
# Of smaller pictures INTER_AREA is as fast, and of one with half the width and height faster.
SMALLEST_SHRINKAGE = 8


def area_mean(
    view: NDArray[np.uint8], height: int, width: int, out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Resizes a picture so that every pixel is the mean of the area that it stands for.

    Args:
        view: uint8 `(H, W)`.
        height: Wanted height in pixels.
        width: Wanted width in pixels.
        out: Where the result goes, uint8 `(height, width)` without gaps in memory; None for a new
            array.

    Returns:
        uint8 `(height, width)`, rounded to the nearest grey level.
    """
    rows, columns = view.shape
    if _by_opencv(rows, columns, height, width):
        return np.asarray(cv2.resize(view, (width, height), out, 0, 0, cv2.INTER_AREA), np.uint8)
    integral = np.asarray(cv2.integral(view, sdepth=cv2.CV_32S))
    if rows % height == 0 and columns % width == 0:
        corners = integral[:: rows // height, :: columns // width]
        return _means(corners, view.size // (height * width), out)
    return _means(*_interpolated(integral, height, width), out)


def area_means(views: NDArray[np.uint8], height: int, width: int, out: NDArray[np.uint8]) -> None:
    """Resizes many pictures as `area_mean` does, in fewer calls.

    Args:
        views: uint8 `(N, H, W)`.
        height: Wanted height in pixels.
        width: Wanted width in pixels.
        out: Where they go, uint8 `(N, height, width)` without gaps in memory.
    """
    count, rows, columns = views.shape
    if rows % height or columns % width or not _by_opencv(rows, columns, height, width):
        for view, place in zip(views, out, strict=True):
            area_mean(view, height, width, place)
        return
    # one above the other they are one picture, because cells end where the pictures do
    tall, place = views.reshape(-1, columns), out.reshape(-1, width)
    cv2.resize(tall, (width, count * height), place, 0, 0, cv2.INTER_AREA)


def _by_opencv(rows: int, columns: int, height: int, width: int) -> bool:
    """Whether INTER_AREA is as fast, or does what an integral image cannot."""
    pixels = rows * columns
    small = pixels < SMALLEST_SHRINKAGE * height * width
    return small or pixels > LARGEST_SUM or rows < height or columns < width


def _means(
    corners: NDArray[np.int32], parts: int, out: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """Means of the cells between entries of the integral image, which have so many parts each."""
    bands = corners[1:] - corners[:-1]
    means = (bands[:, 1:] - bands[:, :-1]) / parts  # a product with 1 / parts may miss a half
    if out is None:
        out = np.empty(means.shape, np.uint8)
    out[...] = np.rint(means, means)
    return out


def _interpolated(
    integral: NDArray[np.int32], height: int, width: int
) -> tuple[NDArray[np.int32], int]:
    """The integral image at the corners of the cells, in parts, and how many a cell has."""
    corners = _corners(integral.shape[0] - 1, integral.shape[1] - 1, height, width)
    # of the entries around every corner, which are a fifth of them all; no place is out of range
    above, below = integral.ravel().take(corners.around, mode="clip")
    below -= above
    below *= corners.down
    above *= corners.parts_down
    above += below
    left, right = above
    right -= left
    right *= corners.right
    left *= corners.parts_right
    left += right
    return left, corners.parts


class _Corners(NamedTuple):
    """Where the corners of the cells lie in the integral image `(rows + 1, columns + 1)`.

    Attributes:
        around: Positions of the four entries around every corner in the flat integral image, int64
            `(2, 2, height + 1, width + 1)`: above and below, each left and right.
        down: How many parts below the upper ones, int32 `(height + 1, 1)`.
        parts_down: Parts of a pixel's height.
        right: How many parts to the right of the left ones, int32 `(width + 1,)`.
        parts_right: Parts of a pixel's width.
        parts: Of a cell's area.
    """

    around: NDArray[np.int64]
    down: NDArray[np.int32]
    parts_down: int
    right: NDArray[np.int32]
    parts_right: int
    parts: int


@lru_cache(maxsize=8)
def _corners(rows: int, columns: int, height: int, width: int) -> _Corners:
    top, down, parts_down = _borders(rows, height)
    left, right, parts_right = _borders(columns, width)
    above = np.stack([top, top + 1])[:, None, :, None]
    beside = np.stack([left, left + 1])[:, None, :]
    around = above * (columns + 1) + beside
    cell = (rows * parts_down // height) * (columns * parts_right // width)
    return _Corners(around, down[:, None], parts_down, right, parts_right, cell)


def _borders(pixels: int, cells: int) -> tuple[NDArray[np.int64], NDArray[np.int32], int]:
    """Where the `cells + 1` borders lie: in which pixel, how many parts into it, of how many."""
    parts = cells // math.gcd(pixels, cells)
    at = np.arange(cells + 1, dtype=np.int64) * (pixels * parts // cells)
    pixel = np.minimum(at // parts, pixels - 1)
    return pixel, (at - pixel * parts).astype(np.int32), parts
