"""Events: what happens once, beside the forecasts that come at every frame."""

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field


class EventKind(enum.StrEnum):
    """What happened."""

    ALARM_START = "alarm-start"  # the decision rule says that a burst is to come
    ALARM_END = "alarm-end"
    BURST = "burst"  # a burst came true, with or without an alarm ahead of it
    FALSE_ALARM = "false-alarm"  # no burst followed an alarm
    CAMERA_LOST = "camera-lost"
    CAMERA_BACK = "camera-back"
    FROZEN = "frozen"  # the camera gives the same picture again and again
    RUNNING = "running"  # the picture moves again
    RATE = "rate"  # the measured frame rate is not the model's
    RATE_RIGHT = "rate-right"
    DRIFT = "drift"  # the picture no longer looks like the training footage
    SINK_FAILED = "sink-failed"
    SINK_BACK = "sink-back"
    WARNING = "warning"


TROUBLE_ENDED_BY = {
    EventKind.CAMERA_BACK: EventKind.CAMERA_LOST,
    EventKind.RUNNING: EventKind.FROZEN,
    EventKind.RATE_RIGHT: EventKind.RATE,
}
"""What is wrong with the camera, by the event that says that it is right again."""


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: What happened.
        wall: When, in Unix seconds.
        text: One sentence for a person, without a full stop at its end if it is short.
        frame: The frame at the model's rate that it is about, or None.
        values: Figures that belong to it, such as `lead_s` of a burst in seconds.
    """

    kind: EventKind
    wall: float
    text: str
    frame: int | None = None
    values: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """The event as one line of JSON, without the line break."""
        record = {
            "event": self.kind.value,
            "time": round(self.wall, 6),
            "frame": self.frame,
            "text": self.text,
            **{name: round(value, 6) for name, value in self.values.items()},
        }
        return json.dumps(record, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
