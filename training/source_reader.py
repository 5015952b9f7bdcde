"""One source, read once from end to end and placed on the model's time grid."""

import hashlib
import os
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fishrt.deflicker import mean_brightness
from fishrt.errors import FishrtError, RecordingError
from fishrt.footage.policy import Damaged
from fishrt.footage.shake import compares
from fishrt.preprocess import Preprocessor
from fishrt.storage import read_small_file, sha256_of
from fishrt.video import SourceFrame, SourceKind, VideoSource
from fishrt.video.numbered_names import picture_names
from fishrt.video.png import END as PNG_END
from fishrt.video.prefetch import decoded_ahead
from fishrt.video.resample import Placement, Resampler
from fishrt.video.source import (
    DamagedPictureError,
    IndexedSource,
    RecordedSource,
    UnreadablePictureError,
    decoded,
)
from training.picture_block import PictureBlock
from training.picture_blocks import blocks_ahead
from training.source_tally import SourceTally
from training.video_blocks import blocks_in_order


class Seen(NamedTuple):
    """What is taken from a picture where it is decoded.

    Attributes:
        view: uint8 `(H, W)`, the grey camera picture within the region of interest.
        brightness: Its mean grey level, 0 .. 255.
        timestamp: Seconds on the source's clock.
    """

    view: NDArray[np.uint8]
    brightness: float
    timestamp: float


class FrameRun(NamedTuple):
    """Frames that follow one another, made of pictures that were read in one block.

    Attributes:
        repeats: How often the frame before is to be repeated first.
        number: Number of the picture that fills the first of them, as `SourceReader.placed` counts.
        block: The block.
        entries: Which entries of the block these are.
    """

    repeats: int
    number: int
    block: PictureBlock
    entries: range


class SourceReader:
    """Gives the pictures of one source that fill a frame, and keeps the tally.

    A reader that is given the tally of one that was killed passes what that one took and goes
    on behind it.

    Attributes:
        tally: What was taken.
        before: The picture that filled the last frame before this reader went on, by its number as
            `placed` counts, and as `view` gives it; where the shake meter asks for it, else None.
        sha256: That of the source, as `source_sha256` gives it, if it became known on the way.
    """

    def __init__(
        self,
        source: VideoSource,
        tally: SourceTally,
        preprocess: Preprocessor,
        fps: float,
        *,
        source_fps: float | None = None,
        frame_limit: int | None = None,
        damaged: Damaged = Damaged.STOP,
    ) -> None:
        """Passes what the tally says was taken before.

        Args:
            source: An open source; the caller closes it.
            tally: What was taken from it before; is kept up to date.
            preprocess: What makes views of the pictures.
            fps: The model's frames a second.
            source_fps: Frames a second that the user says the source has, or None.
            frame_limit: Time grid positions after which to stop, or None for the end.
            damaged: What to do with a picture that cannot be read.

        Raises:
            RecordingError: If the source is not what it was when the tally was taken.
        """
        self._source = source
        self._preprocess = preprocess
        self._resampler = Resampler(fps, source_fps or source.info.declared_fps)
        self._limit = frame_limit
        self._policy = damaged
        self._last: float | None = None
        self.tally = tally
        self.before: tuple[int, NDArray[np.uint8]] | None = None
        self.sha256: str | None = None
        self._pass_over()
        self.tally.told_fps = source_fps
        seen = preprocess.roi or source.info
        self.tally.view = [seen.height, seen.width]

    @property
    def in_blocks(self) -> bool:
        """Whether `runs` can be used, and is quicker than `frames`."""
        if self._preprocess.deflicker is not None:  # it must see just the pictures that are taken
            return False
        # a block makes frames of all its pictures, of which a fast video has too many
        return isinstance(self._source, IndexedSource) or not self._resampler.chooses

    @property
    def placed(self) -> int:
        """Pictures that filled a frame so far, the one that was handed out last included."""
        return self._resampler.placed

    def frames(self) -> Generator[tuple[Seen, int], None, None]:
        """The pictures that fill a frame, and how often the frame before is to be repeated first.

        The tally counts a picture as taken when it is handed out.

        Raises:
            SourceError: If the source fails.
        """
        with decoded_ahead(self._source, self._look) as pictures:
            while not self._enough:
                try:
                    picture = next(pictures, None)
                except DamagedPictureError as error:
                    self._leave_out(error)
                    continue
                if picture is None:
                    break
                repeats = self._placed(picture.timestamp)
                if repeats is not None:
                    yield picture, repeats
        self.tally.ended_early = self._source.ended_early

    def runs(self) -> Generator[FrameRun, None, None]:
        """The frames, many at once, where `in_blocks` says so.

        They are the same as with `frames`, and the tally counts the pictures of a run as taken
        when it is handed out.

        Raises:
            SourceError: If the source fails.
            ConfigError: If the background has another size than the pictures.
        """
        files = isinstance(self._source, IndexedSource)
        digest = hashlib.sha256() if files and not self.tally.pictures else None
        with self._blocks() as blocks:
            for block in blocks:
                if self._enough:
                    digest = None
                    break
                if any(isinstance(e, UnreadablePictureError) for e in block.errors.values()):
                    digest = None  # as when all is read again for it
                if digest:
                    digest.update(block.files)
                if self._all_regular(block):
                    number = self.placed - len(block.whole)
                    yield FrameRun(0, number, block, range(len(block.whole)))
                else:
                    yield from self._one_by_one(block)
        self.tally.ended_early = self._source.ended_early
        if digest and isinstance(self._source, IndexedSource) and self._source.alphabetical:
            self.sha256 = digest.hexdigest()

    def view(self, block: PictureBlock, entry: int) -> NDArray[np.uint8]:
        """The grey picture within the region of interest, uint8 `(H, W)`.

        Args:
            block: A block of a run of this reader.
            entry: Which of its entries.
        """
        if block.views is not None:
            return block.views[entry]
        assert isinstance(self._source, IndexedSource)
        picture = block.picture(entry)
        part = self._source.part(range(picture, picture + 1))
        return self._preprocess.view(decoded(part, picture).image)

    def _blocks(self) -> AbstractContextManager[Iterator[PictureBlock]]:
        if isinstance(self._source, IndexedSource):
            return blocks_ahead(self._source, self._preprocess, self._likely_number)
        return blocks_in_order(self._source, self._preprocess, self.tally.pictures)

    def _one_by_one(self, block: PictureBlock) -> Iterator[FrameRun]:
        entry = 0
        for at in range(len(block.pictures)):
            if self._enough:
                return
            if at in block.errors:
                self._leave_out(block.errors[at])
                continue
            repeats = self._placed(float(block.timestamps[entry]))
            if repeats is not None:
                yield FrameRun(repeats, self.placed - 1, block, range(entry, entry + 1))
            entry += 1

    def _all_regular(self, block: PictureBlock) -> bool:
        """Takes the whole block if every picture fills just the next frame; see `_placed`."""
        stop = self._resampler.slots + len(block.whole)
        beyond = self._limit is not None and stop > self._limit
        previous = self._last
        if (
            block.errors
            or beyond
            or previous is None
            or not previous < block.timestamps[0]
            or not self._resampler.push_regular(block.timestamps)
        ):
            return False
        tally = self.tally
        tally.pictures += len(block.whole)
        tally.frames += len(block.whole)
        tally.passed_all(np.diff(block.timestamps, prepend=previous).tolist())
        self._last = float(block.timestamps[-1])
        return True

    def _likely_number(self, picture: int) -> int:
        return picture - (self.tally.pictures - self.placed)

    def _leave_out(self, error: FishrtError) -> None:
        """Passes over a picture that cannot be read, or raises what is wrong with it."""
        if not isinstance(error, DamagedPictureError) or self._policy is Damaged.STOP:
            raise error
        self.tally.damaged.append(self.tally.pictures)
        self.tally.pictures += 1

    def _placed(self, timestamp: float) -> int | None:
        """Takes a picture: how often the frame before is repeated first; None if it fills none."""
        placement = self._resampler.push(timestamp)
        self._book(placement, timestamp)
        return None if placement.slot is None or self._beyond(placement) else placement.repeats

    def _look(self, picture: SourceFrame) -> Seen:
        view = self._preprocess.view(picture.image)
        return Seen(view, mean_brightness(view), picture.timestamp)

    @property
    def _enough(self) -> bool:
        return self._limit is not None and self._resampler.slots >= self._limit

    def _beyond(self, placement: Placement) -> bool:
        return (
            self._limit is not None and placement.slot is not None and placement.slot >= self._limit
        )

    def _book(self, placement: Placement, timestamp: float) -> None:
        tally = self.tally
        tally.pictures += 1
        if placement.slot is None:
            tally.surplus += 1
        elif not self._beyond(placement):
            if placement.lost and tally.frames:
                tally.gaps.append(tally.stop)
            tally.frames += placement.repeats + 1
            tally.repeated += placement.repeats
            tally.lost += placement.lost
        if self._last is not None and timestamp > self._last:
            tally.passed(timestamp - self._last, lost=bool(placement.lost))
        self._last = timestamp

    def _pass_over(self) -> None:
        before = self.tally
        if not before.pictures:
            before.declared_fps = self._source.info.declared_fps
            return
        if not isinstance(self._source, RecordedSource):
            raise RuntimeError("a live source cannot be read once more")
        self.tally = SourceTally(
            before.name,
            before.kind,
            before.first,
            declared_fps=before.declared_fps,
            damaged=before.damaged,
        )
        damaged = frozenset(before.damaged)
        last = before.frames - before.repeated - 1  # the number of the picture of the last frame
        for index in range(before.pictures):
            again = compares(last) and self.placed == last and index not in damaged
            timestamp = self._read_again(last) if again else self._source.skip()
            if timestamp is None:
                break
            if index in damaged:
                self.tally.pictures += 1
            else:
                self._book(self._resampler.push(timestamp), timestamp)
        if self.tally != before:
            raise self._another_source()

    def _read_again(self, number: int) -> float | None:
        """Reads a picture that may be the one that filled the last frame."""
        try:
            picture = self._source.read()
        except DamagedPictureError as error:
            raise self._another_source() from error
        if picture is None:
            return None
        self.before = (number, self._preprocess.view(picture.image))
        return picture.timestamp

    def _another_source(self) -> RecordingError:
        return RecordingError(
            f"{self.tally.name} is not what it was when this recording was begun; begin anew with "
            "--restart."
        )


def source_sha256(name: str, kind: SourceKind) -> str | None:
    """SHA-256 of a video file, or of all pictures of a folder in the order of their names.

    Returns:
        64 hexadecimal digits, or None for what cannot be read twice, or not at all.
    """
    path = Path(name).expanduser()
    try:
        if kind == SourceKind.FILE:
            return sha256_of(path)
        if kind == SourceKind.IMAGES:
            return _folder_sha256(path)
    except OSError:
        return None
    return None


def _folder_sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in picture_names(folder):
        digest.update(name.encode() + b"\0")
        digest.update(read_small_file(f"{folder}{os.sep}{name}", PNG_END))
    return digest.hexdigest()
