"""An output that is not whole yet: a folder beside it, `OUT.partial`, with a part a source."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fishrt.errors import OutputError, output_error
from fishrt.storage import LOCK_FILE, PARTIAL_SUFFIX, locked, write_text
from realtime.predict.formats import format_of, metadata_path, write_output
from realtime.predict.part import read_state
from realtime.predict.rows import Table
from realtime.table_format import Format

REQUEST_FILE = "request.json"
PARTS_FOLDER = "parts"
WRITTEN_KEY = "written"


class UnfinishedOutput:
    """Where the parts of an output lie until it is whole; opened by `unfinished_output`.

    Attributes:
        target: The output.
        folder: `OUT.partial`.
    """

    def __init__(self, target: Path, folder: Path, kind: Format, request: Any) -> None:
        self.target = target
        self.folder = folder
        self._kind = kind
        self._request = request

    def part(self, source: str) -> Path:
        """The folder of a source's part, by the name that `absolute_source` gives it."""
        name = hashlib.sha256(source.encode(errors="surrogateescape")).hexdigest()[:16]
        return self.folder / PARTS_FOLDER / name

    def publish(self, tables: Iterable[Table], metadata: Mapping[str, Any], *, whole: bool) -> None:
        """Writes the output and puts it in its place in one go.

        Args:
            tables: All rows in order.
            metadata: How they were made.
            whole: Whether no source failed; then the parts are not needed any more.

        Raises:
            OSError, OutputError: If it cannot be written; the parts stay.
        """
        scratch = self.folder / f"output.{self._kind}"
        write_output(scratch, self._kind, tables, metadata)
        beside, scratch_beside = metadata_path(self.target), metadata_path(scratch)
        if beside is not None and scratch_beside is not None:
            scratch_beside.replace(beside)
        scratch.replace(self.target)
        if whole:
            self.discard()
        else:
            self._write_request(written=_stamp(self.target))

    def discard(self) -> None:
        """Lets go of the parts."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def discard_if_empty(self) -> None:
        """Lets go of the parts if none has rows, of this command's sources or of others.

        Raises:
            OSError: If a part cannot be read.
        """
        if not any(read_state(part).rows for part in (self.folder / PARTS_FOLDER).glob("*")):
            self.discard()

    def begin(self) -> None:
        """Writes down what the parts belong to."""
        self._write_request(written=None)

    def _write_request(self, written: list[int] | None) -> None:
        content = {"request": self._request, WRITTEN_KEY: written}
        write_text(self.folder / REQUEST_FILE, json.dumps(content))


@contextlib.contextmanager
def unfinished_output(
    target: Path, request: Mapping[str, Any], *, overwrite: bool, restart: bool
) -> Iterator[UnfinishedOutput]:
    """Opens an output to go on with, or begins it.

    Args:
        target: The output.
        request: All that decides about a row; plain data, compared with that of what was begun.
        overwrite: Whether an output that is already there may be replaced.
        restart: Whether what was begun is thrown away.

    Raises:
        OutputError: If the output is there already or cannot be written, if one with another
            request was begun, or if another process is at it.
        MissingExtraError: If the format needs what is not installed.
    """
    kind = format_of(target)
    try:
        if target.is_dir():
            raise OutputError(f"{target} is a folder; name a file.")
        folder = target.absolute().with_name(target.name + PARTIAL_SUFFIX)
        begun = _read_request(folder) if not restart else None
        ours = begun is not None and begun.get(WRITTEN_KEY) == _stamp(target)
        if target.exists() and not overwrite and not ours:
            raise OutputError(
                f"{target} already exists; name another file, or add --overwrite to replace it."
            )
        folder.mkdir(exist_ok=True)
        with locked(folder):
            wanted = json.loads(json.dumps(request))
            output = UnfinishedOutput(target, folder, kind, wanted)
            _prepare(output, begun, wanted, restart=restart)
            try:
                yield output
            finally:
                _remove_if_empty(folder)
    except BrokenPipeError:  # the reader of our messages left; not this file's fault
        raise
    except OSError as error:
        raise output_error(target, error) from error


def _prepare(
    output: UnfinishedOutput, begun: dict[str, Any] | None, wanted: Any, *, restart: bool
) -> None:
    folder = output.folder
    if begun is not None:
        if begun.get("request") != wanted:
            raise OutputError(
                f"{folder} was begun with another bundle, other settings or another fishrt "
                f"({_difference(begun.get('request'), wanted)}); finish it with the command that "
                "began it, or begin anew with --restart."
            )
        return
    others = [path for path in folder.iterdir() if path.name != LOCK_FILE]
    if others and not (folder / REQUEST_FILE).exists():
        raise OutputError(f"{folder} already holds something else; move it away.")
    if restart or not others:
        for path in others:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        output.begin()


def _difference(before: Any, now: Any) -> str:
    if not isinstance(before, dict):
        return "it cannot be read"
    names = [name for name in now if before.get(name) != now[name]]
    return ", ".join(name.removesuffix("_sha256") for name in names)


def _read_request(folder: Path) -> dict[str, Any] | None:
    """What an unfinished output belongs to; None if there is none."""
    try:
        content = json.loads((folder / REQUEST_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {}


def _stamp(path: Path) -> list[int] | None:
    """Size and time of a file, or None if it is not there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return [found.st_size, found.st_mtime_ns]


def _remove_if_empty(folder: Path) -> None:
    """Takes the folder away where nothing was kept in it."""
    if folder.is_dir() and not any((folder / PARTS_FOLDER).glob("*")):
        shutil.rmtree(folder, ignore_errors=True)
