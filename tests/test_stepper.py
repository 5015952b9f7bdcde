"""The ONNX Runtime stepper: equal to the clip graph, exact about states, clear about damage."""

import sys

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_bundle import make_tiny_bundle, reseal

from fishrt.bundle import GraphKind, load_bundle, save_metadata
from fishrt.clip import ClipGeometry
from fishrt.errors import BundleError, MissingExtraError
from realtime.lanes import CarriedState, ExactLanes, LaneSchedule
from realtime.stepper import SessionSettings, load_stepper, open_session

GEOMETRY = ClipGeometry(steps=3, frames_per_step=2, height=12, width=14)
ONE_THREAD = SessionSettings(threads=1)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny", GEOMETRY)


def footage(count: int, geometry: ClipGeometry = GEOMETRY, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, geometry.height, geometry.width)).astype(np.uint8)


def clip_probability(bundle, frames: np.ndarray, last: int) -> float:
    geometry = bundle.metadata.config.clip.geometry
    session = open_session(bundle.graph(GraphKind.CLIP), ONE_THREAD)
    clip = frames[geometry.frame_indices(last)][None]
    return float(session.run(["probability"], {"clip": clip})[0][0])


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.integers(0, 9)
)
def test_exact_lanes_equal_the_clip_graph(tmp_path_factory, steps, channels, every, layers, seed):
    geometry = ClipGeometry(steps, channels, 20, 22)
    filters = (2, 3, 2)[:layers]
    bundle = make_tiny_bundle(tmp_path_factory.mktemp("b") / "tiny", geometry, filters, seed)
    schedule = LaneSchedule(steps, channels, every)
    forecaster = ExactLanes(load_stepper(bundle, schedule.lanes, ONE_THREAD), geometry, every)
    frames = footage(geometry.frames + 9, geometry, seed)
    due = range(geometry.frames - 1, len(frames), every)
    for i, frame in enumerate(frames):
        outcome = forecaster.push(frame)
        assert (outcome.probability is not None) == (i in due)
        if i in due:
            expected = clip_probability(bundle, frames, i)
            assert outcome.probability == pytest.approx(expected, abs=1e-6)
            assert 0.0 < expected < 1.0


def test_forecasts_depend_on_the_frames(bundle) -> None:
    frames = footage(GEOMETRY.frames + 12)
    values = [clip_probability(bundle, frames, i) for i in GEOMETRY.ends(len(frames))]
    assert np.ptp(values) > 1e-3


def test_carried_state_first_forecast_is_the_window_forecast(bundle) -> None:
    frames = footage(GEOMETRY.frames + 4)
    forecaster = CarriedState(load_stepper(bundle, 1, ONE_THREAD), GEOMETRY)
    outcomes = [forecaster.push(frame) for frame in frames]
    first = GEOMETRY.frames - 1
    # the phase of the first whole clip started from zero exactly one clip ago
    assert outcomes[first].probability == pytest.approx(
        clip_probability(bundle, frames, first), abs=1e-6
    )
    later = len(frames) - 1
    assert outcomes[later].probability != pytest.approx(
        clip_probability(bundle, frames, later), abs=1e-6
    )


def test_reset_zeroes_one_lane_one_phase_or_all(bundle) -> None:
    stepper = load_stepper(bundle, 3, ONE_THREAD)
    time_steps = footage(4).reshape(2, 2, GEOMETRY.height, GEOMETRY.width)

    def fresh(time_step: np.ndarray) -> float:
        return float(load_stepper(bundle, 1, ONE_THREAD).step(time_step, 0)[0])

    for phase in (0, 1):
        stepper.step(time_steps[0], phase)
    stepper.reset(0, 1)
    result = stepper.step(time_steps[1], 0)
    assert result[1] == pytest.approx(fresh(time_steps[1]), abs=1e-6)
    assert result[0] == result[2] != pytest.approx(result[1], abs=1e-6)
    untouched = stepper.step(time_steps[1], 1)
    assert untouched == pytest.approx(np.full(3, result[0]), abs=1e-6)
    stepper.reset(1)
    assert stepper.step(time_steps[1], 1)[0] == pytest.approx(fresh(time_steps[1]), abs=1e-6)
    stepper.reset()
    assert stepper.step(time_steps[1], 0)[2] == pytest.approx(fresh(time_steps[1]), abs=1e-6)


def test_warm_up_leaves_no_trace(bundle) -> None:
    warm, cold = load_stepper(bundle, 2, ONE_THREAD), load_stepper(bundle, 2, ONE_THREAD)
    warm.warm_up()
    time_step = footage(2)
    for phase in (0, 1):
        np.testing.assert_array_equal(warm.step(time_step, phase), cold.step(time_step, phase))


def test_a_result_is_not_overwritten_by_the_next_step(bundle) -> None:
    stepper = load_stepper(bundle, 2, ONE_THREAD)
    first = stepper.step(footage(2), 0)
    kept = first.copy()
    stepper.step(footage(2, seed=1), 0)
    np.testing.assert_array_equal(first, kept)


def test_describe_names_library_and_lanes(bundle) -> None:
    text = load_stepper(bundle, 2, ONE_THREAD).describe()
    assert "ONNX Runtime" in text
    assert "1 thread, 2 lanes" in text


def test_truncated_graph_is_one_sentence(tmp_path) -> None:
    bundle = make_tiny_bundle(tmp_path / "cut", GEOMETRY)
    path = bundle.folder / "step.onnx"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BundleError):
        load_stepper(bundle, 1)
    for content in (path.read_bytes(), b"", b"no graph at all"):
        path.write_bytes(content)
        with pytest.raises(BundleError, match=r"damaged or no ONNX graph.*export") as caught:
            load_stepper(reseal(bundle.folder), 1)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda graph: setattr(graph.input[0], "name", "frames"), "input time_step is missing"),
        (lambda graph: setattr(graph.output[0], "name", "chance"), "output probability is missing"),
    ],
)
def test_graph_that_does_not_fit_the_metadata_is_one_sentence(tmp_path, change, sentence) -> None:
    bundle = make_tiny_bundle(tmp_path / "odd", GEOMETRY)
    path = bundle.folder / "step.onnx"
    model = onnx.load(path)
    old = [model.graph.input[0].name, model.graph.output[0].name]
    change(model.graph)
    new = [model.graph.input[0].name, model.graph.output[0].name]
    for node in model.graph.node:
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                names[i] = new[old.index(name)] if name in old else name
    onnx.save(model, path)
    with pytest.raises(BundleError, match=sentence):
        load_stepper(reseal(bundle.folder), 1)


def test_graph_of_another_picture_size_is_one_sentence(tmp_path) -> None:
    bundle = make_tiny_bundle(tmp_path / "odd", GEOMETRY)
    config = bundle.metadata.config
    clip = config.clip.model_copy(update={"height": 99})
    update = {"config": config.model_copy(update={"clip": clip})}
    save_metadata(bundle.folder, bundle.metadata.model_copy(update=update))
    expected = r"input time_step is tensor\(uint8\) \[1, 2, 12, 14\] instead of .* 99, 14\]"
    with pytest.raises(BundleError, match=expected):
        load_stepper(load_bundle(bundle.folder), 1)


def test_missing_onnxruntime_names_the_extra(bundle, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install -e '.\[cpu\]'"):
        load_stepper(bundle, 1)
