"""CSV and Parquet: a row a frame, with the columns that the log of JSON lines has."""

import contextlib
import csv
import io
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from fishrt.errors import OutputError
from fishrt.storage import LOCK_FILE, PARTIAL_SUFFIX, locked
from realtime.event import Event
from realtime.forecast import Forecast, Reason
from realtime.sinks.jsonl import LineFile
from realtime.sinks.sink import refuse_existing
from realtime.table_format import cell, import_pyarrow
from realtime.update import Update

COLUMNS = tuple(field.name for field in fields(Forecast))
ROWS_FILE = "rows.jsonl"
GROUP_BYTES = 1 << 24  # of JSON lines in a row group: about 65 000 rows
LONGEST_LINE_BYTES = 1 << 16


class CsvSink:
    """Writes a header and one row a frame; empty cells where there is nothing."""

    def __init__(self, target: str, *, overwrite: bool = False) -> None:
        """Opens the file; see `LineFile`."""
        self._file = LineFile(target, overwrite=overwrite)
        self._file.write(",".join(COLUMNS))

    def write(self, update: Update) -> None:
        """Writes one row; see `Sink.write`."""
        row = io.StringIO()
        record = update.forecast.to_record()
        csv.writer(row, lineterminator="").writerow([cell(record[name]) for name in COLUMNS])
        self._file.write(row.getvalue())

    def event(self, event: Event) -> None:
        """Events are not for this file; see `EventLog`."""
        del event

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class ParquetSink:
    """Collects rows as JSON lines in `FILE.partial` and makes the Parquet file of them at the end.

    A Parquet file is readable only once its end is written, so a run that is killed would leave
    nothing. Its rows are in the folder then; the next run with this name makes a file of them.

    Attributes:
        recovered: The file with the rows of an earlier run that was cut off, or None.
    """

    def __init__(self, target: Path, *, overwrite: bool = False) -> None:
        """Opens the folder.

        Args:
            target: The file to make.
            overwrite: Whether an existing file may be replaced.

        Raises:
            OutputError: If the file exists or cannot be written, or another process writes it.
            MissingExtraError: If pyarrow is not installed.
            OSError: If the folder cannot be made.
        """
        import_pyarrow()
        refuse_existing(target, overwrite)
        self.recovered: Path | None = None
        self._target = target
        self._folder = target.with_name(target.name + PARTIAL_SUFFIX)
        if self._folder.exists() and not holds_rows(self._folder):
            raise OutputError(f"{self._folder} already holds something else; move it away.")
        self._folder.mkdir(exist_ok=True)
        with contextlib.ExitStack() as stack:
            stack.enter_context(locked(self._folder))
            rows = self._folder / ROWS_FILE
            if rows.exists() and rows.stat().st_size:
                self.recovered = free_name(target)
                write_parquet(rows, self.recovered)
            self._rows = LineFile(str(rows), overwrite=True)
            self._lock = stack.pop_all()
        self._closed = False

    def write(self, update: Update) -> None:
        """Adds one row; see `Sink.write`."""
        self._rows.write(update.forecast.to_json())

    def event(self, event: Event) -> None:
        """Events are not for this file; see `EventLog`."""
        del event

    def close(self) -> None:
        """Makes the Parquet file; if that fails the rows stay in the folder.

        Raises:
            OutputError: If it cannot be written.
        """
        if self._closed:
            return
        self._closed = True
        with self._lock:
            self._rows.close()
            scratch = self._folder / "output.parquet"
            try:
                write_parquet(self._folder / ROWS_FILE, scratch)
                scratch.replace(self._target)
            except OSError as error:
                scratch.unlink(missing_ok=True)
                raise OutputError(
                    f"cannot write {self._target} ({error.strerror or error}); its rows are in "
                    f"{self._folder / ROWS_FILE}, and a next run with this name makes a Parquet "
                    "file of them."
                ) from error
        shutil.rmtree(self._folder, ignore_errors=True)


def holds_rows(folder: Path) -> bool:
    """Whether a folder is one of ours: rows and a lock, or nothing yet."""
    return folder.is_dir() and {path.name for path in folder.iterdir()} <= {
        ROWS_FILE, LOCK_FILE, "output.parquet",
    }  # fmt: skip


def free_name(target: Path) -> Path:
    """A name beside `target` for the rows of an earlier run."""
    number, path = 1, target.with_name(f"{target.stem}.recovered{target.suffix}")
    while path.exists():
        number += 1
        path = target.with_name(f"{target.stem}.recovered-{number}{target.suffix}")
    return path


def write_parquet(rows: Path, target: Path) -> None:
    """Makes a Parquet file of JSON lines, a row group at a time.

    Args:
        rows: Lines as `Forecast.to_json` gives them; the last may be cut off and is left out then.
        target: The file; replaced if it exists.

    Raises:
        OSError: If it cannot be written.
    """
    pyarrow, parquet = import_pyarrow()
    from pyarrow import json

    schema = parquet_schema(pyarrow)
    cut_torn_line(rows)
    with parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        if not rows.stat().st_size:
            return
        reader = json.open_json(
            rows,
            read_options=json.ReadOptions(block_size=GROUP_BYTES, use_threads=False),
            parse_options=json.ParseOptions(explicit_schema=schema),
        )
        for batch in reader:
            writer.write_batch(batch.cast(schema))


def parquet_schema(pyarrow: Any) -> Any:
    """The columns with their types; those that may be empty are nullable."""
    types = {
        int: pyarrow.int64(),
        float: pyarrow.float64(),
        bool: pyarrow.bool_(),
        Reason: pyarrow.string(),
    }
    columns = []
    for name, hint in get_type_hints(Forecast).items():
        kinds = get_args(hint) or (hint,)  # `float | None` has two
        columns.append(pyarrow.field(name, types[kinds[0]], nullable=len(kinds) > 1))
    return pyarrow.schema(columns)


def cut_torn_line(rows: Path) -> None:
    """Takes away what follows the last line break: a line that was being written in a kill."""
    with rows.open("rb+") as file:
        end = file.seek(0, io.SEEK_END)
        start = max(end - LONGEST_LINE_BYTES, 0)
        file.seek(start)
        file.truncate(start + file.read().rfind(b"\n") + 1)
