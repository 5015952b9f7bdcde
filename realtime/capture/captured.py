"""The captured picture: what the source gave, and when it was taken over."""

from dataclasses import dataclass

from fishrt.video import SourceFrame
from realtime.forecast import Reason


@dataclass(frozen=True)
class Captured:
    """One picture and when it was taken over.

    Attributes:
        picture: The picture as the source gave it.
        monotonic: Seconds on the monotonic clock.
        wall: Unix seconds.
        interrupted: Why the window starts anew with this picture (the camera was lost before it,
            or it is the same picture again and again), or None.
    """

    picture: SourceFrame
    monotonic: float
    wall: float
    interrupted: Reason | None = None
