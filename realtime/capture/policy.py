"""How fast pictures are taken, what gives way when the machine is slow, and how many may wait."""

import enum

from fishrt.video import SourceInfo, SourceKind

QUEUE_PICTURES = 24  # of a source that waits for us: enough to even out its decoding
# Where pictures wait for us and come at once, the queue is always full, and latency would be
# mostly the wait in it; one picture is enough to decode ahead, and one more to even out.
UNPACED_QUEUE_PICTURES = 2
# What comes while the loop stalls must wait somewhere, or it is lost; but not without end.
LIVE_QUEUE_S = 3.0
LIVE_QUEUE_BYTES = 256 * 1024 * 1024
USUAL_FPS = 30.0  # of sources that do not say what they give
BYTES_PER_PIXEL = 3


class Pace(enum.StrEnum):
    """How fast pictures of a source that has no pace of its own are taken."""

    REALTIME = "realtime"
    AS_FAST_AS_POSSIBLE = "as-fast-as-possible"


class Policy(enum.StrEnum):
    """What gives way when the machine is too slow."""

    EVERY_FRAME = "every-frame"  # time: the source waits, every picture is evaluated
    KEEP_UP = "keep-up"  # evaluations: every picture is taken, but not all of them are forecast


def policy_of(info: SourceInfo, pace: Pace) -> Policy:
    """Live sources keep up; so does the simulated tank while it plays a camera."""
    plays_camera = info.kind is SourceKind.DEMO and pace is Pace.REALTIME
    return Policy.KEEP_UP if info.is_live or plays_camera else Policy.EVERY_FRAME


def queue_capacity(info: SourceInfo, pace: Pace, policy: Policy) -> int:
    """Pictures that may wait for the loop.

    Three seconds of a live source, and less where its pictures are so big that they would take
    more than 256 MiB.
    """
    if policy is Policy.EVERY_FRAME:
        unpaced = pace is Pace.AS_FAST_AS_POSSIBLE
        return UNPACED_QUEUE_PICTURES if unpaced else QUEUE_PICTURES
    pictures = round(LIVE_QUEUE_S * max(info.declared_fps or USUAL_FPS, USUAL_FPS))
    fitting = LIVE_QUEUE_BYTES // (info.width * info.height * BYTES_PER_PIXEL)
    return max(min(pictures, fitting), QUEUE_PICTURES)
