"""All pictures of an evaluation, each with what it shows in plain words."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.curves import plot_curves
from training.figures.events import plot_event_curve, plot_lead_times
from training.figures.probabilities import (
    plot_confusion,
    plot_distribution,
    plot_reliability,
    plot_roc,
    plot_thresholds,
)
from training.figures.strips import draw_false_alarms, draw_misses
from training.figures.style import axes, figure_of
from training.figures.timeline import draw_timeline
from training.scoring.evaluate import Evaluation


@dataclass(frozen=True)
class Picture:
    """A picture and its words.

    Attributes:
        name: Of its file, without the ending.
        title: A few words.
        caption: How to read it.
        figure: The picture.
        wide: Whether it takes the whole width of a page.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    wide: bool = False


PLOTS: tuple[tuple[str, str, str, Callable[[Evaluation], Axes]], ...] = (
    (
        "events",
        "Bursts announced against false alarms",
        "Every point is a threshold. Up is better (more bursts announced in time), left is better "
        "(fewer alarms for nothing). The dot is the threshold that the model uses.",
        plot_event_curve,
    ),
    (
        "lead-times",
        "How long before",
        "Of the bursts that were announced: the time from the alarm to the moment when motion "
        "leaves its low.",
        plot_lead_times,
    ),
    (
        "roc",
        "ROC: telling burst frames from calm ones",
        "Every point is a threshold. The area under a line (ROC-AUC) is the chance that a frame "
        "with a burst ahead gets a higher probability than one without: 0.5 is a coin, 1 never "
        "errs.",
        plot_roc,
    ),
    (
        "reliability",
        "Can a probability be taken at its word?",
        "Of all frames with about 30 % said, a burst should follow at 30 %: dots on the diagonal. "
        "Below it the model says too much, above it too little. Large dots are many frames.",
        plot_reliability,
    ),
    (
        "distribution",
        "Which probabilities are said",
        "A useful model says high probabilities before bursts (amber) and low ones else (grey); "
        "where the two overlap it cannot tell.",
        plot_distribution,
    ),
    (
        "thresholds",
        "Frame by frame, at every threshold",
        "Accuracy is the share of frames called right; where bursts are rare, never alarming has "
        "a high one, too (dotted). Youden's J is the share of burst frames called so less the "
        "share of calm frames called a burst.",
        plot_thresholds,
    ),
    (
        "confusion",
        "Frames at the chosen threshold",
        "Green is right, red is wrong; the shares are of each row.",
        plot_confusion,
    ),
)


def has_epochs(history: Path) -> bool:
    """Whether a run's history is there and has an epoch; that of imported weights has none."""
    return history.is_file() and len(history.read_text(encoding="utf-8").splitlines()) > 1


def draw_gallery(evaluation: Evaluation, history: Path | None = None) -> Iterator[Picture]:
    """Draws the pictures, one at a time.

    Args:
        evaluation: What to draw.
        history: The run's `history.csv`, if there is one.
    """
    yield Picture(
        "timeline",
        "The footage over time",
        "Top: the probability over all scored footage; marks above it are bursts that were "
        "announced (green) or missed (amber), and false alarms (red). Below, a busy part: motion "
        "energy coloured by the probability, then the probability itself. Amber ground is where "
        "the label says that a burst starts within the horizon.",
        draw_timeline(evaluation),
        wide=True,
    )
    for name, title, caption, plot in PLOTS:
        yield Picture(name, title, caption, figure_of(plot(evaluation)))
    if history is not None and has_epochs(history):
        ax = axes(None)
        plot_curves(history, ax)
        yield Picture(
            "learning-curves",
            "Learning curves",
            "The loss after every epoch of training. The star is the epoch whose weights are "
            "used; training loss that falls while validation loss rises is learning by heart.",
            figure_of(ax),
        )
    strips = (
        (
            "misses",
            "Bursts that the model was sure would not come",
            "The missed bursts before which the probability stayed lowest, as the model sees them.",
            draw_misses,
        ),
        (
            "false-alarms",
            "Alarms that the model was sure of, without a burst",
            "The false alarms with the highest probability. Look whether something is there that "
            "the label rule does not count.",
            draw_false_alarms,
        ),
    )
    for name, title, caption, draw in strips:
        figure = draw(evaluation)
        if figure is not None:
            yield Picture(name, title, caption, figure, wide=True)
