"""Colours and axes that all pictures of an evaluation share."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

MODEL, BEST_RIVAL = "#1b5e9e", "#d2691e"
BURST, CALM = "#f5b942", "#7d8b99"
GOOD, BAD = "#2e7d4f", "#b3261e"
INK = "#2b3640"
FAINT = "#d7dce0"
DPI = 110


def axes(ax: Axes | None, width: float = 6.0, height: float = 4.6) -> Axes:
    """The axes to draw into, new ones if there are none, without a box around them."""
    ax = Figure(figsize=(width, height), layout="constrained").subplots() if ax is None else ax
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(CALM)
    ax.tick_params(colors=INK, labelsize=9)
    ax.grid(color=FAINT, linewidth=0.6)
    ax.set_axisbelow(True)
    return ax


def shade_labels(
    ax: Axes, labels: NDArray[np.generic], first: float, step: float, top: float
) -> None:
    """Lays amber ground where labels announce a burst, be it for a single frame.

    Args:
        ax: Where to draw.
        labels: 0 or 1 for frames in a row.
        first: Place of the first frame on the x axis.
        step: From one frame to the next.
        top: Height of the ground.
    """
    edges = np.flatnonzero(np.diff(np.asarray(labels, np.int8), prepend=0, append=0))
    runs = [
        (first + (begin - 0.5) * step, (end - begin) * step)
        for begin, end in edges.reshape(-1, 2).tolist()
    ]
    ax.broken_barh(runs, (0, top), color=BURST, alpha=0.35, linewidth=0, label="burst label")


def figure_of(ax: Axes) -> Figure:
    """The whole figure that axes belong to."""
    figure = ax.get_figure(root=True)
    if figure is None:
        raise ValueError("the axes belong to no figure.")
    return figure
