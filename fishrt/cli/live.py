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
    from realtime.web.address import WebAddress


def live(
    context: typer.Context,
    camera: Annotated[
        str | None,
        typer.Option(
            "--camera",
            "-c",
            help="Camera number, video file, URL, GStreamer pipeline, folder of numbered images, "
            "or demo[:SEED]. Default: 0.",
        ),
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(
            metavar="RECORDING",
            help="Play the stored frames of a recording instead of a camera.",
        ),
    ] = None,
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
    false_alarms: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="PER_MINUTE",
            help="Bearable false alarms a minute, instead of --threshold.",
        ),
    ] = None,
    release: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Probability below which an alarm ends."),
    ] = None,
    debounce: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="FRAMES", help="Frames above the threshold before an alarm starts."
        ),
    ] = None,
    refractory: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="FRAMES", help="Frames after an alarm's start without another one."
        ),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            "-o",
            help="File for a line a frame: .csv, .parquet, else JSON lines; - is stdout (the "
            "default in a pipe). May be repeated.",
        ),
    ] = None,
    events: Annotated[
        str | None, typer.Option(help="File for one JSON line an event: alarms, bursts, losses.")
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            help="Whom to tell live: osc://, udp://, mqtt://, zmq://, serial://, lsl://, http:// "
            "or plugin:NAME; see docs/sinks.md. May be repeated."
        ),
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="MP4 file for the picture with its overlay.")
    ] = None,
    record_raw: Annotated[
        Path | None, typer.Option(help="MP4 file for the camera's own picture.")
    ] = None,
    scores: Annotated[
        str | None,
        typer.Option(help="File for the scoreboard, one JSON line every 10 s of footage."),
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
            "--as-fast-as-possible",
            help="Do not play files, recordings and the demo at camera speed.",
        ),
    ] = False,
    camera_fps: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=1000.0,
            help="Frames a second to ask of the camera; of a stream, what it is known to give.",
        ),
    ] = None,
    camera_size: Annotated[
        str | None,
        typer.Option(metavar="WIDTHxHEIGHT", help="Picture size to ask of the camera."),
    ] = None,
    exposure: Annotated[
        float | None,
        typer.Option(min=0.01, max=10_000.0, help="Exposure in ms to ask of the camera."),
    ] = None,
    frozen_after: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Seconds of the very same picture that mean a frozen camera; 0 for never. "
            "Default: 1 for cameras, 3 for streams, never for files and the demo.",
        ),
    ] = None,
    list_cameras: Annotated[
        bool, typer.Option("--list-cameras", help="List the cameras that there are, and stop.")
    ] = False,
    overrides: CameraSetOption = None,
    as_json: JsonSummaryOption = False,
) -> None:
    """Forecast bursts live: one probability for every frame, at frame rate.

    Stops at the end of the footage, after --frames, on Ctrl-C, or when the window is closed.
    """
    from realtime.stopping import interruptible

    context.with_resource(interruptible())  # until the run takes them: importing takes a while
    if list_cameras:
        _list_cameras(as_json=as_json)
        return
    from fishrt.install_hints import require

    if backend is not Backend.TENSORRT:
        require("gpu" if backend is Backend.CUDA else "cpu", "onnxruntime")
    from fishrt.cli.terminal import patient_console
    from fishrt.errors import ExitCode
    from fishrt.video.request import CameraRequest
    from realtime.alarm import AlarmWishes
    from realtime.capture import Pace
    from realtime.options import LiveOptions
    from realtime.session import run_live
    from realtime.sinks.window import window_wanted

    if camera is not None and replay is not None:
        raise typer.BadParameter("give either --camera or --replay.", param_hint="--replay")
    outputs = _outputs(output, events, scores, as_json=as_json)
    address = _page_address(web)
    console = patient_console(context)

    def say(sentence: str) -> None:
        console.print(sentence, soft_wrap=True, markup=False)

    if backend is Backend.TENSORRT:
        _ensure_engine(bundle, precision, console, say, trust=trust_engine)
    summary = run_live(
        LiveOptions(
            camera="0" if camera is None else camera,
            replay=replay,
            bundle=bundle,
            mode=mode,
            allow_untrained_stream=allow_untrained_stream,
            every=every,
            alarm=AlarmWishes(threshold, false_alarms, release, debounce, refractory),
            outputs=outputs,
            events=events,
            scores=scores,
            to=tuple(to or ()),
            record=record,
            record_raw=record_raw,
            overwrite=overwrite,
            window=window_wanted(window),
            frames=frames,
            precision=precision,
            backend=backend,
            trust_engine=trust_engine,
            pace=Pace.AS_FAST_AS_POSSIBLE if as_fast_as_possible else Pace.REALTIME,
            request=CameraRequest(camera_fps, _size(camera_size), exposure),
            frozen_after_s=frozen_after,
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


def _outputs(
    output: list[str] | None, events: str | None, scores: str | None, *, as_json: bool
) -> tuple[str, ...]:
    """Where the forecasts go; at most one thing can be written to stdout."""
    import sys

    outputs = tuple(output or ())
    if not outputs and not as_json and not sys.stdout.isatty():
        outputs = ("-",)
    if as_json and "-" in outputs:
        raise typer.BadParameter("--json and --output - would both write to stdout.")
    if scores == "-" and (as_json or "-" in outputs):
        raise typer.BadParameter("--scores - and another output would both write to stdout.")
    if events == "-":
        raise typer.BadParameter(
            "stdout belongs to the forecasts; name a file.", param_hint="--events"
        )
    return outputs


def _size(text: str | None) -> tuple[int, int] | None:
    import re

    if text is None:
        return None
    numbers = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if numbers is None:
        raise typer.BadParameter(
            f"{text!r} is no size such as 640x480.", param_hint="--camera-size"
        )
    return int(numbers[1]), int(numbers[2])


def _list_cameras(*, as_json: bool) -> None:
    import json

    from fishrt.doctor.cameras import check_cameras

    findings = check_cameras()
    if as_json:
        typer.echo(json.dumps([found.values for found in findings if found.values]))
        return
    for found in findings:
        typer.echo(found.what if found.cure is None else f"{found.what}; {found.cure}")


def _page_address(web: str | None) -> "WebAddress | None":
    from fishrt.install_hints import require
    from realtime.web.address import parse_address

    if web is None:
        return None
    require("web", "aiohttp")
    try:
        return parse_address(web)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--web") from error


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
