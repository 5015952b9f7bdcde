"""What this process and those that it started have used, as Linux tells it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path


def children(process: int | str = "self") -> Iterator[int]:
    """Processes that a process has started and that live, their own children included."""
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from children(child)


def processor_seconds() -> float:
    """Processor time of this process, all that it started, and what those have waited for."""
    own = time.process_time()
    ticks = sum(sum(map(int, _fields(child)[11:15])) for child in children())
    return own + ticks / os.sysconf("SC_CLK_TCK")


def _fields(process: int) -> list[str]:
    """Fields of `/proc/PID/stat` behind the name, which may have blanks in it."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def memory_mib(what: str, process: int | str = "self") -> float:
    """A line of `/proc/PID/status` in MiB, such as VmHWM or RssAnon."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split(f"{what}:")[1].split()[0]) / 1024


def shared_out_mib(process: int) -> float:
    """Memory of a process in MiB, what it shares counted in part (Pss)."""
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    return int(rollup.split("Pss:")[1].split()[0]) / 1024
