"""Reading the plain kind of PNG faster than OpenCV does.

Processed footage is mostly 8-bit grey PNGs without row filters (the published frames) or with the
filter "sub" (what OpenCV writes). Of these, inflating is nearly all the work, and libdeflate does
it in a fraction of the time that the zlib in OpenCV's wheels takes. What is not exactly so, or
damaged in any way, is left to OpenCV, which also judges the damage.

The format: W3C, "Portable Network Graphics (PNG) Specification (Third Edition)".
"""

import struct

import cv2
import deflate
import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xaeB`\x82"  # the last chunk, which has no data, and its checksum
# Depth 8, colour type grey, deflate, the usual filters, not interlaced.
PLAIN_GREY = bytes((8, 0, 0, 0, 0))
# Chunks that change no pixel; transparency, palettes and animations are not among them.
HARMLESS = frozenset((b"tEXt", b"zTXt", b"iTXt", b"tIME", b"pHYs", b"gAMA", b"cHRM", b"sRGB"))
FILTER_NONE, FILTER_SUB = 0, 1
# More pixels than this are no frame of a video, or would not fit the sums below.
MOST_PIXELS = 1 << 23
STRIP_BYTES = 1 << 17  # whose sums stay in the processor's caches
_FIRST_CHUNK = struct.Struct(">I4sII5sI")  # length, type, width, height, the rest, checksum
_CHUNK = struct.Struct(">I4s")
_CHECKSUM = struct.Struct(">I")
HEADER_STOP = len(SIGNATURE) + _FIRST_CHUNK.size


def read_plain_png(data: bytes) -> NDArray[np.uint8] | None:
    """Decodes an 8-bit grey PNG whose rows have the filters "none" or "sub".

    Args:
        data: The whole file.

    Returns:
        uint8 `(H, W)`, the same pixels that OpenCV gives, or None if this is anything else.
    """
    size = _plain_size(data)
    packed = _pixel_data(data) if size else None
    if size is None or packed is None:
        return None
    width, height = size
    raw = _inflated(packed, height * (width + 1))
    if raw is None:
        return None
    return _without_filters(raw, width, height)


def is_cut_short(data: bytes) -> bool:
    """Whether a file begins as a PNG and has no end of one, so that OpenCV reads nothing of it."""
    return data.startswith(SIGNATURE) and END not in data


def _inflated(packed: bytes | memoryview, size: int) -> bytearray | None:
    """The inflated data, if it is just so many bytes; no more than that is ever made of it."""
    try:
        # what follows the data is not noticed, nor is it by OpenCV
        raw = deflate.zlib_decompress(packed, size)
    except deflate.DeflateError:
        return None
    return raw if len(raw) == size else None


def _plain_size(data: bytes) -> tuple[int, int] | None:
    """Width and height, if the header is that of a plain grey picture of a reasonable size."""
    begin = len(SIGNATURE)
    if len(data) < begin + _FIRST_CHUNK.size or not data.startswith(SIGNATURE):
        return None
    length, name, width, height, rest, _ = _FIRST_CHUNK.unpack_from(data, begin)
    if (length, name, rest) != (13, b"IHDR", PLAIN_GREY):
        return None
    return (width, height) if 0 < width * height <= MOST_PIXELS else None


def _pixel_data(data: bytes) -> bytes | memoryview | None:
    """The compressed pixels, if every chunk is one that is known, whole and in its place."""
    only = _only_chunk(data)
    return _joined_chunks(data) if only is None else only


def _only_chunk(data: bytes) -> memoryview | None:
    """The compressed pixels, if nothing but they is between header and end, as in most pictures."""
    begin = HEADER_STOP + _CHUNK.size
    if len(data) < begin + 4 + len(END):
        return None
    length, name = _CHUNK.unpack_from(data, HEADER_STOP)
    stop = begin + length
    if name != b"IDAT" or data[stop + 4 :] != END:
        return None
    view = memoryview(data)
    header = view[len(SIGNATURE) + 4 : HEADER_STOP - 4]
    if deflate.crc32(header) != _CHECKSUM.unpack_from(data, HEADER_STOP - 4)[0]:
        return None
    whole = deflate.crc32(view[begin - 4 : stop]) == _CHECKSUM.unpack_from(data, stop)[0]
    return view[begin:stop] if whole else None


def _joined_chunks(data: bytes) -> bytes | memoryview | None:
    view = memoryview(data)
    parts: list[memoryview] = []
    at, last = len(SIGNATURE), b""
    while at + 12 <= len(data):
        length, name = _CHUNK.unpack_from(data, at)
        stop = at + 8 + length
        if stop + 4 > len(data):
            return None
        if deflate.crc32(view[at + 4 : stop]) != _CHECKSUM.unpack_from(data, stop)[0]:
            return None
        if name == b"IDAT":
            if parts and last != b"IDAT":  # they must follow one another
                return None
            parts.append(view[at + 8 : stop])
        elif name == b"IEND":
            whole = parts and not length and stop + 4 == len(data)
            return (parts[0] if len(parts) == 1 else b"".join(parts)) if whole else None
        elif name not in HARMLESS and (name != b"IHDR" or last):
            return None
        at, last = stop + 4, name
    return None


def _without_filters(raw: bytearray, width: int, height: int) -> NDArray[np.uint8] | None:
    """Pixels from the inflated rows, each of which begins with the number of its filter."""
    filters = raw[:: width + 1]
    rows = np.frombuffer(raw, np.uint8).reshape(height, width + 1)
    if filters.count(FILTER_NONE) == height:
        return rows[:, 1:]
    if filters.count(FILTER_SUB) == height:
        return _sums_along_rows(rows)
    return None


def _sums_along_rows(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Running sums modulo 256 of every row behind its first byte: undoes the filter "sub".

    By the integral image of many rows after one another, whose lowest bytes are all that matters:
    a fifth of the time that `np.cumsum` takes, which waits for every sum.
    """
    height, width = rows.shape
    sums = np.empty((height, width - 1), np.uint8)
    few = max(STRIP_BYTES // width, 1)
    for top in range(0, height, few):
        strip = slice(top, min(top + few, height))
        integral = np.asarray(cv2.integral(rows[strip].reshape(1, -1), sdepth=cv2.CV_32S))
        lowest = integral[1, 1:].astype(np.uint8).reshape(-1, width)
        np.subtract(lowest[:, 1:], lowest[:, :1], out=sums[strip])
    return sums
