"""Exact lanes on exported networks: the full window by Keras, whatever gaps and resets there are.

One to four layers, time steps of one frame and of several, with and without a motion branch.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("keras", reason="the train extra is not installed")
pytest.importorskip("tf2onnx", reason="the export extra is not installed")

from export.frozen import freeze
from export.graphs import step_graph
from fishrt.config import ClipConfig, ModelConfig
from fishrt.cut import Cut
from fishrt.preprocess import Preprocessor
from fishrt.video import SourceFrame
from fishrt.video.resample import Resampler
from realtime.forecast import Reason
from realtime.lanes import ExactLanes, LaneSchedule
from realtime.pipeline import FramePipeline
from realtime.stepper import OnnxStepper, SessionSettings, open_session
from training.forecaster import Forecaster

FPS = 30.0
STEPS = 3
FRAMES = 500
FOOTAGE = 640  # longer, so that each example begins elsewhere and can lose frames
LIMIT = 1e-6  # of the issue; measured: 4e-7
SIZES = {1: (8, 10), 2: (10, 12), 3: (18, 20), 4: (38, 38)}  # the least that so many layers take
MODELS = [
    *((layers, per_step, False) for layers in SIZES for per_step in (1, 3)),
    *((layers, per_step, True) for layers in (1, 2) for per_step in (1, 3)),
]
NAMES = [
    f"{layers} deep, {per_step} a step{', fused' if fused else ''}"
    for layers, per_step, fused in MODELS
]


@dataclass
class Case:
    """A network as exported, footage, and what Keras says of every window in it."""

    clip: ClipConfig
    graph: object
    model: Forecaster
    frames: np.ndarray
    windows: np.ndarray  # at index i the forecast of the window that ends at frame i


def moving_noise(size: tuple[int, int]) -> np.ndarray:
    """Frames whose motion varies, as the motion branch wants it."""
    rng = np.random.default_rng(2)
    spread = 60 * np.sin(np.arange(FOOTAGE) / 25)[:, None, None] ** 2
    moving = rng.integers(0, 256, size) + rng.normal(0, 1, (FOOTAGE, *size)) * spread
    return np.clip(moving, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module", params=MODELS, ids=NAMES)
def case(request, tmp_path_factory):
    layers, per_step, fused = request.param
    height, width = SIZES[layers]
    clip = ClipConfig(steps=STEPS, frames_per_step=per_step, height=height, width=width)
    branch = {"motion_units": 3} if fused else {}
    model = Forecaster(clip, ModelConfig(filters=(3,) * layers, **branch))
    rng = np.random.default_rng(0)
    for weight in model.weights:
        spread = 2.0 if len(weight.shape) == 2 else 0.3
        value = rng.normal(0, spread, weight.shape)
        weight.assign(np.abs(value) + 0.05 if "variance" in weight.name else value)
    graph = tmp_path_factory.mktemp("graphs") / "step.onnx"
    made = step_graph(freeze(model), clip.geometry, model.state_specs)
    graph.write_bytes(made.SerializeToString())
    frames = moving_noise((height, width))
    ends = np.arange(clip.geometry.frames - 1, FOOTAGE)
    clips = np.stack([frames[clip.geometry.frame_indices(end)] for end in ends])
    windows = np.full(FOOTAGE, np.nan)
    windows[ends] = np.asarray(model(np.moveaxis(clips, 2, -1)))[:, -1]
    assert np.nanstd(windows) > 5e-4  # they do differ; measured: 9e-4 or more
    return Case(clip, graph, model, frames, windows)


def exact_lanes(case: Case, every: int) -> ExactLanes:
    geometry = case.clip.geometry
    lanes = LaneSchedule(geometry.steps, geometry.frames_per_step, every).lanes
    session = open_session(case.graph, SessionSettings(threads=1), lanes)
    stepper = OnnxStepper(session, case.model.state_specs, geometry, lanes)
    stepper.warm_up()
    return ExactLanes(stepper, geometry, every)


@settings(max_examples=4)
@given(
    first=st.integers(0, FOOTAGE - FRAMES - 90),
    # often enough shorter than a window apart, and often enough long
    losses=st.dictionaries(st.integers(1, FRAMES - 1), st.integers(1, 15), max_size=6),
    resets=st.dictionaries(st.integers(1, FRAMES - 1), st.sampled_from(Cut), max_size=6),
    every=st.sampled_from([1, 1, 2, 3, 5]),
)
def test_exact_lanes_are_the_full_window(case, first, losses, resets, every):
    """500 frames by the live loop's own way, from timestamps to forecasts."""
    clip_frames = case.clip.geometry.frames
    pipeline = FramePipeline(
        Preprocessor(case.clip.height, case.clip.width), exact_lanes(case, every)
    )
    resampler = Resampler(FPS, FPS)
    at, since, forecasts, worst = first, 0, 0, 0.0
    because = Reason.FILLING
    for number in range(FRAMES):
        if number in losses:
            at, since, because = at + losses[number], 0, Reason.GAP
        cut = resets.get(number)
        if cut is not None:
            since, because = 0, Reason.GAP if cut is Cut.GAP else Reason.FILLING
        picture = SourceFrame(case.frames[at], number, at / FPS, cut)
        (evaluated,) = pipeline.push(picture, resampler.push(picture.timestamp))
        assert evaluated.slot == at - first
        outcome = evaluated.outcome
        if since < clip_frames - 1:
            assert (outcome.probability, outcome.reason) == (None, because)
        elif (since - clip_frames + 1) % every:
            assert (outcome.probability, outcome.reason) == (None, Reason.SKIPPED)
        else:
            worst = max(worst, abs(outcome.probability - case.windows[at]))
            forecasts += 1
        at, since = at + 1, since + 1
    assert forecasts > 50 / every
    assert worst < LIMIT
