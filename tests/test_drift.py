"""Drift: other fish in the same tank are no drift; another light, lens or camera place is."""

from collections.abc import Callable, Sequence
from itertools import islice

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fishrt.bundle import load_bundle
from fishrt.footage_reference import (
    LONG_BLOCKS,
    SHORT_BLOCKS,
    FootageReference,
    UsualRange,
    make_reference,
)
from fishrt.look import GRID, Look, LookMeter, light_elsewhere, mean_look
from fishrt.motion import frame_change
from fishrt.simulate import SimulatedTank, TankSpec
from realtime.scoreboard.drift import DriftChange, DriftWatch, Measure, ReferenceFrom

FPS = 3.0  # every frame is looked at, so minutes of footage are few frames
BLOCK = 30  # frames in ten seconds
Frames = NDArray[np.uint8]


def tank(seed: int, seconds: int) -> Frames:
    spec = TankSpec(seed=seed, width=80, height=60, fps=FPS)
    count = round(seconds * FPS)
    return np.stack([frame for frame, _ in islice(SimulatedTank(spec), count)])


def looks(frames: Frames) -> list[Look]:
    meter, said = LookMeter(FPS), []
    for t, frame in enumerate(frames):
        said.append(meter.push(frame, frame_change(frames[t - 1], frame) if t else None))
    return [look for look in said if look is not None]


def watched(watch: DriftWatch, frames: Frames) -> list[DriftChange]:
    said = [
        watch.push(frame, frame_change(frames[t - 1], frame) if t else None)
        for t, frame in enumerate(frames)
    ]
    return [change for change in said if change is not None]


@pytest.fixture(scope="module")
def reference() -> FootageReference:
    """That of the demo bundle, an hour of tank 100, with the motion energy of three frames/s."""
    demo = load_bundle("demo").metadata.footage
    assert demo is not None
    motion = UsualRange(low=0.0052, middle=0.0059, high=0.0066)
    return demo.model_copy(update={"motion_energy": motion})


@pytest.fixture(scope="module")
def unseen() -> Frames:
    return tank(1, 240)


def moved(frames: Frames, right: int, down: int) -> Frames:
    shifted = np.zeros_like(frames)
    shifted[:, max(down, 0) :, right:] = frames[:, : 60 - max(down, 0), : 80 - right]
    return shifted


def covered(frames: Frames) -> Frames:
    half = frames.copy()
    half[:, :, :40] = 0
    return half


def brighter(frames: Frames, by: float) -> Frames:
    return np.clip(np.rint(frames * by), 0, 255).astype(np.uint8)


def blurred(frames: Frames) -> Frames:
    return np.stack([np.asarray(cv2.GaussianBlur(f, (0, 0), 1.5), np.uint8) for f in frames])


def test_another_seed_does_not_warn(reference: FootageReference, unseen: Frames) -> None:
    watch = DriftWatch(reference, FPS)
    assert watched(watch, unseen) == []
    assert watch.warning is None
    assert {figure.name for figure in watch.figures()} == {measure.value for measure in Measure}
    assert not any(figure.outside for figure in watch.figures())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 7, 11])
def test_other_seeds_do_not_warn(reference: FootageReference, seed: int) -> None:
    assert watched(DriftWatch(reference, FPS), tank(seed, 400)) == []


@pytest.mark.parametrize(
    ("change", "outside"),
    [
        (lambda frames: brighter(frames, 1.25), Measure.BRIGHTNESS),
        (lambda frames: brighter(frames, 0.75), Measure.BRIGHTNESS),
        (lambda frames: 255 - frames, Measure.BRIGHTNESS),
        (lambda frames: moved(frames, 8, 0), Measure.LAYOUT),
        (lambda frames: moved(frames, 0, 8), Measure.LAYOUT),
        (covered, Measure.LAYOUT),
        (blurred, Measure.CONTRAST),
        (lambda frames: np.repeat(frames[:1], len(frames), axis=0), Measure.MOTION),
        (lambda frames: cv2.add(frames, np.full_like(frames, 8)), Measure.BACKGROUND),
    ],
)
def test_another_light_lens_or_place_warns(
    reference: FootageReference,
    unseen: Frames,
    change: Callable[[Frames], Frames],
    outside: Measure,
) -> None:
    watch = DriftWatch(reference, FPS)
    said = watched(watch, change(unseen))
    assert outside.value in {name for each in said for name in each.values}
    named = [name for each in said for name in each.values]
    assert len(named) == len(set(named))  # once each
    assert watch.warning is not None
    assert watch.warning.startswith("unlike the training footage: ")


def test_a_warning_says_what_to_do_and_ends_when_all_is_well_again(
    reference: FootageReference, unseen: Frames
) -> None:
    watch = DriftWatch(reference, FPS)
    parts = [unseen[:300], brighter(unseen[300:600], 1.3), unseen[:300]]
    began, ended = watched(watch, np.concatenate(parts))
    assert "the picture is brighter" in began.text
    assert "check lamps, exposure, gain and polarity" in began.text
    assert ended == DriftChange("the picture looks like the training footage again", {})
    assert watch.warning is None


def test_a_figure_at_the_limit_does_not_warn_again_and_again(reference: FootageReference) -> None:
    """Hysteresis: from one side of the limit to the other is one warning."""
    watch, limit = DriftWatch(reference, FPS), reference.brightness.high * 1.15
    said = []
    for block in range(200):
        level = limit * (1.01 if block // SHORT_BLOCKS % 2 else 0.995)
        frame = np.zeros((60, 80), np.uint8)
        frame.ravel()[: round(level * frame.size / 156)] = 156
        for _ in range(BLOCK):
            said.append(watch.push(frame, 0.001))
    named = [name for each in said if each for name in each.values]
    assert named.count(Measure.BRIGHTNESS) == 1


def test_without_a_reference_the_start_of_the_run_is_one(unseen: Frames) -> None:
    watch = DriftWatch(None, FPS)
    assert watch.compared_with is ReferenceFrom.RUN
    start = LONG_BLOCKS * BLOCK
    frames = np.concatenate([unseen[:start], brighter(unseen[:300], 1.3)])
    assert watched(watch, frames[:start]) == []
    assert watch.figures() == ()
    said = watched(watch, frames[start:])
    assert said[0].text.startswith("unlike the start of this run: the picture is brighter")
    assert watched(DriftWatch(None, FPS), np.concatenate([unseen, unseen[:600]])) == []


# -- what is measured --------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_a_look_is_what_numpy_says_of_the_frames(seed: int, rest: int) -> None:
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (BLOCK + rest, 12, 16), np.uint8)
    (look,) = looks(frames)
    own = frames[:BLOCK]
    flat = own.reshape(BLOCK, -1)
    assert look.brightness == pytest.approx(flat.mean())
    assert look.contrast == pytest.approx(flat.std(axis=1).mean())
    assert look.background == pytest.approx(own.min(axis=0).mean())
    change = np.abs(np.diff(own.astype(int), axis=0)).mean() / 255
    assert look.motion_energy == pytest.approx(change)
    cells = own.reshape(BLOCK, 6, 2, 8, 2).sum(axis=(0, 2, 4)).ravel()
    np.testing.assert_allclose(look.layout, cells / cells.sum(), rtol=1e-5)


def test_memory_stays_the_same() -> None:
    meter, frame = LookMeter(FPS), np.zeros((12, 16), np.uint8)
    assert sum(meter.push(frame, None) is not None for _ in range(10 * BLOCK)) == 10
    assert light_elsewhere(looks_of_black(), looks_of_black()) == 0.0


def looks_of_black() -> NDArray[np.float64]:
    (look,) = looks(np.zeros((BLOCK, 12, 16), np.uint8))
    return look.layout


def some_looks(values: Sequence[float]) -> list[Look]:
    cells = np.ones(GRID[0] * GRID[1])
    return [Look(v, v, v, v, cells / cells.size) for v in values]


def test_the_reference_has_the_range_over_all_minutes() -> None:
    parts = [some_looks([1.0] * 6 + [7.0]), some_looks([3.0] * 2), []]
    made = make_reference(parts, 1.5)
    assert made is not None
    # minutes: six ones, five ones and a seven; a part that is shorter counts as a whole
    assert made.brightness == UsualRange(low=1.0, middle=2.0, high=3.0)
    assert made.elsewhere == pytest.approx(0.0, abs=1e-12)
    assert sum(made.layout) == pytest.approx(1.0, abs=1e-4)
    assert make_reference([[], []], 0.0) is None
    assert mean_look(some_looks([1.0, 2.0])).contrast == 1.5
