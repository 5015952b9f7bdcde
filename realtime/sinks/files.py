"""Logs on disk: which one a name asks for, and how it is queued."""

from pathlib import Path

from fishrt.errors import OutputError, output_error
from realtime.event import EventKind
from realtime.sinks.jsonl import STDOUT, EventLog, JsonlSink, spoken_name
from realtime.sinks.log import LogSink, PatientLogSink
from realtime.sinks.outbox import Outbox
from realtime.sinks.queued import MANY_CLOSE_S, WhenFull
from realtime.sinks.scores import ScoreSink
from realtime.sinks.sink import Sink
from realtime.sinks.table import CsvSink, ParquetSink
from realtime.table_format import Format
from realtime.update import Update, without_pictures

LINE_ROOM = 1800  # a minute at 30 frames/s: a disk may sleep, and lines are small
PARQUET_CLOSE_S = 600.0  # the file is made at the end; of a day in about two minutes


def open_log(
    target: str, overwrite: bool, when_full: WhenFull, failures: Outbox | None, news: Outbox
) -> LogSink[Update]:
    """Opens the log that a name asks for.

    Args:
        target: Path; `.csv` and `.parquet` are tables, all else JSON lines; `-` is stdout.
        overwrite: Whether an existing file may be replaced.
        when_full: What gives way when the disk is slow.
        failures: Where a failure is told, or None to raise it.
        news: Where it is told that an earlier run's rows were recovered.

    Raises:
        OutputError: If the file exists or cannot be written.
        MissingExtraError: If it is Parquet and pyarrow is not installed.
    """
    ending = Path(target).suffix.lower().removeprefix(".")
    worker: Sink
    close_s = MANY_CLOSE_S
    if ending == Format.CSV:
        worker = CsvSink(target, overwrite=overwrite)
    elif ending == Format.PARQUET:
        worker = open_parquet(Path(target), overwrite, news)
        close_s = PARQUET_CLOSE_S
    else:
        worker = JsonlSink(target, overwrite=overwrite)
    return LogSink(
        spoken_name(target), worker, without_pictures, LINE_ROOM, when_full, failures, close_s
    )


def open_parquet(target: Path, overwrite: bool, news: Outbox) -> ParquetSink:
    """Opens a Parquet log, and tells what became of the rows of one that was cut off.

    Raises:
        OutputError: If the file exists or cannot be written.
        MissingExtraError: If pyarrow is not installed.
    """
    try:
        sink = ParquetSink(target, overwrite=overwrite)
    except OSError as error:
        raise output_error(target, error) from error
    if sink.recovered is not None:
        sentence = f"an earlier run of {target} was cut off; its rows are in {sink.recovered}"
        news.put(EventKind.WARNING, sentence)
    return sink


def open_event_log(target: str, overwrite: bool, failures: Outbox | None) -> PatientLogSink[Update]:
    """Opens the log of events; `-` is a file name here, for stdout belongs to the forecasts.

    Raises:
        OutputError: If it exists or cannot be written.
    """
    if target == STDOUT:
        raise OutputError("the standard output belongs to the forecasts; name a file for --events.")
    log = EventLog(target, overwrite=overwrite)
    return PatientLogSink(target, log, lambda _: None, LINE_ROOM, WhenFull.DROP_OLDEST, failures)


def open_score_log(target: str, worker: ScoreSink, failures: Outbox | None) -> LogSink[str]:
    """Puts the log of scores behind a queue.

    Args:
        target: Its name.
        worker: The log.
        failures: Where a failure is told, or None to raise it.
    """
    name = spoken_name(target)
    return LogSink(name, worker, worker.take, LINE_ROOM, WhenFull.DROP_OLDEST, failures)
