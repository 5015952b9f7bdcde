"""Damage within a video: how many pictures could not be decoded before one that could."""

from dataclasses import dataclass

from fishrt.video.source import DamagedPictureError

# Pictures that cannot be decoded in a row, before a damaged video counts as one that has ended:
# ten seconds at 30 frames/s. At the end of a file such a try costs nothing.
TRIED_ON = 300
# Pictures behind damage before which more may be missing: a decoder first gives what it had kept.
SETTLING = 16


@dataclass(frozen=True, slots=True)
class Damage:
    """What damage there is before the next picture of a video.

    Attributes:
        missing: Damaged pictures before it that were not yet told.
        waits: Whether it was looked at, and so is grabbed already.
        settling: Pictures behind it before which still more may be missing.
    """

    missing: int = 0
    waits: bool = False
    settling: int = 0

    def looked_at(self, missing: int) -> "Damage":
        """A picture not far behind damage was grabbed, and so many before it are missing."""
        return Damage(missing, waits=True, settling=self.settling - 1)

    def told(self) -> "Damage":
        """One of the missing pictures was told."""
        return Damage(self.missing - 1, self.waits, self.settling)

    def passed(self) -> "Damage":
        """The picture was taken, and the one behind it is the next."""
        return Damage(self.missing, waits=False, settling=self.settling)


NO_DAMAGE = Damage()


def behind_damage(missing: int) -> Damage:
    """The first picture that can be decoded again was grabbed.

    Args:
        missing: Pictures before it that cannot be decoded.
    """
    return Damage(missing, waits=True, settling=SETTLING)


def missing_pictures(elapsed_s: float, interval_s: float, least: int, room: int) -> int:
    """How many pictures are missing between two, by the clock.

    Args:
        elapsed_s: Seconds from the one to the other; a damaged clock may say anything.
        interval_s: Seconds from one picture to the next.
        least: How many there are whatever the clock says.
        room: How many there can be at most, by the header; may be negative.
    """
    missing = max(round(elapsed_s / interval_s) - 1, least)
    return max(min(missing, room), 0)


def undecodable(name: str, index: int) -> DamagedPictureError:
    """The error for a damaged picture of a video.

    Args:
        name: The video.
        index: The picture's place in it.
    """
    return DamagedPictureError(
        f"picture {index} of {name} cannot be decoded; the video is damaged there, copy it again."
    )
