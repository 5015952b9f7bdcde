"""Frames a second, against the published way and bare decoding."""

import itertools
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.prepare.footage import (
    as_opencv_does,
    as_published,
    make_pictures,
    make_video,
    processed_pictures,
    raw_pictures,
)
from benchmarks.prepare.processes import processor_seconds
from fishrt.config import Config
from training.prepare import PrepareRequest, prepare_recording

PICTURES = 45_000  # about as many as the published training footage has
RAW_PICTURES = 4_500
PAIRS = 1_000  # of the other ways, at a time
ROUNDS = 5


@dataclass(frozen=True)
class Rate:
    """How fast something was: frames a second, and processor time a frame in milliseconds."""

    fps: float
    processor_ms: float


def measured(work: Callable[[], int]) -> Rate:
    """Does something that returns how many frames it did."""
    start, processor = time.perf_counter(), processor_seconds()
    count = work()
    seconds = time.perf_counter() - start
    return Rate(count / seconds, (processor_seconds() - processor) / count * 1e3)


def published_way(paths: Iterator[str]) -> int:
    """The published way: Keras (which is PIL) decodes both PNGs of every pair, in floats.

    Args:
        paths: Endless; every call goes on where the one before stopped, so that their pictures are
            no more in the processor's caches than ours.
    """
    from keras.utils import img_to_array, load_img

    for first, second in itertools.pairwise(itertools.islice(paths, PAIRS + 1)):
        before = img_to_array(load_img(first, color_mode="grayscale"), dtype="uint8")
        after = img_to_array(load_img(second, color_mode="grayscale"), dtype="uint8")
        before, after = before.astype("float32") / 255, after.astype("float32") / 255
        np.sum(np.abs(after - before)) / np.prod(before.shape)
    return PAIRS


def lean_way(paths: Iterator[str]) -> int:
    """The same as lean as it gets: PIL decodes every PNG once, NumPy takes the difference."""
    before = None
    for path in itertools.islice(paths, PAIRS + 1):
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
    made = prepare_recording(PrepareRequest((str(source),), Config()), scratch / "recording")
    return made.sources[-1].stop


def speed(video: Path | None) -> None:
    """Prints the table of speeds."""
    folders = (
        ("processed pictures as published", processed_pictures, as_published, PICTURES),
        ("processed pictures as OpenCV writes them", processed_pictures, as_opencv_does, PICTURES),
        ("raw noisy pictures as OpenCV writes them", raw_pictures, as_opencv_does, RAW_PICTURES),
    )
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for what, pictures, encode, count in folders:
            folder = scratch / "pictures"
            size = make_pictures(folder, pictures(), encode, count)
            # listing them is part of our time and none of theirs
            paths = itertools.cycle([str(path) for path in sorted(folder.glob("*.png"))])
            compare(
                f"{what} ({size / 1024:.1f} KiB)",
                {
                    "published way": partial(published_way, paths),
                    "PIL, once each": partial(lean_way, paths),
                },
                partial(ours, folder, scratch),
                scratch,
            )
            shutil.rmtree(folder)
        file = video
        if file is None:
            make_video(file := scratch / "tank.mp4", 5)
        compare(
            file.name,
            {"bare decoding": partial(bare_decoding, file)},
            partial(ours, file, scratch),
            scratch,
        )


def compare(
    what: str, others: dict[str, Callable[[], int]], own: Callable[[], int], scratch: Path
) -> None:
    """Prints the medians of rounds that were measured in turn."""
    ways = {**others, "prepare": own}

    def one_round() -> dict[str, Rate]:
        rates = {name: measured(way) for name, way in ways.items()}
        shutil.rmtree(scratch / "recording")
        return rates

    one_round()  # imports, caches
    rounds = [one_round() for _ in range(ROUNDS)]
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
