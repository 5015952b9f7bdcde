"""Pictures of alarms against bursts."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from training.figures.probabilities import line_style
from training.figures.style import BAD, INK, MODEL
from training.figures.style import axes as new_axes
from training.scoring.evaluate import Evaluation
from training.scoring.rivals import TITLES

MOST_FALSE_ALARMS = 8.0


def plot_event_curve(evaluation: Evaluation, ax: Axes | None = None) -> Axes:
    """Share of bursts caught against false alarms a minute, and the chosen threshold."""
    ax = new_axes(ax)
    seen = [1.0]
    for name, scored in evaluation.forecasts.items():
        curve = scored.event_curve
        if not curve or not curve[0].bursts:
            continue
        rates = np.array([point.false_alarms_per_minute for point in curve])
        # down from the highest threshold to the most false alarms: below it alarms never end,
        # and so seem few
        stop = int(rates.argmax()) + 1
        shares = np.array([point.share_caught for point in curve])
        ax.plot(
            np.append(0, rates[:stop]),
            np.append(0, shares[:stop]),
            label=TITLES[name],
            **line_style(evaluation, name),
        )
        seen.append(float(rates.max()))
    events = evaluation.model.events
    if events is not None and events.bursts:
        ax.plot(
            events.false_alarms_per_minute,
            events.share_caught,
            "o",
            color=MODEL,
            markersize=9,
            markeredgecolor="white",
            zorder=6,
            label=f"chosen threshold {events.threshold:.2f}",
        )
    asked = evaluation.decision.false_alarms_asked
    if asked is not None:
        ax.axvline(asked, color=BAD, linewidth=1, linestyle=":", label=f"asked for: {asked:g}")
    ax.set(
        xlabel="false alarms a minute",
        ylabel="share of bursts announced in time",
        xlim=(-0.05, min(max(seen), MOST_FALSE_ALARMS) * 1.03),
        ylim=(-0.01, 1.02),
    )
    ax.legend(fontsize=8, loc="best")
    return ax


def plot_lead_times(evaluation: Evaluation, ax: Axes | None = None) -> Axes:
    """How long before the onset the alarm came, of all bursts that were caught."""
    ax = new_axes(ax)
    events = evaluation.model.events
    leads = np.array(events.lead_seconds if events else ())
    horizon = evaluation.frames.recording.metadata.label.horizon / evaluation.frames.fps
    last = max(horizon, float(leads.max()) if len(leads) else 0.0)
    ax.hist(leads, bins=np.linspace(0, last, 16).tolist(), color=MODEL, edgecolor="white")
    if len(leads):
        median = float(np.median(leads))
        ax.axvline(median, color=INK, linewidth=1.5, label=f"median {median:.2f} s")
        ax.legend(fontsize=8)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="seconds from the alarm to the onset", ylabel="bursts", xlim=(0, last))
    return ax
