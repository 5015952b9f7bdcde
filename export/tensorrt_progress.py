"""Progress of a TensorRT build, which takes minutes and would look like a hang."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

if TYPE_CHECKING:
    import tensorrt

Asked = Callable[[], bool]


class PhaseBars:
    """One bar for every phase that TensorRT is in, nested as the phases are."""

    def __init__(self, bars: Progress) -> None:
        """Takes over the bars."""
        self._bars = bars
        self._tasks: dict[str, tuple[TaskID, int]] = {}
        self._lock = threading.RLock()  # TensorRT may report from several threads

    def start(self, phase: str, parent: str, steps: int) -> None:
        """A phase begins inside another."""
        with self._lock:
            depth = self._tasks[parent][1] + 1 if parent in self._tasks else 0
            task = self._bars.add_task("  " * depth + phase, total=steps)
            self._tasks[phase] = (task, depth)

    def advance(self, phase: str, step: int) -> None:
        """A step of a phase is done, the first one being 0."""
        with self._lock:
            if phase in self._tasks:
                self._bars.update(self._tasks[phase][0], completed=step + 1)

    def finish(self, phase: str) -> None:
        """A phase ends."""
        with self._lock:
            if phase in self._tasks:
                self._bars.remove_task(self._tasks.pop(phase)[0])


@contextlib.contextmanager
def phase_bars(console: Console, title: str) -> Iterator[PhaseBars]:
    """Bars for one build.

    Args:
        console: Where they are drawn; one line is printed where that is no terminal.
        title: What is being built.
    """
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    if not console.is_terminal:
        console.print(f"building {title}; this takes minutes")
    with bars:
        bars.add_task(f"building {title}", total=None)
        yield PhaseBars(bars)


def progress_monitor(bars: PhaseBars, stop: Asked) -> "tensorrt.IProgressMonitor":
    """The object that TensorRT tells about its phases.

    Args:
        bars: Where the phases are shown.
        stop: Whether the build is to be given up.
    """
    import tensorrt as trt

    class Monitor(trt.IProgressMonitor):
        """Passes phases on; nothing may be raised from here into TensorRT's C++."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str, num_steps: int) -> None:
            """A phase begins."""
            bars.start(phase_name, parent_phase or "", num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            """A step is done; False makes TensorRT give up the build."""
            bars.advance(phase_name, step)
            return not stop()

        def phase_finish(self, phase_name: str) -> None:
            """A phase ends."""
            bars.finish(phase_name)

    return Monitor()


@contextlib.contextmanager
def interruption() -> Iterator[Asked]:
    """Makes Ctrl-C end the build instead of being raised inside TensorRT's C++.

    Yields:
        Whether Ctrl-C was pressed.

    Raises:
        KeyboardInterrupt: When the block ends, if it was.
    """
    pressed = threading.Event()

    def remember(number: int, frame: FrameType | None) -> None:
        del number, frame
        pressed.set()

    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set
        return
    before = signal.signal(signal.SIGINT, remember)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed.is_set():
        raise KeyboardInterrupt
