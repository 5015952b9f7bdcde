"""By how much a whole picture moved from one to the next, if it moved as a whole."""

import math
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]

# A shift has to explain so much of the change in each quarter. Measured: of a hundred pairs that
# were moved 98 have 0.53 and more, half of them 0.88; pictures of nothing but noise have 0, rarely.
MIN_EXPLAINED = 0.4
# How far tiles may still be off afterwards, in pixels (the median of those that went along).
# Measured: of moved pairs half are below 0.05, nine in ten below 0.093. Of fish that swim together,
# within a tenth of one speed and ten degrees, nineteen in twenty are above 0.11.
MAX_LEFT = 0.10
WENT_ALONG = 0.5  # of a tile's change explained
TILE = 10  # pixels: about a small fish, so that each fish has a say of its own
WORTH_A_TRY = 0.1  # explained by a shift that is not exact yet
STEPS = 6  # of the refinement, at most; it is off by 0.2 pixels at worst then, mostly by 0.02
STEP_DONE = 0.02  # pixels: a shorter step is the last
# Grey levels: a pixel that changes by more counts no more than that. Without it fish of 110 levels
# on a ground of 120 hid the shift: a quarter had 0.36 of its change explained, and has 0.8.
LOUD = 10.0
FLAT = 1.0  # mean squared slope; the noise of one grey level alone gives a fifth of it


def phase_shift(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> tuple[float, float]:
    """The shift at the peak of the phase correlation (Kuglin and Hines, 1975).

    Args:
        before: uint8 `(H, W)`.
        now: uint8 `(H, W)`.

    Returns:
        dx and dy in pixels. Its median over four quarters is mostly off by less than half a pixel.
    """
    height, width = now.shape
    # OpenCV windows what it is given in place, so it is given copies
    one, other = before.astype(np.float32, "C"), now.astype(np.float32, "C")
    (dx, dy), _ = cv2.phaseCorrelate(one, other, _window(width, height))
    return dx, dy


def whole_shift(
    before: NDArray[np.uint8], now: NDArray[np.uint8], about: tuple[float, float], least: float
) -> tuple[float, float, float]:
    """Finds one shift for the whole picture, and verifies that all parts of it moved so.

    Robust Gauss-Newton steps make the shift exact (Lucas and Kanade, 1981, for the whole picture,
    with the weights of Geman and McClure, 1987, so that fish do not count; as Odobez and Bouthemy,
    1995). Then the earlier picture is moved by it. A camera that moved leaves little of the change,
    in every quarter, and nothing that moves any further. Fish that swim together leave the
    ground as it was, and each of them is a little faster or slower than the others.

    Args:
        before: uint8 `(H, W)`.
        now: uint8 `(H, W)`.
        about: dx and dy to begin with, in pixels, off by a pixel at most.
        least: Smaller shifts are none, in pixels.

    Returns:
        dx and dy in pixels, and the share of the change that the shift explains in the quarter
        where it explains least; 0 if the picture did not move as a whole by `least`.
    """
    dx, dy = about
    one, other = _smooth(before), _smooth(now)
    # a look first: pictures at rest mostly end here
    if math.hypot(dx, dy) < least / 2:
        return dx, dy, 0.0
    moved = _moved(one, dx, dy)
    if moved is None or _least_explained(one, other, moved) < WORTH_A_TRY:
        return dx, dy, 0.0
    refined = _refined(one, other, dx, dy)
    if refined is None:
        return dx, dy, 0.0
    dx, dy = refined
    moved = _moved(one, dx, dy)
    if moved is None or math.hypot(dx, dy) < least:
        return dx, dy, 0.0
    explained = _least_explained(one, other, moved)
    if explained < MIN_EXPLAINED or _left_over(one, other, moved) > MAX_LEFT:
        return dx, dy, 0.0
    return dx, dy, explained


class _Moved(NamedTuple):
    """The earlier picture, moved.

    Attributes:
        picture: float32 `(H, W)`.
        inner: The part of it that is seen before and after.
    """

    picture: Grey
    inner: tuple[slice, slice]


def _refined(before: Grey, now: Grey, dx: float, dy: float) -> tuple[float, float] | None:
    """The shift after some Gauss-Newton steps; None if it leads out of the picture."""
    for _ in range(STEPS):
        moved = _moved(before, dx, dy)
        if moved is None:
            return None
        right, down, left = _slopes_and_rest(now, moved)
        # by the edges, as a blank ground fits at any shift; 1.48 medians are a standard deviation
        slope = right * right + down * down
        edges = np.abs(left[slope >= slope.mean()])
        scale = 2 * (1.48 * float(np.median(edges)) + 1)  # one grey level is rounding
        weight = 1 / (1 + (left / scale) ** 2) ** 2
        wr, wd = weight * right, weight * down
        xx, xy, yy = (float(np.vdot(a, b)) for a, b in ((wr, right), (wr, down), (wd, down)))
        x, y = (-float(np.vdot(a, left)) for a in (wr, wd))
        determinant = xx * yy - xy * xy
        if determinant <= 1e-6 * max(xx, yy) ** 2:
            return None  # nothing, or stripes: along them every shift is as good
        step = (yy * x - xy * y) / determinant, (xx * y - xy * x) / determinant
        # a pixel at most: the slopes say nothing about what lies further away
        shorter = min(1.0, 1.0 / max(math.hypot(*step), 1e-9))
        dx, dy = dx + shorter * step[0], dy + shorter * step[1]
        if math.hypot(*step) < STEP_DONE:
            break
    return dx, dy


def _least_explained(before: Grey, now: Grey, moved: _Moved) -> float:
    """The share of the change that the shift takes away, in the quarter of the least."""
    return float(_explained(before, now, moved, 2, 2).min())


def _left_over(before: Grey, now: Grey, moved: _Moved) -> float:
    """How far the tiles that went along would still have to go, in pixels, as their median.

    One step of Lucas and Kanade in every tile. FLAT keeps tiles without structure where they are.
    """
    right, down, left = _slopes_and_rest(now, moved)
    rows, columns = (max(size // TILE, 2) for size in left.shape)
    products = (right * right, right * down, down * down, right * left, down * left)
    xx, xy, yy, x, y = (_tile_means(one, rows, columns) for one in products)
    xx, yy = xx + FLAT, yy + FLAT
    determinant = xx * yy - xy * xy
    further = np.hypot((yy * x - xy * y) / determinant, (xx * y - xy * x) / determinant)
    went_along = _explained(before, now, moved, rows, columns) > WENT_ALONG
    return float(np.median(further[went_along])) if went_along.any() else math.inf


def _slopes_and_rest(now: Grey, moved: _Moved) -> tuple[Grey, Grey, Grey]:
    """Of the part that is seen twice: slopes to the right and down, and what is left to explain."""
    right, down = _slopes(moved.picture)
    return right[moved.inner], down[moved.inner], (now - moved.picture)[moved.inner]


def _explained(before: Grey, now: Grey, moved: _Moved, rows: int, columns: int) -> Grey:
    """The share of the squared change, cut at LOUD, that is gone: `(rows, columns)`."""
    inner = moved.inner
    change, left = (
        _tile_means(np.minimum(np.square(now[inner] - one[inner]), LOUD**2), rows, columns)
        for one in (before, moved.picture)
    )
    return np.asarray(1 - left / np.maximum(change, 1e-6), np.float32)


def _tile_means(values: Grey, rows: int, columns: int) -> Grey:
    tiles = cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(tiles, np.float32)


def _smooth(picture: NDArray[np.uint8]) -> Grey:
    """Takes most of the noise away, which no shift explains."""
    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (3, 3), 0), np.float32)


def _moved(picture: Grey, dx: float, dy: float) -> _Moved | None:
    """A picture moved by so many pixels; None where less than half each way is seen twice."""
    height, width = picture.shape
    reach = math.hypot(dx, dy)
    if not 4 * (reach + 2) <= min(height, width):
        return None
    border = math.ceil(reach) + 1
    inner = slice(border, height - border), slice(border, width - border)
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    moved = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return _Moved(np.asarray(moved, np.float32), inner)


def _slopes(picture: Grey) -> tuple[Grey, Grey]:
    """Grey levels per pixel to the right and down (Sobel)."""
    right, down = (
        np.asarray(cv2.Sobel(picture, cv2.CV_32F, x, 1 - x, scale=1 / 8), np.float32)
        for x in (1, 0)
    )
    return right, down


@lru_cache(maxsize=4)
def _window(width: int, height: int) -> Grey:
    return np.asarray(cv2.createHanningWindow((width, height), cv2.CV_32F), np.float32)
