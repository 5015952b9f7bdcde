"""Writing a recording frame by frame, so that a kill at any moment loses seconds at most.

Until it is whole the recording lies in `NAME.partial`. Its `progress.json` says how many frames
are safe and which request they belong to; whoever writes the same request again goes on there.
`recording.yaml` is written last, and then the folder is renamed.
"""

import contextlib
import enum
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fishrt.errors import OutputError, RecordingError, output_error
from fishrt.folder_format import write_metadata
from fishrt.growing_array import GrowingArray
from fishrt.motion import LabelRule, burst_labels, frame_change
from fishrt.recording import METADATA_FILE, WRITTEN, RecordingMetadata, partial_folder
from fishrt.storage import LOCK_FILE, locked, replace_folder, require_replaceable
from fishrt.stored_array import Entries, StoredArray

PROGRESS_FILE = "progress.json"
PROGRESS_VERSION = 3
SAFE_EVERY_SECONDS = 5.0  # what a kill may cost
MARK_EVERY_SECONDS = 0.1  # what a full disk may cost, beside what was not yet handed to it
LABEL_BLOCK = 1 << 16  # labels computed at a time, so that memory does not grow with the length


class Unfinished(enum.StrEnum):
    """What to do with a recording that was begun and not finished."""

    RESUME = "resume"
    RESTART = "restart"


class Existing(enum.StrEnum):
    """What to do with a whole recording that is already there."""

    KEEP = "keep"
    REPLACE = "replace"


@dataclass(frozen=True)
class Layout:
    """What is kept of every frame.

    Attributes:
        height: Frame height in pixels.
        width: Frame width in pixels.
        frames: Whether the frames themselves are kept; a mere check of the footage does without.
        tracks: Type and shape of everything else that is kept of every frame, by name; a name
            such as `truth/speed` is `truth/speed.npy`.
        notes: Type and shape of what is kept of some frames only; see `RecordingWriter.note`.
    """

    height: int
    width: int
    frames: bool = True
    tracks: Mapping[str, tuple[DTypeLike, tuple[int, ...]]] = field(default_factory=dict)
    notes: Mapping[str, tuple[DTypeLike, tuple[int, ...]]] = field(default_factory=dict)


class _Mark(NamedTuple):
    """A place to go back to: entries of every array, and the state that belongs to them."""

    frames: int
    notes: dict[str, int]
    state: Mapping[str, Any]


class RecordingWriter:
    """Takes frames one at a time; made by `write_recording`.

    Attributes:
        folder: The folder that is being written to.
        state: What the caller said at the last point that is safe; empty at the beginning.
    """

    def __init__(self, folder: Path, layout: Layout, request: Mapping[str, Any]) -> None:
        self.folder = folder
        self._request = _as_json(request)
        progress = _read_progress(folder)
        self.state: dict[str, Any] = progress.get("state", {})
        count = int(progress.get("frames", 0))
        self._shape = (layout.height, layout.width)
        self._count = count
        self._frames = (
            self._array("frames", np.uint8, self._shape, count) if layout.frames else None
        )
        self._energy = self._array("motion_energy", np.float64, (), max(count - 1, 0))
        self._tracks = {
            name: self._array(name, dtype, item_shape, count)
            for name, (dtype, item_shape) in layout.tracks.items()
        }
        self._notes = {
            name: self._array(name, dtype, item_shape, int(progress.get("notes", {}).get(name, 0)))
            for name, (dtype, item_shape) in layout.notes.items()
        }
        self._previous: NDArray[np.uint8] | None = None
        self._last_values: dict[str, ArrayLike] = {}
        if count and self._frames:
            self._previous = np.array(self._frames.view()[-1], np.uint8)
            self._last_values = {
                _argument(name): np.array(track.view()[-1]) for name, track in self._tracks.items()
            }
        self._by_argument = {_argument(name): track for name, track in self._tracks.items()}
        self._safe_at = self._marked_at = time.monotonic()
        self._ever_safe = bool(progress)
        self._marks: list[_Mark] = []  # since the last safe point, ascending

    @property
    def count(self) -> int:
        """Frames taken so far."""
        return self._count

    @property
    def _arrays(self) -> tuple[GrowingArray, ...]:
        frames = (self._frames,) if self._frames else ()
        return (*frames, self._energy, *self._tracks.values(), *self._notes.values())

    def append(self, frame: NDArray[np.uint8], **values: ArrayLike) -> None:
        """Adds a frame.

        Args:
            frame: uint8 `(H, W)`.
            **values: One entry for each track of the layout, with `__` for `/` in its name.

        Raises:
            RecordingError: If the frame has another shape or type.
            OSError: If it cannot be written.
        """
        if frame.shape != self._shape or frame.dtype != np.uint8:
            raise RecordingError(
                f"a frame is {frame.dtype} {frame.shape}, but uint8 {self._shape} is recorded."
            )
        energy = None if self._previous is None else frame_change(self._previous, frame)
        self._previous = frame.copy()  # the caller may fill its own buffer anew
        self._last_values = values
        self._add(energy)

    def extend(
        self, frames: NDArray[np.uint8], inside: NDArray[np.float64], **values: NDArray[Any]
    ) -> None:
        """Adds many frames at once, with the same result as one by one.

        Args:
            frames: uint8 `(n, H, W)`, n at least 1.
            inside: The motion energy between them, float64 `(n - 1,)`.
            **values: n entries for each track of the layout, named as in `append`.

        Raises:
            RecordingError: If the frames have another shape or type.
            OSError: If they cannot be written.
        """
        if frames.shape[1:] != self._shape or frames.dtype != np.uint8:
            raise RecordingError(
                f"a frame is {frames.dtype} {frames.shape[1:]}, but uint8 {self._shape} is "
                "recorded."
            )
        if self._previous is not None:
            self._energy.append(frame_change(self._previous, frames[0]))
        self._energy.extend(inside)
        for name, track in self._by_argument.items():
            track.extend(values[name])
        if self._frames:
            self._frames.extend(frames)
        self._previous = frames[-1].copy()
        self._last_values = {name: array[-1] for name, array in values.items()}
        self._count += len(frames)

    def repeat(self, times: int) -> None:
        """Adds the last frame again, with its values, where a source is slower than the model."""
        for _ in range(times):
            self._add(0.0)

    def _add(self, energy: float | None) -> None:
        if energy is not None:
            self._energy.append(energy)
        for name, track in self._by_argument.items():
            track.append(self._last_values[name])
        if self._frames and self._previous is not None:
            self._frames.append(self._previous)
        self._count += 1

    def note(self, name: str, values: ArrayLike) -> None:
        """Adds an entry to the notes of the layout that have this name.

        Args:
            name: As the layout names them.
            values: The entry; it says by itself which frame it belongs to.

        Raises:
            OSError: If it cannot be written.
        """
        self._notes[name].append(values)

    def entries(self, name: str) -> StoredArray:
        """All entries so far of `motion_energy`, a track or notes."""
        return {"motion_energy": self._energy, **self._tracks, **self._notes}[name].stored()

    def keep(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Makes safe what there is when that is due, at first at once.

        In between it remembers now and then how far it is, for `save_quietly` to go back to.

        Args:
            state: Gives what the caller needs to go on from here; plain data.

        Raises:
            OSError: If the disk does not take it.
        """
        now = time.monotonic()
        if not self._ever_safe or now - self._safe_at >= SAFE_EVERY_SECONDS:
            self.safe(state())
        elif now - self._marked_at >= MARK_EVERY_SECONDS:
            self._marked_at = now
            self._marks.append(_Mark(self.count, self._note_counts, state()))

    def safe(self, state: Mapping[str, Any]) -> None:
        """Makes sure that a kill loses nothing of what was written so far.

        Args:
            state: What the caller needs to go on from here; plain data.

        Raises:
            OSError: If the disk does not take it.
        """
        for array in self._arrays:
            array.flush(durable=True)
        content = {
            "version": PROGRESS_VERSION,
            "request": self._request,
            "frames": self.count,
            "notes": self._note_counts,
            "state": state,
        }
        scratch = self.folder / f"{PROGRESS_FILE}.new"
        scratch.write_text(json.dumps(content), encoding="utf-8")
        scratch.replace(self.folder / PROGRESS_FILE)
        self.state = dict(state)
        self._safe_at = self._marked_at = time.monotonic()
        self._ever_safe = True
        self._marks.clear()

    def save_quietly(self, state: Mapping[str, Any] | None) -> None:
        """Makes safe what there is, or as much of it as the disk takes, before `close`.

        Where that is not all, nothing more can be written. Where even that fails, the last safe
        point stays.

        Args:
            state: What the caller needs to go on from here; None where what was written last is
                not whole.
        """
        if state is not None and self._is_saved(state):
            return
        while self._marks:  # ever less, which makes room for what is not frames
            frames, notes, earlier = self._marks.pop()
            with contextlib.suppress(OSError, ValueError):
                self._go_back(frames, notes)
                if self._is_saved(earlier):
                    return

    def _is_saved(self, state: Mapping[str, Any]) -> bool:
        try:
            self.safe(state)
        except (OSError, ValueError):
            return False
        return True

    def _go_back(self, count: int, notes: Mapping[str, int]) -> None:
        self._count = count
        self._energy.cut(max(count - 1, 0))
        for track in self._tracks.values():
            track.cut(count)
        for name, entries in notes.items():
            self._notes[name].cut(entries)
        if self._frames:
            self._frames.cut(count)

    @property
    def _note_counts(self) -> dict[str, int]:
        return {name: notes.count for name, notes in self._notes.items()}

    def label(self, energy: Entries, rule: LabelRule) -> None:
        """Computes the burst labels.

        Args:
            energy: The motion energy that they come from, float64 `(T - 1,)`.
            rule: The label rule.
        """
        labels = self._array("burst_label", np.uint8, (), 0)
        total = max(len(energy) - rule.horizon, 0)
        for start in range(0, total, LABEL_BLOCK):
            block = np.array(energy[start : start + LABEL_BLOCK + rule.horizon], np.float64)
            labels.extend(burst_labels(block, rule))
        labels.flush()
        labels.close()

    def finish(self, metadata: RecordingMetadata) -> None:
        """Makes the recording whole; `label` was called before."""
        self.safe(self.state)
        write_metadata(self.folder / METADATA_FILE, metadata)

    def close(self) -> None:
        """Closes the files; what was not made safe is lost."""
        for array in self._arrays:
            array.close()

    def _array(
        self, name: str, dtype: DTypeLike, item_shape: tuple[int, ...], keep: int
    ) -> GrowingArray:
        path = self.folder / f"{name}.npy"
        path.parent.mkdir(exist_ok=True)
        try:
            return GrowingArray(path, dtype, item_shape, keep)
        except (ValueError, FileNotFoundError) as error:
            raise RecordingError(
                f"the unfinished recording {self.folder} is damaged ({path.name}); begin it anew "
                "with --restart."
            ) from error


def _argument(track: str) -> str:
    """What `append` calls a track: a name with a slash in it is no name in Python."""
    return track.replace("/", "__")


@contextlib.contextmanager
def write_recording(
    folder: Path,
    layout: Layout,
    request: Mapping[str, Any],
    *,
    unfinished: Unfinished = Unfinished.RESUME,
    existing: Existing = Existing.REPLACE,
) -> Iterator[RecordingWriter]:
    """Opens a writer whose recording appears at `folder` when the block ends well.

    After an error what was made safe stays in `NAME.partial`; a writer with the same request
    goes on there. If nothing was made safe, nothing stays.

    Args:
        folder: Where the recording goes.
        layout: What is kept of every frame.
        request: What is to be recorded; plain data, compared with that of an unfinished one.
        unfinished: What to do with an unfinished recording of the same request.
        existing: What to do with a whole recording in this place.

    Raises:
        OutputError: If the folder cannot be written, holds something else, or is being written
            by another process.
        RecordingError: If an unfinished recording of another request is in the way.
    """
    try:
        place = require_replaceable(folder, METADATA_FILE)
        if existing is Existing.KEEP and (place / METADATA_FILE).exists():
            raise OutputError(
                f"{folder} is a whole recording already; name another folder, or add --overwrite."
            )
        scratch = partial_folder(place)
        scratch.mkdir(parents=True, exist_ok=True)
        with locked(scratch):
            _prepare_scratch(scratch, request, unfinished)
            yield from _writing(scratch, layout, request)
            replace_folder(scratch, place, WRITTEN)
            # last, so that a kill before the renaming leaves something to go on with
            for name in (PROGRESS_FILE, LOCK_FILE):
                (place / name).unlink(missing_ok=True)
    except BrokenPipeError:  # the reader of our messages left; not this folder's fault
        raise
    except OSError as error:
        raise output_error(folder, error) from error


def _writing(
    scratch: Path, layout: Layout, request: Mapping[str, Any]
) -> Iterator[RecordingWriter]:
    writer: RecordingWriter | None = None
    try:
        writer = RecordingWriter(scratch, layout, request)
        yield writer
    finally:
        if writer is not None:
            writer.close()
        if not (scratch / PROGRESS_FILE).exists():
            shutil.rmtree(scratch, ignore_errors=True)


def _prepare_scratch(scratch: Path, request: Mapping[str, Any], unfinished: Unfinished) -> None:
    others = [path for path in scratch.iterdir() if path.name != LOCK_FILE]
    begun = (scratch / PROGRESS_FILE).exists()
    if begun and unfinished is Unfinished.RESUME:
        if _read_progress(scratch).get("request") != _as_json(request):
            raise RecordingError(
                f"{scratch} holds an unfinished recording of other sources or settings; finish it "
                "with the command that began it, or begin anew with --restart."
            )
        return
    # what a start leaves that was killed before anything was safe is ours, too
    ours = begun or (scratch / "motion_energy.npy").exists()
    if others and not ours:
        raise OutputError(f"{scratch} already holds something else; move it away.")
    for path in others:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def kept_frames(folder: Path) -> int:
    """Frames of the unfinished recording that would become this folder; 0 if there is none."""
    try:
        return int(_read_progress(partial_folder(folder.resolve())).get("frames", 0))
    except (RecordingError, OSError):
        return 0


def _read_progress(folder: Path) -> dict[str, Any]:
    """What `progress.json` holds; empty if there is none."""
    try:
        content = json.loads((folder / PROGRESS_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise RecordingError(
            f"{folder / PROGRESS_FILE} is damaged; begin anew with --restart."
        ) from error
    if content.get("version") != PROGRESS_VERSION:
        raise RecordingError(
            f"{folder} was begun by another version of fishrt; begin anew with --restart."
        )
    return dict(content)


def _as_json(request: Mapping[str, Any]) -> Any:
    """The request as it reads back from a file (tuples are lists there)."""
    return json.loads(json.dumps(request))
