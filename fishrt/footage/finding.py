"""What the footage check found."""

import enum

from pydantic import BaseModel, ConfigDict


class FindingKind(enum.StrEnum):
    """What can be wrong with footage."""

    KEYFRAMES = "keyframes"
    FLICKER = "flicker"
    DUPLICATES = "duplicates"
    LOST_FRAMES = "lost-frames"
    SHAKE = "shake"
    FPS = "fps"
    VARIABLE_RATE = "variable-rate"
    EXPOSURE = "exposure"
    THRESHOLD = "threshold"
    DAMAGED = "damaged"
    ENDED_EARLY = "ended-early"
    SHORT = "short"
    SQUEEZED = "squeezed"
    NOT_CHECKED = "not-checked"


class Finding(BaseModel):
    """One thing that will mislead whoever trusts the labels, or that nobody could look for.

    Attributes:
        kind: What it is.
        source: The source that it was found in, or None for the whole recording.
        sentence: What is wrong, with figures, and what to do.
        values: The figures, for programs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: FindingKind
    source: str | None
    sentence: str
    values: dict[str, float] = {}
