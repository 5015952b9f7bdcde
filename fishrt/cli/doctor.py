"""`fishrt doctor`: what works on this machine, and the command that mends what does not."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from fishrt.doctor import Finding


def doctor(
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="CHECK", help="Run this check alone. May be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Try out what this machine can do, and say what mends what does not work.

    Runs the demo model on every provider of ONNX Runtime, multiplies a matrix on every device of
    TensorFlow, writes and reads a video, and takes a picture with every camera. Ends with exit
    code 11 if live forecasting cannot work here.
    """
    import json
    from dataclasses import asdict

    from rich.console import Console

    from fishrt.doctor import CHECKS, Level, examine, worst
    from fishrt.errors import MachineError

    unknown = set(only or ()) - set(CHECKS)
    if unknown:
        raise typer.BadParameter(
            f"there is no check {min(unknown)!r}; there are {', '.join(CHECKS)}.",
            param_hint="--only",
        )

    console = Console(stderr=True, highlight=False)
    with console.status("trying things out ..."):
        findings = examine(only or tuple(CHECKS))
    if as_json:
        record = {"worst": worst(findings), "findings": [asdict(finding) for finding in findings]}
        typer.echo(json.dumps(record))
    else:
        Console(highlight=False).print(_table(findings))
    problems = [finding for finding in findings if finding.level is Level.PROBLEM]
    if problems:
        raise MachineError(
            f"live forecasting cannot work here: {problems[0].what}; mend it with: "
            f"{problems[0].cure}"
        )


def _table(findings: "list[Finding]") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    from fishrt.doctor import Level

    colours = {
        Level.OK: "green", Level.NOTE: "blue", Level.WARNING: "yellow", Level.PROBLEM: "bold red"
    }  # fmt: skip
    table = Table(show_header=False, show_lines=False, box=None, padding=(0, 1))
    for column in ("level", "topic", "finding"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        colour = colours[finding.level]
        what = escape(finding.what)
        if finding.cure:
            what += f"\n[bold]mend it with:[/bold] {escape(finding.cure)}"
        table.add_row(f"[{colour}]{finding.level}[/{colour}]", finding.topic, what)
    return table
