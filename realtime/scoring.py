"""Scoring while it runs: what the loop asks of whatever learns what came true."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime.event import Event
from realtime.forecast import Forecast
from realtime.update import Truth


@dataclass(frozen=True)
class Scored:
    """What a frame made known.

    Attributes:
        truth: The label of an earlier frame, or None.
        events: What happened with it, such as a burst that came true.
    """

    truth: Truth | None = None
    events: tuple[Event, ...] = ()


UNSCORED = Scored()


class Scoring(Protocol):
    """Learns what came true; called for every frame, on the loop's thread."""

    def push(self, forecast: Forecast, frame: NDArray[np.uint8]) -> Scored:
        """Takes the next frame.

        Args:
            forecast: What is said about it; its `change` tells the labels.
            frame: uint8 `(height, width)`, preprocessed; must not be changed.
        """
        ...
