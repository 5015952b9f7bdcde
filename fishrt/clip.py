"""Clip geometry: which frames make a time step, a clip, and a forecast.

A clip ending at frame i is `steps` consecutive, non-overlapping time steps of
`frames_per_step` frames: frames i - (steps * frames_per_step - 1) .. i. Clips whose last
frames are congruent modulo `frames_per_step` share time steps; that residue is their phase.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClipGeometry:
    """Shape of a clip and the arithmetic of frames, time steps and phases.

    Attributes:
        steps: Time steps in a clip.
        frames_per_step: Consecutive frames stacked as the channels of one time step.
        height: Frame height in pixels.
        width: Frame width in pixels.
    """

    steps: int = 30
    frames_per_step: int = 4
    height: int = 120
    width: int = 160

    def __post_init__(self) -> None:
        for name in ("steps", "frames_per_step", "height", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}.")

    @property
    def frames(self) -> int:
        """Frames in a clip (120 by default)."""
        return self.steps * self.frames_per_step

    @property
    def clip_shape(self) -> tuple[int, int, int, int]:
        """Shape of one clip: `(steps, height, width, frames_per_step)`."""
        return (self.steps, self.height, self.width, self.frames_per_step)

    def phase(self, frame: int) -> int:
        """Phase of the clips (and time steps) that end at `frame`: 0 .. frames_per_step - 1."""
        return frame % self.frames_per_step

    def first_frame(self, last_frame: int) -> int:
        """Index of the first frame of the clip that ends at `last_frame`."""
        return last_frame - self.frames + 1

    def ends(self, frame_count: int) -> range:
        """Last frames of all whole clips in `frame_count` consecutive frames."""
        return range(self.frames - 1, frame_count)

    def frame_indices(self, last_frame: int) -> NDArray[np.int64]:
        """Frame indices of the clip that ends at `last_frame`.

        Returns:
            int64 `(steps, frames_per_step)`, oldest first.
        """
        first = self.first_frame(last_frame)
        return np.arange(first, last_frame + 1).reshape(self.steps, self.frames_per_step)

    def cut(self, frames: NDArray[np.uint8], last_frame: int) -> NDArray[np.uint8]:
        """Cuts one clip out of consecutive frames.

        Args:
            frames: uint8 `(T, height, width)`.
            last_frame: Index of the clip's last frame.

        Returns:
            uint8 `(steps, height, width, frames_per_step)`, oldest frame in channel 0.

        Raises:
            IndexError: If the clip does not lie within `frames`.
        """
        first = self.first_frame(last_frame)
        if first < 0 or last_frame >= len(frames):
            raise IndexError(
                f"no whole clip ends at frame {last_frame}: it needs frames {first} to "
                f"{last_frame} of {len(frames)}."
            )
        window = np.asarray(frames[first : last_frame + 1])
        stacked = window.reshape(self.steps, self.frames_per_step, self.height, self.width)
        return np.ascontiguousarray(np.moveaxis(stacked, 1, -1))
