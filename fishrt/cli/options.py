"""Options that several commands share."""

from typing import Annotated

import typer

from fishrt.choices import TrainMode

ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        help="YAML file, or the name of a config that ships with fishrt (demo, "
        "visionary-serenity, ...). Default: the published values.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="Override one setting, e.g. --set train.batch_size=8. May be repeated.",
    ),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace a whole recording that is already there.")
]
RestartOption = Annotated[
    bool, typer.Option("--restart", help="Begin an unfinished recording anew.")
]
ModeOption = Annotated[
    TrainMode | None,
    typer.Option("--mode", help="Kind of forecast. Default: what the bundle was trained for."),
]
UntrainedStreamOption = Annotated[
    bool,
    typer.Option("--allow-untrained-stream", help="Let a window-trained model carry its state on."),
]
CameraSetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="preprocess.KEY=VALUE",
        help="A setting of this camera: preprocess.roi, .polarity, .background.",
    ),
]
SourceFpsOption = Annotated[
    float | None,
    typer.Option(
        "--source-fps",
        min=0.1,
        max=1000.0,
        help="Frames a second of the sources, whatever their headers say.",
    ),
]
JsonSummaryOption = Annotated[
    bool, typer.Option("--json", help="Print the summary as JSON on stdout.")
]
