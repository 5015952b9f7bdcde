"""The footage over time: motion energy coloured by probability, labels, alarms."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fishrt.events import meet
from training.figures.style import BAD, BURST, GOOD, INK, MODEL, figure_of, shade_labels
from training.figures.style import axes as new_axes
from training.scoring.evaluate import Evaluation

CLOSE_SECONDS = 40.0
COLOURS = "viridis"
COLUMNS = 1500
FAINTEST_SCALE = 0.5
"""The colours reach at least so far, so that a model that says little does not look bold."""


def busiest_stretch(evaluation: Evaluation) -> tuple[int, int]:
    """Frames `[first, stop)` of the part of the footage with most bursts and alarms in it."""
    frames = evaluation.frames
    width = round(CLOSE_SECONDS * frames.fps)
    horizon = frames.recording.metadata.label.horizon
    best, most = frames.stretches[0][0], -1
    for (first, stop), footage in zip(
        frames.stretches, frames.footage(evaluation.model.probabilities), strict=True
    ):
        met = meet(footage, evaluation.decision.rule, horizon)
        marks = np.concatenate([met.bursts.onsets, met.false]) + first
        for begin in range(first, max(stop - width, first) + 1, width // 4 or 1):
            count = int(((marks >= begin) & (marks < begin + width)).sum())
            if count > most:
                best, most = begin, count
    stop = next(stop for first, stop in frames.stretches if first <= best < stop)
    return best, min(best + width, stop)


def plot_close(evaluation: Evaluation, ax: Axes | None = None) -> Axes:
    """Motion energy of a busy part, coloured by probability, with the burst labels."""
    ax = new_axes(ax, 12, 3)
    first, stop = busiest_stretch(evaluation)
    frames = evaluation.frames
    energy = frames.recording.motion_energy[first:stop]
    p = _held(evaluation, first, stop)
    seconds = np.arange(first, stop) / frames.fps
    points = np.column_stack([seconds, energy])
    segments = np.stack([points[:-1], points[1:]], axis=1)
    top = float(energy.max()) * 1.08 or 1.0
    shade_labels(ax, frames.recording.burst_label[first:stop], seconds[0], 1 / frames.fps, top)
    lines = LineCollection(list(segments), cmap=COLOURS, linewidth=1.8)
    lines.set_array(p[:-1])
    lines.set_clim(0, max(float(evaluation.model.probabilities.max()), FAINTEST_SCALE))
    ax.add_collection(lines)
    figure_of(ax).colorbar(lines, ax=ax, label="probability", pad=0.01)
    ax.set(ylabel="motion energy", xlim=(seconds[0], seconds[-1]), ylim=(0, top))
    ax.legend(loc="upper right", fontsize=8)
    return ax


def plot_probability(evaluation: Evaluation, ax: Axes | None = None) -> Axes:
    """The probability in the same part, with threshold, alarms and onsets."""
    ax = new_axes(ax, 12, 3)
    first, stop = busiest_stretch(evaluation)
    frames = evaluation.frames
    seconds = np.arange(first, stop) / frames.fps
    shade_labels(ax, frames.recording.burst_label[first:stop], seconds[0], 1 / frames.fps, 1.0)
    ax.plot(seconds, _held(evaluation, first, stop), color=MODEL, linewidth=1.5)
    rule = evaluation.decision.rule
    ax.axhline(rule.threshold, color=BAD, linewidth=1.2, label=f"threshold {rule.threshold:.2f}")
    ax.axhline(rule.release, color=BAD, linewidth=0.8, linestyle=":", label="alarm ends below")
    for at, colour, marker, name in (
        ("right", GOOD, "^", "alarm, right"),
        ("false", BAD, "v", "false alarm"),
        ("onsets", INK, "|", "onset of a burst"),
    ):
        where = np.array([t for t in _marks(evaluation)[at] if first <= t < stop])
        height = np.full(len(where), 1.04 if at == "onsets" else rule.threshold)
        ax.scatter(
            where / frames.fps, height, marker=marker, color=colour, s=60, zorder=5, label=name,
            clip_on=False,
        )  # fmt: skip
    ax.set(xlabel="seconds", ylabel="probability", xlim=(seconds[0], seconds[-1]), ylim=(0, 1.05))
    ax.legend(loc="upper right", fontsize=8, ncols=3)
    return ax


def plot_overview(evaluation: Evaluation, ax: Axes | None = None) -> Axes:
    """The largest probability of every moment over all footage, and how each burst went."""
    ax = new_axes(ax, 12, 2.6)
    frames, p = evaluation.frames, evaluation.model.probabilities
    step = max(len(p) // COLUMNS, 1)
    starts = np.arange(0, len(p), step)
    minutes = frames.ends[starts] / frames.fps / 60
    ax.fill_between(
        minutes, 0, np.maximum.reduceat(p, starts), color=MODEL, alpha=0.55, linewidth=0
    )
    ax.axhline(evaluation.decision.threshold, color=BAD, linewidth=1)
    marks = _marks(evaluation)
    for name, colour, height, title in (
        ("caught", GOOD, 1.06, "burst, announced"),
        ("missed", BURST, 1.06, "burst, missed"),
        ("false", BAD, 1.14, "false alarm"),
    ):
        where = np.array(marks[name]) / frames.fps / 60
        ax.scatter(
            where, np.full(len(where), height), marker="|", s=70, color=colour, label=title,
            clip_on=False,
        )  # fmt: skip
    ax.set(xlabel="minutes", ylabel="probability", ylim=(0, 1.18), xlim=(minutes[0], minutes[-1]))
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.2), fontsize=8, ncols=3, frameon=False)
    return ax


def draw_timeline(evaluation: Evaluation) -> Figure:
    """Overview and close view, one above the other."""
    figure = Figure(figsize=(12, 8.4), layout="constrained")
    rows = figure.subplots(3, 1, height_ratios=(1, 1.2, 1.1))
    plot_overview(evaluation, rows[0])
    plot_close(evaluation, rows[1])
    plot_probability(evaluation, rows[2])
    return figure


def _marks(evaluation: Evaluation) -> dict[str, list[int]]:
    """Frames of the recording at which something happened."""
    frames = evaluation.frames
    horizon = frames.recording.metadata.label.horizon
    marks: dict[str, list[int]] = {
        name: [] for name in ("onsets", "caught", "missed", "right", "false")
    }
    for (first, _), footage in zip(
        frames.stretches, frames.footage(evaluation.model.probabilities), strict=True
    ):
        met = meet(footage, evaluation.decision.rule, horizon)
        caught = met.first_alarm >= 0
        for name, where in (
            ("onsets", met.bursts.onsets),
            ("caught", met.bursts.onsets[caught]),
            ("missed", met.bursts.onsets[~caught]),
            ("right", met.right),
            ("false", met.false),
        ):
            marks[name] += (where + first).tolist()
    return marks


def _held(evaluation: Evaluation, first: int, stop: int) -> NDArray[np.float64]:
    """The probability at every frame, each forecast held until the next one."""
    frames = evaluation.frames
    place = np.searchsorted(frames.ends, np.arange(first, stop), side="right") - 1
    return np.asarray(evaluation.model.probabilities[np.maximum(place, 0)])
