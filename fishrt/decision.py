"""The decision that travels with a model: from which probability on an alarm is raised, and why."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fishrt.events import (
    DecisionRule,
    EventScores,
    Footage,
    RuleAt,
    best_bearable,
    event_curve,
)

FALSE_ALARMS = 1.0
"""False alarms a minute that are bearable where nobody says otherwise."""
STORED_POINTS = 40
USUAL = RuleAt()
"""Hysteresis, debounce and refractory time where nobody says otherwise."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DecisionPoint(_Section):
    """A threshold and what it gave on the footage that decisions are chosen on.

    Attributes:
        threshold: The probability from which on an alarm starts.
        false_alarms_per_minute: Alarms without a burst, a minute.
        share_caught: Share of bursts with an alarm in time; None where there was no burst.
    """

    threshold: float = Field(ge=0, le=1)
    false_alarms_per_minute: float = Field(ge=0)
    share_caught: float | None = Field(default=None, ge=0, le=1)


class Decision(_Section):
    """A decision rule, how it was chosen, and what it gave there.

    Attributes:
        threshold: See `DecisionRule`.
        release: See `DecisionRule`.
        debounce: See `DecisionRule`, in frames.
        refractory: See `DecisionRule`, in frames.
        chosen_on: The footage that it was chosen on, in words for a person.
        false_alarms_asked: False alarms a minute that were to be borne; None where the threshold
            was not chosen that way.
        on_that_footage: What the threshold gave there, or None.
        curve: Other thresholds and what they gave there, from the highest to the lowest, each
            catching more than the one before.
    """

    threshold: float = Field(ge=0, le=1)
    release: float = Field(ge=0, le=1)
    debounce: int = Field(ge=1)
    refractory: int = Field(ge=0)
    chosen_on: str
    false_alarms_asked: float | None = Field(default=None, ge=0)
    on_that_footage: DecisionPoint | None = None
    curve: tuple[DecisionPoint, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> "Decision":
        if self.release > self.threshold:
            raise ValueError("release must not be above the threshold")
        return self

    @property
    def rule(self) -> DecisionRule:
        """The decision rule."""
        return DecisionRule(self.threshold, self.release, self.debounce, self.refractory)


def fixed_decision(threshold: float, chosen_on: str, rule_at: RuleAt = USUAL) -> Decision:
    """A decision at a threshold that was not chosen for its false alarms.

    Args:
        threshold: 0 .. 1.
        chosen_on: Where it comes from, in words for a person.
        rule_at: Release, debounce and refractory time.
    """
    rule = rule_at(threshold)
    return Decision(
        threshold=threshold,
        release=rule.release,
        debounce=rule.debounce,
        refractory=rule.refractory,
        chosen_on=chosen_on,
    )


def choose_decision(
    footage: Sequence[Footage],
    per_minute: float,
    chosen_on: str,
    *,
    horizon: int,
    fps: float,
    rule_at: RuleAt = USUAL,
) -> Decision | None:
    """The threshold that catches most bursts with no more false alarms than are bearable.

    Args:
        footage: Validation footage, with what the model said of it.
        per_minute: False alarms a minute that are bearable.
        chosen_on: What that footage is, in words for a person.
        horizon: Frames that a label looks ahead.
        fps: Frames a second.
        rule_at: Release, debounce and refractory time.

    Returns:
        The decision, or None where nothing can be chosen: no forecast, or no threshold that
        catches a single burst at that rate.
    """
    curve = event_curve(footage, rule_at, horizon=horizon, fps=fps)
    best = best_bearable(curve, per_minute)
    if best is None or not best.caught:
        return None
    return fixed_decision(best.threshold, chosen_on, rule_at).model_copy(
        update={
            "false_alarms_asked": per_minute,
            "on_that_footage": _point(best),
            "curve": tuple(_point(point) for point in _thinned(curve)),
        }
    )


def choose_again(decision: Decision, per_minute: float) -> Decision | None:
    """Another false-alarm rate, by the curve that was stored with a decision.

    Args:
        decision: A decision that has its curve.
        per_minute: False alarms a minute that are bearable.

    Returns:
        The decision, or None where the curve is absent or no point of it is bearable.
    """
    bearable: list[DecisionPoint] = []
    for point in decision.curve:
        if point.false_alarms_per_minute > per_minute:
            break
        bearable.append(point)
    if not bearable:
        return None
    best = max(
        bearable, key=lambda point: (point.share_caught or 0.0, -point.false_alarms_per_minute)
    )
    return decision.model_copy(
        update={
            "threshold": best.threshold,
            "release": decision.rule.at(best.threshold).release,
            "false_alarms_asked": per_minute,
            "on_that_footage": best,
        }
    )


def _point(scores: EventScores) -> DecisionPoint:
    return DecisionPoint(
        threshold=scores.threshold,
        false_alarms_per_minute=scores.false_alarms_per_minute,
        share_caught=scores.share_caught if scores.bursts else None,
    )


def _thinned(curve: Sequence[EventScores]) -> list[EventScores]:
    """Points that catch more than every one above them, at most `STORED_POINTS`."""
    kept: list[EventScores] = []
    for point in curve:
        if not kept or point.caught > kept[-1].caught:
            kept.append(point)
    if len(kept) <= STORED_POINTS:
        return kept
    step = (len(kept) - 1) / (STORED_POINTS - 1)
    return [kept[round(step * place)] for place in range(STORED_POINTS)]
