"""Tables of rows, as live logs and `fishrt predict` write them: the formats and their parts."""

import enum
from typing import Any

from fishrt.errors import MissingExtraError
from fishrt.install_hints import install_hint


class Format(enum.StrEnum):
    """How rows are written; the value is the file's ending."""

    PARQUET = "parquet"
    CSV = "csv"
    JSONL = "jsonl"


def cell(value: object) -> object:
    """A value as a cell of a CSV file: `true` and `false` in small letters."""
    return str(value).lower() if isinstance(value, bool) else value


def import_pyarrow() -> tuple[Any, Any]:
    """The modules `pyarrow` and `pyarrow.parquet`.

    Raises:
        MissingExtraError: If pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError(
            f"Parquet files need pyarrow, which is not installed; {install_hint('parquet')}, or "
            "write .csv or .jsonl."
        ) from error
    return pyarrow, parquet
