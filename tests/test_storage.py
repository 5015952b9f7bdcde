"""Folders and files that are either whole or absent."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from fishrt import storage
from fishrt.errors import OutputError
from fishrt.storage import read_small_file, sha256_of, whole_folder, write_text

MARKER = "made-by-fishrt.yaml"


def write_whole(target: Path, text: str) -> None:
    with whole_folder(target, MARKER) as scratch:
        (scratch / "data").write_text(text)
        (scratch / MARKER).write_text("")


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("existing", [None, "empty", "ours"])
def test_the_folder_appears_whole(tmp_path: Path, existing: str | None) -> None:
    target = tmp_path / "deep" / "run"
    if existing == "empty":
        target.mkdir(parents=True)
    elif existing == "ours":
        write_whole(target, "old")
        (target / "left over").touch()
    write_whole(target, "new")
    assert everything_in(tmp_path) == ["deep", "deep/run", "deep/run/data", f"deep/run/{MARKER}"]
    assert (target / "data").read_text() == "new"


@pytest.mark.parametrize("error", [no_space(), ValueError("a mistake"), KeyboardInterrupt()])
@pytest.mark.parametrize("existing", [False, True])
def test_an_error_leaves_nothing_half_made(
    tmp_path: Path, error: BaseException, existing: bool
) -> None:
    target = tmp_path / "run"
    if existing:
        write_whole(target, "old")
    before = everything_in(tmp_path)
    expected = OutputError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected) as caught, whole_folder(target, MARKER) as scratch:  # noqa: PT012
        (scratch / "data").write_text("half")
        (scratch / MARKER).write_text("")
        assert everything_in(tmp_path) != before
        raise error
    assert everything_in(tmp_path) == before
    if existing:
        assert (target / "data").read_text() == "old"
    if isinstance(error, OSError):
        assert "the disk is full; free some space" in str(caught.value)


def test_the_old_folder_comes_back_when_the_last_rename_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "run"
    write_whole(target, "old")
    before = everything_in(tmp_path)
    rename = Path.rename

    def fails_for_scratch(self: Path, to: Path) -> Path:
        if self.suffix == ".partial":
            raise no_space()
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fails_for_scratch)
    with pytest.raises(OutputError, match="disk is full"):
        write_whole(target, "new")
    assert everything_in(tmp_path) == before
    assert (target / "data").read_text() == "old"


def replace_own(target: Path) -> None:
    with whole_folder(target, MARKER, {"data", "more", MARKER}) as scratch:
        (scratch / "data").write_text("new")
        (scratch / MARKER).write_text("")


def test_what_is_not_ours_is_carried_over(tmp_path: Path) -> None:
    target = tmp_path / "run"
    replace_own(target)  # nothing is there yet
    (target / "data").write_text("old")
    (target / "more").write_text("ours, and gone now")
    (target / "engines").mkdir()
    (target / "engines" / "a").write_text("kept")
    (target / "notes.txt").write_text("mine")
    replace_own(target)
    assert everything_in(tmp_path) == [
        "run", "run/data", "run/engines", "run/engines/a", f"run/{MARKER}", "run/notes.txt"
    ]  # fmt: skip
    assert (target / "data").read_text() == "new"
    assert (target / "notes.txt").read_text() == "mine"


def test_what_cannot_be_carried_over_is_not_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_own(tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    rename = Path.rename

    def fails_for_notes(self: Path, to: Path) -> Path:
        if self.name == "notes.txt":
            raise no_space()
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fails_for_notes)
    with pytest.raises(OutputError, match=r"cannot be moved back .*it lies in .*\.old"):
        replace_own(tmp_path / "run")
    (kept,) = tmp_path.glob("*.old")
    assert (kept / "notes.txt").read_text() == "mine"


def test_folders_with_similar_names_are_left_alone(tmp_path: Path) -> None:
    for name in ("run.old", "run.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").touch()
    write_whole(tmp_path / "run", "a")
    write_whole(tmp_path / "run", "b")
    assert (tmp_path / "run.old" / "mine").exists()
    assert (tmp_path / "run.partial" / "mine").exists()


def test_something_else_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    (tmp_path / "file").touch()
    before = everything_in(tmp_path)
    with pytest.raises(OutputError, match="already holds something else"):
        write_whole(tmp_path / "mine", "")
    with pytest.raises(OutputError, match="is a file; name a folder"):
        write_whole(tmp_path / "file", "")
    assert everything_in(tmp_path) == before


def test_the_folder_one_stands_in_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="name a new folder"):
        write_whole(Path(), "")
    assert Path.cwd().exists()


def test_a_link_to_a_folder_keeps_being_one(tmp_path: Path) -> None:
    write_whole(tmp_path / "real", "old")
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "data").read_text() == "new"


def test_a_folder_without_its_marker_is_never_finished(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=MARKER), whole_folder(tmp_path / "run", MARKER):
        pass
    assert everything_in(tmp_path) == []


def test_a_parent_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*file/run"):
        write_whole(tmp_path / "file" / "run", "")


def test_write_text_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    write_text(path, "old")
    assert everything_in(tmp_path) == ["report.json"]
    real = Path.write_bytes

    def half(self: Path, content: bytes) -> int:
        real(self, content[: len(content) // 2])
        raise no_space()

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OutputError, match="disk is full"):
        write_text(path, "a new and longer text")
    assert path.read_text() == "old"
    assert everything_in(tmp_path) == ["report.json"]


def test_write_text_without_a_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="its folder does not exist; create it first"):
        write_text(tmp_path / "no" / "report.json", "")


def test_sha256(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"abc" * 100_000)
    assert sha256_of(path) == hashlib.sha256(b"abc" * 100_000).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 5_000])
@pytest.mark.parametrize("at_a_time", [1, 7, 10_000])
def test_a_small_file_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, at_a_time: int
) -> None:
    """Even if the system hands over less than was asked for, and with the end mark on the way."""
    monkeypatch.setattr(storage, "SMALL_FILE_BYTES", 100)
    content = (b"some bytes" * size)[:size] + b"END"
    (path := tmp_path / "file").write_bytes(content)
    read = os.read
    asked: list[int] = []

    def less(file: int, count: int) -> bytes:
        asked.append(count)
        return read(file, min(count, at_a_time))

    monkeypatch.setattr(storage.os, "read", less)
    assert read_small_file(str(path), b"END") == content
    in_one_go = len(content) < 100 and len(content) <= at_a_time
    assert len(asked) == 1 if in_one_go else len(asked) > 1
    assert read_small_file(str(path)) == content
