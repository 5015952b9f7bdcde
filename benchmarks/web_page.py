"""What the page costs a live run: processor time by viewers, and how long the loop waits for it.

    python -m benchmarks.web_page
    python -m benchmarks.web_page --width 1920 --height 1080 --viewers 0 1 3

Pictures of blurred noise, which are hard to compress, come at 30 frames/s. Every viewer is a
process of its own that asks for the next picture as soon as it has one. Processor time is that of
the serving process, so that a busy machine changes it little; needs the extras web and dev.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.config import Config
from realtime.capture import Policy
from realtime.forecast import Forecast
from realtime.overlay import Overlay
from realtime.run_view import RunView
from realtime.scoreboard.snapshot import ScoreSnapshot
from realtime.sinks.outbox import Outbox
from realtime.sinks.video import VideoRecorder
from realtime.stats import LiveStats
from realtime.update import Update
from realtime.web.address import WebAddress
from realtime.web.sink import WebSink

FPS, CLIP, THRESHOLD = 30.0, 120, 0.6
SETTLE_S = 2.0  # for viewers to start
VIEWER = """
import sys
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
pictures = size = 0
with connect(sys.argv[1], max_size=None) as page:
    page.send("picture")
    try:
        while True:
            message = page.recv()
            size += len(message)
            if isinstance(message, bytes):
                pictures += 1
                page.send("picture")
    except ConnectionClosed:
        print(pictures, size)
"""


def main() -> None:
    """Prints a row for every number of viewers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--viewers", type=int, nargs="+", default=[0, 1, 3])
    options = parser.parse_args()
    pictures = _pictures(options.height, options.width)
    print("| viewers | % of a core | write, median | write, longest | pictures/s | kB/s each |")
    print("|---|---|---|---|---|---|")
    for viewers in options.viewers:
        print(_row(pictures, viewers, options.seconds), flush=True)


def _row(pictures: list[NDArray[np.uint8]], viewers: int, seconds: float) -> str:
    with _served() as page:
        stream = page.url.replace("http", "ws") + "stream"
        watching = [
            subprocess.Popen(
                [sys.executable, "-c", VIEWER, stream], stdout=subprocess.PIPE, text=True
            )
            for _ in range(viewers)
        ]
        time.sleep(SETTLE_S)
        processor, began = time.process_time(), time.monotonic()
        waits = _play(page, pictures, round(seconds * FPS))
        processor, lasted = time.process_time() - processor, time.monotonic() - began
    seen = [[int(word) for word in viewer.communicate()[0].split()] for viewer in watching]
    rate = f"{seen[0][0] / lasted:.1f} | {seen[0][1] / lasted / 1000:.0f}" if seen else "- | -"
    return (
        f"| {viewers} | {processor / lasted:.1%} | {np.median(waits) * 1e6:.0f} us | "
        f"{max(waits) * 1e6:.0f} us | {rate} |"
    )


def _play(page: WebSink, pictures: list[NDArray[np.uint8]], frames: int) -> list[float]:
    """Writes frames at their pace; returns the seconds that each took the loop."""
    waits = []
    began = time.monotonic()
    for frame in range(frames):
        said = Forecast(frame, frame, 0.0, 0.0, 0.0, 5.0, 0.5, False, True, None, False, False, 0.1)
        update = Update(said, pictures[frame % len(pictures)], pictures[0])
        before = time.perf_counter()
        page.write(update)
        waits.append(time.perf_counter() - before)
        time.sleep(max(began + (frame + 1) / FPS - time.monotonic(), 0.0))
    return waits


@contextmanager
def _served() -> Iterator[WebSink]:
    stats = LiveStats(FPS, CLIP)
    run = RunView(
        camera="benchmark",
        bundle="none",
        config=Config(),
        threshold=THRESHOLD,
        policy=Policy.KEEP_UP,
        figures=stats.snapshot,
        scores=ScoreSnapshot,
        outbox=Outbox(),
    )

    def recorder(path: Path) -> VideoRecorder:
        return VideoRecorder(path, Overlay(FPS, THRESHOLD, 1.5), stats.snapshot, FPS, may_drop=True)

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        page = WebSink(WebAddress(port=0), run, folder, recorder)
        stack.callback(page.close)
        yield page
    for event in run.outbox.drain():
        print(event.text, file=sys.stderr)


def _pictures(height: int, width: int) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (4, height, width, 3), np.uint8)
    return [np.asarray(cv2.GaussianBlur(picture, (0, 0), 3), np.uint8) for picture in noise]


if __name__ == "__main__":
    main()
