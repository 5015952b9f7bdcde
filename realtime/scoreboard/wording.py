"""The scoreboard in words: a few for the status line, a few lines for the summary."""

from fishrt.events import lead_words
from realtime.scoreboard.snapshot import EventFigures, ScoreSnapshot, SkillFigures
from realtime.wording import count


def score_parts(scores: ScoreSnapshot) -> list[str]:
    """The scoreboard for the status line: only what is known by now."""
    events, rolling = scores.events, scores.rolling
    parts = []
    if rolling.auc is not None and rolling.enough:
        parts.append(f"AUC {rolling.auc:.2f} {_minutes(rolling.minutes)} min")
    if events.bursts:
        parts.append(f"{events.caught}/{events.bursts} bursts")
    if events.alarms and events.false_alarms_per_minute is not None:
        parts.append(f"{events.false_alarms_per_minute:.1f} false/min")
    return parts


def _minutes(minutes: float) -> str:
    return f"{minutes:.1f}" if minutes < 9.95 else f"{minutes:.0f}"


def score_lines(scores: ScoreSnapshot) -> list[str]:
    """The scoreboard for the summary: a few lines, none where nothing was scored."""
    if not scores.overall.labelled:
        return []
    lines = [_skill_line(scores)]
    if scores.events.bursts or scores.events.alarms:
        lines.append(_event_line(scores.events))
    if scores.drift_warning:
        lines.append(scores.drift_warning)
    return lines


def _skill_line(scores: ScoreSnapshot) -> str:
    overall = scores.overall
    share = overall.positives / overall.labelled
    text = f"scored {overall.labelled} forecasts, a burst ahead at {share:.1%} of them"
    if overall.auc is None or not overall.enough:
        return f"{text}, too few to say how good they were"
    parts = [
        (f"AUC {overall.auc:.3f}", overall.auc),
        (_baseline_text(scores.baseline, overall), overall.baseline_auc),
        (
            f"Brier skill {_signed(overall.skill_climatology)} against climatology",
            overall.skill_climatology,
        ),
        (f"{_signed(overall.skill_baseline)} against that baseline", overall.skill_baseline),
    ]
    return "; ".join([text, *(said for said, value in parts if value is not None)])


def _baseline_text(name: str, figures: SkillFigures) -> str:
    value = "" if figures.baseline_auc is None else f"{figures.baseline_auc:.3f}"
    return f"motion baseline ({name}) {value}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


def _event_line(events: EventFigures) -> str:
    text = f"{events.caught} of {count(events.bursts, 'burst')} announced"
    if events.median_lead_s is not None:
        text += f", {lead_words(events.caught, events.median_lead_s)}"
    if events.false_alarms_per_minute is not None:
        text += (
            f"; {count(events.false_alarms, 'false alarm')} "
            f"({events.false_alarms_per_minute:.2f} a minute)"
        )
    if events.uncovered:
        text += f"; {count(events.uncovered, 'more burst')} not covered by forecasts"
    return text
