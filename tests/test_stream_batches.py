"""Stream training's schedule and states, against a naive walk through the footage."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("keras", reason="the train extra is not installed")

import tensorflow as tf

from fishrt.config import ClipConfig, Flips, ModelConfig, TrainConfig, TrainMode
from training.dataset import ClipSet
from training.evaluation import forecast_clips, forecast_stream
from training.forecaster import Forecaster
from training.stream_batches import StreamBatches, make_schedule, stretches
from training.trainee import Trainee

CLIP = ClipConfig(steps=4, frames_per_step=2, height=12, width=13)
GEOMETRY = CLIP.geometry


def footage(pieces=((0, 160), (160, 300)), seed=0):
    """Clips of footage in pieces, with the last 10 frames of each unlabelled."""
    rng = np.random.default_rng(seed)
    stop = pieces[-1][1]
    frames = rng.integers(0, 256, (stop, 12, 13)).astype(np.uint8)
    labels = rng.integers(0, 2, stop).astype(np.uint8)
    ends = np.concatenate([np.arange(a + GEOMETRY.frames - 1, b - 10) for a, b in pieces])
    return ClipSet(frames, labels, ends, GEOMETRY)


def settings(**changes):
    base = {"mode": "stream", "batch_size": 3, "chunk_steps": 5, "reset_probability": 0.3}
    return TrainConfig.model_validate({**base, "flips": "random", **changes})


def test_stretches_are_the_labelled_footage_of_each_piece():
    assert stretches(footage()) == [(0, 150), (160, 290)]


@given(
    lengths=st.lists(st.integers(20, 200), min_size=1, max_size=4),
    streams=st.integers(1, 5),
    chunk=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_a_stream_reads_on_or_restarts(lengths, streams, chunk, seed):
    borders = np.concatenate([[0], np.cumsum(lengths)])
    pieces = [(int(a), int(b)) for a, b in itertools.pairwise(borders)]
    length = 2 * chunk
    rng = np.random.default_rng(seed)
    schedule = make_schedule(pieces, streams, length, 2, rng, settings(chunk_steps=chunk))
    assert schedule.restart[0].all()
    for batch in range(len(schedule.first)):
        for stream in range(streams):
            first = schedule.first[batch, stream]
            assert any(a <= first and first + length <= b for a, b in pieces)
            if schedule.restart[batch, stream]:
                assert schedule.age[batch, stream] == 0
                continue
            before = schedule.first[batch - 1, stream]
            assert first == before + length
            assert schedule.age[batch, stream] == schedule.age[batch - 1, stream] + chunk
            assert schedule.mirror[batch, stream] == schedule.mirror[batch - 1, stream]
            # the state is never carried from one piece of footage into the next
            assert any(a <= before and first + length <= b for a, b in pieces)


def test_an_epoch_goes_through_nearly_all_footage_once():
    schedule = make_schedule(
        [(0, 1000)], 3, 10, 2, np.random.default_rng(0), settings(reset_probability=0)
    )
    starts = np.sort(schedule.first.ravel())
    assert len(set(starts)) == len(starts) >= 96
    assert (np.diff(starts) >= 10).all()


@pytest.mark.parametrize("streams", [1, 3, 8])
def test_nearly_every_label_of_a_short_validation_part_counts(streams):
    clips = footage(pieces=((0, 500),))
    batches = StreamBatches(clips, settings(batch_size=streams, warm_up_steps=7), training=False)
    length, counted = batches.chunk_frames, set()
    for inputs, _, weights in map(batches.__getitem__, range(len(batches))):
        ends = inputs_ends(inputs, clips, length)
        counted |= set(ends[weights > 0].tolist())
    wanted = {end for end in range(15, 490) if end % 2}  # behind seven steps, and labelled
    assert counted <= wanted
    assert len(counted) > 0.95 * len(wanted)  # measured: all of them but those of the last chunk


def inputs_ends(inputs, clips, length):
    """Last frames of the steps, found by the footage itself, which is all different."""
    firsts = [
        next(t for t in range(len(clips.frames)) if np.array_equal(row[0], clips.frames[t]))
        for row in inputs["footage"]
    ]
    return np.array(firsts)[:, None] + np.arange(1, length, 2)


def test_every_frame_is_in_every_phase_over_the_epochs():
    offsets = {
        int(make_schedule([(0, 100)], 1, 10, 2, np.random.default_rng(s), settings()).first[0, 0])
        for s in range(200)
    }
    assert offsets == set(range(10))


def test_labels_are_those_of_the_steps_last_frames_and_the_warm_up_does_not_count():
    clips = footage()
    data = StreamBatches(clips, settings(warm_up_steps=7), training=True)
    counted = 0
    known = set(clips.ends.tolist())
    for index in range(len(data)):
        inputs, labels, weights = data[index]
        for row in range(3):
            first = data._schedule.first[index, row]
            np.testing.assert_array_equal(inputs["footage"][row], clips.frames[first : first + 10])
            for step in range(5):
                end = first + 2 * step + 1
                warm = data._schedule.age[index, row] + step >= 7
                assert weights[row, step] == (warm and end in known)
                if weights[row, step]:
                    counted += 1
                    assert labels[row, step] == clips.labels[end]
    assert counted > 20


def test_the_warm_up_is_what_the_live_loop_withholds():
    data = StreamBatches(footage(), settings(reset_probability=0), training=True)
    _, _, weights = data[0]
    np.testing.assert_array_equal(weights[0], [0, 0, 0, 1, 1])  # a clip has four steps


def test_epochs_repeat_by_seed_and_number_alone():
    one, two = (StreamBatches(footage(), settings(), training=True) for _ in range(2))
    one.on_epoch_end()
    resumed = StreamBatches(footage(), settings(), training=True, epoch=1)
    for name in ("first", "restart", "mirror"):
        np.testing.assert_array_equal(
            getattr(one._schedule, name), getattr(resumed._schedule, name)
        )
    assert any(
        a.shape != b.shape or (a != b).any()
        for a, b in [(one._schedule.first, two._schedule.first)]
    )


def randomised(**changes):
    model = Forecaster(CLIP, ModelConfig(filters=(3, 2), **changes))
    rng = np.random.default_rng(0)
    for weight in model.weights:
        value = rng.normal(0, 0.4, weight.shape)
        weight.assign(np.abs(value) + 0.1 if "variance" in weight.name else value)
    return model


@pytest.mark.parametrize("motion", [0, 3], ids=["published", "fused"])
def test_carried_states_equal_one_long_sequence_and_restarts_forget(motion):
    model = randomised(motion_units=motion)
    clips = footage()
    data = StreamBatches(clips, settings(flips="none"), training=True)
    trainee = Trainee(model, TrainMode.STREAM, data.chunk_frames, 3)
    since: list[list[np.ndarray]] = [[], [], []]
    worst = 0.0
    for inputs, _, _ in map(data.__getitem__, range(len(data))):
        got = np.asarray(trainee(inputs))
        for row in range(3):
            if inputs["restart"][row]:
                since[row] = []
            since[row].append(inputs["footage"][row])
            whole = np.concatenate(since[row]).reshape(1, -1, 2, 12, 13).transpose(0, 1, 3, 4, 2)
            expected = np.asarray(model.run(whole)[0])[0, -5:]
            worst = max(worst, float(np.abs(got[row] - expected).max()))
    assert worst < 1e-5  # measured: 1e-6


@pytest.mark.parametrize("stop", [100, 101, 102, 103])
def test_a_stream_forecast_equals_a_naive_walk(stop):
    model = randomised()
    walk = tf.function(model.step)  # traced once, and quicker by the step
    clips = footage(((0, 50), (50, stop)))
    got = forecast_stream(model, clips)
    expected = {}
    for first, last in stretches(clips, GEOMETRY.frames):
        for phase in range(2):
            states = model.zero_states(1)
            for at in range(first + phase, last - 1, 2):
                step = np.moveaxis(clips.frames[at : at + 2], 0, -1)[None]
                p, states = walk(step, states)
                expected[at + 1] = float(p[0])
    naive = np.array([expected[end] for end in clips.ends.tolist()])
    np.testing.assert_allclose(got, naive, atol=1e-5)  # measured: 1e-6
    assert np.abs(got - forecast_clips(model, clips)).max() > 1e-3  # another function


def test_flips_belong_to_a_whole_stream():
    rng = np.random.default_rng(1)
    schedule = make_schedule([(0, 2000)], 2, 10, 2, rng, settings())
    assert set(schedule.mirror.ravel().tolist()) == {0, 1, 2, 3}
    none = make_schedule([(0, 2000)], 2, 10, 2, rng, settings(flips=Flips.NONE))
    assert not none.mirror.any()
