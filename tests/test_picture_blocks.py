"""Blocks of pictures: the same recording to the bit as picture by picture, whatever happens."""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_footage import write_video

from fishrt.config import Config, override_config
from fishrt.errors import ConfigError, SourceError
from fishrt.footage.policy import Damaged
from fishrt.preprocess import Preprocessor
from fishrt.recording_writer import Existing
from fishrt.video import SourceKind, prefetch
from fishrt.video.images import FolderPart, ImageFolder
from fishrt.video.in_order import DoneInOrder, done_in_order
from fishrt.video.resample import Placement, Resampler
from training import picture_blocks, video_blocks
from training.picture_block import look_at
from training.prepare import PrepareRequest, prepare_recording
from training.source_reader import SourceReader, source_sha256

SMALL = override_config(
    Config(),
    ["clip.height=9", "clip.width=12", "clip.steps=5", "clip.frames_per_step=2",
     "label.horizon=5", "split.guard=4"],
)  # fmt: skip
ARRAYS = ("frames", "motion_energy", "brightness", "burst_label", "shift")


def make_folder(folder: Path, numbers: list[int], damaged: set[int]) -> None:
    folder.mkdir()
    for number in numbers:
        image = np.random.default_rng(number).integers(0, 256, (18, 24), np.uint8)
        data = cv2.imencode(".png", image)[1].tobytes()
        path = folder / f"{number:03d}.png"
        path.write_bytes(data[: len(data) // 2] if number in damaged else data)


def make_video(path: Path, count: int, fps: float) -> None:
    coarse = (np.random.default_rng(n).integers(0, 256, (6, 8, 3), np.uint8) for n in range(count))
    write_video(
        path,
        (cv2.resize(noise, (48, 36), interpolation=cv2.INTER_NEAREST) for noise in coarse),
        fps,
    )


def prepare(
    source: Path,
    target: Path,
    *,
    block: int | None,
    config: Config = SMALL,
    **options: object,
) -> object:
    """A recording by blocks of so many pictures, or, with None, picture by picture."""
    request = PrepareRequest((str(source),), config, **options)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        if block is None:
            patch.setattr(SourceReader, "in_blocks", False)
        else:
            for module in (picture_blocks, prefetch, video_blocks):
                patch.setattr(module, "block_size", lambda _: block)
        return prepare_recording(request, target, existing=Existing.REPLACE)


def same_arrays(a: Path, b: Path) -> None:
    for name in ARRAYS:
        one, other = (np.load(folder / f"{name}.npy") for folder in (a, b))
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@settings(max_examples=25, deadline=None)
@given(
    missing=st.sets(st.integers(1, 69), max_size=6),
    damaged=st.sets(st.integers(0, 69), max_size=4),
    block=st.integers(1, 40),
    minutes=st.one_of(st.none(), st.integers(1, 80).map(lambda frames: frames / 1800)),
    source_fps=st.sampled_from([None, 30.0, 29.9, 25.0, 60.0]),
)
def test_blocks_are_as_picture_by_picture(
    missing: set[int],
    damaged: set[int],
    block: int,
    minutes: float | None,
    source_fps: float | None,
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, scratch = Path(name) / "pictures", Path(name)
        make_folder(folder, [n for n in range(70) if n not in missing], damaged)
        options = {"minutes": minutes, "source_fps": source_fps, "damaged": Damaged.SKIP}
        one = prepare(folder, scratch / "one", block=None, **options)
        other = prepare(folder, scratch / "other", block=block, **options)
        assert one == other  # gaps, rates, findings and the digest of the folder are in it
        same_arrays(scratch / "one", scratch / "other")


@settings(max_examples=25, deadline=None)
@given(
    block=st.integers(1, 40),
    fps=st.sampled_from([30.0, 29.7, 25.0, 20.0, 47.0]),
    limit=st.one_of(st.none(), st.integers(1, 80)),
    whole=st.integers(1, 40),
    roi=st.booleans(),
)
def test_blocks_of_a_video_are_as_picture_by_picture(
    block: int, fps: float, limit: int | None, whole: int, roi: bool
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(video_blocks, "BLOCK_PICTURES", whole)
        make_video(video := Path(name) / "v.mp4", 70, fps)
        config = override_config(SMALL, ["preprocess.roi=[4,2,40,30]"] if roi else [])
        options = {"minutes": limit and limit / 1800}
        one = prepare(video, Path(name) / "one", block=None, config=config, **options)
        other = prepare(video, Path(name) / "other", block=block, config=config, **options)
        assert one == other
        same_arrays(Path(name) / "one", Path(name) / "other")
        assert len(np.load(Path(name) / "one" / "shift.npy")) > (2 if limit is None else -1)


@pytest.mark.parametrize("stop", [1, 7, 8, 9, 29, 30, 44, 69])
def test_stopped_in_a_block_it_goes_on_to_the_same(tmp_path: Path, stop: int) -> None:
    folder = tmp_path / "pictures"
    make_folder(folder, [n for n in range(70) if n != 33], {stop})
    with pytest.raises(SourceError, match=f"{stop:03d}.png is damaged"):
        prepare(folder, tmp_path / "r", block=8)
    kept = len(np.load(tmp_path / "r.partial" / "frames.npy"))
    assert kept == stop - (stop > 33)
    shutil.rmtree(folder)
    make_folder(folder, [n for n in range(70) if n != 33], set())
    metadata = prepare(folder, tmp_path / "r", block=8)
    assert metadata == prepare(folder, tmp_path / "whole", block=None)
    same_arrays(tmp_path / "r", tmp_path / "whole")


def test_the_digest_of_names_in_another_order(tmp_path: Path) -> None:
    make_folder(folder := tmp_path / "pictures", list(range(20)), set())
    (folder / "007.png").rename(folder / "7.png")  # the eighth by its number, the last by its name
    metadata = prepare(folder, tmp_path / "r", block=8)
    expected = source_sha256(str(folder), SourceKind.IMAGES)
    assert metadata.sources[0].sha256 == expected  # type: ignore[attr-defined]


def whole_folder(folder: Path) -> FolderPart:
    part = ImageFolder(folder, 30.0).claim(1000)
    assert part is not None
    return part


def test_what_is_measured_in_a_block(tmp_path: Path) -> None:
    make_folder(folder := tmp_path / "pictures", list(range(40)), {3})
    out = np.empty((40, 9, 12), np.uint8)
    block = look_at(whole_folder(folder), Preprocessor(9, 12), 0, out)
    assert list(block.errors) == [3]
    assert len(block.frames) == len(block.whole) == 39
    assert np.shares_memory(block.frames, out)
    assert [block.picture(entry) for entry in (0, 2, 3, 38)] == [0, 2, 4, 39]
    assert sorted(block.shifts) == [14, 29]


def test_a_background_of_another_size_is_told_as_it_is(tmp_path: Path) -> None:
    make_folder(folder := tmp_path / "pictures", [0, 1], set())
    wrong = Preprocessor(9, 12, background=np.zeros((5, 5), np.uint8))
    block = look_at(whole_folder(folder), wrong, 0, np.empty((2, 9, 12), np.uint8))
    assert isinstance(block.errors[0], ConfigError)
    assert not block.whole


@given(
    beat=st.sampled_from([1.0, 1.001, 0.5, 1.2]),
    noise=st.lists(st.floats(-0.6, 0.6), min_size=2, max_size=80),
    block=st.integers(1, 40),
    source_fps=st.sampled_from([None, 30.0, 25.0, 60.0]),
)
def test_many_are_placed_as_one_by_one(
    beat: float, noise: list[float], block: int, source_fps: float | None
) -> None:
    times = (np.arange(len(noise)) * beat + noise) / 30.0
    naive, quick = Resampler(30.0, source_fps), Resampler(30.0, source_fps)
    for start in range(0, len(times), block):
        part = times[start : start + block]
        slots = naive.slots
        regular = [naive.push(float(time)) for time in part] == [
            Placement(slots + k) for k in range(len(part))
        ]
        if quick.push_regular(part):
            assert regular
        else:
            assert not regular or start == 0 or source_fps in (None, 60.0)
            for time in part:
                quick.push(float(time))
        assert vars(quick) == vars(naive)


def tasks(count: int, work: Callable[[int], int]) -> Callable[[], Callable[[], int] | None]:
    numbers = iter(range(count))

    def next_task() -> Callable[[], int] | None:
        number = next(numbers, None)
        return None if number is None else lambda: work(number)

    return next_task


@pytest.mark.parametrize("ahead", [1, 5])
def test_results_come_in_order_and_errors_in_their_place(ahead: int) -> None:
    def work(number: int) -> int:
        if number == 7:
            raise ValueError("seven")
        return number

    got: list[int | str] = []
    with done_in_order(tasks(12, work), workers=3, ahead=ahead) as results:
        while True:
            try:
                got.append(next(results))
            except StopIteration:
                break
            except ValueError as error:
                got.append(str(error))
    assert got == [*range(7), "seven", *range(8, 12)]
    assert not [t for t in threading.enumerate() if t.name.startswith("fishrt-worker")]


def test_ctrl_c_while_leaving_waits_for_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    join: Callable[..., None] = threading.Thread.join
    interrupts = [KeyboardInterrupt(), KeyboardInterrupt()]

    def impatient(thread: threading.Thread, timeout: float | None = None) -> None:
        if thread.name.startswith("fishrt-worker") and interrupts:
            raise interrupts.pop()
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", impatient)

    def slowly(number: int) -> int:
        time.sleep(0.02)
        return number

    done = DoneInOrder(tasks(100, slowly), 2, 4)
    done.start()
    assert next(done) == 0
    with pytest.raises(KeyboardInterrupt):
        done.stop()
    assert not interrupts
    assert not [t for t in threading.enumerate() if t.name.startswith("fishrt-worker")]
