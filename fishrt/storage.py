"""Folders and files that are either whole or absent: bundles, recordings, runs, videos."""

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO

from fishrt.errors import OutputError, output_error

try:
    import fcntl
except ImportError:  # Windows: two writers of one folder are not told from one
    fcntl = None  # type: ignore[assignment]

PARTIAL_SUFFIX = ".partial"
LOCK_FILE = "lock"
# a pipe among the files has no end to wait for, and is empty
READ_BYTES = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
SMALL_FILE_BYTES, LARGE_FILE_BYTES = 1 << 15, 1 << 24  # read in one go


@contextlib.contextmanager
def whole_folder(target: Path, marker: str, own: Collection[str] | None = None) -> Iterator[Path]:
    """Gives a scratch folder that becomes `target` only when the block ends without an error.

    Args:
        target: The folder to make. An existing one is replaced if it holds `marker` (it was
            written by fishrt) or is empty, and is left alone otherwise.
        marker: Name of the file by which fishrt knows its own folders; the block writes it.
        own: Names of all that may be replaced in an existing one; whatever else lies in it is
            carried over. None replaces it whole.

    Yields:
        The scratch folder, beside `target`. After any error in the block it is gone, and an
        older `target` is as it was.

    Raises:
        OutputError: If the folder cannot be written, or something else is in the way.
        RuntimeError: If the block ends without having written `marker` (a mistake in fishrt).
    """
    try:
        place = require_replaceable(target, marker)
        scratch = _beside(place, PARTIAL_SUFFIX)
        scratch.mkdir(parents=True)
        try:
            yield scratch
            if not (scratch / marker).exists():
                raise RuntimeError(f"{target} was to be finished without {marker} in it.")
            replace_folder(scratch, place, own)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except BrokenPipeError:  # the reader of our messages left; not this folder's fault
        raise
    except OSError as error:
        raise output_error(target, error) from error


def require_replaceable(target: Path, marker: str) -> Path:
    """Checks that a folder may be made or replaced, and resolves its path.

    Raises:
        OutputError: If something else is in the way; see `refuse_foreign`.
    """
    place = target.resolve()
    if place in (Path.cwd(), Path(place.anchor)):
        raise OutputError(f"{target} is no folder that can be replaced; name a new folder.")
    refuse_foreign(place, marker)
    return place


def refuse_foreign(target: Path, marker: str) -> None:
    """Refuses to replace a file, or a folder that fishrt did not write.

    Raises:
        OutputError: If `target` is a file, or a folder with contents but no `marker`.
    """
    if target.is_dir():
        if any(target.iterdir()) and not (target / marker).exists():
            raise OutputError(
                f"{target} already holds something else (no {marker} in it); name another folder."
            )
    elif target.exists():
        raise OutputError(f"{target} is a file; name a folder to write to.")


def replace_folder(scratch: Path, target: Path, own: Collection[str] | None = None) -> None:
    """Puts a finished scratch folder in the place of `target`, or leaves both as they are.

    Args:
        scratch: The finished folder.
        target: Where it belongs.
        own: See `whole_folder`.

    Raises:
        OSError: If a folder cannot be renamed.
        OutputError: If something that is not in `own` cannot be carried over; it is not deleted.
    """
    old = _beside(target, ".old")
    if target.exists():
        target.rename(old)
    try:
        scratch.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    if own is not None and old.exists():
        _carry_over(old, target, own)
    shutil.rmtree(old, ignore_errors=True)


def _carry_over(old: Path, target: Path, own: Collection[str]) -> None:
    """Moves what is not fishrt's from the replaced folder; nothing is copied, so it is quick."""
    try:
        for path in list(old.iterdir()):
            if path.name not in own and not (target / path.name).exists():
                path.rename(target / path.name)
    except OSError as error:
        raise OutputError(
            f"{target} is written, but what else lay in it cannot be moved back "
            f"({error.strerror or error}); it lies in {old}."
        ) from error


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a folder, which the system lets go of when this process dies.

    Raises:
        OutputError: If another process holds it.
        OSError: If the lock file cannot be made.
    """
    with (folder / LOCK_FILE).open("w") as file:
        if fcntl is not None:
            _lock(file, folder)
        yield


def _lock(file: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(
            f"{folder} is being written by another fishrt; wait for it, or name another folder."
        ) from error


def lock_file(descriptor: int, name: str) -> None:
    """Locks an open file until it is closed, where the system and the disk know locks.

    Args:
        descriptor: Of the file.
        name: What to call it.

    Raises:
        OutputError: If it is locked already.
    """
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(
            f"{name} is being written already; wait for the fishrt that does it, or name another "
            "file."
        ) from error
    except OSError:
        return  # some network disks know no locks, and a log there is better than none


def write_text(path: Path, text: str) -> None:
    """Writes a text file that is either the old one or the new one, never half of it.

    Raises:
        OutputError: If it cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file that is either the old one or the new one, never half of it.

    Raises:
        OutputError: If it cannot be written.
    """
    with whole_file(path) as scratch:
        scratch.write_bytes(content)


@contextlib.contextmanager
def whole_file(path: Path, ending: str = "") -> Iterator[Path]:
    """Gives a scratch file's name that becomes `path` only when the block ends without an error.

    Args:
        path: The file to make; an existing one is replaced.
        ending: What the scratch file's name must end with, for writers that go by it.

    Yields:
        The name, beside `path`; the block makes the file. After any error in the block it is
        gone, and an older `path` is as it was.

    Raises:
        OutputError: If it cannot be written.
    """
    scratch = _beside(path, PARTIAL_SUFFIX + ending)
    try:
        try:
            yield scratch
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path, error) from error


def _beside(path: Path, suffix: str) -> Path:
    """A name beside `path` that no one else uses: neither the user nor another process."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}{suffix}")


def read_small_file(path: str, end: bytes = b"") -> bytes:
    """The content of a file, in half the time of `Path.read_bytes` if it is a small one.

    Args:
        path: Where it lies; a string, because to make a `Path` takes longer than to open it.
        end: What whole files of its kind end with, if it is known. A small one that does is not
            asked for more: that takes a quarter of the time.

    Raises:
        OSError: If it cannot be read.
    """
    file = os.open(path, READ_BYTES)
    try:
        content = os.read(file, SMALL_FILE_BYTES)
        # fewer bytes than asked for may be all or may be not (read(2)): the end mark tells
        if end and len(content) < SMALL_FILE_BYTES and content.endswith(end):
            return content
        more = os.read(file, SMALL_FILE_BYTES)  # is quicker than to ask for the size
        if not more:
            return content
        parts = [content, more]
        while more:
            parts.append(more := os.read(file, LARGE_FILE_BYTES))
        return b"".join(parts)
    finally:
        os.close(file)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
