"""The recording: a folder of preprocessed frames with motion energy and burst labels.

    frames.npy          uint8 (T, H, W), read as a memory map
    motion_energy.npy   float64 (T - 1,)
    label_energy.npy    float64 (T - 1,), only where the labels come from a mended motion energy
    burst_label.npy     uint8 (T - 1 - horizon,)
    brightness.npy      float32 (T,), mean grey level of the camera picture, 0 .. 255
    repeated.npy        int64 (N,), the frames that are the one before once more
    shift.npy           float64 (N, 4), camera shake twice a second: frame, dx, dy, response
    truth/*.npy         the true state of a simulation, frame by frame
    background.png      the background that was subtracted, if there is one
    recording.yaml      sources, preprocessing, label rule, splits, findings, software version

Training, evaluation and replay share it. `fishrt.recording_writer` writes it beside its place
under another name and renames it when whole, so a folder with `recording.yaml` in it is always
complete.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from fishrt import __version__
from fishrt.clip import ClipGeometry
from fishrt.config import LabelConfig, PreprocessConfig, SplitConfig
from fishrt.cut import Cut
from fishrt.errors import RecordingError
from fishrt.folder_format import FolderFormat, read_metadata
from fishrt.footage.finding import Finding
from fishrt.motion import labelled_range
from fishrt.storage import PARTIAL_SUFFIX
from fishrt.stored_background import BACKGROUND_FILE, stored_background

FORMAT_VERSION = 2
METADATA_FILE = "recording.yaml"
MOTION_ENERGY_FILE = "motion_energy.npy"
BURST_LABEL_FILE = "burst_label.npy"
LABEL_ENERGY_FILE = "label_energy.npy"
REPEATED_FILE = "repeated.npy"
FRAMES_FILE = "frames.npy"
# All that prepare and simulate write; what else lies in the folder is the user's.
WRITTEN = frozenset(
    (
        METADATA_FILE,
        MOTION_ENERGY_FILE,
        BURST_LABEL_FILE,
        LABEL_ENERGY_FILE,
        REPEATED_FILE,
        FRAMES_FILE,
        "brightness.npy",
        "shift.npy",
        "truth",
        BACKGROUND_FILE,
        "examples",
        "report.png",
        "report.html",
    )
)
FORMAT = FolderFormat(
    name="recording",
    whole="a whole recording",
    metadata_file=METADATA_FILE,
    version=FORMAT_VERSION,
    failure=RecordingError,
    if_absent="; make one with `fishrt prepare` or `fishrt simulate`",
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


class KeyframePeaks(_Section):
    """Where codec keyframes made false peaks: motion energy t with t % period == phase.

    t is counted from the source's first frame, repeated frames left out. The phase is that of the
    first stretch; it is another one behind a gap, and moves on where pictures are left out.
    """

    period: int = Field(ge=2)
    phase: int = Field(ge=0)


class SourceRecord(_Section):
    """One source of a recording and the frames that came from it, `first` .. `stop - 1`.

    No clip and no label window crosses from one source into the next, nor from one of its
    stretches into the next.

    Attributes:
        name: As the user named it.
        sha256: Of the file, or of all pictures of a folder; None for what cannot be read twice.
        declared_fps: Frames a second that the header says.
        measured_fps: Frames a second by the timestamps.
        first: Its first frame.
        stop: The frame after its last one.
        gaps: Frames between `first` and `stop` before which time was lost.
        keyframes: The false peaks that were left out of the labels, or None.
    """

    name: str
    sha256: str | None = None
    declared_fps: float | None = None
    measured_fps: float | None = None
    first: int = Field(ge=0)
    stop: int = Field(ge=0)
    gaps: tuple[int, ...] = ()
    keyframes: KeyframePeaks | None = None

    @property
    def stretches(self) -> tuple[tuple[int, int], ...]:
        """Frames `[first, stop)` without lost time, in order; a single stretch without gaps."""
        edges = (self.first, *self.gaps, self.stop)
        return tuple(pairwise(edges))


class RecordingMetadata(_Section):
    """What `recording.yaml` holds.

    Attributes:
        format_version: Of the folder.
        fishrt_version: Of the software that made it.
        fps: Frames a second.
        height: Of a frame, in pixels.
        width: Of a frame, in pixels.
        preprocess: From camera picture to frame.
        label: The label rule.
        sources: Where the frames come from, in order.
        splits: Frames `[first, stop)` of each part, in time order.
        threshold_quantile: The quantile of the training part's window ranges that
            `label.threshold` is, or None where the threshold was given.
        findings: What the footage check found.
    """

    format_version: int = FORMAT_VERSION
    fishrt_version: str = __version__
    fps: float
    height: int
    width: int
    preprocess: PreprocessConfig
    label: LabelConfig
    sources: tuple[SourceRecord, ...]
    splits: dict[Split, tuple[int, int]]
    threshold_quantile: float | None = None
    findings: tuple[Finding, ...] = ()

    def stretches(self, split: Split | None = None) -> list[tuple[int, int]]:
        """Frames `[first, stop)` in a row of a split, or of all, within one source each."""
        stretches = [stretch for source in self.sources for stretch in source.stretches]
        return stretches if split is None else overlaps(stretches, self.splits[split])


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

    @property
    def name(self) -> str:
        """Name of its folder, the same before and after it is put into its place."""
        return self.folder.name.removesuffix(PARTIAL_SUFFIX)

    @property
    def label_energy(self) -> NDArray[np.float64]:
        """Motion energy that the labels come from, float64 `(T - 1,)`: mended where it was."""
        mended = self.folder / LABEL_ENERGY_FILE
        if not mended.exists():
            return self.motion_energy
        energy = _load_array(mended, np.float64)
        if len(energy) != len(self.motion_energy):
            raise RecordingError(f"{mended} has another length than the recording; make it again.")
        return energy

    @property
    def repeated(self) -> frozenset[int]:
        """The frames that are the one before once more, as their source was slower."""
        path = self.folder / REPEATED_FILE
        return frozenset(_load_array(path, np.int64).tolist()) if path.exists() else frozenset()

    @property
    def cuts(self) -> dict[int, Cut]:
        """The frames that do not follow the one before them; the first one is among them."""
        return {
            start: Cut.GAP if number else Cut.SOURCE
            for source in self.metadata.sources
            for number, (start, _) in enumerate(source.stretches)
        }

    def labelled_ends(self, split: Split | None, geometry: ClipGeometry) -> NDArray[np.int64]:
        """Frames of a split that end a whole clip and begin a whole label window.

        Clips and label windows stay within the split and within one stretch of one source, so
        no frame is seen by two splits.

        Args:
            split: The split, or None for the whole recording.
            geometry: The clip geometry.

        Returns:
            int64 `(N,)`, ascending.
        """
        parts = [np.zeros(0, np.int64)]
        for first, stop in self.metadata.stretches(split):
            within = labelled_range(stop - first, geometry.frames, self.metadata.label.horizon)
            parts.append(np.arange(within.start, within.stop, dtype=np.int64) + first)
        return np.concatenate(parts)


def overlaps(stretches: Sequence[tuple[int, int]], part: tuple[int, int]) -> list[tuple[int, int]]:
    """What of stretches `[first, stop)` lies within a part; none is empty."""
    within = [(max(first, part[0]), min(stop, part[1])) for first, stop in stretches]
    return [(first, stop) for first, stop in within if first < stop]


def split_borders(frame_count: int, shares: SplitConfig) -> dict[Split, tuple[int, int]]:
    """Borders `[first, stop)` of the three splits, in time order.

    The first `guard` frames after a border belong to neither side.

    Args:
        frame_count: T, the number of frames.
        shares: Shares of the splits, and the guard in frames.
    """
    train = round(frame_count * shares.train)
    validation = min(train + round(frame_count * shares.validation), frame_count)
    return {
        Split.TRAIN: (0, train),
        Split.VALIDATION: (min(train + shares.guard, validation), validation),
        Split.TEST: (min(validation + shares.guard, frame_count), frame_count),
    }


def load_recording(folder: Path) -> Recording:
    """Reads and checks a recording; the frames stay on disk as a memory map.

    Raises:
        RecordingError: If it is missing, incomplete, or of another format version.
    """
    if not folder.exists() and (unfinished := partial_folder(folder)).is_dir():
        raise RecordingError(
            f"the recording {folder} is not finished (what there is of it lies in {unfinished}); "
            "run the command that began it once more, it goes on where it stopped."
        )
    metadata = read_metadata(folder, FORMAT, RecordingMetadata)
    frames = _load_array(folder / FRAMES_FILE, np.uint8, memory_map=True)
    energy = _load_array(folder / MOTION_ENERGY_FILE, np.float64)
    labels = _load_array(folder / BURST_LABEL_FILE, np.uint8)
    _check_lengths(folder, metadata, frames, energy, labels)
    return Recording(
        folder,
        metadata,
        frames,
        energy,
        labels,
        stored_background(folder, "the recording", RecordingError),
    )


def partial_folder(folder: Path) -> Path:
    """Where a recording lies until it is whole."""
    return folder.with_name(folder.name + PARTIAL_SUFFIX)


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
        and _ascending(0, *(edge for split in Split for edge in metadata.splits[split]), count)
        and all(
            _ascending(source.first, *source.gaps, source.stop, count)
            for source in metadata.sources
        )
    )
    if not expected or not np.isfinite(energy).all():
        raise RecordingError(
            f"the parts of the recording {folder} do not fit together; make it again."
        )


def _ascending(*edges: int) -> bool:
    return all(before <= after for before, after in pairwise(edges))
