"""Which frames of a recording are scored: the same ones for the model and for every baseline."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fishrt.clip import ClipGeometry
from fishrt.config import Config
from fishrt.errors import RecordingError
from fishrt.events import Footage
from fishrt.recording import Recording, Split

PAST = 180
"""Frames that lie behind every scored frame without a gap: six seconds, more than all baselines but
one look at. The motion networks look back thirty where there are as many."""
FPS_TOLERANCE = 0.01


@dataclass(frozen=True)
class ScoredFrames:
    """The frames at which forecasts are scored.

    Attributes:
        recording: The footage.
        split: Which part of it, or None for all.
        every: Frames from one forecast to the next.
        ends: The scored frames, int64 `(N,)`, ascending: each ends a clip and has a label.
        stretches: Frames `[first, stop)` in a row; `first` is the first scored frame of each and
            `stop` the frame after its last label.
    """

    recording: Recording
    split: Split | None
    every: int
    ends: NDArray[np.int64]
    stretches: tuple[tuple[int, int], ...]

    @property
    def labels(self) -> NDArray[np.uint8]:
        """Burst labels of the scored frames, uint8 `(N,)`."""
        return np.asarray(self.recording.burst_label[self.ends])

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.recording.metadata.fps

    @property
    def minutes(self) -> float:
        """Length of the scored footage."""
        return sum(stop - first for first, stop in self.stretches) / self.fps / 60.0

    def footage(self, probabilities: NDArray[np.float64]) -> list[Footage]:
        """Every frame of the stretches, each forecast held until the next one.

        Args:
            probabilities: At the scored frames, `(N,)`.
        """
        held = []
        for first, stop in self.stretches:
            begin, end = np.searchsorted(self.ends, [first, stop])
            every_frame = np.repeat(probabilities[begin:end], self.every)[: stop - first]
            held.append(Footage(self.recording.burst_label[first:stop], every_frame))
        return held


def scored_frames(
    recording: Recording, split: Split | None, geometry: ClipGeometry, every: int
) -> ScoredFrames:
    """The frames of a recording that can be scored.

    Args:
        recording: The footage.
        split: Which part, or None for all of it.
        geometry: The clip geometry of the model.
        every: Frames from one forecast to the next.

    Raises:
        RecordingError: If no frame can be scored.
    """
    labelled = recording.labelled_ends(split, geometry)
    # nor is a label known sooner than its horizon and a frame later, for persistence
    past = max(PAST, recording.metadata.label.horizon + 1, geometry.frames - 1)
    behind = past - (geometry.frames - 1)
    runs = np.split(labelled, np.flatnonzero(np.diff(labelled) > 1) + 1)
    runs = [run[behind:] for run in runs if len(run) > behind]
    if not runs:
        needed = past + recording.metadata.label.horizon + 2
        raise RecordingError(
            f"the {split or 'whole'} part of {recording.folder} is too short to be scored: that "
            f"needs {needed} frames in a row; record more, or take another part of it."
        )
    return ScoredFrames(
        recording,
        split,
        every,
        np.concatenate([run[::every] for run in runs]),
        tuple((int(run[0]), int(run[-1]) + 1) for run in runs),
    )


def check_recording(recording: Recording, config: Config) -> tuple[str, ...]:
    """Makes sure that a model can be scored on a recording.

    Args:
        recording: The footage.
        config: The model's config.

    Returns:
        What differs and may matter, each as a sentence.

    Raises:
        RecordingError: If frames have another size or rate, or labels look ahead differently.
    """
    metadata, clip = recording.metadata, config.clip
    height, width = recording.frames.shape[1:]
    if (height, width) != (clip.height, clip.width):
        raise RecordingError(
            f"the recording {recording.folder} has frames of {width}x{height}, and the model takes "
            f"{clip.width}x{clip.height}; make it again with the model's `clip` settings."
        )
    if abs(metadata.fps - clip.fps) > FPS_TOLERANCE * clip.fps:
        raise RecordingError(
            f"the recording {recording.folder} has {metadata.fps:g} frames a second, and the model "
            f"takes {clip.fps:g}; make it again with clip.fps={clip.fps:g}."
        )
    if metadata.label.horizon != config.label.horizon:
        raise RecordingError(
            f"the labels of {recording.folder} look {metadata.label.horizon} frames ahead, and the "
            f"model forecasts {config.label.horizon}; make it again with "
            f"label.horizon={config.label.horizon}."
        )
    notes = []
    if metadata.label != config.label:
        notes.append(
            "The recording's label rule is not the one that the model learned, so it is asked for "
            "something else than it was taught."
        )
    for name in ("polarity", "deflicker"):
        if getattr(metadata.preprocess, name) != getattr(config.preprocess, name):
            notes.append(
                f"The recording was made with another preprocess.{name} than the model's, so it "
                "sees pictures of another kind than it learned from."
            )
    return tuple(notes)
