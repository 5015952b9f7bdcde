"""Sums of grey levels against NumPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fishrt import grey_sums as module
from fishrt.grey_sums import grey_sums


@given(
    count=st.integers(1, 5),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_sums_are_exact(count: int, height: int, width: int, seed: int) -> None:
    pictures = np.random.default_rng(seed).integers(0, 256, (count, height, width), np.uint8)
    np.testing.assert_array_equal(grey_sums(pictures), pictures.sum(axis=(1, 2), dtype=np.int64))


@pytest.mark.parametrize("extra", [0, 1])  # the largest that fits into 32 bits, and one more
def test_white_pictures_of_any_size(extra: int) -> None:
    white = np.full((1, 1, module.MOST_PIXELS + extra), 255, np.uint8)
    assert grey_sums(white)[0] == 255 * white.size
