"""Footage of the simulated tank for the measurements."""

import itertools
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.simulate import SimulatedTank, TankSpec
from fishrt.video.mp4 import open_mp4

DIFFERENT = 1_500  # pictures of a folder; each one comes several times under other names
LOOP_SECONDS = 20
FPS = 30
NOISE_LEVELS = 2.0  # of the raw pictures, about that of a good camera

Encode = Callable[[NDArray[np.uint8]], bytes]


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
