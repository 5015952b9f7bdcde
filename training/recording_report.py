"""The picture of a recording: motion energy with labels, examples, background, findings."""

import base64
import html as html_text
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fishrt.errors import output_error
from fishrt.footage.threshold import window_ranges
from fishrt.preprocess import load_background
from fishrt.recording import Recording, Split, load_recording
from fishrt.storage import write_text
from training.record_source import EXAMPLES_FOLDER

PICTURE_FILE = "report.png"
HTML_FILE = "report.html"
COLUMNS = 2000  # more points than the picture has pixels show nothing more
CLOSE_SECONDS = 60.0
EXAMPLES = 4
MEASURED, FOR_LABELS = "#e08070", "#345"  # what lies under the other shows where they differ
SPLIT_COLOURS = {Split.TRAIN: "#dbe9f6", Split.VALIDATION: "#fde8c8", Split.TEST: "#d9f0d9"}


def write_report(folder: Path, *, html: bool = False) -> None:
    """Draws a recording into its own folder, as `report.png` and on request `report.html`.

    Args:
        folder: The recording.
        html: Whether to write the page, too: one file with the picture and the findings in it.

    Raises:
        RecordingError: If the recording cannot be read.
        OutputError: If a file cannot be written.
    """
    recording = load_recording(folder)
    figure = draw_recording(recording)
    try:
        figure.savefig(folder / PICTURE_FILE, dpi=110)
    except OSError as error:
        raise output_error(folder / PICTURE_FILE, error) from error
    if html:
        write_text(folder / HTML_FILE, _page(recording, (folder / PICTURE_FILE).read_bytes()))


def draw_recording(recording: Recording) -> Figure:
    """The picture of a recording."""
    mpl.rcParams["axes.spines.top"] = mpl.rcParams["axes.spines.right"] = False
    figure = Figure(figsize=(12, 10), layout="constrained")
    grid = figure.add_gridspec(4, EXAMPLES + 1, height_ratios=(2, 2, 1.3, 1.3))
    plot_motion(recording, figure.add_subplot(grid[0, :]))
    plot_close(recording, figure.add_subplot(grid[1, :]))
    _plot_examples(
        recording, [[figure.add_subplot(grid[row, k]) for k in range(EXAMPLES)] for row in (2, 3)]
    )
    _plot_background(recording, figure.add_subplot(grid[2, EXAMPLES]))
    _plot_ranges(recording, figure.add_subplot(grid[3, EXAMPLES]))
    figure.suptitle(f"{recording.name}: {_summary(recording)}", fontsize=11)
    return figure


def plot_motion(recording: Recording, ax: Axes) -> None:
    """The whole motion energy as a band from smallest to largest, with splits and gaps."""
    fps = recording.metadata.fps
    top = 0.0
    for energy, colour, label in _energies(recording):
        step = max(len(energy) // COLUMNS, 1)
        starts = np.arange(0, len(energy), step)
        if not len(starts):
            continue
        low = np.minimum.reduceat(energy, starts)
        high = np.maximum.reduceat(energy, starts)
        minutes = starts / fps / 60
        ax.fill_between(
            minutes, low, high, color=colour, linewidth=0.4, step="post", label=label or None
        )
        top = max(top, float(np.quantile(high, 0.999)))
    if top:
        ax.set_ylim(0, top * 1.15)
    for split, (first, stop) in recording.metadata.splits.items():
        ax.axvspan(
            first / fps / 60,
            stop / fps / 60,
            color=SPLIT_COLOURS[split],
            label=split.value,
            zorder=0,
        )
    borders = [source.first for source in recording.metadata.sources[1:]]
    gaps = [gap for source in recording.metadata.sources for gap in source.gaps]
    for frame in borders:
        ax.axvline(frame / fps / 60, color="#b00", linewidth=1)
    for frame in gaps[:COLUMNS]:
        ax.axvline(frame / fps / 60, color="#b00", linewidth=0.5, linestyle=":")
    ax.set(xlabel="minutes", ylabel="motion energy", title="All of it, and the splits")
    ax.legend(loc="upper right", ncols=3, fontsize=8)


def plot_close(recording: Recording, ax: Axes) -> None:
    """A minute in which bursts begin: motion energy, and where the label is 1."""
    fps = recording.metadata.fps
    labels = recording.burst_label
    width = min(round(CLOSE_SECONDS * fps), len(recording.motion_energy))
    first = _busiest(labels, width)
    seconds = np.arange(first, first + width) / fps
    top = 0.0 if width else 1.0
    for energy, colour, name in _energies(recording):
        shown = energy[first : first + width]
        ax.plot(seconds, shown, color=colour, linewidth=0.8, label=name or "motion energy")
        top = max(top, float(shown.max(initial=0.0)))
    label = np.zeros(width, bool)
    part = labels[first : first + width]
    label[: len(part)] = part == 1
    ax.fill_between(
        seconds, 0, top, where=label, color="#f5b942", alpha=0.5, linewidth=0, label="burst label"
    )
    ax.set(xlabel="seconds", ylabel="motion energy", title="A minute of it, and the labels")
    ax.legend(loc="upper right", fontsize=8)


def _energies(recording: Recording) -> list[tuple[NDArray[np.float64], str, str]]:
    """What is to be drawn, with colour and name; two where labels come from a mended one."""
    measured, for_labels = recording.motion_energy, recording.label_energy
    if np.array_equal(measured, for_labels):
        return [(measured, FOR_LABELS, "")]
    return [
        (measured, MEASURED, "as measured"),
        (for_labels, FOR_LABELS, "what the labels come from"),
    ]


def _busiest(labels: NDArray[np.uint8], width: int) -> int:
    """First frame of the minute whose share of burst labels is nearest to that of the whole."""
    starts = range(0, max(len(labels) - width, 0) + 1, max(width, 1))
    if not len(labels):
        return 0
    share = labels.mean()
    return min(starts, key=lambda start: abs(labels[start : start + width].mean() - share))


def _plot_examples(recording: Recording, rows: list[list[Axes]]) -> None:
    paths = sorted((recording.folder / EXAMPLES_FOLDER).glob("*.png"))[:EXAMPLES]
    count = len(recording.frames)
    frames = [int(path.stem) for path in paths] or [
        int(at) for at in np.linspace(0, count - 1, EXAMPLES)
    ] * bool(count)
    for axes in rows:
        for ax in axes:
            ax.set_axis_off()
    for k, frame in enumerate(frames):
        if paths:
            rows[0][k].imshow(load_background(paths[k]), cmap="gray", vmin=0, vmax=255)
            rows[0][k].set_title(f"camera, frame {frame}", fontsize=8)
        rows[1][k].imshow(recording.frames[frame], cmap="gray", vmin=0, vmax=255)
        rows[1][k].set_title(f"what the model sees, frame {frame}", fontsize=8)


def _plot_background(recording: Recording, ax: Axes) -> None:
    ax.set_axis_off()
    if recording.background is None:
        ax.set_title("no background subtracted", fontsize=8)
        return
    ax.imshow(recording.background, cmap="gray", vmin=0, vmax=255)
    ax.set_title("background", fontsize=8)


def _plot_ranges(recording: Recording, ax: Axes) -> None:
    label = recording.metadata.label
    ranges = window_ranges(recording.label_energy, recording.metadata.stretches(), label.horizon)
    if len(ranges):
        ax.hist(ranges, bins=50, range=(0, float(np.quantile(ranges, 0.995)) or 1), color="#345")
    ax.axvline(label.threshold, color="#b00", label=f"threshold {label.threshold:.2g}")
    ax.set_title("range of motion in a label window", fontsize=8)
    ax.tick_params(labelsize=7)
    ax.locator_params(axis="x", nbins=4)
    ax.legend(fontsize=7)


def _summary(recording: Recording) -> str:
    count = len(recording.frames)
    share = float(recording.burst_label.mean()) if len(recording.burst_label) else 0.0
    found = len(recording.metadata.findings)
    return (
        f"{count} frames, {count / recording.metadata.fps / 60:.1f} minutes, burst label "
        f"{share:.1%} of the time, {found} finding{'s' * (found != 1)}"
    )


def _page(recording: Recording, picture: bytes) -> str:
    """One HTML file without anything beside it."""
    esc = html_text.escape
    findings = "".join(
        f"<li><b>{esc(finding.kind)}</b> {esc(finding.source or '')}: {esc(finding.sentence)}</li>"
        for finding in recording.metadata.findings
    )
    sources = "".join(
        f"<tr><td>{esc(source.name)}</td><td>{source.first}</td><td>{source.stop}</td>"
        f"<td>{_rate(source.declared_fps)}</td><td>{_rate(source.measured_fps)}</td>"
        f"<td>{len(source.gaps)}</td><td>{esc((source.sha256 or '')[:16])}</td></tr>"
        for source in recording.metadata.sources
    )
    image = base64.b64encode(picture).decode()
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{esc(recording.name)}</title>"
        "<style>body{font:15px sans-serif;margin:2em;max-width:75em}img{width:100%}"
        "td,th{padding:.2em 1em;text-align:left}</style>"
        f"<h1>{esc(recording.name)}</h1><p>{esc(_summary(recording))}</p>"
        f"<h2>Footage check</h2><ul>{findings or '<li>Nothing was found.</li>'}</ul>"
        "<h2>Sources</h2><table><tr><th>name<th>first frame<th>stop<th>declared fps"
        f"<th>measured fps<th>gaps<th>sha256</tr>{sources}</table>"
        '<p><img alt="motion energy, labels and example frames" '
        f'src="data:image/png;base64,{image}"></p></html>\n'
    )


def _rate(fps: float | None) -> str:
    return "" if fps is None else f"{fps:.2f}"
