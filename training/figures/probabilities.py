"""Pictures of probabilities against labels, frame by frame."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from fishrt.metrics import threshold_curve
from training.figures.style import BAD, BEST_RIVAL, BURST, CALM, FAINT, GOOD, INK, MODEL
from training.figures.style import axes as new_axes
from training.scoring.evaluate import MODEL as MODEL_NAME
from training.scoring.evaluate import Evaluation
from training.scoring.record import confusion
from training.scoring.rivals import TITLES, Rival

RIVALS = {
    Rival.CLIMATOLOGY: ("#b9c1c8", "-"),
    Rival.PERSISTENCE: ("#8a96a0", ":"),
    Rival.PUBLISHED: ("#8e5fa8", "--"),
    Rival.BOOSTED: ("#2f8f83", "-"),
    Rival.LSTM: ("#b58a1b", "-."),
    Rival.DENSE: ("#c2577a", "-"),
}
"""Colour and dashes of the baselines that do not stand out."""


def line_style(evaluation: Evaluation, name: str) -> dict[str, Any]:
    """How a forecaster's line is drawn: the model and its best rival stand out."""
    if name == MODEL_NAME:
        return {"color": MODEL, "linewidth": 2.6, "zorder": 4}
    if name == evaluation.best_rival:
        return {"color": BEST_RIVAL, "linewidth": 2.0, "zorder": 3}
    colour, dashes = RIVALS[Rival(name)]
    return {"color": colour, "linewidth": 1.3, "linestyle": dashes, "zorder": 2}


def plot_roc(evaluation: Evaluation, ax: Axes | None = None) -> Axes:
    """True against false positive rate of every forecaster, with the chosen threshold."""
    ax = new_axes(ax, 6, 5)
    labels = evaluation.frames.labels
    for name, scored in evaluation.forecasts.items():
        curve = threshold_curve(labels, scored.probabilities)
        ax.plot(
            np.append(0, curve.false_positive_rate),
            np.append(0, curve.true_positive_rate),
            label=f"{TITLES[name]}, {scored.scores.roc_auc:.3f}",
            **line_style(evaluation, name),
        )
        if name == MODEL_NAME:
            at = int(np.sum(curve.thresholds >= evaluation.decision.threshold)) - 1
            if at >= 0:
                ax.plot(
                    curve.false_positive_rate[at],
                    curve.true_positive_rate[at],
                    "o",
                    color=MODEL,
                    markersize=8,
                    markeredgecolor="white",
                    zorder=5,
                    label=f"threshold {evaluation.decision.threshold:.2f}",
                )
    ax.plot([0, 1], [0, 1], color=FAINT, linewidth=1, zorder=1)
    ax.set(
        xlabel="share of calm frames called a burst",
        ylabel="share of burst frames called so",
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.02),
        aspect="equal",
    )
    ax.legend(loc="lower right", fontsize=8, title="ROC-AUC", title_fontsize=8)
    return ax


def plot_thresholds(evaluation: Evaluation, ax: Axes | None = None) -> Axes:
    """Accuracy and Youden's J of the model over the threshold, and where they are largest."""
    ax = new_axes(ax)
    model = evaluation.model
    curve = threshold_curve(evaluation.frames.labels, model.probabilities)
    for values, best, name, colour in (
        (curve.accuracy, "accuracy", "accuracy", INK),
        (curve.youden, "youden", "Youden's J", MODEL),
    ):
        point = model.scores.best[best]
        height = point.accuracy if best == "accuracy" else point.youden
        never = not np.isfinite(point.threshold)
        where = "by never alarming" if never else f"at {point.threshold:.2f}"
        ax.plot(
            curve.thresholds,
            values,
            color=colour,
            linewidth=2,
            label=f"{name}, largest {height:.3f} {where}",
        )
        ax.plot(point.threshold, height, "o", color=colour, markersize=6)
    share = model.scores.burst_share
    ax.axhline(
        max(share, 1 - share), color=CALM, linewidth=1, linestyle=":", label="never alarming"
    )
    ax.axvline(evaluation.decision.threshold, color=BAD, linewidth=1.2, label="chosen threshold")
    ax.set(xlabel="threshold", xlim=(0, 1), ylim=(min(0.0, float(curve.youden.min())), 1.02))
    ax.legend(fontsize=8, loc="best")
    return ax


def plot_reliability(evaluation: Evaluation, ax: Axes | None = None) -> Axes:
    """What was said against what happened; larger dots are more frames."""
    ax = new_axes(ax, 6, 5)
    for name in (MODEL_NAME, str(evaluation.best_rival)):
        bins = evaluation.forecasts[name].scores.reliability
        style = line_style(evaluation, name)
        counts = np.array([one.count for one in bins])
        said = [one.mean_probability for one in bins]
        happened = [one.burst_share for one in bins]
        ax.plot(said, happened, label=TITLES[name], **style)
        ax.scatter(
            said,
            happened,
            s=15 + 350 * counts / counts.sum(),
            color=style["color"],
            edgecolor="white",
            zorder=5,
        )
    ax.plot([0, 1], [0, 1], color=CALM, linewidth=1, zorder=1, label="said = happened")
    share = evaluation.model.scores.burst_share
    ax.axhline(share, color=BURST, linewidth=1, linestyle="--", label=f"all frames, {share:.0%}")
    ax.set(
        xlabel="probability that was said",
        ylabel="share of frames with a burst ahead",
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
        aspect="equal",
    )
    ax.legend(loc="upper left", fontsize=8)
    return ax


def plot_distribution(evaluation: Evaluation, ax: Axes | None = None) -> Axes:
    """How often each probability was said before bursts and at other frames."""
    ax = new_axes(ax)
    burst = evaluation.frames.labels.astype(bool)
    p = evaluation.model.probabilities
    edges = np.linspace(0, 1, 41).tolist()
    for chosen, name, colour in (
        (~burst, "calm frames", CALM),
        (burst, "burst ahead", BURST),
    ):
        weights = np.full(int(chosen.sum()), 100.0 / chosen.sum())
        ax.hist(
            p[chosen],
            bins=edges,
            weights=weights,
            color=colour,
            alpha=0.65,
            label=f"{name} ({chosen.sum()})",
        )
    ax.axvline(evaluation.decision.threshold, color=BAD, linewidth=1.2, label="chosen threshold")
    ax.set(xlabel="probability that was said", ylabel="% of these frames", xlim=(0, 1))
    ax.legend(fontsize=8)
    return ax


def plot_confusion(evaluation: Evaluation, ax: Axes | None = None) -> Axes:
    """Frames by what was said at the chosen threshold and what happened."""
    ax = new_axes(ax, 5, 3.6)
    counts = confusion(evaluation)
    burst = max(counts["hits"] + counts["misses"], 1)
    calm = max(counts["false_alarms"] + counts["correct_rejections"], 1)
    cells = (
        (0, 0, "hits", burst, GOOD),
        (1, 0, "misses", burst, BAD),
        (0, 1, "false_alarms", calm, BAD),
        (1, 1, "correct_rejections", calm, GOOD),
    )
    for column, row, name, total, colour in cells:
        share = counts[name] / total
        ax.fill_between(
            [column + 0.03, column + 0.97],
            row + 0.04,
            row + 0.96,
            color=colour,
            alpha=0.12 + 0.45 * share,
            linewidth=0,
        )
        ax.text(
            column + 0.5,
            row + 0.5,
            f"{name.replace('_', ' ')}\n{counts[name]}\n{share:.0%} of this row",
            ha="center",
            va="center",
            fontsize=10,
            color=INK,
        )
    ax.set_xticks([0.5, 1.5], ["called a burst", "not called"])
    ax.set_yticks([0.5, 1.5], ["burst ahead", "calm"])
    ax.set(xlim=(0, 2), ylim=(2, 0))
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax
