"""The machine itself: processor, memory, disk."""

import os
import platform
import shutil
import tempfile
from pathlib import Path

from fishrt.cores import usable_cores
from fishrt.doctor.finding import Finding, Level
from fishrt.timing import matrix_gflops

TOPIC = "machine"
LITTLE_SPACE_GB = 5.0  # an hour of recording at the published size is 2 GB
NO_SPACE_GB = 0.2


def check_machine() -> list[Finding]:
    """Processor with a matrix product, and space on the disks."""
    folders = {Path.cwd(): "this folder", Path(tempfile.gettempdir()): "the folder for scratch"}
    return [check_processor(), *(check_disk(folder, name) for folder, name in folders.items())]


def check_processor() -> Finding:
    """Multiplies matrices; the speed is the practical ceiling of every forecast on the CPU."""
    cores = usable_cores()
    gflops = matrix_gflops()
    return Finding(
        TOPIC,
        Level.OK,
        f"{processor_name()}, {cores} cores, {memory_gb():.0f} GB of memory, {gflops:.0f} GFLOP/s "
        f"in a matrix product; {platform.system()} {platform.release()}",
        values={"processor": processor_name(), "cores": cores, "gflops": round(gflops, 1)},
    )


def check_disk(folder: Path, name: str) -> Finding:
    """Whether there is room for recordings and bundles."""
    free = shutil.disk_usage(folder).free / 1e9
    what = f"{free:.1f} GB free in {name} ({folder})"
    values: dict[str, object] = {"folder": str(folder), "free_gb": round(free, 1)}
    if free >= LITTLE_SPACE_GB:
        return Finding("disk", Level.OK, what, values=values)
    level = Level.PROBLEM if free < NO_SPACE_GB else Level.WARNING
    cure = "free some space (du -sh * | sort -h), or work in a folder on another disk"
    return Finding("disk", level, what, cure, values)


def processor_name() -> str:
    """The processor's name, as good as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model")):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def memory_gb() -> float:
    """Memory of the machine, in GB; 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (ValueError, OSError, AttributeError):
        return 0.0
