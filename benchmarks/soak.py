"""Live at real time for as long as asked: latency, drops and memory, as one row of a table.

    python -m benchmarks.soak --minutes 30
    python -m benchmarks.soak --minutes 2 --bundle demo

Runs `fishrt live --camera demo` in a process of its own, with a log, and looks at that process's
memory once a second. Without --bundle it makes a stream bundle of the published size with random
weights: what the network computes does not change how long it takes.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE_BYTES = 4096
FPS = 30
EARLY_S, LATE_S = (30.0, 60.0), 30.0
"""Memory at the beginning is the median of the second half of the first minute, and at the end that
of the last half minute."""
LONGEST_STOP_S = 60.0


@dataclass(frozen=True)
class Memory:
    """Resident memory of a process at one moment: seconds since its start, and megabytes."""

    seconds: float
    megabytes: float


def published_stream_bundle(folder: Path) -> Path:
    """Writes a bundle of a stream network of the published size as it is born.

    It has the step graph alone, which is all that a stream takes, and nothing was compared.

    Args:
        folder: A scratch folder.

    Returns:
        The bundle's folder.
    """
    from export.graphs import freeze_network, step_graph
    from fishrt import __version__
    from fishrt.bundle import (
        FORMAT_VERSION,
        BundleMetadata,
        GraphFile,
        GraphKind,
        save_metadata,
    )
    from fishrt.config import load_config
    from fishrt.storage import sha256_of
    from training.forecaster import Forecaster

    config = load_config("stream")
    model = Forecaster(config.clip, config.model)
    graph = step_graph(freeze_network(model), config.clip.geometry, model.state_specs)
    bundle = folder / "soak"
    bundle.mkdir()
    path = bundle / "step.onnx"
    path.write_bytes(graph.SerializeToString())
    metadata = BundleMetadata(
        format_version=FORMAT_VERSION,
        fishrt_version=__version__,
        name=bundle.name,
        config=config,
        graphs=(GraphFile(kind=GraphKind.STEP, file=path.name, sha256=sha256_of(path)),),
        states=model.state_specs,
    )
    save_metadata(bundle, metadata)
    return bundle


def soak(bundle: str, minutes: float, log: Path) -> tuple[dict[str, Any], list[Memory]]:
    """Runs `fishrt live` on the simulated tank to its end.

    Args:
        bundle: Folder or name of the bundle.
        minutes: How long.
        log: File for the forecasts.

    Returns:
        The summary as `--json` prints it, and the memory once a second.
    """
    command = [
        *(sys.executable, "-m", "fishrt.cli", "live", "--camera", "demo", "--bundle", bundle),
        *("--frames", str(round(minutes * 60 * FPS)), "--output", str(log), "--overwrite"),
        *("--no-window", "--json"),
    ]
    memory: list[Memory] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        began = time.monotonic()
        try:
            while process.poll() is None:
                memory.append(Memory(time.monotonic() - began, resident_mb(process.pid)))
                time.sleep(1.0)
        except KeyboardInterrupt:  # it has heard of it, too, and sums up what there was
            process.wait(LONGEST_STOP_S)
        assert process.stdout is not None
        said = process.stdout.read()
    if not said.strip():
        raise SystemExit(f"fishrt live ended with exit code {process.returncode}.")
    return json.loads(said), memory


def resident_mb(process: int) -> float:
    """Resident memory of a process in megabytes; 0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * PAGE_BYTES / 1e6


def early_and_late(memory: list[Memory]) -> tuple[float, float]:
    """Megabytes at the beginning, when all is warm, and at the end."""
    there = [each for each in memory if each.megabytes > 0]
    end = there[-1].seconds
    early = [m.megabytes for m in there if EARLY_S[0] <= m.seconds < EARLY_S[1]]
    late = [m.megabytes for m in there if m.seconds > end - LATE_S]
    return statistics.median(early or late), statistics.median(late)  # a short run has no growth


def row(name: str, summary: dict[str, Any], memory: list[Memory]) -> str:
    """The table of one row."""
    figures = summary["figures"]
    latency, work = figures["latency"], figures["work"]
    early, late = early_and_late(memory)
    cells = {
        "bundle": name,
        "minutes": f"{figures['seconds'] / 60:.1f}",
        "frames": figures["frames"],
        "latency p50, p99, max (ms)": ", ".join(f"{latency[k]:.1f}" for k in ("p50", "p99", "max")),
        "work p50, p99 (ms)": f"{work['p50']:.1f}, {work['p99']:.1f}",
        "dropped": figures["dropped"],
        "lost": figures["lost"],
        "late": figures["late"],
        "memory, first minute and end (MB)": f"{early:.1f}, {late:.1f}",
        "growth (MB)": f"{late - early:+.1f}",
    }
    lines = (cells, ["---"] * len(cells), cells.values())
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def main() -> None:
    """Runs it and prints the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--bundle", help="Default: published size, stream, random weights.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        bundle = options.bundle or str(published_stream_bundle(folder))
        name = options.bundle or "published size, stream"
        summary, memory = soak(bundle, options.minutes, folder / "log.jsonl")
    print(row(name, summary, memory))


if __name__ == "__main__":
    main()
