"""`fishrt live`: burst probabilities from a camera or a file, frame by frame."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fishrt.choices import Backend, GraphPrecision
from fishrt.cli.options import CameraSetOption, JsonSummaryOption, ModeOption, UntrainedStreamOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from realtime.summary import LiveSummary


def live(
    camera: Annotated[
        str,
        typer.Option(
            "--camera",
            "-c",
            help="Camera number, video file, URL, folder of numbered images, or demo[:SEED].",
        ),
    ] = "0",
    bundle: Annotated[str, typer.Option("--bundle", "-b", help="Bundle folder, or demo.")] = "demo",
    mode: ModeOption = None,
    allow_untrained_stream: UntrainedStreamOption = False,
    every: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Forecast every so many frames. Default: 1, or on a camera the least that this "
            "machine keeps up with.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Probability of a burst. Default: the bundle's."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="File for one JSON line a frame, or - for stdout (the default in a pipe).",
        ),
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="MP4 file for the picture with its overlay.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing output files.")
    ] = False,
    window: Annotated[
        bool | None,
        typer.Option(
            "--window/--no-window", help="Show the picture. Default: where there is a display."
        ),
    ] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")] = None,
    precision: Annotated[
        GraphPrecision,
        typer.Option(help="What to compute in; fp16 is for GPUs, where the bundle has it."),
    ] = GraphPrecision.FP32,
    backend: Annotated[Backend, typer.Option(help="What computes; see docs/gpu.md.")] = Backend.CPU,
    trust_engine: Annotated[
        bool,
        typer.Option("--trust-engine", help="Let a version-compatible engine run its own code."),
    ] = False,
    as_fast_as_possible: Annotated[
        bool,
        typer.Option(
            "--as-fast-as-possible", help="Do not play files and the demo at camera speed."
        ),
    ] = False,
    overrides: CameraSetOption = None,
    as_json: JsonSummaryOption = False,
) -> None:
    """Forecast bursts live: one probability for every frame, at frame rate.

    Stops at the end of the footage, after --frames, on Ctrl-C, or when the window is closed.
    """
    import sys

    from fishrt.cli.extras import require

    if backend is not Backend.TENSORRT:
        require("gpu" if backend is Backend.CUDA else "cpu", "onnxruntime")
    from rich.console import Console

    from fishrt.errors import ExitCode
    from realtime.capture import Pace
    from realtime.session import LiveOptions, run_live
    from realtime.window import window_wanted

    if output is None and not as_json and not sys.stdout.isatty():
        output = "-"
    if as_json and output == "-":
        raise typer.BadParameter("--json and --output - would both write to stdout.")
    console = Console(stderr=True, highlight=False)

    def say(sentence: str) -> None:
        console.print(sentence, soft_wrap=True, markup=False)

    if backend is Backend.TENSORRT:
        _ensure_engine(bundle, precision, console, say, trust=trust_engine)
    summary = run_live(
        LiveOptions(
            camera=camera,
            bundle=bundle,
            mode=mode,
            allow_untrained_stream=allow_untrained_stream,
            every=every,
            threshold=threshold,
            output=output,
            record=record,
            overwrite=overwrite,
            window=window_wanted(window),
            frames=frames,
            precision=precision,
            backend=backend,
            trust_engine=trust_engine,
            pace=Pace.AS_FAST_AS_POSSIBLE if as_fast_as_possible else Pace.REALTIME,
            overrides=tuple(overrides or ()),
        ),
        say,
        console,
        lambda result: _report(result, say, as_json=as_json),
    )
    if summary.interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)


def _ensure_engine(
    source: str,
    precision: GraphPrecision,
    console: "Console",
    say: "Callable[[str], None]",
    *,
    trust: bool,
) -> None:
    from export.engines import ensure_engine
    from fishrt.bundle import GraphKind, load_bundle

    ensure_engine(load_bundle(source), GraphKind.STEP, precision, console, say, trust=trust)


def _report(summary: "LiveSummary", say: "Callable[[str], None]", *, as_json: bool) -> None:
    import json

    from realtime.summary import summary_lines, summary_record

    for line in summary_lines(summary):
        say(line)
    if as_json:
        typer.echo(json.dumps(summary_record(summary)))
