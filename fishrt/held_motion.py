"""Motion energy for labels where a source is slower than the model.

Such a source has frames that are the one before once more. Nothing moves between the two, and by
the label rule a frame in which nothing moves is the calm before a burst: of a tank filmed at 25
frames/s every sixth frame would be labelled so. What moved there is not known, so the change
before it is taken to go on.
"""

import numpy as np
from numpy.typing import NDArray


class HeldMotion:
    """Puts the last real change in the place of a repeated frame's, block by block or one by one.

    Behind a gap there is no last change before a picture was followed by another one; until then
    repeated frames keep theirs, which is 0.
    """

    def __init__(self) -> None:
        """Begins before the first frame."""
        self._last: float | None = None

    def push(self, energy: float | None, *, repeated: bool) -> float | None:
        """Takes the next frame.

        Args:
            energy: The change from the frame before to this one; None where this frame is the first
                or follows a gap.
            repeated: Whether this frame is the one before once more.

        Returns:
            The change that labels are to come from; None where there is none.
        """
        if not repeated:
            self._last = energy
        return energy if self._last is None or energy is None else self._last

    def extend(
        self,
        energy: NDArray[np.float64],
        repeated: NDArray[np.bool_],
        after_gap: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Takes many frames at once, with the same result as one by one.

        Args:
            energy: The changes to these frames from those before, float64 `(N,)`.
            repeated: Which of them are the one before once more, `(N,)`.
            after_gap: Which of them follow a gap, `(N,)`; never a repeated one. Their own changes
                mean nothing and are copied.

        Returns:
            float64 `(N,)`.
        """
        places = np.arange(len(energy))
        real = np.maximum.accumulate(np.where(repeated | after_gap, -1, places))
        gap = np.maximum.accumulate(np.where(after_gap, places, -1))
        held = np.where(real > gap, energy[real], energy)
        if self._last is not None:
            held[(real < 0) & (gap < 0)] = self._last
        held[after_gap] = energy[after_gap]
        if len(energy) and max(real[-1], gap[-1]) >= 0:
            self._last = float(energy[real[-1]]) if real[-1] > gap[-1] else None
        return held
