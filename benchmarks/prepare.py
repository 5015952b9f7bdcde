"""How fast `fishrt prepare` is, and how much memory it takes.

    python -m benchmarks.prepare speed          against the published way, and bare decoding
    python -m benchmarks.prepare memory         peak memory at several lengths

Both make their own footage of the simulated tank in a scratch folder. Give a video of your own
with --video. All figures of one table come from one run, because the machine may be shared.
"""

import argparse
import itertools
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from fishrt.config import Config, override_config
from fishrt.simulate import SimulatedTank, TankSpec
from fishrt.video.mp4 import open_mp4
from training.prepare import PrepareRequest, prepare_recording

PICTURES = 3000
PAIRS = 300  # of the published way, which takes long enough
ROUNDS = 3
LOOP_SECONDS = 20
FPS = 30


def make_pictures(folder: Path, count: int) -> None:
    """Numbered 320x240 PNGs of the simulated tank, as the published frames are stored."""
    folder.mkdir()
    for index, (image, _) in enumerate(itertools.islice(SimulatedTank(TankSpec(seed=1)), count)):
        cv2.imwrite(str(folder / f"{index:05d}.png"), image)


def make_video(path: Path, minutes: float, size: tuple[int, int] = (320, 240)) -> None:
    """An MP4 of so many minutes: twenty seconds of the simulated tank again and again."""
    tank = itertools.islice(SimulatedTank(TankSpec(seed=1)), LOOP_SECONDS * FPS)
    loop = [
        cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2BGR)
        for image, _ in tank
    ]
    writer = open_mp4(path, FPS, size)
    for index in range(round(minutes * 60 * FPS)):
        writer.write(loop[index % len(loop)])
    writer.release()


def published_way(folder: Path, pairs: int) -> float:
    """Frames a second: PIL decodes both PNGs of every pair, NumPy takes the difference."""
    paths = sorted(folder.glob("*.png"))
    start = time.perf_counter()
    for first, second in itertools.pairwise(paths[: pairs + 1]):
        before = np.asarray(Image.open(first), np.float64)
        after = np.asarray(Image.open(second), np.float64)
        np.abs(after - before).mean()
    return pairs / (time.perf_counter() - start)


def bare_decoding(video: Path) -> float:
    """Frames a second of `VideoCapture.read` and nothing else."""
    capture = cv2.VideoCapture(str(video))
    count, start = 0, time.perf_counter()
    while capture.read()[0]:
        count += 1
    return count / (time.perf_counter() - start)


def ours(source: Path, scratch: Path) -> float:
    """Frames a second of everything that `fishrt prepare` does, the footage check included."""
    start = time.perf_counter()
    made = prepare_recording(PrepareRequest((str(source),), Config()), scratch / "recording")
    seconds = time.perf_counter() - start
    shutil.rmtree(scratch / "recording")
    return made.sources[-1].stop / seconds


def speed(video: Path | None) -> None:
    """Prints the table of speeds."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        make_pictures(scratch / "pictures", PICTURES)
        if video is None:
            video = scratch / "tank.mp4"
            make_video(video, 5)
        compare(
            "image folder",
            "published way",
            lambda: published_way(scratch / "pictures", PAIRS),
            lambda: ours(scratch / "pictures", scratch),
        )
        file = video
        compare(
            video.name, "bare decoding", lambda: bare_decoding(file), lambda: ours(file, scratch)
        )


def compare(what: str, name: str, theirs: Callable[[], float], own: Callable[[], float]) -> None:
    """Prints the medians of rounds that were measured in turn."""
    pairs = [(theirs(), own()) for _ in range(ROUNDS)]
    a, b = (float(np.median(side)) for side in zip(*pairs, strict=True))
    print(f"{what}: {name} {a:.0f} frames/s, prepare {b:.0f} frames/s, ratio {b / a:.2f}")


def memory() -> None:
    """Prints peak memory of `prepare`, each length in its own process."""
    with tempfile.TemporaryDirectory() as name:
        video = Path(name) / "long.mp4"
        for hours in (0.1, 1, 10):
            make_video(video, hours * 60, (80, 60))
            for what in ("bare", "one"):
                subprocess.run(
                    [sys.executable, "-m", "benchmarks.prepare", what, "--video", str(video)],
                    check=True,
                )


def one(video: Path) -> None:
    """Prepares one video of 80x60 pictures and prints the peak memory of this process."""
    config = override_config(Config(), ["clip.height=60", "clip.width=80"])
    with tempfile.TemporaryDirectory(dir=video.parent) as name:
        start = time.perf_counter()
        made = prepare_recording(PrepareRequest((str(video),), config), Path(name) / "recording")
        seconds = time.perf_counter() - start
    frames = made.sources[-1].stop
    print(
        f"prepare, {frames / FPS / 3600:.2f} h: peak {peak_mib():.0f} MiB, "
        f"{frames / seconds:.0f} frames/s"
    )


def bare(video: Path) -> None:
    """Decodes one video and prints the peak memory of this process, all modules loaded."""
    rate = bare_decoding(video)
    # FFmpeg keeps the index of an MP4 in memory, some 100 bytes a picture
    print(f"bare decoding of the same: peak {peak_mib():.0f} MiB, {rate:.0f} frames/s")


def peak_mib() -> float:
    """Peak resident memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Runs the benchmark that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("speed", "memory", "one", "bare"))
    parser.add_argument("--video", type=Path)
    arguments = parser.parse_args()
    if arguments.what == "speed":
        speed(arguments.video)
    elif arguments.what == "memory":
        memory()
    elif arguments.what == "bare":
        bare(arguments.video)
    else:
        one(arguments.video)


if __name__ == "__main__":
    main()
