"""Motion energy and burst labels against naive loops and the published targets."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fishrt.motion import LabelRule, burst_labels, frame_change, labelled_range, motion_energy

PUBLISHED_RULE = LabelRule(horizon=45, depth=0.1, threshold=0.001)
PUBLISHED_CLIP_FRAMES = 120


def naive_labels(energy: list[float], rule: LabelRule) -> list[int]:
    """The label rule of design.md, one window at a time."""
    labels = []
    for t in range(len(energy) - rule.horizon):
        window = energy[t : t + rule.horizon + 1]
        low, high = min(window), max(window)
        bursts = high - low >= rule.threshold
        labels.append(int(bursts and energy[t] <= low + rule.depth * (high - low)))
    return labels


def test_the_default_rule_is_the_published_one() -> None:
    assert LabelRule() == PUBLISHED_RULE


def test_motion_energy_equals_a_naive_loop() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 3, 4), np.uint8)
    expected = [
        sum(
            abs(int(frames[t + 1, y, x]) - int(frames[t, y, x])) for y in range(3) for x in range(4)
        )
        / (3 * 4 * 255)
        for t in range(4)
    ]
    np.testing.assert_allclose(motion_energy(frames), expected, rtol=1e-12)


def test_motion_energy_does_not_wrap_around() -> None:
    black, white = np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)
    assert frame_change(black, white) == frame_change(white, black) == 1.0


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_frames_have_no_motion(count: int) -> None:
    assert motion_energy(np.zeros((count, 2, 2), np.uint8)).shape == (0,)


@given(
    # few levels, so that ties and the borders of both comparisons occur
    levels=st.lists(st.integers(0, 12), max_size=40),
    horizon=st.integers(1, 8),
    depth=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    threshold=st.sampled_from([0.0, 0.25, 0.5]),
)
def test_labels_equal_a_naive_loop(
    levels: list[int], horizon: int, depth: float, threshold: float
) -> None:
    energy = [level / 8 for level in levels]
    rule = LabelRule(horizon, depth, threshold)
    labels = burst_labels(np.array(energy), rule)
    assert labels.dtype == np.uint8
    assert labels.tolist() == naive_labels(energy, rule)


@pytest.mark.parametrize(("split", "count"), [("train", 44956), ("validation", 3593)])
def test_labels_equal_the_published_ones(reference: Path, split: str, count: int) -> None:
    folder = reference / "published_targets" / split
    energy: NDArray[np.float64] = np.load(folder / "motion_energy.npy")
    published = np.load(folder / "burst_label.npy")
    assert len(published) == count
    # the published arrays have T entries: the last motion energy stands for no pair of frames,
    # and labels outside the defined range are 0
    defined = labelled_range(count, PUBLISHED_CLIP_FRAMES, PUBLISHED_RULE.horizon)
    ours = np.zeros(count)
    ours[defined] = burst_labels(energy[: count - 1], PUBLISHED_RULE)[defined]
    assert published.sum() > 0
    np.testing.assert_array_equal(ours, published)


def test_labelled_range_follows_from_whole_clips_and_whole_windows() -> None:
    for frame_count in range(30):
        clip_frames, horizon = 6, 4
        expected = [
            t
            for t in range(frame_count)
            if t - clip_frames + 1 >= 0 and t + horizon <= frame_count - 2
        ]
        assert list(labelled_range(frame_count, clip_frames, horizon)) == expected
