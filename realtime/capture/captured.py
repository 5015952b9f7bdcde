"""The captured picture: what the source gave, and when it was taken over."""

from dataclasses import dataclass

from fishrt.video import SourceFrame
from realtime.forecast import Reason


@dataclass(frozen=True)
class Captured:
    """One picture and when it was taken over.

    Attributes:
        picture: The picture as the source gave it.
        monotonic: When it was taken over, in seconds on the monotonic clock.
        wall: The same in Unix seconds.
        interrupted: Why the window starts anew with this picture (the camera was lost before it,
            or it is the same picture again and again), or None.
    """

    picture: SourceFrame
    monotonic: float
    wall: float
    interrupted: Reason | None = None

    @property
    def taken(self) -> float:
        """When the picture was taken, as far as is known, on the monotonic clock.

        That is what its age is counted from; `monotonic` says how long it has waited for us.
        """
        arrived = self.picture.arrived
        return self.monotonic if arrived is None else arrived - self.picture.age_s
