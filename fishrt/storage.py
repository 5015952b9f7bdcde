"""Folders that are either whole or absent: bundles, recordings and runs are written this way."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from fishrt.errors import OutputError, output_error

PARTIAL_SUFFIX = ".partial"


@contextlib.contextmanager
def whole_folder(target: Path, marker: str) -> Iterator[Path]:
    """Gives a scratch folder that becomes `target` only when the block ends without an error.

    Args:
        target: The folder to make. An existing one is replaced if it holds `marker` (it was
            written by fishrt) or is empty, and is left alone otherwise.
        marker: Name of the file by which fishrt knows its own folders.

    Yields:
        The scratch folder, beside `target`.

    Raises:
        OutputError: If the folder cannot be written, or something else is in the way.
    """
    refuse_foreign(target, marker)
    scratch = target.with_name(f"{target.name}{PARTIAL_SUFFIX}")
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        yield scratch
        replace_folder(scratch, target)
    except OSError as error:
        raise output_error(target, error) from error


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


def replace_folder(scratch: Path, target: Path) -> None:
    """Puts a finished scratch folder in the place of `target`."""
    old = target.with_name(f"{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    scratch.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file that is either the old one or the new one, never half of it.

    Raises:
        OutputError: If it cannot be written.
    """
    scratch = path.with_name(f"{path.name}{PARTIAL_SUFFIX}")
    try:
        scratch.write_text(text, encoding="utf-8")
        os.replace(scratch, path)
    except OSError as error:
        raise output_error(path, error) from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
