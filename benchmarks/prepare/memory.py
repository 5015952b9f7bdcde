"""Peak memory at several lengths, each measured in a process of its own."""

import contextlib
import itertools
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2

from benchmarks.prepare.footage import FPS, as_published, make_video, processed_pictures
from benchmarks.prepare.processes import children, memory_mib, shared_out_mib
from benchmarks.prepare.speed import bare_decoding
from fishrt.config import Config, override_config
from fishrt.simulate import TankSpec
from training.prepare import PrepareRequest, prepare_recording
from training.simulated import record_simulation

SMALL = ["clip.height=60", "clip.width=80"]
WIDTH, HEIGHT = 80, 60
EVERY_SECONDS = 0.05


def memory(hours: list[float]) -> None:
    """Prints peak memory at several lengths.

    FFmpeg keeps the index of an MP4 in memory, some 70 bytes a picture. A transport stream (.ts)
    has none; nor has the simulated tank.
    """
    with tempfile.TemporaryDirectory() as name:
        for suffix in (".mp4", ".ts"):
            for length in hours:
                video = Path(name) / f"{length:g}h{suffix}"
                make_video(video, length * 60, (WIDTH, HEIGHT))
                for what in ("bare", "one"):
                    _in_its_own_process(what, str(video))
                video.unlink()
        for length in hours:
            folder = Path(name) / f"{length:g}h-folder"
            make_folder(folder, round(length * 3600 * FPS))
            _in_its_own_process("one", str(folder))
            shutil.rmtree(folder)
        for length in hours:
            _in_its_own_process("simulate", f"{length:g}")


def _in_its_own_process(what: str, source: str) -> None:
    command = [sys.executable, "-m", "benchmarks.prepare", what, "--of", source]
    subprocess.run(command, check=True)


def make_folder(folder: Path, count: int) -> None:
    """Numbered PNGs: a hundred, each under many names that cost no room on the disk."""
    folder.mkdir()
    (some := folder / "originals").mkdir()
    for index, image in enumerate(itertools.islice(processed_pictures(), 100)):
        (some / f"{index}").write_bytes(as_published(cv2.resize(image, (WIDTH, HEIGHT))))
    for number in range(count):
        (folder / f"{number:08d}.png").symlink_to(some / f"{number % 100}")


def one(source: str) -> None:
    """Prepares one source and prints the peak memory of this process and its helpers."""
    config = override_config(Config(), SMALL)

    def work(folder: Path) -> int:
        return prepare_recording(PrepareRequest((source,), config), folder).sources[-1].stop

    _tell("prepare", Path(source).name, work, Path(source).parent)


def simulate(hours: float) -> None:
    """Simulates and prints the peak memory of this process."""
    config = override_config(Config(), SMALL)

    def work(folder: Path) -> int:
        made = record_simulation(TankSpec(), round(hours * 3600 * FPS), config, folder)
        return made.sources[-1].stop

    _tell("simulate", f"{hours:g}h", work, None)


def bare(video: Path) -> None:
    """Decodes one video and prints the peak memory of this process, all modules loaded."""
    _tell("bare decoding", video.name, lambda _: bare_decoding(video), None)


def _tell(what: str, name: str, work: Callable[[Path], int], place: Path | None) -> None:
    with tempfile.TemporaryDirectory(dir=place) as scratch, _watched() as peaks:
        start = time.perf_counter()
        frames = work(Path(scratch) / "recording")
        seconds = time.perf_counter() - start
    helpers = f", helpers {peaks['helpers']:.0f} MiB" if peaks["helpers"] else ""
    print(
        f"{what}, {name}: peak {memory_mib('VmHWM'):.0f} MiB, of these not of files "
        f"{peaks['RssAnon']:.0f} MiB{helpers}, {frames / seconds:.0f} frames/s",
        flush=True,
    )


@contextlib.contextmanager
def _watched() -> Iterator[dict[str, float]]:
    """Looks again and again how much memory is taken; the largest figures seen, in MiB."""
    peaks = {"RssAnon": 0.0, "helpers": 0.0}
    over = threading.Event()

    def watch() -> None:
        for turn in itertools.count():
            peaks["RssAnon"] = max(peaks["RssAnon"], memory_mib("RssAnon"))
            if turn % 20 == 0:  # takes longer
                with contextlib.suppress(OSError):  # one just ended
                    helpers = sum(shared_out_mib(child) for child in children())
                    peaks["helpers"] = max(peaks["helpers"], helpers)
            if over.wait(EVERY_SECONDS):
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peaks
    finally:
        over.set()
        watcher.join()
