"""Clips cut for training, against plain indexing."""

import numpy as np
import pytest

pytest.importorskip("keras", reason="the train extra is not installed")

from fishrt.clip import ClipGeometry
from fishrt.config import Flips
from fishrt.errors import TrainingError
from training.dataset import ClipBatches, ClipSet, class_weights

GEOMETRY = ClipGeometry(steps=3, frames_per_step=2, height=4, width=5)


def clip_set(loss_steps=1):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (40, 4, 5)).astype(np.uint8)
    labels = rng.integers(0, 2, 35).astype(np.uint8)
    return ClipSet(frames, labels, np.arange(5, 35), GEOMETRY, loss_steps)


def batches(flips=Flips.NONE, loss_steps=1, **options):
    settings = {"seed": 1, **options}
    return ClipBatches(clip_set(loss_steps), 4, flips=flips, **settings)


def find_end(clips, clip):
    """The end of the clip in the recording, found by its pixels."""
    return next(
        end for item, end in enumerate(clips.ends) if np.array_equal(clips.clip(item), clip)
    )


def test_an_epoch_holds_every_clip_once_with_its_own_label():
    clips, data = clip_set(), batches()
    seen = []
    for index in range(len(data)):
        x, y = data[index]
        assert x.dtype == np.uint8
        for clip, label in zip(x, y, strict=True):
            end = find_end(clips, clip)
            assert label == [clips.labels[end]]
            for step in range(3):
                for channel in range(2):
                    frame = end - 5 + 2 * step + channel
                    assert np.array_equal(clip[step, :, :, channel], clips.frames[frame])
            seen.append(end)
    assert sorted(seen) == list(clips.ends)
    assert seen != sorted(seen)


def test_labels_of_the_last_steps_are_those_of_their_frames():
    clips, data = clip_set(3), batches(loss_steps=3)
    x, y = data[0]
    for clip, labels in zip(x, y, strict=True):
        end = find_end(clips, clip)
        assert list(labels) == [clips.labels[end - 4], clips.labels[end - 2], clips.labels[end]]


def test_concatenated_flips_hold_each_clip_four_times():
    clips, data = clip_set(), batches(Flips.CONCATENATE)
    got = sorted(x.tobytes() for i in range(len(data)) for x in data[i][0])
    expected = []
    for item in range(len(clips.ends)):
        clip = clips.clip(item)
        for mirrored in (clip, clip[:, :, ::-1], clip[:, ::-1], clip[:, ::-1, ::-1]):
            expected.append(np.ascontiguousarray(mirrored).tobytes())
    assert got == sorted(expected)


def test_random_flips_are_one_of_four():
    clips, data = clip_set(), batches(Flips.RANDOM)
    kinds = set()
    for index in range(len(data)):
        for clip in data[index][0]:
            for item in range(len(clips.ends)):
                base = clips.clip(item)
                for kind, mirrored in enumerate(
                    (base, base[:, :, ::-1], base[:, ::-1], base[:, ::-1, ::-1])
                ):
                    if np.array_equal(clip, mirrored):
                        kinds.add(kind)
    assert kinds == {0, 1, 2, 3}


def test_epochs_differ_and_seeds_repeat():
    first, again, other = batches(), batches(), batches(seed=2)
    one = first[0][0]
    assert np.array_equal(one, again[0][0])
    assert not np.array_equal(one, other[0][0])
    first.on_epoch_end()
    assert not np.array_equal(one, first[0][0])


def test_a_limit_shortens_the_epoch():
    data = batches(limit=10)
    assert sum(len(data[index][0]) for index in range(len(data))) == 10


def test_class_weights_make_both_classes_count_the_same():
    calm, burst = class_weights(0.2)
    assert 0.8 * calm == pytest.approx(0.2 * burst) == pytest.approx(0.5)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_one_class_is_nothing_to_learn_from(share):
    with pytest.raises(TrainingError, match=r"label\.threshold"):
        class_weights(share)
