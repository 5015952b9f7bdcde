"""What was taken from one source so far, as an unfinished recording keeps it."""

from dataclasses import asdict, dataclass, field
from typing import Any

from fishrt.video import SourceKind


@dataclass
class SourceTally:
    """What was taken from a source so far; plain data, so that it can be stored.

    Attributes:
        name: The source as the user named it.
        kind: What kind of source it is.
        first: Frame of the recording at which it begins.
        frames: Frames that it has filled.
        pictures: Pictures that were passed, damaged ones included.
        damaged: Which of them could not be read, counted from 0.
        gaps: Frames of the recording before which time was lost.
        repeated: Frames that are the one before once more.
        lost: Frames for which there was no picture.
        surplus: Pictures that no frame needed.
        declared_fps: Frames a second that the header says.
        ended_early: One sentence if it ended before its declared end.
        seconds: Sum of the intervals between pictures, without those across gaps.
        intervals: How many those are.
        told_fps: Frames a second that the user gave, whatever the header says.
        view: Height and width of its pictures within the region of interest; empty if not known.
    """

    name: str
    kind: SourceKind
    first: int
    frames: int = 0
    pictures: int = 0
    damaged: list[int] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    repeated: int = 0
    lost: int = 0
    surplus: int = 0
    declared_fps: float | None = None
    ended_early: str | None = None
    seconds: float = 0.0
    intervals: int = 0
    # what the reader fills in when it begins is not compared when one goes on
    told_fps: float | None = field(default=None, compare=False)
    view: list[int] = field(default_factory=list, compare=False)

    @property
    def stop(self) -> int:
        """The frame of the recording after its last one."""
        return self.first + self.frames

    @property
    def measured_fps(self) -> float | None:
        """Frames a second by the timestamps, or None where there are too few."""
        return self.intervals / self.seconds if self.intervals and self.seconds > 0 else None

    def as_data(self) -> dict[str, Any]:
        """As plain data; `SourceTally(**data)` is the way back."""
        return asdict(self)
