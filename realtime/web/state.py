"""The state of a run in words that need no explanation."""

import enum
from dataclasses import dataclass

from realtime.event import EventKind
from realtime.forecast import Reason
from realtime.stats import StatsSnapshot
from realtime.web.feed import Latest

STALLED_S = 2.0  # without a picture for so long, something is wrong
FILLING_AGAIN = {  # by reason: what broke the window
    "gap": ("Gap", "Frames were lost."),
    "frozen": ("Picture was frozen", "The picture moves again."),
    "camera-lost": ("Camera was lost", "The camera is back."),
}


class Mood(enum.StrEnum):
    """How the state is to be taken; the page gives each a colour and a sign."""

    WAITING = "waiting"
    CALM = "calm"
    RISING = "rising"
    ALARM = "alarm"
    TROUBLE = "trouble"


FORECASTS = (Mood.CALM, Mood.RISING, Mood.ALARM)
"""Moods in which a forecast stands."""


@dataclass(frozen=True)
class State:
    """What is going on.

    Attributes:
        mood: How it is to be taken.
        name: One or two words.
        text: One sentence.
        progress: How much of the window is filled, 0 .. 1; None where that is not the matter.
    """

    mood: Mood
    name: str
    text: str
    progress: float | None = None


def state_of(latest: Latest, stats: StatsSnapshot, threshold: float, horizon_s: float) -> State:
    """Says what is going on.

    Args:
        latest: The newest that is known.
        stats: The figures of the run.
        threshold: Probability from which on an alarm may start.
        horizon_s: How far a forecast looks ahead, in seconds.
    """
    if latest.trouble is EventKind.CAMERA_LOST:
        return State(Mood.TROUBLE, "Camera lost", "No forecasts until the camera is back.")
    if latest.trouble is EventKind.FROZEN:
        text = "The camera gives the same picture again and again."
        return State(Mood.TROUBLE, "Frozen", text)
    if latest.update is None:
        return State(Mood.WAITING, "Starting", "Waiting for the first picture.")
    if latest.age_s > STALLED_S:
        text = f"The last picture came {latest.age_s:.0f} s ago."
        return State(Mood.TROUBLE, "No picture", text)
    forecast, probability = latest.update.forecast, latest.probability
    if forecast.reason in (None, Reason.SKIPPED) and probability is not None:
        return _forecast(forecast.alarm, probability >= threshold, horizon_s)
    return _withheld(forecast.reason, stats)


def pictures_come(latest: Latest) -> bool:
    """Whether pictures come from the camera, whatever is forecast from them."""
    return latest.update is not None and latest.age_s <= STALLED_S and latest.trouble is None


def _withheld(reason: Reason | None, stats: StatsSnapshot) -> State:
    progress = stats.filled / stats.clip_frames if stats.clip_frames else 0.0
    filled = f"{stats.filled} of {stats.clip_frames} frames"
    if reason in FILLING_AGAIN:
        name, text = FILLING_AGAIN[reason]
        return State(Mood.TROUBLE, name, f"{text} The window fills again: {filled}.", progress)
    match reason:
        case None | Reason.SKIPPED | Reason.FILLING:  # skipped ones stand between those that fill
            text = f"The first forecast needs a whole window: {filled}."
            return State(Mood.WAITING, "Filling", text, progress)
        case Reason.LATE:
            text = "The forecast came too late to act on: this machine is too slow."
            return State(Mood.TROUBLE, "Late", text)
        case other:
            text = "The forecast is withheld until all is well again."
            return State(Mood.TROUBLE, other.replace("-", " ").capitalize(), text)


def _forecast(alarm: bool, above: bool, horizon_s: float) -> State:
    if alarm:
        return State(Mood.ALARM, "Burst ahead", f"A burst is forecast within {horizon_s:g} s.")
    if above:  # debounce and refractory time keep an alarm back
        return State(Mood.RISING, "Rising", "Above the threshold, but not yet an alarm.")
    return State(Mood.CALM, "Calm", f"No burst is forecast within {horizon_s:g} s.")
