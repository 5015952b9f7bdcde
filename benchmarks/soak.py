"""Live at real time for as long as asked: latency, drops and memory, as one row of a table.

    python -m benchmarks.soak --minutes 30
    python -m benchmarks.soak --minutes 2 --bundle demo
    python -m benchmarks.soak --minutes 2 --bundle demo --stream h264 --size 1024

Runs `fishrt live --camera demo` in a process of its own, with a log, and looks at that process's
memory once a second. Without --bundle it makes a stream bundle of the published size with random
weights: what the network computes does not change how long it takes.

With --stream the pictures come over the network instead, from a process of its own on this machine
(`benchmarks/picture_server.py`), as motion JPEG or H.264. Then the row also says how long it was
from sending a picture to its forecast, decoding and all, by the sender's own log.
"""

import argparse
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PAGE_BYTES = 4096
FPS = 30
EARLY_S, LATE_S = (30.0, 60.0), 30.0
"""Memory at the beginning is the median of the second half of the first minute, and at the end that
of the last half minute."""
LONGEST_STOP_S = 60.0
LONGEST_START_S = 120.0  # in which the server encodes its clip
SETTLED_FRAMES = 10 * FPS  # after so many a stream flows evenly


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


@contextlib.contextmanager
def served(codec: str, size: int, sent: Path) -> Iterator[str]:
    """A network camera on this machine for as long as the block takes.

    Args:
        codec: `mjpeg` or `h264`.
        size: Pictures are so many pixels wide and high.
        sent: File for when it sent each picture.

    Yields:
        Its address.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = [codec, str(size), str(port), str(sent)]
    server = subprocess.Popen([sys.executable, "-m", "benchmarks.picture_server", *arguments])
    try:
        deadline = time.monotonic() + LONGEST_START_S
        while server.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.kill()
        server.wait()


def sent_to_forecast_ms(log: Path, sent: Path) -> tuple[float, float, float]:
    """Median, 99th percentile and maximum of what it took from sending to the forecast."""
    sent_at = [float(line) for line in sent.read_text().split()]
    lines = [json.loads(line) for line in log.read_text().splitlines()[SETTLED_FRAMES:]]
    took = [
        1000.0 * (line["emit_time"] - sent_at[line["source_frame"]])
        for line in lines
        if not line["repeated"] and line["source_frame"] < len(sent_at)
    ]
    if not took:
        raise SystemExit("this run was too short to say when pictures were sent.")
    p50, p99 = np.percentile(took, [50, 99])
    return float(p50), float(p99), max(took)


def soak(
    bundle: str, minutes: float, log: Path, camera: str = "demo"
) -> tuple[dict[str, Any], list[Memory]]:
    """Runs `fishrt live` to its end.

    Args:
        bundle: Folder or name of the bundle.
        minutes: How long.
        log: File for the forecasts.
        camera: Its source, by default the simulated tank.

    Returns:
        The summary as `--json` prints it, and the memory once a second.
    """
    command = [
        *(sys.executable, "-m", "fishrt.cli", "live", "--camera", camera, "--bundle", bundle),
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


def row(
    name: str,
    summary: dict[str, Any],
    memory: list[Memory],
    sent_ms: tuple[float, float, float] | None = None,
) -> str:
    """The table of one row; `sent_ms` as `sent_to_forecast_ms` gives it."""
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
    if sent_ms is not None:
        cells["sent to forecast p50, p99, max (ms)"] = ", ".join(f"{ms:.1f}" for ms in sent_ms)
    lines = (cells, ["---"] * len(cells), cells.values())
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def main() -> None:
    """Runs it and prints the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--bundle", help="Default: published size, stream, random weights.")
    parser.add_argument("--stream", choices=("mjpeg", "h264"), help="Default: no network.")
    parser.add_argument("--size", type=int, default=1024, help="Of the stream's pictures.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        bundle = options.bundle or str(published_stream_bundle(folder))
        name = options.bundle or "published size, stream"
        log, sent, sent_ms = folder / "log.jsonl", folder / "sent.txt", None
        if options.stream:
            name += f", {options.stream} {options.size}x{options.size}"
            with served(options.stream, options.size, sent) as url:
                summary, memory = soak(bundle, options.minutes, log, url)
            sent_ms = sent_to_forecast_ms(log, sent)
        else:
            summary, memory = soak(bundle, options.minutes, log)
    print(row(name, summary, memory, sent_ms))


if __name__ == "__main__":
    main()
