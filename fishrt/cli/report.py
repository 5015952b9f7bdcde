"""What is told of a recording that was made: its findings, and the report where it can be drawn."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from fishrt.install_hints import install_hint
from fishrt.recording import RecordingMetadata


def tell_findings(metadata: RecordingMetadata, console: Console) -> None:
    """Prints what the footage check found, one line each."""
    for finding in metadata.findings:
        where = f"{finding.source}: " if finding.source else ""
        console.print(f"[yellow]{finding.kind}[/]  {escape(where + finding.sentence)}")


def report_drawer(console: Console, *, html: bool = False) -> Callable[[Path], None]:
    """What draws the report of a recording, or says why there is none.

    Args:
        console: Where that is said.
        html: Whether a page is to be made, too.
    """

    def draw(folder: Path) -> None:
        if find_spec("matplotlib") is None:
            said = f"no report.png: that needs matplotlib; {install_hint('report')}"
            console.print(said, markup=False, soft_wrap=True)
            return
        from training.recording_report import write_report

        write_report(folder, html=html)

    return draw
