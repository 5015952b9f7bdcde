"""Watching the pictures of a source: are they frozen, do they come at the right rate?"""

import numpy as np
from numpy.typing import NDArray

from realtime.capture.captured import Captured
from realtime.capture.frozen import FrozenWatch
from realtime.capture.rate import RateWatch, Turn
from realtime.event import Event, EventKind
from realtime.forecast import MAX_LAG_S

BLACK_LEVEL = 16  # of 255: no pixel of a black picture is brighter
LAG_FOR_S = 2.0  # pictures that are late, or on time again, for so long are worth an event


class PictureWatch:
    """Looks at every picture that the loop takes, on the loop's thread."""

    def __init__(
        self, wanted_fps: float | None = None, frozen_after_s: float | None = None
    ) -> None:
        """Starts without a picture.

        Args:
            wanted_fps: Frames a second that the source should give at least, or None.
            frozen_after_s: Seconds of the same picture that mean a freeze, or None.
        """
        self._rate = RateWatch(wanted_fps) if wanted_fps else None
        self._freeze = FrozenWatch(frozen_after_s) if frozen_after_s else None
        self._frozen_s = 0.0
        self._lags = False
        self._lag_turns: float | None = None

    @property
    def fps(self) -> float | None:
        """The measured frame rate, or None while it is not known."""
        return self._rate.meter.fps if self._rate else None

    @property
    def frozen(self) -> bool:
        """Whether the picture is frozen."""
        return self._frozen_s > 0

    def restart(self) -> None:
        """Forgets the pictures, as after a loss; what is wrong stays wrong until it is right."""
        if self._rate:
            self._rate.meter.restart()
        if self._freeze:
            self._freeze.restart()
        self._lag_turns = None

    def push(self, captured: Captured) -> list[Event]:
        """Takes the next picture and says what happened."""
        picture, events = captured.picture, list[Event]()
        if self._freeze:
            same_s = self._freeze.push(picture.image, picture.timestamp)
            if same_s is not None and not self.frozen:
                events.append(_frozen(captured.wall, same_s, picture.image))
            elif same_s is None and self.frozen:
                events.append(_moving(captured.wall, self._frozen_s))
            self._frozen_s = same_s or 0.0
        if self._rate:
            turn = self._rate.push(picture.index, picture.timestamp)
            if turn is not None:
                fps = self._rate.meter.fps or 0.0
                told = _slow if turn is Turn.SLOW else _right
                events.append(told(captured.wall, fps, self._rate.wanted))
        return events + self._look_at_age(captured)

    def _look_at_age(self, captured: Captured) -> list[Event]:
        """Says once that pictures come too late for any forecast, and once that they no longer do.

        A stall that is over within two seconds is told by the forecasts that are late.
        """
        age_s = captured.picture.age_s
        if (age_s > MAX_LAG_S) is self._lags:
            self._lag_turns = None
            return []
        if self._lag_turns is None:
            self._lag_turns = captured.monotonic
        if captured.monotonic - self._lag_turns < LAG_FOR_S:
            return []
        self._lags, self._lag_turns = not self._lags, None
        return [_late(captured.wall, age_s) if self._lags else _on_time(captured.wall)]


def _frozen(wall: float, same_s: float, image: NDArray[np.uint8]) -> Event:
    black = int(image.max()) <= BLACK_LEVEL
    cure = "it is black: check the light and the lens cap" if black else "restart the camera"
    text = (
        f"frozen: the camera has given the same picture for {same_s:.1f} s; forecasts are withheld "
        f"until it moves; {cure}"
    )
    return Event(EventKind.FROZEN, wall, text, values={"seconds": same_s})


def _moving(wall: float, frozen_s: float) -> Event:
    text = f"the picture moves again, it was frozen for {frozen_s:.1f} s"
    return Event(EventKind.RUNNING, wall, text, values={"seconds": frozen_s})


def _slow(wall: float, fps: float, wanted: float) -> Event:
    text = (
        f"the camera gives {fps:.1f} frames a second and the model needs {wanted:g}: missing ones "
        "are filled with the picture before, or count as lost and forecasts are withheld; give it "
        "more light, a shorter --exposure or a smaller --camera-size; if this is its rate and you "
        f"accept forecasts from filled-up footage, add --camera-fps {round(fps)}"
    )
    return Event(EventKind.RATE, wall, text, values={"fps": fps, "wanted_fps": wanted})


def _right(wall: float, fps: float, wanted: float) -> Event:
    text = f"the camera gives {fps:.1f} frames a second again"
    return Event(EventKind.RATE_RIGHT, wall, text, values={"fps": fps, "wanted_fps": wanted})


def _late(wall: float, age_s: float) -> Event:
    text = (
        f"pictures come {age_s:.1f} s late: forecasts from them are too old to act on and are "
        "withheld; check the network and the camera; if it does not pass, start both the camera "
        "and this command anew"
    )
    return Event(EventKind.WARNING, wall, text, values={"age_s": age_s})


def _on_time(wall: float) -> Event:
    return Event(EventKind.WARNING, wall, "pictures come in time again")
