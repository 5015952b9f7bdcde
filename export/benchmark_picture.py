"""The picture of a benchmark: one bar for every way to a forecast."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fishrt.storage import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_INCHES = 0.42
COLOURS = ("#4477aa", "#228833", "#ccbb44", "#aa3377", "#66ccee")


def save_picture(record: Mapping[str, Any], path: Path) -> None:
    """Draws the rows of a benchmark.

    Args:
        record: What `fishrt bench --json` prints.
        path: The picture, PNG, PDF or SVG by its ending.

    Raises:
        OutputError: If it cannot be written.
    """
    from matplotlib.figure import Figure

    rows = record["rows"]
    figure = Figure(figsize=(9, 1.6 + ROW_INCHES * len(rows)), layout="constrained")
    draw_rows(rows, record["frame_interval_ms"], figure.subplots())
    figure.suptitle(f"{record['model']}: time of a frame\n{hardware(record['machine'])}", size=10)
    with whole_file(path, path.suffix) as scratch:
        figure.savefig(scratch, dpi=120)


def draw_rows(rows: Sequence[Mapping[str, Any]], interval_ms: float, ax: "Axes") -> None:
    """Draws medians as bars, with a line to the 99th percentile and a dot for the longest.

    Args:
        rows: Rows with `backend`, `precision`, `way`, `p50_ms`, `p99_ms`, `max_ms`.
        interval_ms: Milliseconds from one frame to the next.
        ax: Where to draw.
    """
    backends = list(dict.fromkeys(row["backend"] for row in rows))
    for place, row in enumerate(rows):
        colour = COLOURS[backends.index(row["backend"]) % len(COLOURS)]
        ax.barh(place, row["p50_ms"], color=colour, height=0.6)
        ax.plot([row["p50_ms"], row["p99_ms"]], [place, place], color="black", linewidth=1.5)
        ax.plot(row["max_ms"], place, "k.", markersize=6)
        label = f"  {row['p50_ms']:.3g} / {row['p99_ms']:.3g} ms"
        ax.annotate(label, (max(row["max_ms"], row["p50_ms"]), place), va="center", size=8)
    labels = [f"{row['way']}\n{row['backend']} {row['precision']}" for row in rows]
    ax.set_yticks(range(len(rows)), labels, size=8)
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.margins(x=0.25)
    ax.axvline(interval_ms, color="#cc3311", linestyle="--", label=f"{interval_ms:.1f} ms a frame")
    ax.set_xlabel("milliseconds a frame: bar p50, line to p99, dot max")
    ax.legend(loc="upper right", fontsize=8)


def hardware(machine: Mapping[str, Any]) -> str:
    """The machine in one line."""
    gpu = f", {machine['gpu']['name']}" if machine["gpu"] else ", no GPU"
    return f"{machine['processor']}, {machine['cores']} cores{gpu}"
