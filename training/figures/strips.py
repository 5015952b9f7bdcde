"""Film strips: the misses and false alarms of which the model was most sure."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fishrt.events import meet
from training.figures.style import BAD, CALM, INK, MODEL, shade_labels
from training.figures.style import axes as new_axes
from training.scoring.evaluate import Evaluation

STRIPS = 3
BEFORE_ONSET = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0)
AFTER_ALARM = (-0.5, 0.0, 0.5, 1.0, 1.5, 2.0)


@dataclass(frozen=True)
class Mistake:
    """A burst that was missed or an alarm without a burst.

    Attributes:
        frame: The burst's onset or the alarm's start, a frame of the recording.
        probability: The highest in the time that counts: before the onset, or after the alarm.
    """

    frame: int
    probability: float


def worst_misses(evaluation: Evaluation, most: int = STRIPS) -> list[Mistake]:
    """The missed bursts before which the probability stayed lowest."""
    frames = evaluation.frames
    horizon = frames.recording.metadata.label.horizon
    found = []
    for (first, _), footage in zip(
        frames.stretches, frames.footage(evaluation.model.probabilities), strict=True
    ):
        met = meet(footage, evaluation.decision.rule, horizon)
        for onset in met.bursts.onsets[met.first_alarm < 0].tolist():
            before = footage.probabilities[onset - horizon : onset + 1]
            found.append(Mistake(onset + first, float(before.max())))
    return sorted(found, key=lambda mistake: mistake.probability)[:most]


def worst_false_alarms(evaluation: Evaluation, most: int = STRIPS) -> list[Mistake]:
    """The false alarms with the highest probability."""
    frames = evaluation.frames
    horizon = frames.recording.metadata.label.horizon
    found = []
    for (first, _), footage in zip(
        frames.stretches, frames.footage(evaluation.model.probabilities), strict=True
    ):
        for alarm in meet(footage, evaluation.decision.rule, horizon).false.tolist():
            after = footage.probabilities[alarm : alarm + horizon]
            found.append(Mistake(alarm + first, float(after.max())))
    return sorted(found, key=lambda mistake: -mistake.probability)[:most]


def draw_misses(evaluation: Evaluation) -> Figure | None:
    """Strips of the surest misses, or None without one."""
    mistakes = worst_misses(evaluation)
    return _draw(evaluation, mistakes, BEFORE_ONSET, "onset") if mistakes else None


def draw_false_alarms(evaluation: Evaluation) -> Figure | None:
    """Strips of the surest false alarms, or None without one."""
    mistakes = worst_false_alarms(evaluation)
    return _draw(evaluation, mistakes, AFTER_ALARM, "alarm") if mistakes else None


def clock(frame: int, fps: float) -> str:
    """Time of a frame in the recording, as minutes and seconds."""
    seconds = frame / fps
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def _draw(
    evaluation: Evaluation, mistakes: list[Mistake], offsets: tuple[float, ...], word: str
) -> Figure:
    figure = Figure(figsize=(12, 3.1 * len(mistakes)), layout="constrained")
    parts = np.atleast_1d(np.array(figure.subfigures(len(mistakes), 1), dtype=object))
    for part, mistake in zip(parts, mistakes, strict=True):
        fps = evaluation.frames.fps
        part.suptitle(
            f"{word} at {clock(mistake.frame, fps)} (frame {mistake.frame}), highest probability "
            f"{mistake.probability:.2f}",
            fontsize=11,
            color=INK,
        )
        grid = part.add_gridspec(2, len(offsets), height_ratios=(2.2, 1))
        for place, offset in enumerate(offsets):
            plot_frame(evaluation, mistake.frame, offset, part.add_subplot(grid[0, place]))
        plot_trace(evaluation, mistake.frame, offsets, part.add_subplot(grid[1, :]), word)
    return figure


def plot_frame(evaluation: Evaluation, frame: int, offset: float, ax: Axes) -> None:
    """One picture of a strip, as the model sees it, with its time."""
    recording, fps = evaluation.frames.recording, evaluation.frames.fps
    at = frame + round(offset * fps)
    ax.set_axis_off()
    if 0 <= at < len(recording.frames):
        ax.imshow(recording.frames[at], cmap="gray", vmin=0, vmax=255)
    ax.set_title(f"{clock(max(at, 0), fps)}  ({offset:+.1f} s)", fontsize=9, color=INK)


def plot_trace(
    evaluation: Evaluation, frame: int, offsets: tuple[float, ...], ax: Axes, word: str
) -> None:
    """Probability and motion energy around a mistake."""
    new_axes(ax)
    frames, recording = evaluation.frames, evaluation.frames.recording
    reach = (round((offsets[0] - 0.25) * frames.fps), round((offsets[-1] + 0.25) * frames.fps))
    energy_at = np.arange(
        max(frame + reach[0], 0), min(frame + reach[1], len(recording.motion_energy))
    )
    energy = recording.motion_energy[energy_at]
    top = float(energy.max()) or 1.0
    seconds = (energy_at - frame) / frames.fps
    label = np.zeros(len(energy_at), bool)
    known = energy_at < len(recording.burst_label)
    label[known] = recording.burst_label[energy_at[known]] == 1
    shade_labels(ax, label, seconds[0], 1 / frames.fps, 1.0)
    ax.plot(seconds, energy / top, color=CALM, linewidth=1.2, label="motion energy (scaled)")
    said = (frames.ends >= energy_at[0]) & (frames.ends <= energy_at[-1])
    ax.plot(
        (frames.ends[said] - frame) / frames.fps,
        evaluation.model.probabilities[said],
        color=MODEL,
        linewidth=1.8,
        label="probability",
    )
    ax.axhline(evaluation.decision.threshold, color=BAD, linewidth=1)
    ax.axvline(0, color=INK, linewidth=1, linestyle=":")
    ax.set(xlim=(offsets[0] - 0.25, offsets[-1] + 0.25), ylim=(0, 1.05))
    ax.set_xlabel(f"seconds from the {word}", fontsize=8)
    ax.legend(loc="upper left", fontsize=7, ncols=3)
