"""From any footage to a recording: read, place in time, preprocess, write, check."""

import contextlib
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fishrt.config import Config
from fishrt.deflicker import Deflicker
from fishrt.errors import SourceError
from fishrt.footage.policy import Damaged
from fishrt.preprocess import make_preprocessor
from fishrt.recording import RecordingMetadata
from fishrt.recording_writer import (
    Existing,
    Layout,
    RecordingWriter,
    Unfinished,
    write_recording,
)
from fishrt.stored_background import save_background, stored_background
from fishrt.video import SourceInfo, SourceKind, VideoSource
from fishrt.video.background import learn_common_background
from fishrt.video.factory import absolute_source, open_recorded
from fishrt.video.prefetch import single_threaded_opencv
from fishrt.video.source import IndexedSource
from training.complete import LabelOptions, complete_recording
from training.record_source import record_source
from training.source_reader import SourceReader, source_sha256
from training.source_tally import SourceTally

MEASURED_TRACKS = {"brightness": (np.float32, ())}
MEASURED_NOTES = {"shift": (np.float64, (4,)), "repeated": (np.int64, ())}


@dataclass(frozen=True)
class PrepareRequest:
    """What to make a recording of.

    Attributes:
        sources: Files, folders of numbered images, URLs, `demo[:SEED]`, in this order.
        config: Frame size and rate, preprocessing, label rule and split shares.
        labels: How labels are made.
        source_fps: Frames a second of sources that do not say it, or say it wrongly; None to
            believe them.
        minutes: How much to take of every source at most; needed where there is no end.
        damaged: What to do with what cannot be read, single pictures or the rest of a source.
    """

    sources: tuple[str, ...]
    config: Config
    labels: LabelOptions = field(default_factory=LabelOptions)
    source_fps: float | None = None
    minutes: float | None = None
    damaged: Damaged = Damaged.STOP

    @property
    def frame_limit(self) -> int | None:
        """Frames to take of every source at most."""
        fps = self.config.clip.fps
        return None if self.minutes is None else max(round(self.minutes * 60 * fps), 1)

    def as_data(self) -> dict[str, Any]:
        """What an unfinished recording is compared with: all that decides about its frames.

        Label options and what to do with damage may change when it is gone on with.
        """
        clip, preprocess = self.config.clip, self.config.preprocess
        return {
            "command": "prepare",
            "sources": [absolute_source(source) for source in self.sources],
            "frame": [clip.height, clip.width, clip.fps],
            "preprocess": preprocess.model_dump(mode="json"),
            "source_fps": self.source_fps,
            "minutes": self.minutes,
        }


Progress = Callable[[str, int, int | None], None]
"""Is told the source, the frames done of all, and how many those are, if known."""


def prepare_recording(
    request: PrepareRequest,
    folder: Path,
    *,
    unfinished: Unfinished = Unfinished.RESUME,
    existing: Existing = Existing.KEEP,
    progress: Progress = lambda *_: None,
    draw: Callable[[Path], None] = lambda _: None,
) -> RecordingMetadata:
    """Makes a recording.

    Killed at any moment, it goes on where it was when it is called again.

    Args:
        request: What to make it of.
        folder: Where it goes.
        unfinished: What to do with an unfinished one.
        existing: What to do with a whole one in this place.
        progress: Told how far it is.
        draw: Draws the report into the folder, in which all else is whole by then. The folder is
            renamed after that, so a recording that is in its place has its report.

    Returns:
        What `recording.yaml` holds, the findings of the footage check among it.

    Raises:
        SourceError: If a source cannot be read; what was read before it is kept.
        OutputError: If the folder cannot be written; what was written is kept.
        RecordingError: If an unfinished recording of something else is in the way.
    """
    clip = request.config.clip
    layout = Layout(clip.height, clip.width, tracks=MEASURED_TRACKS, notes=MEASURED_NOTES)
    with write_recording(
        folder, layout, request.as_data(), unfinished=unfinished, existing=existing
    ) as writer:
        metadata = _fill(writer, request, progress)
        draw(writer.folder)
        return metadata


def check_sources(
    request: PrepareRequest, progress: Progress = lambda *_: None
) -> RecordingMetadata:
    """The footage check alone: reads everything and keeps nothing.

    Args:
        request: What to check.
        progress: Told how far it is.

    Returns:
        What `recording.yaml` would hold.

    Raises:
        SourceError: If a source cannot be read.
    """
    clip = request.config.clip
    layout = Layout(
        clip.height, clip.width, frames=False, tracks=MEASURED_TRACKS, notes=MEASURED_NOTES
    )
    with (
        tempfile.TemporaryDirectory(prefix="fishrt-check-") as scratch,
        write_recording(Path(scratch) / "check", layout, request.as_data()) as writer,
    ):
        return _fill(writer, request, progress)


def _look_at_all(
    request: PrepareRequest, first: int, open_one: Callable[[int], VideoSource]
) -> tuple[int | None, VideoSource | None]:
    """Opens every source once, so that a wrong name shows at once and not after hours.

    Args:
        request: The sources.
        first: The one that will be read first.
        open_one: Opens one of them.

    Returns:
        How many frames there will be, about, None where that is not known; and the first one,
        open, if it lies on the disk, because some take time and memory to open.
    """
    total: float | None = 0.0
    kept: VideoSource | None = None
    for index, text in enumerate(request.sources):
        if "://" in text:  # a stream would be connected to twice
            total = None
            continue
        source = open_one(index)
        if index == first and source.info.kind in (SourceKind.FILE, SourceKind.IMAGES):
            kept = source
        else:
            source.close()
        frames = _frames_in(source.info, request)
        total = total + frames if total is not None and frames is not None else None
    return None if total is None else round(total), kept


def _frames_in(info: SourceInfo, request: PrepareRequest) -> float | None:
    limit = request.frame_limit
    fps = request.source_fps or info.declared_fps
    if info.frame_count is None or fps is None:
        if limit is None and info.kind is not SourceKind.FILE:
            raise SourceError(f"{info.name} has no end; say how much of it to take with --minutes.")
        return limit
    frames = info.frame_count * request.config.clip.fps / fps
    return min(frames, limit) if limit else frames


def _fill(
    writer: RecordingWriter, request: PrepareRequest, progress: Progress
) -> RecordingMetadata:
    tallies = [SourceTally(**data) for data in writer.state.get("tallies", [])]
    number = int(writer.state.get("source", 0))
    begun = bool(writer.state.get("inside"))
    # what was left out before is to be passed over once more, whatever is to be done from here on
    left_out = begun and bool(tallies[-1].damaged)

    def open_one(index: int) -> VideoSource:
        skips = request.damaged is Damaged.SKIP or (left_out and index == number)
        return open_recorded(
            request.sources[index],
            fps=request.config.clip.fps,
            source_fps=request.source_fps,
            skip_damaged=skips,
        )

    total, opened = _look_at_all(request, number, open_one)
    background = _background(writer.folder, request)

    def tell(name: str, done: int) -> None:
        progress(name, done, total)

    with (
        single_threaded_opencv(),
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="fishrt-sha256") as pool,
    ):

        def read_again(tally: SourceTally) -> Future[str | None]:
            return pool.submit(source_sha256, tally.name, tally.kind)

        hashes: list[Future[str | None] | str] = [read_again(tally) for tally in tallies]
        for index in range(number, len(request.sources)):
            resumes = index == number and begun
            source = opened or open_one(index)
            opened = None
            with contextlib.closing(source):
                anew = not resumes or source.info.is_live
                if anew:
                    tallies.append(SourceTally(source.info.name, source.info.kind, writer.count))
                    if not isinstance(source, IndexedSource):
                        hashes.append(read_again(tallies[-1]))
                known = _take(writer, request, source, background, _Place(tallies, index), tell)
                if len(hashes) < len(tallies):
                    hashes.append(known or read_again(tallies[-1]))
        return complete_recording(
            writer,
            tallies,
            [known if isinstance(known, str) else known.result() for known in hashes],
            request.config,
            request.labels,
        )


@dataclass(frozen=True)
class _Place:
    """How far the reading is: the last tally is that of source number `source`."""

    tallies: list[SourceTally]
    source: int

    def within(self, deflicker: Deflicker | None) -> dict[str, Any]:
        """What is needed to go on within the source."""
        # the brightness that is kept cannot stand in for this: it is of frames, some of which are
        # repeated where a source is slow, and flicker is measured by the picture
        past = list(deflicker.past) if deflicker else []
        return {**self._as_data(self.source), "inside": True, "flicker": past}

    def behind(self) -> dict[str, Any]:
        """What is needed to go on with the next source."""
        return {**self._as_data(self.source + 1), "inside": False}

    def _as_data(self, source: int) -> dict[str, Any]:
        return {"tallies": [tally.as_data() for tally in self.tallies], "source": source}


def _take(
    writer: RecordingWriter,
    request: PrepareRequest,
    source: VideoSource,
    background: NDArray[np.uint8] | None,
    place: _Place,
    progress: Callable[[str, int], None],
) -> str | None:
    """Reads one source to its end, or on from where its tally says.

    Returns:
        Its SHA-256, if that became known on the way.
    """
    config = request.config
    preprocess = make_preprocessor(config.clip, config.preprocess, background)
    reader = SourceReader(
        source,
        place.tallies[-1],
        preprocess,
        config.clip.fps,
        source_fps=request.source_fps,
        frame_limit=request.frame_limit,
        damaged=request.damaged,
    )
    place.tallies[-1] = tally = reader.tally
    if tally.frames and preprocess.deflicker:
        preprocess.deflicker.reset(writer.state["flicker"])

    def state() -> dict[str, Any]:
        return place.within(preprocess.deflicker)

    try:
        try:
            record_source(writer, reader, preprocess, state, progress)
        except SourceError as error:
            if request.damaged is Damaged.STOP:
                raise _with_the_way_on(error, writer) from error
            tally.ended_early = str(error)
        writer.safe(place.behind())
    except BaseException:
        if tally.stop == writer.count:
            writer.save_quietly(state())
        else:  # between a picture and its frame
            writer.save_quietly(None)
        raise
    return reader.sha256


def _with_the_way_on(error: SourceError, writer: RecordingWriter) -> SourceError:
    if not writer.count:
        return error
    return type(error)(
        f"{error} The {writer.count} frames before it are kept: mend the source and run the "
        "command once more, or add --damaged skip to go on without it."
    )


def _background(folder: Path, request: PrepareRequest) -> NDArray[np.uint8] | None:
    """The background of all sources; that of an unfinished recording is used again."""
    background = stored_background(folder, "the unfinished recording", SourceError)
    if background is None:
        config = request.config
        background = learn_common_background(
            request.sources,
            config.preprocess,
            config.clip.fps,
            skip_damaged=request.damaged is Damaged.SKIP,
        )
        save_background(folder, background)
    return background
