"""What a user may want done about bad footage."""

import enum


class Keyframes(enum.StrEnum):
    """What to do with the false peaks that codec keyframes make in the motion energy."""

    KEEP = "keep"
    IGNORE = "ignore"


class Damaged(enum.StrEnum):
    """What to do when a source, or one picture of a folder, cannot be read."""

    STOP = "stop"
    SKIP = "skip"
