"""How fast `fishrt prepare` is, and how much memory it takes.

    python -m benchmarks.prepare speed          against the published way, and bare decoding
    python -m benchmarks.prepare memory         peak memory at several lengths

Both make their own footage of the simulated tank in a scratch folder. Give a video of your own
with --video. All figures of one line come from one run, in turn, because the machine may be shared;
the processor time a frame (all threads together) depends less on who else is at work.
"""

import argparse
import itertools
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fishrt.config import Config, override_config
from fishrt.simulate import SimulatedTank, TankSpec
from fishrt.video.mp4 import open_mp4
from training.prepare import PrepareRequest, prepare_recording

PICTURES, DIFFERENT = 9_000, 1_500  # of a folder; each one comes several times under other names
PAIRS = 400  # of the other ways, which take long enough
ROUNDS = 3
LOOP_SECONDS = 20
FPS = 30
NOISE_LEVELS = 2.0  # of the raw pictures, about that of a good camera

Encode = Callable[[NDArray[np.uint8]], bytes]


@dataclass(frozen=True)
class Rate:
    """How fast something was: frames a second, and processor time a frame in milliseconds."""

    fps: float
    processor_ms: float


def measured(work: Callable[[], int]) -> Rate:
    """Does something that returns how many frames it did."""
    start, processor = time.perf_counter(), time.process_time()
    count = work()
    return Rate(
        count / (time.perf_counter() - start), (time.process_time() - processor) / count * 1e3
    )


def as_published(image: NDArray[np.uint8]) -> bytes:
    """A PNG of the kind that the published frames are: no row filters, zlib level 9."""
    height, width = image.shape
    rows = np.zeros((height, width + 1), np.uint8)
    rows[:, 1:] = image
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def as_opencv_does(image: NDArray[np.uint8]) -> bytes:
    """A PNG as `cv2.imwrite` writes it by default: row filter "sub"."""
    return bytes(cv2.imencode(".png", image)[1])


def processed_pictures() -> Iterator[NDArray[np.uint8]]:
    """320x240 like the published frames: bright fish on black, the background removed."""
    for image, _ in SimulatedTank(TankSpec(seed=1)):
        yield image


def raw_pictures() -> Iterator[NDArray[np.uint8]]:
    """320x240 as from a camera: a light ground, and noise in every pixel."""
    noise = np.random.default_rng(1)
    for image, _ in SimulatedTank(TankSpec(seed=1)):
        seen = 170.0 - 0.6 * image + noise.normal(0.0, NOISE_LEVELS, image.shape)
        yield np.clip(np.rint(seen), 0, 255).astype(np.uint8)


def make_pictures(
    folder: Path, pictures: Iterator[NDArray[np.uint8]], encode: Encode, count: int
) -> float:
    """A folder of numbered PNGs.

    Returns:
        Their mean size in bytes.
    """
    folder.mkdir()
    sizes = []
    for index, image in enumerate(itertools.islice(pictures, min(DIFFERENT, count))):
        data = encode(image)
        sizes.append(len(data))
        for number in range(index, count, DIFFERENT):
            (folder / f"{number:05d}.png").write_bytes(data)
    return float(np.mean(sizes))


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


def published_way(folder: Path) -> int:
    """The published way: Keras (which is PIL) decodes both PNGs of every pair, in floats."""
    from keras.utils import img_to_array, load_img

    paths = [str(path) for path in sorted(folder.glob("*.png"))[: PAIRS + 1]]
    for first, second in itertools.pairwise(paths):
        before = img_to_array(load_img(first, color_mode="grayscale"), dtype="uint8")
        after = img_to_array(load_img(second, color_mode="grayscale"), dtype="uint8")
        before, after = before.astype("float32") / 255, after.astype("float32") / 255
        np.sum(np.abs(after - before)) / np.prod(before.shape)
    return PAIRS


def lean_way(folder: Path) -> int:
    """The same as lean as it gets: PIL decodes every PNG once, NumPy takes the difference."""
    before = None
    for path in sorted(folder.glob("*.png"))[: PAIRS + 1]:
        with Image.open(path) as image:
            after = np.asarray(image).astype(np.int16)
        if before is not None:
            np.abs(after - before).sum() / (after.size * 255)
        before = after
    return PAIRS


def bare_decoding(video: Path) -> int:
    """`VideoCapture.read` and nothing else."""
    capture = cv2.VideoCapture(str(video))
    count = 0
    while capture.read()[0]:
        count += 1
    return count


def ours(source: Path, scratch: Path) -> int:
    """Everything that `fishrt prepare` does, the footage check included."""
    shutil.rmtree(scratch / "recording", ignore_errors=True)
    made = prepare_recording(PrepareRequest((str(source),), Config()), scratch / "recording")
    return made.sources[-1].stop


def speed(video: Path | None) -> None:
    """Prints the table of speeds."""
    folders = (
        ("processed pictures as published", processed_pictures, as_published, PICTURES),
        ("processed pictures as OpenCV writes them", processed_pictures, as_opencv_does, PICTURES),
        ("raw noisy pictures as OpenCV writes them", raw_pictures, as_opencv_does, DIFFERENT),
    )
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for what, pictures, encode, count in folders:
            folder = scratch / "pictures"
            size = make_pictures(folder, pictures(), encode, count)
            compare(
                f"{what} ({size / 1024:.1f} KiB)",
                {
                    "published way": partial(published_way, folder),
                    "PIL, once each": partial(lean_way, folder),
                },
                partial(ours, folder, scratch),
            )
            shutil.rmtree(folder)
        file = video
        if file is None:
            make_video(file := scratch / "tank.mp4", 5)
        compare(
            file.name,
            {"bare decoding": partial(bare_decoding, file)},
            partial(ours, file, scratch),
        )


def compare(what: str, others: dict[str, Callable[[], int]], own: Callable[[], int]) -> None:
    """Prints the medians of rounds that were measured in turn."""
    ways = {**others, "prepare": own}
    for way in ways.values():  # imports, caches
        way()
    rounds = [{name: measured(way) for name, way in ways.items()} for _ in range(ROUNDS)]
    print(what, flush=True)
    for name in ways:
        fps = float(np.median([one[name].fps for one in rounds]))
        processor = float(np.median([one[name].processor_ms for one in rounds]))
        ratio = float(np.median([one["prepare"].fps / one[name].fps for one in rounds]))
        print(
            f"    {name}: {fps:.0f} frames/s, {processor:.3f} ms of processor time a frame; "
            f"prepare is {ratio:.2f} times as fast",
            flush=True,
        )


def memory() -> None:
    """Prints peak memory of `prepare`, each length in its own process.

    FFmpeg keeps the index of an MP4 in memory; a transport stream and the image folder have none.
    """
    with tempfile.TemporaryDirectory() as name:
        for hours in (0.1, 1, 10):
            video = Path(name) / "long.mp4"
            make_video(video, hours * 60, (80, 60))
            for what in ("bare", "one"):
                _in_its_own_process(what, video)
            video.unlink()
        for hours in (0.1, 1, 10):
            folder = Path(name) / "folder"
            make_folder(folder, round(hours * 3600 * FPS))
            _in_its_own_process("one", folder)
            shutil.rmtree(folder)


def _in_its_own_process(what: str, source: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.prepare", what, "--video", str(source)]
    subprocess.run(command, check=True)


def make_folder(folder: Path, count: int) -> None:
    """Numbered 80x60 PNGs: a hundred, each under many names that cost no room on the disk."""
    folder.mkdir()
    some = folder / "originals"
    some.mkdir()
    for index, image in enumerate(itertools.islice(processed_pictures(), 100)):
        (some / f"{index}").write_bytes(as_published(cv2.resize(image, (80, 60))))
    for number in range(count):
        (folder / f"{number:08d}.png").symlink_to(some / f"{number % 100}")


def one(video: Path) -> None:
    """Prepares one source of 80x60 pictures and prints the peak memory of this process."""
    config = override_config(Config(), ["clip.height=60", "clip.width=80"])
    with tempfile.TemporaryDirectory(dir=video.parent) as name:
        start = time.perf_counter()
        made = prepare_recording(PrepareRequest((str(video),), config), Path(name) / "recording")
        seconds = time.perf_counter() - start
    frames = made.sources[-1].stop
    print(
        f"prepare, {frames / FPS / 3600:.2f} h, {video.name}: peak {peak_mib():.0f} MiB, "
        f"{frames / seconds:.0f} frames/s",
        flush=True,
    )


def bare(video: Path) -> None:
    """Decodes one video and prints the peak memory of this process, all modules loaded."""
    rate = measured(lambda: bare_decoding(video)).fps
    # FFmpeg keeps the index of an MP4 in memory, some 100 bytes a picture
    print(f"bare decoding: peak {peak_mib():.0f} MiB, {rate:.0f} frames/s", flush=True)


def peak_mib() -> float:
    """Peak resident memory of this process in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the process that started this one, too
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
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
