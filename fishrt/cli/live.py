"""`fishrt live`: burst probabilities from a camera or a file, frame by frame."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fishrt.cli.options import CameraSetOption, JsonSummaryOption, ModeOption, UntrainedStreamOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from fishrt.bundle import GraphPrecision
    from realtime.summary import LiveSummary
    from realtime.web.address import WebAddress


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
    web: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:PORT]",
            help="Serve a page with picture, charts and scores. Default: 127.0.0.1:8765, for this "
            "machine alone; any other address needs the token that is said at the start.",
        ),
    ] = None,
    web_record_dir: Annotated[
        Path, typer.Option(help="Folder for videos whose recording is started on the page.")
    ] = Path(),
    frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")] = None,
    precision: Annotated[
        str,
        typer.Option(help="fp32, or fp16 where the bundle has it; fp16 is for GPUs."),
    ] = "fp32",
    backend: Annotated[
        str,
        typer.Option(help="cpu, cuda, tensorrt-rtx or tensorrt; see docs/gpu.md."),
    ] = "cpu",
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

    if backend != "tensorrt":
        require("gpu" if backend == "cuda" else "cpu", "onnxruntime")
    from rich.console import Console

    from fishrt.bundle import GraphPrecision
    from fishrt.config import TrainMode
    from fishrt.errors import ExitCode
    from realtime.backends import Backend
    from realtime.capture import Pace
    from realtime.options import LiveOptions
    from realtime.session import run_live
    from realtime.sinks.window import window_wanted

    if mode is not None and mode not in [*TrainMode]:
        raise typer.BadParameter(f"{mode!r} is neither window nor stream.", param_hint="--mode")
    if precision not in [*GraphPrecision]:
        raise typer.BadParameter(
            f"{precision!r} is neither fp32 nor fp16.", param_hint="--precision"
        )
    if backend not in [*Backend]:
        raise typer.BadParameter(
            f"{backend!r} is none of {', '.join(Backend)}.", param_hint="--backend"
        )
    if output is None and not as_json and not sys.stdout.isatty():
        output = "-"
    if as_json and output == "-":
        raise typer.BadParameter("--json and --output - would both write to stdout.")
    address = _page_address(web)
    console = Console(stderr=True, highlight=False)

    def say(sentence: str) -> None:
        console.print(sentence, soft_wrap=True)

    if backend == Backend.TENSORRT:
        _ensure_engine(bundle, GraphPrecision(precision), console, say)
    summary = run_live(
        LiveOptions(
            camera=camera,
            bundle=bundle,
            mode=TrainMode(mode) if mode else None,
            allow_untrained_stream=allow_untrained_stream,
            every=every,
            threshold=threshold,
            output=output,
            record=record,
            overwrite=overwrite,
            window=window_wanted(window),
            frames=frames,
            precision=GraphPrecision(precision),
            backend=Backend(backend),
            trust_engine=trust_engine,
            pace=Pace.AS_FAST_AS_POSSIBLE if as_fast_as_possible else Pace.REALTIME,
            overrides=tuple(overrides or ()),
            web=address,
            web_record_dir=web_record_dir,
        ),
        say,
        console,
        lambda result: _report(result, say, as_json=as_json),
    )
    if summary.interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)


def _page_address(web: str | None) -> "WebAddress | None":
    from fishrt.cli.extras import require
    from realtime.web.address import parse_address

    if web is None:
        return None
    require("web", "aiohttp")
    try:
        return parse_address(web)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--web") from error


def _ensure_engine(
    source: str, precision: "GraphPrecision", console: "Console", say: "Callable[[str], None]"
) -> None:
    from export.engines import ensure_engine
    from fishrt.bundle import GraphKind, load_bundle

    ensure_engine(load_bundle(source), GraphKind.STEP, precision, console, say)


def _report(summary: "LiveSummary", say: "Callable[[str], None]", *, as_json: bool) -> None:
    import json

    from realtime.summary import summary_lines, summary_record

    for line in summary_lines(summary):
        say(line)
    if as_json:
        typer.echo(json.dumps(summary_record(summary)))
