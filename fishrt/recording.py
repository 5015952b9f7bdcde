"""The recording: a folder of preprocessed frames with motion energy and burst labels.

    frames.npy          uint8 (T, H, W), read as a memory map
    motion_energy.npy   float64 (T - 1,)
    burst_label.npy     uint8 (T - 1 - horizon,)
    recording.yaml      sources, preprocessing, label rule, splits, software version

Training, evaluation and replay share it. It is written beside its place under another name and
renamed when whole, so a folder with `recording.yaml` in it is always complete.
"""

import enum
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from fishrt import __version__
from fishrt.clip import ClipGeometry
from fishrt.config import LabelConfig, PreprocessConfig, SplitConfig
from fishrt.errors import RecordingError
from fishrt.folder_format import FolderFormat, read_metadata
from fishrt.motion import burst_labels, frame_change, labelled_range
from fishrt.storage import whole_folder
from fishrt.stored_background import stored_background

FORMAT_VERSION = 1
METADATA_FILE = "recording.yaml"
FORMAT = FolderFormat(
    name="recording",
    whole="a whole recording",
    metadata_file=METADATA_FILE,
    version=FORMAT_VERSION,
    failure=RecordingError,
    if_absent="; make one with `fishrt simulate`",
    if_outdated="make it again",
)

_Scalar = TypeVar("_Scalar", bound=np.generic)


class Split(enum.StrEnum):
    """The three parts of a recording, in time order."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceRecord(_Section):
    """One source of a recording and the frames that came from it, `first` .. `stop - 1`.

    No clip and no label window crosses from one source into the next.
    """

    name: str
    sha256: str | None = None
    declared_fps: float | None = None
    measured_fps: float | None = None
    first: int = Field(ge=0)
    stop: int = Field(ge=0)


class RecordingMetadata(_Section):
    """What `recording.yaml` holds."""

    format_version: int = FORMAT_VERSION
    fishrt_version: str = __version__
    fps: float
    height: int
    width: int
    preprocess: PreprocessConfig
    label: LabelConfig
    sources: tuple[SourceRecord, ...]
    splits: dict[Split, tuple[int, int]]


@dataclass(frozen=True)
class Recording:
    """A recording that was read and checked.

    Attributes:
        folder: Where it lies.
        metadata: What `recording.yaml` holds.
        frames: uint8 `(T, H, W)`, a read-only memory map.
        motion_energy: float64 `(T - 1,)`; entry t compares frames t and t + 1.
        burst_label: uint8 `(T - 1 - horizon,)`; entry t is the label of frame t.
        background: uint8 `(H', W')` in camera pixels that was subtracted, or None.
    """

    folder: Path
    metadata: RecordingMetadata
    frames: NDArray[np.uint8]
    motion_energy: NDArray[np.float64]
    burst_label: NDArray[np.uint8]
    background: NDArray[np.uint8] | None = None

    def labelled_ends(self, split: Split | None, geometry: ClipGeometry) -> NDArray[np.int64]:
        """Frames of a split that end a whole clip and begin a whole label window.

        Clips and label windows stay within the split and within one source, so no frame is
        seen by two splits.

        Args:
            split: The split, or None for the whole recording.
            geometry: The clip geometry.

        Returns:
            int64 `(N,)`, ascending.
        """
        begin, stop = self.metadata.splits[split] if split else (0, len(self.frames))
        parts = [np.zeros(0, np.int64)]
        for source in self.metadata.sources:
            first, last = max(begin, source.first), min(stop, source.stop)
            within = labelled_range(last - first, geometry.frames, self.metadata.label.horizon)
            parts.append(np.arange(within.start, within.stop, dtype=np.int64) + first)
        return np.concatenate(parts)


class RecordingWriter:
    """Takes frames one at a time into a scratch folder; made by `write_recording`."""

    def __init__(self, folder: Path, height: int, width: int) -> None:
        self._folder = folder
        self._shape = (height, width)
        self._file = (folder / "frames.npy").open("wb")
        self._count = 0
        self._energy: list[float] = []
        self._previous: NDArray[np.uint8] | None = None
        self._write_header()

    def append(self, frame: NDArray[np.uint8]) -> None:
        """Adds a frame, uint8 `(H, W)`.

        Raises:
            RecordingError: If it has another shape or type.
        """
        if frame.shape != self._shape or frame.dtype != np.uint8:
            raise RecordingError(
                f"a frame is {frame.dtype} {frame.shape}, but uint8 {self._shape} is recorded."
            )
        if self._previous is not None:
            self._energy.append(frame_change(self._previous, frame))
        self._file.write(np.ascontiguousarray(frame).tobytes())
        self._previous = frame.copy()  # the caller may fill its own buffer anew
        self._count += 1

    def finish(self, metadata: RecordingMetadata) -> None:
        """Writes motion energy, labels and metadata of the frames taken so far."""
        self._file.seek(0)
        self._write_header()
        self._file.close()
        energy = np.asarray(self._energy, np.float64)
        np.save(self._folder / "motion_energy.npy", energy)
        np.save(self._folder / "burst_label.npy", burst_labels(energy, metadata.label.rule))
        text = yaml.safe_dump(metadata.model_dump(mode="json"), sort_keys=False)
        (self._folder / METADATA_FILE).write_text(text, encoding="utf-8")

    def add_truth(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Stores the true state of a simulation beside the frames, as `truth.npz`."""
        np.savez_compressed(self._folder / "truth.npz", allow_pickle=False, **arrays)

    def close(self) -> None:
        """Closes the file of frames; harmless after `finish`."""
        self._file.close()

    def _write_header(self) -> None:
        # numpy pads the header so that the first dimension can be written anew in place
        np.lib.format.write_array_header_1_0(
            self._file,
            {"descr": "|u1", "fortran_order": False, "shape": (self._count, *self._shape)},
        )


@contextmanager
def write_recording(folder: Path, height: int, width: int) -> Iterator[RecordingWriter]:
    """Opens a writer whose recording appears at `folder` only if the block ends well.

    Raises:
        OutputError: If the folder cannot be written or holds something else.
    """
    with whole_folder(folder, METADATA_FILE) as scratch:
        writer = RecordingWriter(scratch, height, width)
        try:
            yield writer
        finally:
            writer.close()


def split_borders(frame_count: int, shares: SplitConfig) -> dict[Split, tuple[int, int]]:
    """Borders `[first, stop)` of the three splits, in time order, covering all frames."""
    train = round(frame_count * shares.train)
    validation = min(train + round(frame_count * shares.validation), frame_count)
    return {
        Split.TRAIN: (0, train),
        Split.VALIDATION: (train, validation),
        Split.TEST: (validation, frame_count),
    }


def load_recording(folder: Path) -> Recording:
    """Reads and checks a recording; the frames stay on disk as a memory map.

    Raises:
        RecordingError: If it is missing, incomplete, or of another format version.
    """
    metadata = read_metadata(folder, FORMAT, RecordingMetadata)
    frames = _load_array(folder / "frames.npy", np.uint8, memory_map=True)
    energy = _load_array(folder / "motion_energy.npy", np.float64)
    labels = _load_array(folder / "burst_label.npy", np.uint8)
    _check_lengths(folder, metadata, frames, energy, labels)
    return Recording(
        folder,
        metadata,
        frames,
        energy,
        labels,
        stored_background(folder, "the recording", RecordingError),
    )


def _load_array(path: Path, dtype: type[_Scalar], *, memory_map: bool = False) -> NDArray[_Scalar]:
    try:
        array: NDArray[_Scalar] = np.load(
            path, mmap_mode="r" if memory_map else None, allow_pickle=False
        )
    except OSError as error:
        raise RecordingError(
            f"the recording lacks {path} or it cannot be read; make it again."
        ) from error
    except (ValueError, EOFError) as error:
        raise RecordingError(f"{path} is damaged or cut short; make it again.") from error
    if array.dtype != dtype:
        raise RecordingError(f"{path} holds {array.dtype}, not {np.dtype(dtype)}; make it again.")
    return array


def _check_lengths(
    folder: Path,
    metadata: RecordingMetadata,
    frames: NDArray[np.uint8],
    energy: NDArray[np.float64],
    labels: NDArray[np.uint8],
) -> None:
    count = frames.shape[0] if frames.ndim else 0
    expected = (
        frames.shape == (count, metadata.height, metadata.width)
        and energy.shape == (max(count - 1, 0),)
        and labels.shape == (max(count - 1 - metadata.label.horizon, 0),)
        and set(metadata.splits) == set(Split)
        and all(0 <= a <= b <= count for a, b in metadata.splits.values())
        and all(source.first <= source.stop <= count for source in metadata.sources)
    )
    if not expected or not np.isfinite(energy).all():
        raise RecordingError(
            f"the parts of the recording {folder} do not fit together; make it again."
        )
