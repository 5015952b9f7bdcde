"""Clip geometry against the definition in frames."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fishrt.clip import ClipGeometry

SMALL = ClipGeometry(steps=3, frames_per_step=2, height=2, width=5)


def test_the_published_clip() -> None:
    geometry = ClipGeometry()
    assert geometry.frames == 120
    assert geometry.clip_shape == (30, 120, 160, 4)
    assert list(geometry.ends(121)) == [119, 120]
    assert list(geometry.ends(119)) == []
    indices = geometry.frame_indices(119)
    assert indices.shape == (30, 4)
    assert indices[0].tolist() == [0, 1, 2, 3]
    assert indices[29].tolist() == [116, 117, 118, 119]


@given(
    steps=st.integers(1, 6),
    frames_per_step=st.integers(1, 5),
    extra=st.integers(0, 7),
    seed=st.integers(0, 99),
)
def test_cut_puts_every_pixel_where_the_definition_says(
    steps: int, frames_per_step: int, extra: int, seed: int
) -> None:
    geometry = ClipGeometry(steps, frames_per_step, 2, 3)
    frames = np.random.default_rng(seed).integers(0, 256, (geometry.frames + extra, 2, 3), np.uint8)
    last = geometry.frames - 1 + extra
    clip = geometry.cut(frames, last)
    assert clip.shape == geometry.clip_shape
    assert clip.dtype == np.uint8
    for step in range(steps):
        for channel in range(frames_per_step):
            ago = (steps - 1 - step) * frames_per_step + (frames_per_step - 1 - channel)
            np.testing.assert_array_equal(clip[step, :, :, channel], frames[last - ago])


def test_windows_a_step_apart_share_all_but_one_time_step() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (12, 2, 5), np.uint8)
    one, next_one = SMALL.cut(frames, 8), SMALL.cut(frames, 8 + SMALL.frames_per_step)
    assert SMALL.phase(8) == SMALL.phase(8 + SMALL.frames_per_step) != SMALL.phase(9)
    np.testing.assert_array_equal(one[1:], next_one[:-1])
    assert not np.array_equal(one[1:], SMALL.cut(frames, 9)[:-1])


@pytest.mark.parametrize("last", [-1, 4, 12])
def test_a_clip_outside_the_frames_is_refused(last: int) -> None:
    with pytest.raises(IndexError, match=f"ends at frame {last}"):
        SMALL.cut(np.zeros((12, 2, 5), np.uint8), last)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(ClipGeometry)])
def test_sizes_below_one_are_refused(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        dataclasses.replace(ClipGeometry(), **{field: 0})
