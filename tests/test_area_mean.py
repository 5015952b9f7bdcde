"""Area means against a naive sum over every pixel's share, and against OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fishrt.area_mean import area_mean


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
