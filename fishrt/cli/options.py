"""Options that several commands share."""

from typing import Annotated

import typer

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
