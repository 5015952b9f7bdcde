"""Clips cut for training, against plain indexing."""

import numpy as np
import pytest

pytest.importorskip("keras", reason="the train extra is not installed")

from fishrt.config import ClipConfig, Flips, ModelConfig, TrainMode
from fishrt.errors import TrainingError
from training.dataset import ClipBatches, ClipSet, class_weights
from training.forecaster import Forecaster
from training.trainee import Trainee

CLIP = ClipConfig(steps=3, frames_per_step=2, height=8, width=9)
GEOMETRY = CLIP.geometry


def clip_set(loss_steps=1):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (40, 8, 9)).astype(np.uint8)
    labels = rng.integers(0, 2, 35).astype(np.uint8)
    return ClipSet(frames, labels, np.arange(5, 35), GEOMETRY, loss_steps)


@pytest.fixture(scope="module", params=["host", "device"])
def inside(request):
    """What the network makes of a batch: clips uint8 `(B, steps, H, W, frames_per_step)`."""
    frames = clip_set().frames if request.param == "device" else None
    forecaster = Forecaster(CLIP, ModelConfig(filters=(2,)))
    trainee = Trainee(forecaster, TrainMode.WINDOW, GEOMETRY.frames, 4, frames)

    def look(inputs):
        if request.param == "device":
            footage = inputs.pop("footage")
            inputs["first"] = np.array(
                [
                    next(i for i in range(40) if np.array_equal(frames[i], row[0]))
                    for row in footage
                ],
                np.int32,
            )
        return np.asarray(trainee.clips(inputs))

    return look


def batches(flips=Flips.NONE, loss_steps=1, **options):
    settings = {"seed": 1, **options}
    return ClipBatches(clip_set(loss_steps), 4, flips=flips, **settings)


def find_end(clips, clip):
    """The end of the clip in the recording, found by its pixels."""
    return next(
        end for item, end in enumerate(clips.ends) if np.array_equal(clips.clip(item), clip)
    )


def test_an_epoch_holds_every_clip_once_with_its_own_label(inside):
    clips, data = clip_set(), batches()
    seen = []
    for index in range(len(data)):
        inputs, y = data[index]
        x = inside(inputs)
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


def test_labels_of_the_last_steps_are_those_of_their_frames(inside):
    clips, data = clip_set(3), batches(loss_steps=3)
    inputs, y = data[0]
    for clip, labels in zip(inside(inputs), y, strict=True):
        end = find_end(clips, clip)
        assert list(labels) == [clips.labels[end - 4], clips.labels[end - 2], clips.labels[end]]


def test_concatenated_flips_hold_each_clip_four_times(inside):
    clips, data = clip_set(), batches(Flips.CONCATENATE)
    got = sorted(x.tobytes() for i in range(len(data)) for x in inside(data[i][0]))
    expected = []
    for item in range(len(clips.ends)):
        clip = clips.clip(item)
        for mirrored in (clip, clip[:, :, ::-1], clip[:, ::-1], clip[:, ::-1, ::-1]):
            expected.append(np.ascontiguousarray(mirrored).tobytes())
    assert got == sorted(expected)


def test_random_flips_are_one_of_four(inside):
    clips, data = clip_set(), batches(Flips.RANDOM)
    kinds = set()
    for index in range(len(data)):
        for clip in inside(data[index][0]):
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
    one = first[0][0]["footage"]
    assert np.array_equal(one, again[0][0]["footage"])
    assert not np.array_equal(one, other[0][0]["footage"])
    first.on_epoch_end()
    assert not np.array_equal(one, first[0][0]["footage"])
    # a resumed training sees what it would have seen
    assert np.array_equal(first[0][0]["footage"], batches(epoch=1)[0][0]["footage"])


def test_a_limit_shortens_the_epoch():
    data = batches(limit=10)
    assert sum(len(data[index][1]) for index in range(len(data))) == 10


def test_class_weights_make_both_classes_count_the_same():
    calm, burst = class_weights(0.2)
    assert 0.8 * calm == pytest.approx(0.2 * burst) == pytest.approx(0.5)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_one_class_is_nothing_to_learn_from(share):
    with pytest.raises(TrainingError, match=r"label\.threshold"):
        class_weights(share)


def test_frames_in_the_network_are_named_not_sent():
    sent, named = batches()[1][0], batches(frames_in_network=True)[1][0]
    assert set(named) == {"first", "mirror"}
    frames = clip_set().frames
    for first, footage in zip(named["first"], sent["footage"], strict=True):
        np.testing.assert_array_equal(frames[first : first + GEOMETRY.frames], footage)
