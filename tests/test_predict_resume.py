"""Stopped anywhere and gone on with, a part is to the bit that of a run without a stop."""

import itertools
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_bundle import make_tiny_bundle

from fishrt.bundle import Bundle
from fishrt.clip import ClipGeometry
from fishrt.config import TrainMode
from fishrt.deflicker import Deflicker
from fishrt.errors import BundleError
from fishrt.preprocess import Preprocessor
from fishrt.video import SourceFrame, SourceInfo, SourceKind
from realtime.lanes import CarriedState, ExactLanes, Forecaster, LaneSchedule
from realtime.predict.part import Part, PartState, Status, read_rows, read_state
from realtime.predict.plan import Plan
from realtime.predict.reading import VideoReading
from realtime.predict.rows import Rows
from realtime.predict.work import _fill
from realtime.stepper import OnnxStepper, load_stepper

GEOMETRY = ClipGeometry(steps=3, frames_per_step=2, height=8, width=10)
FPS = 30.0
EVERY = (1, 2, 3)


class ScriptedSource:
    """Noise at any timestamps; a `RecordedSource`."""

    def __init__(self, times: list[float]) -> None:
        self._times = times
        self._next = 0
        self.ended_early = None
        self.info = SourceInfo(SourceKind.FILE, "scripted", 10, 8, None, len(times))

    def read(self) -> SourceFrame | None:
        if self._next >= len(self._times):
            return None
        index, time = self._next, self._times[self._next]
        self._next += 1
        level = 60 + 100 * (index % 3)  # flickers
        image = np.random.default_rng(index).integers(0, level, (8, 10)).astype(np.uint8)
        return SourceFrame(image, index, time)

    def skip(self) -> float | None:
        if self._next >= len(self._times):
            return None
        self._next += 1
        return self._times[self._next - 1]

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny", GEOMETRY)


@pytest.fixture(scope="module")
def steppers(bundle: Bundle) -> dict[int, OnnxStepper]:
    """One for every number of lanes; what one run leaves in their states the next must not see."""
    lanes = {LaneSchedule(GEOMETRY.steps, GEOMETRY.frames_per_step, every).lanes for every in EVERY}
    return {count: load_stepper(bundle, count) for count in lanes | {1}}


def forecaster(steppers: dict[int, OnnxStepper], mode: TrainMode, every: int) -> Forecaster:
    if mode is TrainMode.STREAM:
        return CarriedState(steppers[1], GEOMETRY)
    schedule = LaneSchedule(GEOMETRY.steps, GEOMETRY.frames_per_step, every)
    return ExactLanes(steppers[schedule.lanes], GEOMETRY, every)


def run(
    folder: Path, times: list[float], predictor: Forecaster, deflicker: bool, pictures: int | None
) -> Part:
    """Forecasts until the end, or until so many pictures were decoded in this run."""
    plan = Plan("", "", TrainMode.WINDOW, 1, None, None, ())
    asked = itertools.count()
    part = Part(folder, "the same")
    preprocessor = Preprocessor(8, 10, deflicker=Deflicker() if deflicker else None)
    reading = VideoReading(ScriptedSource(times), preprocessor, predictor, FPS, None)
    try:
        _fill(
            "scripted", part, reading, predictor, plan,
            lambda: pictures is not None and next(asked) >= pictures, lambda _: None,
        )  # fmt: skip
    finally:
        part.close()
    return part


def as_bytes(rows: Rows) -> bytes:
    array: NDArray[np.void] = np.array(rows)
    return array.tobytes()


# slots from one picture to the next: mostly its own, else surplus, repeats or a gap
PAUSE = st.sampled_from([1.0] * 12 + [0.2, 1.5, 1.7, 4.0])
PAUSES = st.lists(PAUSE, min_size=12, max_size=50)


@settings(max_examples=60)
@given(
    pauses=PAUSES,
    stops=st.lists(st.integers(0, 30), min_size=1, max_size=4),
    mode=st.sampled_from(TrainMode),
    every=st.sampled_from(EVERY),
    deflicker=st.booleans(),
)
def test_wherever_it_stops_the_rows_are_the_same(
    steppers: dict[int, OnnxStepper],
    pauses: list[float],
    stops: list[int],
    mode: TrainMode,
    every: int,
    deflicker: bool,
) -> None:
    times = [at / FPS for at in itertools.accumulate([0.0, *pauses])]
    with tempfile.TemporaryDirectory() as scratch:
        whole, pieces = Path(scratch) / "whole", Path(scratch) / "pieces"
        run(whole, times, forecaster(steppers, mode, every), deflicker, None)
        for pictures in stops:
            run(pieces, times, forecaster(steppers, mode, every), deflicker, pictures)
        last = run(pieces, times, forecaster(steppers, mode, every), deflicker, None)
        assert last.state.status is Status.WHOLE
        rows = read_rows(whole)
        assert len(rows) >= 1
        assert as_bytes(read_rows(pieces)) == as_bytes(rows)


def test_what_lies_behind_is_not_computed_again(
    steppers: dict[int, OnnxStepper], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window needs its own frames once more, and not the hour before them."""
    times = [index / FPS for index in range(200)]
    run(tmp_path, times, forecaster(steppers, TrainMode.WINDOW, 1), False, 150)
    pushed: list[int] = []
    push = ExactLanes.push

    def counting(self: ExactLanes, frame: NDArray[np.uint8]) -> object:
        pushed.append(1)
        return push(self, frame)

    monkeypatch.setattr(ExactLanes, "push", counting)
    part = run(tmp_path, times, forecaster(steppers, TrainMode.WINDOW, 1), False, None)
    assert part.count == 200
    assert len(pushed) == 50 + GEOMETRY.frames - 1


def test_a_damaged_part_is_begun_anew(steppers: dict[int, OnnxStepper], tmp_path: Path) -> None:
    times = [index / FPS for index in range(30)]
    run(tmp_path, times, forecaster(steppers, TrainMode.WINDOW, 1), False, 20)
    rows = as_bytes(read_rows(tmp_path))
    assert rows
    (tmp_path / "rows.npy").write_bytes(b"damaged")
    run(tmp_path, times, forecaster(steppers, TrainMode.WINDOW, 1), False, None)
    assert as_bytes(read_rows(tmp_path))[: len(rows)] == rows


def test_another_bundle_is_refused_with_the_name_of_the_machine(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "uname", raising=False)  # Windows has none
    plan = Plan(str(bundle.folder), "of another", TrainMode.WINDOW, 1, None, None, ())
    with pytest.raises(BundleError, match=r" on .* is not the one that this was begun with"):
        plan.load_bundle()


@pytest.mark.parametrize("state", ["", "[]", "{}", '{"rows": 3}', '{"anchor": null, "rows": 3}'])
def test_a_damaged_state_is_an_empty_part(state: str, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(state)
    assert read_state(tmp_path) == PartState()


def test_a_state_that_cannot_be_read_costs_no_rows(
    steppers: dict[int, OnnxStepper], tmp_path: Path
) -> None:
    times = [index / FPS for index in range(30)]
    run(tmp_path, times, forecaster(steppers, TrainMode.WINDOW, 1), False, 20)
    rows = (tmp_path / "rows.npy").read_bytes()
    (tmp_path / "state.json").rename(tmp_path / "away")
    (tmp_path / "state.json").mkdir()  # what root may not read either
    with pytest.raises(OSError, match="directory"):
        Part(tmp_path, "the same")
    assert (tmp_path / "rows.npy").read_bytes() == rows


def test_a_source_that_changed_is_begun_anew(
    steppers: dict[int, OnnxStepper], tmp_path: Path
) -> None:
    times = [index / FPS for index in range(30)]
    part = run(tmp_path, times, forecaster(steppers, TrainMode.WINDOW, 1), False, 20)
    assert part.count > 0
    assert Part(tmp_path, "another").count == 0
