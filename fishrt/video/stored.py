"""The stored frames of a recording as a video source: what `fishrt live --replay` plays."""

import numpy as np

from fishrt.recording import Recording
from fishrt.video.source import SourceFrame, SourceInfo, SourceKind


class StoredFrames:
    """Frames of a recording, which are preprocessed already, at the recording's rate.

    The timestamps are `index / fps` all through; what lies between two sources, or was lost within
    one, is told by the `cut` of the frame after it. `info` and `ended_early` are as `VideoSource`
    says, and all of it is a `RecordedSource`.
    """

    def __init__(self, recording: Recording) -> None:
        """Takes over a recording; its frames stay on disk until they are read."""
        self._frames = recording.frames
        self._cuts = recording.cuts
        self._repeated = recording.repeated
        self._fps = recording.metadata.fps
        self._next = 0
        size = recording.metadata.width, recording.metadata.height
        self.info = SourceInfo(
            SourceKind.RECORDING, str(recording.folder), *size, self._fps, len(self._frames)
        )
        self.ended_early = None  # a recording is whole, or it cannot be loaded

    def read(self) -> SourceFrame | None:
        """The next frame, uint8 `(height, width)`, or None at the end."""
        index, timestamp = self._next, self.skip()
        if timestamp is None:
            return None
        frame = np.array(self._frames[index])  # read from the disk here, in whatever thread this is
        return SourceFrame(frame, index, timestamp, self._cuts.get(index), index in self._repeated)

    def skip(self) -> float | None:
        """Passes over the next frame; its timestamp, or None at the end."""
        if self._next >= len(self._frames):
            return None
        self._next += 1
        return (self._next - 1) / self._fps

    def close(self) -> None:
        """Has nothing to let go of: the frames are a memory map."""
