"""`fishrt prepare`: from any footage to a recording."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fishrt.cli.options import (
    ConfigOption,
    OverwriteOption,
    RestartOption,
    SetOption,
    SourceFpsOption,
)
from fishrt.footage.policy import Damaged, Keyframes

if TYPE_CHECKING:
    from rich.console import Console

    from fishrt.recording import RecordingMetadata


def prepare(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Video files, folders of numbered images, URLs, demo[:SEED]; in this order.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The recording folder to make.")
    ] = Path("recordings/prepared"),
    check: Annotated[
        bool, typer.Option("--check", help="Only check the footage; nothing is written.")
    ] = False,
    deflicker: Annotated[
        bool, typer.Option("--deflicker", help="Take lamp flicker out of every picture.")
    ] = False,
    keyframes: Annotated[
        Keyframes,
        typer.Option(help="ignore: keep the false peaks of codec keyframes out of the labels."),
    ] = Keyframes.KEEP,
    threshold: Annotated[
        str | None,
        typer.Option(
            metavar="auto|NUMBER",
            help="The label threshold c; auto: a quantile of this footage's own motion.",
        ),
    ] = None,
    quantile: Annotated[
        float,
        typer.Option(
            "--threshold-quantile",
            min=0.0,
            max=1.0,
            help="For --threshold auto: the share of windows that move less. 0.001 is the 0.3 "
            "quantile of the published footage.",
        ),
    ] = 0.3,
    source_fps: SourceFpsOption = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.01, help="How much of every source to take; needed for streams."),
    ] = None,
    damaged: Annotated[
        Damaged,
        typer.Option(help="skip: leave out what cannot be read, and go on (its time is lost)."),
    ] = Damaged.STOP,
    html: Annotated[
        bool, typer.Option("--html", help="Also write report.html, one file with everything.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print recording.yaml's content as JSON.")
    ] = False,
    overwrite: OverwriteOption = False,
    restart: RestartOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Turn footage into a recording, and say what in it will mislead the labels.

    Stopped at any moment, the same command goes on where it was.
    """
    from rich.console import Console

    from fishrt.cli.kept import telling_what_is_kept
    from fishrt.cli.progress import frame_progress
    from fishrt.cli.report import report_drawer
    from fishrt.config import load_config
    from fishrt.recording_writer import Existing, Unfinished
    from training.complete import LabelOptions
    from training.prepare import PrepareRequest, check_sources, prepare_recording

    settings = [*(overrides or ()), *(["preprocess.deflicker=true"] if deflicker else [])]
    automatic = threshold == "auto"
    if threshold is not None and not automatic:
        settings.append(f"label.threshold={_number(threshold)}")
    request = PrepareRequest(
        sources=tuple(sources),
        config=load_config(config, settings),
        labels=LabelOptions(keyframes, quantile if automatic else None),
        source_fps=source_fps,
        minutes=minutes,
        damaged=damaged,
    )
    console = Console(stderr=True)
    with frame_progress(console) as progress:
        if check:
            metadata = check_sources(request, progress)
        else:
            with telling_what_is_kept(output, restart=restart):
                metadata = prepare_recording(
                    request,
                    output,
                    unfinished=Unfinished.RESTART if restart else Unfinished.RESUME,
                    existing=Existing.REPLACE if overwrite else Existing.KEEP,
                    progress=progress,
                    draw=report_drawer(console, html=html),
                )
    if as_json:
        typer.echo(metadata.model_dump_json(indent=2))
        return
    _tell(metadata, console, None if check else output)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise typer.BadParameter("give auto or a number such as 0.001", param_hint="--threshold")
    return value


def _tell(metadata: "RecordingMetadata", console: "Console", output: Path | None) -> None:
    from rich.markup import escape

    from fishrt.cli.report import tell_findings

    tell_findings(metadata, console)
    if not metadata.findings:
        console.print("The footage check found nothing wrong.")
    frames = sum(source.stop - source.first for source in metadata.sources)
    length = f"{frames} frames, {frames / metadata.fps / 60:.1f} minutes"
    console.print(
        f"{length} checked." if output is None else f"{length} are in {escape(str(output))}."
    )
