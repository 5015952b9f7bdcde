"""The learning curves as a picture."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from fishrt.storage import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_curves(history: Path, ax: "Axes") -> None:
    """Draws the losses of every epoch, and which one was kept.

    Args:
        history: A run's `history.csv`.
        ax: Where to draw.
    """
    from matplotlib.ticker import MaxNLocator

    with history.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    epochs = [int(row["epoch"]) for row in rows]
    for column, name in (("loss", "training"), ("val_loss", "validation")):
        values = [float(row[column]) for row in rows]
        ax.plot(epochs, values, marker="o", markersize=3, label=name)
    validation = [float(row["val_loss"]) for row in rows]
    best = validation.index(min(validation))
    ax.plot(epochs[best], validation[best], "k*", markersize=12, label="kept")
    ax.set_xlabel("epoch")
    ax.set_ylabel("cross-entropy (nats)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend()


def save_curves(history: Path, picture: Path) -> None:
    """Writes the learning curves.

    Args:
        history: A run's `history.csv`.
        picture: PNG to write.

    Raises:
        OutputError: If it cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    plot_curves(history, figure.subplots())
    with whole_file(picture, picture.suffix) as scratch:
        figure.savefig(scratch, dpi=120)
