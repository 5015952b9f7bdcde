"""How a prediction went, for people and for programs."""

from dataclasses import asdict, dataclass
from typing import Any

from realtime.predict.part import Status
from realtime.wording import count


@dataclass(frozen=True)
class SourceSummary:
    """One source.

    Attributes:
        source: As the user named it.
        status: Whether it is whole, failed or unfinished.
        frames: Rows.
        forecasts: Rows with a probability.
        lost: Frames for which no picture came.
        repeated: Rows whose picture stands in for a missing one.
        note: What the source said about its end, or that it was too short, or None.
        error: Why it failed, or None.
    """

    source: str
    status: Status
    frames: int
    forecasts: int
    lost: int
    repeated: int
    note: str | None
    error: str | None


@dataclass(frozen=True)
class PredictSummary:
    """All sources.

    Attributes:
        output: The output file.
        written: Whether it was written; if not, what there is lies in `OUT.partial`.
        sources: In the order given.
        computed: Rows that were made in this run, not in one before it.
        seconds: How long this run took.
        interrupted: Whether Ctrl-C or a termination signal ended it.
        exit_code: That of the first source that failed, 130 after an interruption, or 0.
    """

    output: str
    written: bool
    sources: tuple[SourceSummary, ...]
    computed: int
    seconds: float
    interrupted: bool
    exit_code: int

    @property
    def frames(self) -> int:
        """Rows of all sources."""
        return sum(source.frames for source in self.sources)

    @property
    def failed(self) -> tuple[SourceSummary, ...]:
        """The sources that failed."""
        return tuple(source for source in self.sources if source.status is Status.FAILED)


def summary_lines(summary: PredictSummary) -> list[str]:
    """The summary as a few lines for a person."""
    lines = [f"{each.source}: {each.note}" for each in summary.sources if each.note]
    lines += [f"{each.source}: {each.error}" for each in summary.failed]
    forecasts = sum(source.forecasts for source in summary.sources)
    rate = summary.computed / summary.seconds if summary.seconds > 0 else 0.0
    where = (
        f"are in {summary.output}" if summary.written else f"are kept in {summary.output}.partial"
    )
    if not summary.written and not summary.frames:
        return lines
    lines.append(
        f"{count(summary.frames, 'frame')} of {count(len(summary.sources), 'source')}, "
        f"{count(forecasts, 'forecast')}, {where} ({summary.computed} computed now, "
        f"{rate:.0f} frames/s)"
    )
    if summary.interrupted:
        lines.append("stopped on request; the same command goes on from here")
    return lines


def summary_record(summary: PredictSummary) -> dict[str, Any]:
    """The summary as plain values, for JSON."""
    return {**asdict(summary), "frames": summary.frames}


def failure_sentence(summary: PredictSummary) -> str:
    """One sentence about the sources that failed, and what to do."""
    failed = summary.failed
    first = f"{failed[0].error}".rstrip(".")
    if len(summary.sources) == 1 and not summary.written:
        return f"{first}."
    which = f"{len(failed)} of {count(len(summary.sources), 'source')} failed ({first})"
    if not summary.written:
        return f"{which}; nothing was written."
    return (
        f"{which}; the rest is in {summary.output}: mend what failed and run the same command "
        "again, or leave it away and add --overwrite."
    )
