"""The report of a recording, where it can be drawn."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console


def report_drawer(console: Console, *, html: bool = False) -> Callable[[Path], None]:
    """What draws the report of a recording, or says why there is none.

    Args:
        console: Where that is said.
        html: Whether a page is to be made, too.
    """

    def draw(folder: Path) -> None:
        if find_spec("matplotlib") is None:
            console.print("no report.png: that needs the extra train (pip install -e '.[train]').")
            return
        from training.recording_report import write_report

        write_report(folder, html=html)

    return draw
