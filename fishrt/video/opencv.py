"""Video files, on disk and behind an address, read through OpenCV."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.cores import usable_cores
from fishrt.errors import SourceError
from fishrt.preprocess import size_text
from fishrt.video.damage import (
    NO_DAMAGE,
    TRIED_ON,
    behind_damage,
    missing_pictures,
    undecodable,
)
from fishrt.video.images import spread_positions
from fishrt.video.source import (
    DamagedPictureError,
    SourceFrame,
    SourceInfo,
    SourceKind,
    plausible_fps,
    size_change_sentence,
)

# Fewer pictures than this between two wanted ones: decoding on is quicker than seeking.
SEEK_FROM_STRIDE = 60
# Threads that decode a file: FFmpeg advises against more, and small pictures (of so many pixels) do
# better with one.
MOST_THREADS, SMALL_PICTURE = 16, 1 << 17
# Header counts are often duration times rate, so one picture is lost to rounding.
COUNT_TOLERANCE = 1


class _MediaCapture:
    """What finished videos share, on disk or behind a URL: pictures carry media time from 0.

    `info` and `ended_early` are as `VideoSource` says.
    """

    def __init__(
        self,
        kind: SourceKind,
        name: str,
        capture: cv2.VideoCapture,
        first: NDArray[np.uint8],
        fps: float,
        source_fps: float | None,
        early_end: str,
        *,
        skip_damaged: bool = False,
    ) -> None:
        self._capture = capture
        self._first: NDArray[np.uint8] | None = first
        self._clock_start = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
        self.info = describe(kind, name, capture, first, finished=True)
        self._interval = 1.0 / (self.info.declared_fps or fps)
        self._source_fps = source_fps
        self._early_end = early_end
        self._skip_damaged = skip_damaged
        self._damage = NO_DAMAGE
        self._clock = 0.0  # the file's own at the last picture
        self._index = 0
        self._timestamp = 0.0
        self.ended_early: str | None = None

    def read(self) -> SourceFrame | None:
        """The next picture, uint8 `(H, W, 3)` BGR, or None at the end.

        Its timestamp is `index / source_fps` if that is given, else the file's own clock where
        that grows, and one declared frame interval after the previous picture where it does not.

        Raises:
            DamagedPictureError: If it cannot be decoded, but one behind it, and damaged pictures
                are to be left out; the next call goes on.
            SourceError: If the picture size changes and OpenCV shows it (its FFmpeg backend
                scales such pictures to the size of the first one by itself).
        """
        if self._first is not None:
            image, self._first = self._first, None
        else:
            decoded = None
            if self._grab_next():
                if self._damage.missing:
                    raise self._left_out()
                decoded = _retrieve(self._capture)
            if decoded is None:
                self._note_the_end()
                return None
            image = decoded
            check_size(self.info, self._index, image)
            self._advance_clock()
        frame = SourceFrame(image, self._index, self._timestamp)
        self._index += 1
        return frame

    def skip(self) -> float | None:
        """Passes over the next picture and gives its timestamp, or None at the end."""
        if self._first is not None:
            self._first = None
        elif not self._grab_next():
            self._note_the_end()
            return None
        elif self._damage.missing:
            self._left_out()
            return self._timestamp
        else:
            self._advance_clock()
        self._index += 1
        return self._timestamp

    def close(self) -> None:
        """Lets go of the file; may be called more than once."""
        self._capture.release()
        self._first = None
        self._damage = self._damage.passed()

    def _grab_next(self) -> bool:
        """Grabs the next picture, which stays the next one until `_advance_clock`."""
        if self._damage.waits:
            return True
        if not _grab(self._capture):
            return self._skip_damaged and self._try_on()
        if self._damage.settling:
            self._damage = self._damage.looked_at(self._count_missing(0))
        return True

    def _try_on(self) -> bool:
        """Grabs the first picture behind damaged ones."""
        if self._ended_in_time or not self._capture.isOpened():
            return False
        if not any(_grab(self._capture) for _ in range(TRIED_ON)):
            return False
        self._damage = behind_damage(self._count_missing(1))
        return True

    def _count_missing(self, least: int) -> int:
        """How many pictures are missing before the one that was grabbed."""
        room = (self.info.frame_count or 0) - 1 - self._index
        return missing_pictures(self._read_clock() - self._clock, self._interval, least, room)

    def _left_out(self) -> DamagedPictureError:
        """Passes over one of the pictures that could not be decoded."""
        self._damage = self._damage.told()
        self._index += 1
        return undecodable(self.info.name, self._index - 1)

    def _advance_clock(self) -> None:
        if self._damage.waits:
            self._damage = self._damage.passed()
        if self._source_fps is None or self._skip_damaged:
            self._clock = self._read_clock()
        if self._source_fps is not None:
            self._timestamp = self._index / self._source_fps
            return
        later = self._clock > self._timestamp
        self._timestamp = self._clock if later else self._timestamp + self._interval

    def _read_clock(self) -> float:
        return self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0 - self._clock_start

    @property
    def _ended_in_time(self) -> bool:
        declared = self.info.frame_count
        return not declared or self._index >= declared - COUNT_TOLERANCE

    def _note_the_end(self) -> None:
        # a source that was closed did not end by itself
        if self._capture.isOpened() and not self._ended_in_time:
            self.ended_early = (
                f"{self.info.name} ended after {self._index} of the {self.info.frame_count} "
                f"pictures that its header declares; {self._early_end}."
            )


class VideoFile(_MediaCapture):
    """A video file; the timestamps are media time from 0.

    `info` and `ended_early` are as `VideoSource` says.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        source_fps: float | None = None,
        *,
        skip_damaged: bool = False,
    ) -> None:
        """Opens the file and decodes its first picture.

        Args:
            path: The file.
            fps: Frames a second to count with where the file has neither clock nor frame rate.
            source_fps: Frames a second to count with whatever the file says, or None.
            skip_damaged: Whether whoever reads leaves damaged pictures out. Then a picture that
                cannot be decoded is no end, if the header declares more and a later one can be.

        Raises:
            SourceError: If it is missing, empty, locked, no video, or cut short.
        """
        self._path = path
        beginning = _beginning(path)
        capture = _open_file(path)
        first = _grab_and_decode(capture)
        if first is None:
            capture.release()
            raise SourceError(_unreadable_sentence(path, beginning))
        super().__init__(
            SourceKind.FILE,
            str(path),
            capture,
            first,
            fps,
            source_fps,
            "it may be cut short or damaged",
            skip_damaged=skip_damaged,
        )

    def spread(self, count: int) -> Iterator[NDArray[np.uint8]]:
        """At most `count` pictures spread evenly over the whole file; `read` goes on as before.

        Where the header does not say how long the file is, it is decoded once from end to end,
        and at most `2 * count` pictures are held.
        """
        capture = open_media(str(self._path))
        try:
            total = self.info.frame_count
            yield from _spread(capture, total, count) if total else _thinned(capture, count)
        finally:
            capture.release()


class OnlineVideo(_MediaCapture):
    """A finished video behind a URL; the timestamps are media time from 0."""

    def __init__(
        self, name: str, capture: cv2.VideoCapture, fps: float, source_fps: float | None = None
    ) -> None:
        """Decodes the first picture.

        Args:
            name: Its address, without user name and password.
            capture: The connection; belongs to this object from now on.
            fps: Frames a second to count with where the video has neither clock nor frame rate.
            source_fps: Frames a second to count with whatever the video says, or None.

        Raises:
            SourceError: If no picture can be decoded.
        """
        first = _grab_and_decode(capture)
        if first is None:
            capture.release()
            # an MP4 whose index is at its end, behind a server that cannot jump there and back
            raise SourceError(
                f"no picture of the video {name} can be decoded over the network; download it and "
                "give the file."
            )
        super().__init__(
            SourceKind.URL,
            name,
            capture,
            first,
            fps,
            source_fps,
            "the connection broke, or the video is cut short or damaged",
        )


def file_backend() -> int:
    """FFmpeg where OpenCV has it: other backends take `00000.png` for a series, or guess."""
    has_ffmpeg = cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG)
    return int(cv2.CAP_FFMPEG if has_ffmpeg else cv2.CAP_ANY)


def open_media(target: str, wishes: Sequence[int] = ()) -> cv2.VideoCapture:
    """A capture of a file or an address, open or not.

    Args:
        target: Its path or address.
        wishes: Parameters for FFmpeg; other backends open nothing if they are told some.
    """
    backend = file_backend()
    return open_capture(target, backend, wishes if backend == cv2.CAP_FFMPEG else ())


def _open_file(path: Path) -> cv2.VideoCapture:
    """A video file, which FFmpeg decodes in as many threads as its pictures are worth.

    One more than there are cores: while a picture is taken over, the thread that made it has
    nothing to do, and with as many as cores a sixth of their time went by. To hand over a small
    picture takes as long as to decode it.
    """
    threads = min(usable_cores() + 1, MOST_THREADS)
    capture = open_media(str(path), (cv2.CAP_PROP_N_THREADS, threads))
    width, height = (
        capture.get(side) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    if not 0 < width * height <= SMALL_PICTURE:
        return capture
    capture.release()
    return open_media(str(path), (cv2.CAP_PROP_N_THREADS, 1))


def open_capture(
    target: str | int, backend: int, parameters: Sequence[int] = ()
) -> cv2.VideoCapture:
    """A capture, open or not; OpenCV's own exceptions count as not open."""
    try:
        return cv2.VideoCapture(target, backend, list(parameters))
    except cv2.error:
        return cv2.VideoCapture()


def _grab_and_decode(capture: cv2.VideoCapture) -> NDArray[np.uint8] | None:
    try:
        return decode(capture) if capture.grab() else None
    except cv2.error:
        return None


def _retrieve(capture: cv2.VideoCapture) -> NDArray[np.uint8] | None:
    try:
        return decode(capture)
    except cv2.error:
        return None


def _grab(capture: cv2.VideoCapture) -> bool:
    try:
        return bool(capture.grab())
    except cv2.error:
        return False


def decode(capture: cv2.VideoCapture) -> NDArray[np.uint8] | None:
    """The picture that was grabbed, uint8 `(H, W, 3)`, or None if it cannot be decoded."""
    decoded, image = capture.retrieve()
    return np.asarray(image, np.uint8) if decoded and image is not None else None


def describe(
    kind: SourceKind,
    name: str,
    capture: cv2.VideoCapture,
    first: NDArray[np.uint8],
    *,
    finished: bool,
) -> SourceInfo:
    """What is known about a source that was opened, from its first picture and its header."""
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return SourceInfo(
        kind=kind,
        name=name,
        width=first.shape[1],
        height=first.shape[0],
        declared_fps=plausible_fps(capture.get(cv2.CAP_PROP_FPS)),
        # streams and files without a header give 0, -1 or a huge negative number
        frame_count=int(count) if finished and count >= 1 else None,
    )


def check_size(info: SourceInfo, index: int, image: NDArray[np.uint8]) -> None:
    """Refuses a picture of another size than the first one.

    Raises:
        SourceError: If it has another size.
    """
    if image.shape[:2] != (info.height, info.width):
        before = f"{info.width}x{info.height}"
        raise SourceError(size_change_sentence(info.name, index, before, size_text(image)))


def _beginning(path: Path) -> bytes:
    """First bytes of a file, which also shows that it can be read."""
    if not path.is_file():
        raise SourceError(f"{path} is not a video file; give a file, a camera number or a URL.")
    try:
        with path.open("rb") as file:
            beginning = file.read(12)
    except OSError as error:
        raise SourceError(
            f"cannot read {path}: {error.strerror}; check its permissions."
        ) from error
    if not beginning:
        raise SourceError(f"{path} is empty (0 bytes); copy or record it again.")
    return beginning


def _unreadable_sentence(path: Path, beginning: bytes) -> str:
    if beginning[4:8] == b"ftyp":  # MP4 and its relatives keep their index at the end
        return (
            f"{path} is cut short or still being written: no picture can be decoded; wait until "
            "the recording has ended, or copy it again."
        )
    return (
        f"{path} is not a video that can be decoded; convert it first, for example with "
        "`ffmpeg -i INPUT -c:v libx264 -crf 12 OUTPUT.mp4`."
    )


def _spread(capture: cv2.VideoCapture, total: int, count: int) -> Iterator[NDArray[np.uint8]]:
    """Pictures at evenly spread positions of a file with a known number of pictures."""
    positions = spread_positions(total, count)
    seeks = total >= SEEK_FROM_STRIDE * len(positions)
    at = 0
    for position in positions:
        if seeks:
            capture.set(cv2.CAP_PROP_POS_FRAMES, position)
            at = position
        while at < position and capture.grab():
            at += 1
        image = _grab_and_decode(capture)
        at += 1
        if image is not None:  # the header may promise more than there is
            yield image


def _thinned(capture: cv2.VideoCapture, count: int) -> Iterator[NDArray[np.uint8]]:
    """Evenly spread pictures of a file of unknown length: half are dropped whenever it is full."""
    kept: list[NDArray[np.uint8]] = []
    stride, index = 1, 0
    while capture.grab():
        image = decode(capture) if index % stride == 0 else None
        index += 1
        if image is None:
            continue
        if len(kept) == 2 * count:
            kept, stride = kept[::2], 2 * stride
            if (index - 1) % stride:
                continue
        kept.append(image)
    for position in spread_positions(len(kept), count):
        yield kept[position]
