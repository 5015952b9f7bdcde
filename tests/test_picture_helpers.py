"""Helper processes: the same recording as without them, whatever happens to them."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext, SpawnContext
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


@pytest.mark.parametrize("in_file", [False, True])
@pytest.mark.parametrize("files", [6_000, 3_000, 0])  # of a block: about 4500
def test_a_helper_reads_what_this_process_would(
    folder: Path, monkeypatch: pytest.MonkeyPatch, files: int, in_file: bool
) -> None:
    if in_file:  # as on systems without files in memory
        monkeypatch.delattr(os, "memfd_create", raising=False)
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


HELPED = """
import sys
import numpy as np
from pathlib import Path
import training.picture_helpers as helpers
from fishrt.preprocess import Preprocessor
from fishrt.video.images import ImageFolder

def not_here(*_):
    raise AssertionError("this was to be done by a helper")

if __name__ == "__main__":
    helpers.look_at = not_here
    helpers.WAIT_SECONDS = 60.0
    part = ImageFolder(Path(sys.argv[1]), 30.0).claim(3)
    crew = helpers.Crew(Preprocessor(9, 12), helpers.Room(1, 3, 9, 12, 6000), 1)
    crew.start()
    print(len(crew.look_at(part, 0, 0).whole))
    crew.stop()
"""


def test_what_lies_in_the_current_folder_is_no_part_of_a_helper(
    folder: Path, tmp_path: Path
) -> None:
    (somewhere := tmp_path / "somewhere").mkdir()
    script = tmp_path / "scripts" / "script.py"
    script.parent.mkdir()
    script.write_text(HELPED)
    for module in ("random.py", "threading.py", "training/__init__.py", "fishrt/__init__.py"):
        (somewhere / module).parent.mkdir(exist_ok=True)
        (somewhere / module).write_text("open('was imported', 'w')\nraise ValueError('theirs')")
    command = [sys.executable, str(script), str(folder)]
    done = subprocess.run(
        command, cwd=somewhere, capture_output=True, text=True, timeout=SOON_S, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")
    assert not (somewhere / "was imported").exists()


def test_the_way_to_modules_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    name = picture_helpers.SAFE_PATH
    for before in (None, "yes"):
        monkeypatch.delenv(name, raising=False)
        if before is not None:
            monkeypatch.setenv(name, before)
        with contextlib.suppress(OSError), picture_helpers._imports_not_from_here():
            assert os.environ[name]
            raise OSError("no process")
        assert os.environ.get(name) == before


def test_the_first_blocks_wait_for_helpers_a_moment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_one = Crew._start_one

    def late(crew: Crew, context: SpawnContext | ForkServerContext) -> None:
        time.sleep(0.05)
        start_one(crew, context)

    monkeypatch.setattr(Crew, "_start_one", late)
    part = ImageFolder(folder, 30.0).claim(10)
    assert part is not None
    for seconds, waits in ((SOON_S, True), (0.0, False)):
        monkeypatch.setattr(picture_helpers, "WAIT_SECONDS", seconds)
        here: list[int] = []
        monkeypatch.setattr(
            picture_helpers, "look_at", lambda *task, here=here: here.append(1) or look_at(*task)
        )
        crew = Crew(PREPROCESS, ROOM, 1)
        try:
            crew.start()
            same_blocks(crew.look_at(part, 0, 0), expected(folder)[0])
        finally:
            crew.stop()
        assert bool(here) is not waits
