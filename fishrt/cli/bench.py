"""`fishrt bench`: how long a forecast takes on this machine, by every way of computing it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fishrt.choices import Backend, GraphPrecision
from fishrt.cli.options import SetOption

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.table import Table

    from fishrt.bundle import Bundle
    from fishrt.config import Config

PICTURES = (".png", ".pdf", ".svg")


def bench(
    bundle: Annotated[
        str | None, typer.Argument(help="Bundle folder, or demo. Default: see --config.")
    ] = None,
    config: Annotated[
        str,
        typer.Option(
            "--config",
            "-c",
            help="Without a bundle: time this network with random weights (needs the extras "
            "train and export).",
        ),
    ] = "visionary-serenity",
    overrides: SetOption = None,
    backend: Annotated[
        list[Backend] | None,
        typer.Option(help="What computes; may be repeated. Default: all."),
    ] = None,
    precision: Annotated[
        list[GraphPrecision] | None,
        typer.Option(help="What to compute in; may be repeated. Default: all that the bundle has."),
    ] = None,
    every: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Strides of exact lanes; may be repeated. Default: 1 and 3."),
    ] = None,
    keras: Annotated[
        bool, typer.Option("--keras/--no-keras", help="Also time Keras' own predict.")
    ] = True,
    frames: Annotated[
        int,
        typer.Option(
            min=10,
            help="Frames that are timed for every way, its warm-up not counted: at least 20, for "
            "whole clips a quarter as many, and no more than come in 30 s.",
        ),
    ] = 300,
    recording: Annotated[
        Path | None, typer.Option(help="Recording to take frames from. Default: the tank.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Picture to draw (PNG, PDF or SVG).")
    ] = None,
    trust_engine: Annotated[
        bool,
        typer.Option("--trust-engine", help="Let version-compatible engines run their own code."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Time every way to a forecast on this machine, beside Keras in the same run.

    Times one frame's work on every backend that is installed: a carried state, exact lanes, and
    running the whole clip again, each in a process of its own, on real frames. Warm-up is told
    apart, and nothing after it is left out. Exit code 11, or 5 where it is the bundle's fault, if a
    backend or precision that you name, or everything, could not be timed.
    """
    import json
    import tempfile

    import numpy as np
    from rich.console import Console

    from fishrt.bundle import load_bundle
    from fishrt.cli.bench_outcome import failure, missed, odd_lines, skipped_lines
    from fishrt.cli.bench_plan import BenchPlan, run_plan
    from fishrt.config import load_config
    from fishrt.install_hints import require
    from realtime.benchmark import ways_of

    if bundle is not None and overrides:
        raise typer.BadParameter("--set goes with --config, not with a bundle.")
    if output is not None:
        require("report", "matplotlib")
        _check_picture(output)
    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory() as scratch:
        if bundle is None:
            loaded = load_config(config, overrides or ())
            model = _untrained(loaded, Path(scratch) / Path(config).stem)
        else:
            model = load_bundle(bundle)
        pictures, source = _frames(model, recording, frames)
        np.save(Path(scratch) / "frames.npy", pictures)
        precisions = precision or model.metadata.precisions
        ways = list(ways_of(backend or [*Backend], precisions, every or (1, 3)))
        plan = BenchPlan(model, ways, Path(scratch) / "frames.npy", frames, keras, trust_engine)
        record = run_plan(plan, console)
    record["frames_from"] = source
    if as_json:  # first of all: nothing that fails below may take the figures with it
        typer.echo(json.dumps(record))
    elif record["rows"]:
        Console(highlight=False).print(_table(record))
    lacking = missed(record, backend or (), precision or ())
    rest = [entry for entry in record["skipped"] if entry not in lacking]
    for line in (*odd_lines(record), *skipped_lines(record, rest)):
        console.print(line, soft_wrap=True, markup=False)
    if output is not None and record["rows"]:
        from export.benchmark_picture import save_picture

        save_picture(record, output)
    if lacking:
        raise failure(record, lacking)


def _check_picture(path: Path) -> None:
    """Says what is wrong with a picture's path before the minutes of measuring, not after."""
    import errno

    from fishrt.errors import output_error

    if path.suffix.lower() not in PICTURES:
        raise typer.BadParameter(
            f"{path} does not end in {', '.join(PICTURES)}; name a picture.", param_hint="--output"
        )
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; name a picture.", param_hint="--output")
    if not path.parent.is_dir():
        raise output_error(path, FileNotFoundError(errno.ENOENT, ""))


def _untrained(config: "Config", folder: Path) -> "Bundle":
    from fishrt.bundle import load_bundle
    from fishrt.cli.extras import prepare_export

    prepare_export()
    from export.benchmark import untrained_bundle

    untrained_bundle(config, folder)
    return load_bundle(folder)


def _frames(model: "Bundle", recording: Path | None, count: int) -> "tuple[NDArray[np.uint8], str]":
    from realtime.benchmark import TANK_SEED, tank_frames

    clip = model.metadata.config.clip
    needed = clip.geometry.frames + 1
    if recording is None:
        return tank_frames(model, max(count, needed)), f"the simulated tank (seed {TANK_SEED})"
    from fishrt.errors import RecordingError
    from fishrt.recording import load_recording

    frames = load_recording(recording).frames
    if frames.shape[1:] != (clip.height, clip.width) or len(frames) < needed:
        raise RecordingError(
            f"the recording {recording} does not fit: {needed} frames of {clip.width}x{clip.height}"
            " are needed; name another recording or leave --recording away."
        )
    return frames[: max(count, needed)], f"the recording {recording.name}"


def _table(record: dict[str, Any]) -> "Table":
    from rich.table import Table

    from export.benchmark_picture import hardware

    machine, gflops = record["machine"], record["matrix_product_gflops"]
    table = Table(
        title=f"{record['model']}: a frame's work, in milliseconds",
        caption=f"{hardware(machine)}, {machine['threads']} threads; matrix product "
        f"{gflops[0]:.0f} GFLOP/s before, {gflops[1]:.0f} after; frames of {record['frames_from']};"
        " first: slowest of the warm-up, start: seconds until ready",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for column in ("by", "forecast"):
        table.add_column(column, no_wrap=True)
    columns = ["p50", "p90", "p99", "max", "frames", "fps", "first", "start", "MB"]
    on_gpu = any(row["device_mb"] is not None for row in record["rows"])
    for column in columns + ["GPU MB"] * on_gpu:
        table.add_column(column, justify="right", no_wrap=True)
    for row in record["rows"]:
        figures = (row[f"{key}_ms"] for key in ("p50", "p90", "p99", "max"))
        host, device = (
            "" if row[key] is None else f"{row[key]:.0f}" for key in ("host_mb", "device_mb")
        )
        table.add_row(
            f"{row['backend']} {row['precision']}",
            row["way"],
            *(f"{figure:.1f}" for figure in figures),
            str(row["frames"]),
            f"{row['fps']:.0f}",
            f"{row['first_ms']:.0f}",
            f"{row['startup_s']:.1f}",
            host,
            *[device] * on_gpu,
        )
    return table
