"""The forecast: what is said about one frame, and how it is written down."""

import enum
import json
from dataclasses import asdict, dataclass
from typing import Any

# A third of the published 1.5 s horizon: older forecasts are not acted on.
MAX_LAG_S = 0.5


class Reason(enum.StrEnum):
    """Why there is no valid forecast at a frame."""

    FILLING = "filling"  # since the start, fewer frames than a clip have come
    GAP = "gap"  # frames were lost, and the window is not whole again
    FROZEN = "frozen"  # the camera gave one picture again and again; not whole again
    CAMERA_LOST = "camera-lost"  # the camera was lost; the window is not whole again
    SKIPPED = "skipped"  # not due under `--every`
    LATE = "late"  # too long after the picture to act on, or not evaluated to be on time again
    NOT_FINITE = "not-finite"  # the model gave a value that is no number


@dataclass(frozen=True)
class Forecast:
    """One frame at the model's rate and what the model says about it; one line of the log.

    Attributes:
        frame: Index at the model's rate, from 0; lost frames have an index but no line.
        source_frame: Index of the picture in the source, from 0.
        media_time: The picture's time on the source's own clock, in seconds.
        capture_time: When the picture was taken, as far as is known, in Unix seconds.
        emit_time: When the forecast was ready, in Unix seconds.
        latency_ms: From capture to emission, in milliseconds, by the monotonic clock.
        probability: That a burst starts within the model's horizon, 0 .. 1, or None.
        burst: Whether the probability reaches the threshold; None without a valid forecast.
        valid: Whether the forecast may be acted on.
        reason: Why not, or None.
        repeated: Whether the picture stands in for a frame for which the source had none.
        alarm: Whether the alarm is on after this frame, by the decision rule.
        change: Motion energy from the frame before to this one, m[frame - 1] as a share of full
            scale; None at the beginning and after lost frames. The labels follow from it.
    """

    frame: int
    source_frame: int
    media_time: float
    capture_time: float
    emit_time: float
    latency_ms: float
    probability: float | None
    burst: bool | None
    valid: bool
    reason: Reason | None
    repeated: bool
    alarm: bool = False
    change: float | None = None

    def to_record(self) -> dict[str, Any]:
        """The forecast as plain values by name, rounded as they are written down."""
        record = asdict(self)
        for name in ("media_time", "capture_time", "emit_time"):
            record[name] = round(record[name], 6)
        record["latency_ms"] = round(self.latency_ms, 3)
        return record

    def to_json(self) -> str:
        """The forecast as one line of JSON, without the line break."""
        return json.dumps(self.to_record(), separators=(",", ":"), allow_nan=False)
