"""The update: all that is known when a frame is done, as sinks and views take it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from realtime.forecast import Forecast


@dataclass(frozen=True)
class Truth:
    """The burst label of an earlier frame, which is known the horizon and a frame later.

    Attributes:
        frame: The frame that it is about, at the model's rate.
        label: 0 or 1.
    """

    frame: int
    label: int


@dataclass(frozen=True)
class Update:
    """One frame and what is said about it.

    Attributes:
        forecast: The forecast; one line of the log.
        picture: The camera's picture, uint8 `(H, W)` grey or `(H, W, 3)` BGR; must not be changed.
        frame: uint8 `(height, width)`, preprocessed, what the model sees; must not be changed.
        truth: The label that this frame made known, or None.
        waited_s: Seconds from taking the picture over to the forecast: what this machine is behind.
            The forecast's latency also has what the picture took to come here.
    """

    forecast: Forecast
    picture: NDArray[np.uint8]
    frame: NDArray[np.uint8]
    truth: Truth | None = None
    waited_s: float = 0.0


NO_PICTURE: NDArray[np.uint8] = np.empty((0, 0), np.uint8)


def without_pictures(update: Update) -> Update:
    """The same without its pictures, so that many can wait in little memory."""
    return replace(update, picture=NO_PICTURE, frame=NO_PICTURE)
