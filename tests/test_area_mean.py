"""Area means against a naive sum over every pixel's share, and against OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fishrt.area_mean import SMALLEST_SHRINKAGE, area_mean, area_means


def weights(pixels: int, cells: int) -> NDArray[np.float64]:
    """Share of every pixel in every cell, `(cells, pixels)`."""
    shares = np.zeros((cells, pixels))
    for cell in range(cells):
        low, high = cell * pixels / cells, (cell + 1) * pixels / cells
        for pixel in range(pixels):
            shares[cell, pixel] = max(min(high, pixel + 1) - max(low, pixel), 0)
    return shares * cells / pixels


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(12, 90),
    columns=st.integers(12, 90),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    white=st.booleans(),
)
def test_every_pixel_is_the_mean_of_its_area(
    seed: int, rows: int, columns: int, height: int, width: int, white: bool
) -> None:
    low = 255 if white else 0  # all white is the largest sum
    view = np.random.default_rng(seed).integers(low, 256, (rows, columns), np.uint8)
    height, width = min(height, rows), min(width, columns)
    exact = weights(rows, height) @ view @ weights(columns, width).T
    # half a level, and INTER_AREA's own single precision
    assert np.abs(area_mean(view, height, width) - exact).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("size", [(1024, 1024), (1080, 1920), (2160, 3840)])
def test_camera_pictures_equal_opencv(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    ours = area_mean(noise, 120, 160).astype(int)
    theirs = cv2.resize(noise, (160, 120), interpolation=cv2.INTER_AREA).astype(int)
    # they differ where the mean lies halfway between two levels; measured: 0.0 .. 0.3 %
    assert np.abs(ours - theirs).max() <= 1
    assert np.mean(ours != theirs) < 0.01


@given(
    down=st.integers(1, 16),
    right=st.integers(1, 16),
    count=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
    levels=st.integers(2, 256),
)
def test_whole_factors_are_exact_one_by_one_and_together(
    down: int, right: int, count: int, seed: int, levels: int
) -> None:
    shape = (count, 5 * down, 4 * right)
    views = np.random.default_rng(seed).integers(0, levels, shape, np.uint8)
    sums = views.reshape(count, 5, down, 4, right).sum(axis=(2, 4), dtype=np.int64)
    whole, rest = np.divmod(sums, area := down * right)
    even = whole + (2 * rest > area) + ((2 * rest == area) & (whole % 2 == 1))
    one_by_one = np.array([area_mean(view, 5, 4) for view in views])
    together = np.empty((count, 5, 4), np.uint8)
    area_means(views, 5, 4, together)
    np.testing.assert_array_equal(together, one_by_one)
    if area >= SMALLEST_SHRINKAGE:
        np.testing.assert_array_equal(one_by_one, even)
    else:  # of half levels OpenCV's own rule holds
        assert np.abs(one_by_one - sums / area).max() <= 0.5 + 1e-6


def test_a_mean_halfway_between_two_levels_is_the_even_one() -> None:
    # cells of 8 x 6.4 pixels, in which every other row is brighter by one level
    rows = np.arange(80) // 8 + np.arange(80) % 2
    view = rows.astype(np.uint8)[:, None].repeat(320, axis=1)
    expected = np.rint(np.arange(10) + 0.5)[:, None].repeat(50, axis=1)
    np.testing.assert_array_equal(area_mean(view, 10, 50), expected)


@given(
    count=st.integers(1, 5),
    rows=st.integers(1, 80),
    columns=st.integers(1, 80),
    seed=st.integers(0, 2**32 - 1),
)
def test_many_pictures_are_as_one_by_one(count: int, rows: int, columns: int, seed: int) -> None:
    views = np.random.default_rng(seed).integers(0, 256, (count, rows, columns), np.uint8)
    means = np.empty((count, 6, 5), np.uint8)
    area_means(views, 6, 5, means)
    np.testing.assert_array_equal(means, [area_mean(view, 6, 5) for view in views])
