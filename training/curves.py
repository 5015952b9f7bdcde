"""The learning curves as a picture."""

import csv
from pathlib import Path


def save_curves(history: Path, picture: Path) -> None:
    """Draws the losses of every epoch.

    Args:
        history: A run's `history.csv`.
        picture: PNG to write.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with history.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    epochs = [int(row["epoch"]) for row in rows]
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for column, name in (("loss", "training"), ("val_loss", "validation")):
        values = [float(row[column]) for row in rows]
        axes.plot(epochs, values, marker="o", markersize=3, label=name)
    validation = [float(row["val_loss"]) for row in rows]
    best = validation.index(min(validation))
    axes.plot(epochs[best], validation[best], "k*", markersize=12, label="kept")
    axes.set_xlabel("epoch")
    axes.set_ylabel("cross-entropy (nats)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    figure.savefig(picture, dpi=120)
