"""What was measured on one source while it was read."""

from dataclasses import dataclass, field

import numpy as np

from fishrt.footage.real_changes import RealChanges
from fishrt.stored_array import Entries


@dataclass(frozen=True)
class SourceFootage:
    """One source at the model's frame rate; the arrays may lie on the disk.

    Attributes:
        name: The source as the user named it.
        fps: Frames a second of the arrays.
        declared_fps: Frames a second that the header says, or None.
        measured_fps: Frames a second by the timestamps, or None.
        motion_energy: float64 `(T - 1,)`.
        brightness: float32 `(T,)`, mean grey level (0 .. 255) of the camera picture within the
            region of interest, before the background is subtracted.
        shift: float `(N, 3)` or more columns, of which the last three are: how far the picture
            moved since the one before, dx and dy in pixels of the small picture, and the response,
            which is 0 where the picture did not move as a whole; for the pictures for which it was
            measured.
        segments: Frames `[first, stop)` without lost time, in order. Motion energy across the
            border of two is none.
        repeated: Frames that are the one before once more, because the source is slower.
        repeated_frames: Their numbers, ascending.
        first: Number of the source's first frame among them.
        lost: Frames for which there was no picture.
        surplus: Pictures that no frame needed, because the source is faster.
        damaged: Pictures that could not be read and were left out.
        ended_early: One sentence if it ended before its declared end.
        told_fps: Frames a second that the user gave, whatever the header says, or None.
        view: Height and width of the camera picture within the region of interest, or None.
        frame: Height and width of what the model sees of it, or None.
        seconds_at: For every rate that a video had for a second or longer: pictures a second, and
            for how many seconds in all; empty if not known.
    """

    name: str
    fps: float
    declared_fps: float | None
    measured_fps: float | None
    motion_energy: Entries
    brightness: Entries
    shift: Entries
    segments: tuple[tuple[int, int], ...]
    repeated: int = 0
    repeated_frames: Entries = field(default_factory=lambda: np.zeros(0, np.int64))
    first: int = 0
    lost: int = 0
    surplus: int = 0
    damaged: int = 0
    ended_early: str | None = None
    told_fps: float | None = None
    view: tuple[int, int] | None = None
    frame: tuple[int, int] | None = None
    seconds_at: tuple[tuple[float, float], ...] = ()

    @property
    def changes(self) -> RealChanges:
        """The changes between real pictures."""
        return RealChanges(self.motion_energy, self.segments, self.repeated_frames, self.first)

    @property
    def longest(self) -> tuple[int, int]:
        """The longest stretch without lost time, frames `[first, stop)`."""
        return max(self.segments, key=lambda segment: segment[1] - segment[0], default=(0, 0))
