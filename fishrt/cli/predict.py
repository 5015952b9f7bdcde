"""`fishrt predict`: a probability for every frame of whole files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fishrt.cli.options import (
    CameraSetOption,
    JsonSummaryOption,
    ModeOption,
    SourceFpsOption,
    UntrainedStreamOption,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from realtime.predict.summary import PredictSummary


def predict(
    context: typer.Context,
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="Bundle folder, or demo.")],
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Video files, folders of numbered images, recordings, URLs of finished videos, "
            "demo[:SEED].",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="The file to write, ending with .parquet, .csv or .jsonl."
        ),
    ],
    mode: ModeOption = None,
    allow_untrained_stream: UntrainedStreamOption = False,
    every: Annotated[
        int | None,
        typer.Option(min=1, help="Forecast every so many frames: 1/k of the work. Default: 1."),
    ] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Stop every source after so many frames.")
    ] = None,
    source_fps: SourceFpsOption = None,
    overrides: CameraSetOption = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS|local",
            help="Spread the sources over a Ray cluster (auto, HOST:PORT, ray://...), or over "
            "the cores of this machine (local).",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an output that is already there.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin an unfinished output anew.")
    ] = False,
    as_json: JsonSummaryOption = False,
) -> None:
    """Forecast whole files: one probability for every frame, in one Parquet, CSV or JSONL file.

    Stopped at any moment, the same command goes on where it was.
    """
    from fishrt.install_hints import require

    require("cpu", "onnxruntime")
    if ray is not None:
        require("ray", "ray")
    from fishrt.cli.progress import frame_progress
    from fishrt.cli.terminal import patient_console
    from realtime.predict.plan import PredictOptions
    from realtime.predict.session import run_predict

    options = PredictOptions(
        sources=tuple(sources),
        bundle=bundle,
        output=output,
        mode=mode,
        allow_untrained_stream=allow_untrained_stream,
        every=every,
        frames=frames,
        source_fps=source_fps,
        overrides=tuple(overrides or ()),
        overwrite=overwrite,
        restart=restart,
        ray=ray,
    )
    console = patient_console(context)

    def say(sentence: str) -> None:
        console.print(sentence, soft_wrap=True, markup=False)

    with frame_progress(console) as progress:
        summary = run_predict(options, progress, say)
    _report(summary, say, as_json=as_json)


def _report(summary: "PredictSummary", say: "Callable[[str], None]", *, as_json: bool) -> None:
    import json

    from fishrt.errors import ExitCode, FishrtError
    from realtime.predict.summary import failure_sentence, summary_lines, summary_record

    for line in summary_lines(summary):
        say(line)
    if as_json:
        typer.echo(json.dumps(summary_record(summary)))
    if summary.interrupted:
        raise typer.Exit(summary.exit_code)
    if summary.failed:
        error = FishrtError(failure_sentence(summary))
        error.exit_code = ExitCode(summary.exit_code)
        raise error
