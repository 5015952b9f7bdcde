"""The summary of a live session, for people and for programs."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from realtime.budget import Budget
from realtime.loop import LoopEnd
from realtime.scoreboard.snapshot import ScoreSnapshot
from realtime.scoreboard.wording import score_lines
from realtime.sinks.queued import SinkReport
from realtime.stats import StatsSnapshot
from realtime.wording import count


@dataclass(frozen=True)
class LiveSummary:
    """How a session went.

    Attributes:
        end: Why it ended.
        figures: The figures at the end.
        scores: How good the forecasts were, as far as that was known by then.
        budget: The measured frame budget.
        sinks: How each file and each address fared.
        interrupted: Whether Ctrl-C or a termination signal ended it.
        note: What the source said about its end, or None.
        computed_by: What computed the forecasts, and how often, as it was at the end.
    """

    end: LoopEnd
    figures: StatsSnapshot
    scores: ScoreSnapshot
    budget: Budget
    sinks: tuple[SinkReport, ...]
    interrupted: bool
    note: str | None
    computed_by: str

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the forecasts of this session worthless, in sentences; mostly nothing."""
        figures = self.figures
        if figures.not_numbers:
            return (
                f"the model gave what is not a number for {count(figures.not_numbers, 'frame')}, "
                "which got no forecast; check the bundle with fishrt parity, and export it again",
            )
        if figures.frames >= figures.clip_frames and not figures.forecasts:
            return ("not one frame got a valid forecast; the log says why for each",)
        return ()


def summary_lines(summary: LiveSummary) -> list[str]:
    """The summary as a few lines for a person."""
    figures = summary.figures
    lines = [
        f"{figures.frames} frames, {figures.forecasts} forecasts, {figures.bursts} of them at or "
        "above the threshold",
        f"{figures.fps_kept:.1f} fps kept; latency p50 {figures.latency.p50:.1f} ms, "
        f"p99 {figures.latency.p99:.1f} ms, max {figures.latency.max:.1f} ms; "
        f"work {figures.work.p50:.1f} ms a frame ({figures.budget:.0%} of the frame time)",
        f"computed by {summary.computed_by}",
        f"dropped {figures.dropped}, lost {figures.lost} in {count(figures.gaps, 'gap')}, "
        f"late {figures.late}, repeated {figures.repeated}",
    ]
    lines += [f"warning: {warning}" for warning in summary.warnings]
    if figures.losses:
        lines.append(f"the camera was lost {count(figures.losses, 'time')}")
    lines += [line for report in summary.sinks for line in sink_lines(report)]
    lines += score_lines(summary.scores)
    if summary.note:
        lines.append(summary.note)
    if summary.interrupted:
        lines.append("stopped on request; everything up to here is written")
    return lines


def sink_lines(report: SinkReport) -> Iterator[str]:
    """What there is to say about a sink; nothing if all went well."""
    missing = []
    if report.dropped:
        missing.append(count(report.dropped, "frame"))
    if report.lost_events:
        missing.append(count(report.lost_events, "event"))
    if missing:
        yield f"{report.name} lacks {' and '.join(missing)}"
    if report.error is not None:
        yield report.error.removesuffix(".")
    elif report.failures:
        yield f"{report.name} was gone {count(report.failures, 'time')} and came back"


def summary_record(summary: LiveSummary) -> dict[str, Any]:
    """The summary as plain values, for JSON."""
    return {**asdict(summary), "warnings": list(summary.warnings)}
