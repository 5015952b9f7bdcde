"""The evaluation as tables: rows of words, for the terminal and for the page alike."""

import math
from dataclasses import dataclass

from rich.console import Group
from rich.table import Table
from rich.text import Text

from fishrt.metrics import OperatingPoint
from training.scoring.evaluate import Evaluation, Scored
from training.scoring.rivals import TITLES
from training.scoring.verdict import span, verdict

NOTHING = "-"


@dataclass(frozen=True)
class WordTable:
    """A table of words.

    Attributes:
        title: What it shows.
        columns: Their heads.
        rows: As many words each as there are columns.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def score_table(evaluation: Evaluation) -> WordTable:
    """Scores of every frame, with 95 % intervals."""
    return WordTable(
        "How good the probabilities are, with 95 % intervals",
        ("forecast", "ROC-AUC", "average precision", "Brier skill", "log loss"),
        tuple(
            (
                TITLES[name],
                *(
                    span(scored.intervals[score])
                    for score in ("roc_auc", "average_precision", "brier_skill", "log_loss")
                ),
            )
            for name, scored in evaluation.forecasts.items()
        ),
    )


def event_table(evaluation: Evaluation) -> WordTable:
    """Alarms against bursts, each forecaster at its own threshold."""
    return WordTable(
        "What alarms are worth, each forecast at its own threshold",
        ("forecast", "threshold", "bursts caught", "false alarms a minute", "median lead"),
        tuple((TITLES[name], *_event_words(one)) for name, one in evaluation.forecasts.items()),
    )


def threshold_table(evaluation: Evaluation) -> WordTable:
    """The published table: the best accuracy and Youden's J, and the rates there."""
    return WordTable(
        "Frame by frame at the best thresholds (seen afterwards, as in the published table)",
        (
            "forecast",
            "best accuracy",
            "at",
            "true / false positives",
            "best J",
            "at",
            "true / false positives",
        ),
        tuple(
            (
                TITLES[name],
                *_point_words(one.scores.best["accuracy"], one.scores.best["accuracy"].accuracy),
                *_point_words(one.scores.best["youden"], one.scores.best["youden"].youden),
            )
            for name, one in evaluation.forecasts.items()
        ),
    )


def for_terminal(evaluation: Evaluation) -> Group:
    """Tables and verdict for the terminal."""
    frames = evaluation.frames
    head = (
        f"{evaluation.candidate.name} on {frames.recording.folder.name}"
        f" ({frames.split.value if frames.split else 'all'}): {len(frames.ends)} frames in "
        f"{frames.minutes:.1f} minutes, {frames.labels.mean():.1%} bursts"
    )
    tables = (score_table(evaluation), event_table(evaluation), threshold_table(evaluation))
    sentences = [*verdict(evaluation), *(f"Note: {note}" for note in evaluation.notes)]
    return Group(
        Text(head, style="bold"), *map(_rich, tables), *(Text(sentence) for sentence in sentences)
    )


def _rich(words: WordTable) -> Table:
    table = Table(title=words.title, title_justify="left")
    for place, column in enumerate(words.columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=not place)
    for row in words.rows:
        table.add_row(*row)
    return table


def _event_words(scored: Scored) -> tuple[str, str, str, str]:
    events = scored.events
    if events is None:
        return (NOTHING,) * 4
    lead = events.median_lead
    return (
        f"{events.threshold:.3f}",
        f"{events.caught} of {events.bursts}"
        + (f" ({events.share_caught:.0%})" if events.bursts else ""),
        f"{events.false_alarms_per_minute:.2f}",
        NOTHING if math.isnan(lead) else f"{lead:.2f} s",
    )


def _point_words(point: OperatingPoint, best: float) -> tuple[str, str, str]:
    return (
        f"{best:.3f}",
        f"{point.threshold:.3f}" if math.isfinite(point.threshold) else "never",
        f"{point.true_positive_rate:.2f} / {point.false_positive_rate:.2f}",
    )
