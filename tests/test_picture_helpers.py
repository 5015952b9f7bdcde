"""Helper processes: the same recording as without them, whatever happens to them."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from test_picture_blocks import make_folder, prepare, same_arrays

from fishrt.errors import ConfigError
from fishrt.footage.policy import Damaged
from fishrt.preprocess import Preprocessor
from fishrt.video.images import ImageFolder
from training import picture_helpers
from training.picture_block import PictureBlock, look_at
from training.picture_helpers import TOLD_AHEAD, Crew, Room, helpers

PREPROCESS = Preprocessor(9, 12)
ROOM = Room(places=2, pictures=10, height=9, width=12, files=6_000)
SOON_S = 60.0  # for processes to come up; far more than that takes


def wait_until_all_are_free(crew: Crew) -> None:
    deadline = time.monotonic() + SOON_S
    while crew._free.qsize() < TOLD_AHEAD * crew._count and time.monotonic() < deadline:
        time.sleep(0.01)
    assert crew._free.qsize() == TOLD_AHEAD * crew._count


def not_here(*_: object) -> PictureBlock:
    raise AssertionError("this was to be done by a helper")


@contextlib.contextmanager
def crew_of(count: int, preprocess: Preprocessor = PREPROCESS, room: Room = ROOM) -> Iterator[Crew]:
    crew = Crew(preprocess, room, count)
    try:
        crew.start()
        wait_until_all_are_free(crew)
        yield crew
    finally:
        crew.stop()


def same_blocks(one: PictureBlock, other: PictureBlock) -> None:
    assert (one.pictures, one.whole) == (other.pictures, other.whole)
    for name in ("frames", "energy", "brightness", "timestamps"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert list(one.shifts) == list(other.shifts)
    for entry, shift in one.shifts.items():
        np.testing.assert_array_equal(shift, other.shifts[entry])
    assert bytes(one.files) == bytes(other.files)
    assert {at: (type(error), str(error)) for at, error in one.errors.items()} == {
        at: (type(error), str(error)) for at, error in other.errors.items()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(folder := tmp_path / "pictures", [n for n in range(60) if n != 33], {3, 41})
    (folder / "050.png").chmod(0)
    return folder


def expected(folder: Path, preprocess: Preprocessor = PREPROCESS) -> list[PictureBlock]:
    source = ImageFolder(folder, 30.0)
    parts = iter(lambda: source.claim(10), None)
    return [
        look_at(p, preprocess, p.pictures.start, np.empty((10, 9, 12), np.uint8)) for p in parts
    ]


@pytest.mark.parametrize("files", [6_000, 3_000, 0])  # of a block: about 4500
def test_a_helper_reads_what_this_process_would(
    folder: Path, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    monkeypatch.setattr(picture_helpers, "look_at", not_here)
    source = ImageFolder(folder, 30.0)
    with crew_of(1, room=Room(2, 10, 9, 12, files)) as crew:
        for turn, block in enumerate(expected(folder)):
            part = source.claim(10)
            assert part is not None
            same_blocks(crew.look_at(part, part.pictures.start, turn % 2), block)


def test_what_is_wrong_with_the_background_is_told_as_it_is(folder: Path) -> None:
    wrong = Preprocessor(9, 12, background=np.zeros((5, 5), np.uint8))
    part = ImageFolder(folder, 30.0).claim(10)
    assert part is not None
    with crew_of(1, wrong) as crew:
        block = crew.look_at(part, 0, 0)
    same_blocks(block, expected(folder, wrong)[0])
    assert isinstance(block.errors[0], ConfigError)


def test_the_work_of_a_dead_helper_is_done_here(folder: Path) -> None:
    source = ImageFolder(folder, 30.0)
    with crew_of(2) as crew:
        for helper in crew._all:
            helper.process.kill()
        for turn, block in enumerate(expected(folder)):
            part = source.claim(10)
            assert part is not None
            same_blocks(crew.look_at(part, part.pictures.start, turn % 2), block)


@pytest.mark.parametrize("fault", [OSError("no more processes"), AssertionError("a daemon")])
def test_without_helpers_threads_do_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail() -> None:
        raise fault

    monkeypatch.setattr(picture_helpers, "_context", fail)
    part = ImageFolder(folder, 30.0).claim(10)
    assert part is not None
    with helpers(PREPROCESS, ROOM, pictures=10**6) as crew:
        assert crew._count > 1
        same_blocks(crew.look_at(part, 0, 0), expected(folder)[0])


def test_few_pictures_are_not_worth_a_process() -> None:
    with helpers(PREPROCESS, ROOM, pictures=100) as crew:
        assert crew._count == 0


def test_the_same_recording_with_helpers(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "050.png").unlink()
    alone = prepare(folder, tmp_path / "alone", block=10, damaged=Damaged.SKIP)
    start = Crew.start

    def start_and_wait(crew: Crew) -> None:
        start(crew)
        wait_until_all_are_free(crew)

    monkeypatch.setattr(Crew, "start", start_and_wait)
    monkeypatch.setattr(picture_helpers, "WORTH_PICTURES", 0)
    monkeypatch.setattr(picture_helpers, "WORKERS", 2)
    monkeypatch.setattr("training.picture_blocks.WORKERS", 2)
    monkeypatch.setattr(picture_helpers, "look_at", not_here)
    helped = prepare(folder, tmp_path / "helped", block=10, damaged=Damaged.SKIP)
    assert helped == alone  # the digest of the folder is in it
    same_arrays(tmp_path / "helped", tmp_path / "alone")
