"""From pictures to forecasts: the one way that live cameras and whole files share."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fishrt.cut import Cut
from fishrt.preprocess import Preprocessor
from fishrt.video import SourceFrame
from fishrt.video.resample import Placement
from realtime.forecast import Reason
from realtime.lanes import Forecaster, Outcome

REASON_OF_CUT = {Cut.SOURCE: Reason.FILLING, Cut.GAP: Reason.GAP}


@dataclass(frozen=True)
class Evaluated:
    """One frame at the model's rate and what came of it.

    Attributes:
        slot: Index at the model's rate, from 0.
        picture: The picture that fills it; where none came, the one before once more.
        frame: uint8 `(height, width)`, preprocessed.
        outcome: The probability, or why there is none.
        repeated: Whether the picture stands in for a frame for which the source had none.
        joined: Whether the frame just before it was evaluated, too: false at the beginning and
            after lost frames.
    """

    slot: int
    picture: SourceFrame
    frame: NDArray[np.uint8]
    outcome: Outcome
    repeated: bool
    joined: bool


class FramePipeline:
    """Preprocesses pictures and forecasts, once the resampler has given them their places.

    Attributes:
        frames: Frames evaluated or passed over so far; lost ones are not among them.
        forecaster: From frame to probability.
        computing_s: Seconds that it has taken so far.
    """

    def __init__(self, preprocessor: Preprocessor, forecaster: Forecaster) -> None:
        """Connects the parts.

        Args:
            preprocessor: From picture to frame.
            forecaster: From frame to probability.
        """
        self.frames = 0
        self.computing_s = 0.0
        self.forecaster = forecaster
        self._preprocessor = preprocessor
        self._picture: SourceFrame | None = None
        self._frame: NDArray[np.uint8] | None = None
        self._joined = False

    @property
    def filled(self) -> int:
        """Consecutive frames in the window by now, at most those of a whole clip."""
        return self.forecaster.filled

    def push(
        self,
        picture: SourceFrame,
        placement: Placement,
        interrupted: Reason | None = None,
        *,
        evaluate: bool = True,
    ) -> Iterator[Evaluated]:
        """Gives a picture its place: repeats or a gap before it, then its own frame.

        Args:
            picture: The next picture of the source.
            placement: What the resampler says about it.
            interrupted: Why the window starts anew with this picture, or None; frames that were
                lost before it are a reason by themselves.
            evaluate: Whether to forecast; a frame that is not has the reason `late`, and the
                window starts anew after it.

        Yields:
            Every frame that it fills or completes, evaluated when it is asked for.

        Raises:
            SourceError: If the preprocessing cannot take the picture.
            ConfigError: If the preprocessing does not fit the picture.
        """
        if picture.cut is not None:
            interrupted = REASON_OF_CUT[picture.cut]
        elif interrupted is None and placement.lost:
            interrupted = Reason.GAP
        if interrupted is not None:
            self.forecaster.reset(interrupted)
            self._joined = False
        if placement.slot is None:
            return
        if self._picture is None or self._frame is None:
            if placement.repeats:  # of a picture that was passed over
                self._count(placement.repeats)
        else:
            for slot in range(placement.slot - placement.repeats, placement.slot):
                yield self._at(slot, self._picture, self._frame, repeated=True, evaluate=evaluate)
        frame = self._preprocessor(picture.image)
        self._picture, self._frame = picture, frame
        again = picture.repeated
        yield self._at(placement.slot, picture, frame, repeated=again, evaluate=evaluate)

    def pass_over(self, placement: Placement) -> None:
        """Counts the frames of a picture without looking at it; later ones then fall in place."""
        if placement.slot is None:
            return
        if placement.lost:
            self.forecaster.reset(Reason.GAP)
        self._count(placement.repeats + 1)
        self._picture = self._frame = None
        self._joined = False

    def _count(self, frames: int) -> None:
        self.forecaster.pass_over(frames)
        self.frames += frames

    def _at(
        self,
        slot: int,
        picture: SourceFrame,
        frame: NDArray[np.uint8],
        *,
        repeated: bool,
        evaluate: bool,
    ) -> Evaluated:
        if evaluate:
            began = time.perf_counter()
            outcome = self.forecaster.push(frame)
            self.computing_s += time.perf_counter() - began
        else:
            self.forecaster.reset(Reason.LATE)
            outcome = Outcome(None, Reason.LATE)
        joined, self._joined = self._joined, True
        self.frames += 1
        return Evaluated(slot, picture, frame, outcome, repeated, joined)
