"""The output file: Parquet, CSV or JSON lines, by its ending; the same columns in each."""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fishrt.errors import UsageError
from fishrt.storage import write_text
from realtime.predict.rows import Table
from realtime.table_format import Format, cell, import_pyarrow

COLUMNS = (
    "source",
    "frame",
    "source_frame",
    "time_s",
    "probability",
    "valid",
    "reason",
    "repeated",
    "motion_energy",
)
METADATA_KEY = b"fishrt"  # in the Parquet schema
METADATA_SUFFIX = ".metadata.json"  # beside the other formats


def format_of(path: Path) -> Format:
    """The format that a file's ending asks for.

    Raises:
        UsageError: If it is none of ours.
        MissingExtraError: If it is Parquet and pyarrow is not installed.
    """
    ending = path.suffix.lower().removeprefix(".")
    if ending not in [*Format]:
        raise UsageError(f"{path} ends with neither .parquet, .csv nor .jsonl; name it so.")
    if ending == Format.PARQUET:
        import_pyarrow()
    return Format(ending)


def metadata_path(path: Path) -> Path | None:
    """Where the metadata of an output lies; None if it is within the file."""
    inside = path.suffix.lower().removeprefix(".") == Format.PARQUET
    return None if inside else path.with_name(path.name + METADATA_SUFFIX)


def write_output(
    path: Path, kind: Format, tables: Iterable[Table], metadata: Mapping[str, Any]
) -> None:
    """Writes all rows, and the metadata into or beside the file.

    Args:
        path: The file; replaced if it exists.
        kind: Its format.
        tables: The rows in order.
        metadata: How they were made; plain data.

    Raises:
        OutputError: If it cannot be written.
        OSError: If it cannot be written.
    """
    if kind is Format.PARQUET:
        _write_parquet(path, tables, metadata)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        if kind is Format.CSV:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row in _rows(tables):
                writer.writerow([cell(value) for value in row])
        else:
            for row in _rows(tables):
                record = dict(zip(COLUMNS, row, strict=True))
                file.write(json.dumps(record, separators=(",", ":"), allow_nan=False) + "\n")
    beside = metadata_path(path)
    if beside is not None:
        write_text(beside, json.dumps(metadata, indent=2) + "\n")


def _rows(tables: Iterable[Table]) -> Iterator[tuple[Any, ...]]:
    """Row by row, as Python values, None for what is not there."""
    for table in tables:
        yield from zip(
            [table.source] * len(table.frame),
            table.frame.tolist(),
            table.source_frame.tolist(),
            table.time_s.tolist(),
            map(_known, table.probability.tolist()),
            table.valid.tolist(),
            table.reasons,
            table.repeated.tolist(),
            map(_known, table.motion_energy.tolist()),
            strict=True,
        )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _write_parquet(path: Path, tables: Iterable[Table], metadata: Mapping[str, Any]) -> None:
    pyarrow, parquet = import_pyarrow()
    types = {
        "source": pyarrow.string(),
        "frame": pyarrow.int64(),
        "source_frame": pyarrow.int64(),
        "time_s": pyarrow.float64(),
        "probability": pyarrow.float64(),
        "valid": pyarrow.bool_(),
        "reason": pyarrow.string(),
        "repeated": pyarrow.bool_(),
        "motion_energy": pyarrow.float64(),
    }
    nullable = {"probability", "reason", "motion_energy"}
    schema = pyarrow.schema(
        [pyarrow.field(name, types[name], nullable=name in nullable) for name in COLUMNS],
        metadata={METADATA_KEY: json.dumps(metadata).encode()},
    )
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in tables:
            values = (
                [table.source] * len(table.frame),
                table.frame,
                table.source_frame,
                table.time_s,
                pyarrow.array(table.probability, from_pandas=True),  # NaN is null
                table.valid,
                table.reasons,
                table.repeated,
                pyarrow.array(table.motion_energy, from_pandas=True),
            )
            arrays = [
                pyarrow.array(value, types[name])
                for name, value in zip(COLUMNS, values, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
