"""Steps with the states in a device's memory: equal to the CPU's, on host memory here."""

import numpy as np
import pytest
from host_device import HostDevice
from tiny_bundle import make_tiny_bundle

from fishrt.bundle import GraphKind
from fishrt.clip import ClipGeometry
from realtime.backends import device_clip
from realtime.device_stepper import DeviceStepper
from realtime.lanes import ExactLanes, LaneSchedule
from realtime.onnx_device import OnnxDeviceProgram
from realtime.stepper import SessionSettings, load_stepper, open_session

GEOMETRY = ClipGeometry(steps=3, frames_per_step=2, height=12, width=14)
ONE_THREAD = SessionSettings(threads=1)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny", GEOMETRY)


def program(bundle, kind, lanes):
    session = open_session(bundle.graph(kind), ONE_THREAD, lanes)
    return OnnxDeviceProgram(session, "ONNX Runtime", memory="cpu")


def on_device(bundle, lanes):
    device = HostDevice()
    return DeviceStepper(device, program(bundle, GraphKind.STEP, lanes), GEOMETRY, lanes)


def footage(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, GEOMETRY.height, GEOMETRY.width)).astype(np.uint8)


@pytest.mark.parametrize("every", [1, 2, 3])
def test_exact_lanes_on_a_device_are_those_on_the_cpu(bundle, every):
    lanes = LaneSchedule(GEOMETRY.steps, GEOMETRY.frames_per_step, every).lanes
    ours = ExactLanes(on_device(bundle, lanes), GEOMETRY, every)
    theirs = ExactLanes(load_stepper(bundle, lanes, ONE_THREAD), GEOMETRY, every)
    outcomes = [(ours.push(frame), theirs.push(frame)) for frame in footage(25)]
    assert all(a == b for a, b in outcomes)
    assert sum(a.probability is not None for a, _ in outcomes) > 6


def test_resets_zero_what_they_name_and_nothing_else(bundle):
    ours, theirs = on_device(bundle, 3), load_stepper(bundle, 3, ONE_THREAD)
    steps = footage(16).reshape(8, 2, 12, 14)
    for number, (phase, reset) in enumerate(
        [(0, None), (1, (0, 1)), (0, (1,)), (1, (0, 2)), (0, ()), (1, (1, 0)), (0, None), (1, None)]
    ):
        if reset is not None:
            ours.reset(*reset)
            theirs.reset(*reset)
        result = ours.step(steps[number], phase)
        np.testing.assert_array_equal(result, theirs.step(steps[number], phase))


def test_warm_up_binds_every_pair_of_sets_and_leaves_no_trace(bundle):
    warm, cold = on_device(bundle, 2), on_device(bundle, 2)
    warm.warm_up()
    pairs = GEOMETRY.frames_per_step * (GEOMETRY.frames_per_step + 1)
    assert len(warm._runs) == pairs
    frames = footage(2)
    for phase in (0, 1, 0, 1):
        np.testing.assert_array_equal(warm.step(frames, phase), cold.step(frames, phase))
    assert len(warm._runs) == pairs
    warm.reset()
    cold.reset()
    first = warm.step(frames, 1)
    kept = first.copy()
    np.testing.assert_array_equal(first, cold.step(frames, 1))
    warm.step(footage(2, seed=1), 1)
    np.testing.assert_array_equal(first, kept)
    assert "2 lanes a phase" in warm.describe()


def test_a_clip_on_a_device(bundle):
    run = device_clip(HostDevice(), program(bundle, GraphKind.CLIP, None), GEOMETRY)
    session = open_session(bundle.graph(GraphKind.CLIP), ONE_THREAD)
    for seed in (0, 1):
        clip = footage(6, seed).reshape(3, 2, 12, 14)
        expected = session.run(["probability"], {"clip": clip[None]})[0][0]
        assert run(clip) == pytest.approx(float(expected), abs=1e-7)
