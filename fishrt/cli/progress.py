"""The progress bar of commands that go through frames."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

REFRESH_S = 0.1  # a bar that is told every frame costs more than the frame


@contextlib.contextmanager
def frame_progress(
    console: Console,
) -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar with the name, frames done and the time that is left.

    Args:
        console: Where it is drawn; nothing is drawn where that is no terminal.

    Yields:
        What to tell: name, frames done, and frames in all if that is known.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,  # else an empty line would be left
    )
    with bar:
        task = bar.add_task("reading", total=None)
        told = 0.0

        def tell(name: str, done: int, total: int | None) -> None:
            nonlocal told
            if (now := time.monotonic()) - told >= REFRESH_S:
                told = now
                bar.update(task, description=name[-40:], completed=done, total=total)

        yield tell
