"""The quick PNG reader: OpenCV's pixels or nothing, whatever it is given."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fishrt.video import png
from fishrt.video.png import read_plain_png

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def filtered(image: NDArray[np.uint8], kinds: list[int]) -> bytes:
    """Rows with the filters of the specification, written down as it says: byte by byte."""
    rows, before = b"", [0] * image.shape[1]
    for kind, row in zip(kinds, image.tolist(), strict=True):
        left = [0, *row[:-1]]
        minus = {
            0: [0] * len(row),
            1: left,
            2: before,
            3: [(a + b) // 2 for a, b in zip(left, before, strict=True)],
        }[kind]
        rows += bytes([kind, *((x - y) % 256 for x, y in zip(row, minus, strict=True))])
        before = row
    return rows


def encoded(
    image: NDArray[np.uint8], kinds: list[int], *, pieces: int = 1, extra: bytes = b""
) -> bytes:
    height, width = image.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packed = zlib.compress(filtered(image, kinds))
    step = -(-len(packed) // pieces)
    parts = [chunk(b"IDAT", packed[at : at + step]) for at in range(0, len(packed), step)]
    return SIGNATURE + chunk(b"IHDR", header) + extra + b"".join(parts) + chunk(b"IEND", b"")


def by_opencv(data: bytes) -> NDArray[np.uint8] | None:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return None if image is None else np.asarray(image, np.uint8)


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


@given(
    seed=st.integers(0, 99),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    kind=st.sampled_from([0, 1]),
    pieces=st.integers(1, 4),
    strip=st.sampled_from([1, 200, 1 << 16]),
)
def test_the_pixels_are_those_of_opencv(
    seed: int, height: int, width: int, kind: int, pieces: int, strip: int
) -> None:
    image = noise(height, width, seed)
    data = encoded(image, [kind] * height, pieces=pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(png, "STRIP_BYTES", strip)
        read = read_plain_png(data)
    assert read is not None
    np.testing.assert_array_equal(read, image)
    np.testing.assert_array_equal(by_opencv(data), image)


@pytest.mark.parametrize("size", [(240, 320), (1080, 1920)])
def test_what_opencv_writes_is_read(size: tuple[int, int]) -> None:
    image = noise(*size)
    data = cv2.imencode(".png", image)[1].tobytes()
    np.testing.assert_array_equal(read_plain_png(data), image)


COLOUR = np.dstack([noise(6, 8, seed) for seed in range(4)])
OTHERS = {
    "colour": COLOUR[..., :3],
    "alpha": COLOUR,
    "16 bits": noise(6, 8).astype(np.uint16),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_kinds_are_left_to_opencv(kind: str) -> None:
    assert read_plain_png(cv2.imencode(".png", OTHERS[kind])[1].tobytes()) is None


@pytest.mark.parametrize("kinds", [[2] * 6, [3] * 6, [0, 1, 0, 1, 0, 1], [0, 0, 0, 0, 0, 2]])
def test_other_filters_are_left_to_opencv(kinds: list[int]) -> None:
    data = encoded(noise(6, 8), kinds)
    assert read_plain_png(data) is None
    np.testing.assert_array_equal(by_opencv(data), noise(6, 8))


@pytest.mark.parametrize(("name", "read"), [(b"tEXt", True), (b"tRNS", False), (b"acTL", False)])
def test_what_may_change_pixels_is_left_to_opencv(name: bytes, read: bool) -> None:
    data = encoded(noise(6, 8), [0] * 6, extra=chunk(name, b"a\0b"))
    assert (read_plain_png(data) is not None) == read


@pytest.mark.parametrize("pieces", [1, 2])
def test_no_damage_gets_through(pieces: int) -> None:
    data = encoded(noise(6, 8), [1] * 6, pieces=pieces)
    for at in range(len(data)):
        assert read_plain_png(data[:at]) is None
        for bit in (0, 3, 7):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            assert read_plain_png(bytes(changed)) is None
    assert read_plain_png(data + b"\0") is None


@pytest.mark.parametrize("pieces", [1, 2])
def test_one_piece_is_read_as_many_are(pieces: int) -> None:
    data = encoded(noise(6, 8), [1] * 6, pieces=pieces)
    assert (png._only_chunk(data) is not None) == (pieces == 1)
    joined = png._joined_chunks(data)
    assert joined is not None
    assert png._pixel_data(data) == joined


@pytest.mark.parametrize("colour", [False, True])
def test_a_png_that_is_cut_short_is_what_opencv_cannot_read(colour: bool) -> None:
    image = np.dstack([noise(6, 8, seed) for seed in range(3)]) if colour else noise(6, 8)
    data = cv2.imencode(".png", image)[1].tobytes()
    assert not png.is_cut_short(data)
    assert not png.is_cut_short(data + b"more")
    for at in range(1, len(data)):
        assert by_opencv(data[:at]) is None
        assert png.is_cut_short(data[:at]) == (at >= len(SIGNATURE))


def test_wrong_amounts_of_pixels_and_bombs_are_left_to_opencv() -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 6, 8, 0, 0, 0, 0))
    for rows in (bytes(9 * 5), bytes(9 * 6 + 1), bytes(50_000_000)):
        pixels = chunk(b"IDAT", zlib.compress(rows))
        assert read_plain_png(SIGNATURE + header + pixels + chunk(b"IEND", b"")) is None
    huge = chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 0, 0, 0, 0))
    assert read_plain_png(SIGNATURE + huge + pixels + chunk(b"IEND", b"")) is None
