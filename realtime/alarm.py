"""The alarm: the decision rule at every frame, also where forecasts come every few frames."""

from dataclasses import dataclass

from fishrt.bundle import Bundle
from fishrt.decision import USUAL, Decision, choose_again
from fishrt.errors import ConfigError
from fishrt.events import Decider, DecisionRule, Edge
from realtime.forecast import Reason


class Alarm:
    """Follows a decision rule in time, however often forecasts come.

    Between two forecasts under `--every` the last one stands, as it does where `fishrt evaluate`
    chooses the threshold; so debounce and refractory time are frames of footage, not forecasts.
    A forecast that is withheld for another reason stands for nothing, and ends an alarm.
    """

    def __init__(self, rule: DecisionRule) -> None:
        """Begins without an alarm.

        Args:
            rule: When an alarm starts and ends.
        """
        self._decider = Decider(rule)
        self._standing: float | None = None
        self._frame: int | None = None

    @property
    def rule(self) -> DecisionRule:
        """When an alarm starts and ends."""
        return self._decider.rule

    @property
    def active(self) -> bool:
        """Whether the alarm is on."""
        return self._decider.active

    @property
    def frame(self) -> int | None:
        """The frame that was taken last, or None."""
        return self._frame

    @property
    def standing(self) -> float | None:
        """The probability that stands: the newest one, or None where nothing is known."""
        return self._standing

    def push(self, frame: int, probability: float | None, reason: Reason | None) -> Edge | None:
        """Takes the next frame.

        Args:
            frame: Its index at the model's rate; lost frames in between count as time.
            probability: What is said about it, or None.
            reason: Why nothing valid is said, or None.

        Returns:
            What starts or ends at this frame, or None.
        """
        if reason is not Reason.SKIPPED:
            self._standing = probability if reason is None else None
        elapsed = 1 if self._frame is None else frame - self._frame
        self._frame = frame
        return self._decider.push(self._standing, elapsed)

    def forget(self) -> Edge | None:
        """Takes note that nothing is known any more, though no frame comes to say so.

        Returns:
            The end of the alarm, or None if there was none.
        """
        self._standing = None
        return self._decider.push(None, 0)  # no time has passed by the count of frames


@dataclass(frozen=True)
class AlarmWishes:
    """What the user wants of the decision rule; None leaves it to the bundle.

    Attributes:
        threshold: Probability from which on a burst is forecast.
        false_alarms: False alarms a minute that are bearable, instead of a threshold.
        release: Probability below which an alarm ends.
        debounce: Frames in a row that must be at or above the threshold.
        refractory: Frames after an alarm's start in which no other one starts.
    """

    threshold: float | None = None
    false_alarms: float | None = None
    release: float | None = None
    debounce: int | None = None
    refractory: int | None = None


def wished_rule(bundle: Bundle, wishes: AlarmWishes) -> DecisionRule:
    """The decision rule: as asked, as the bundle says, or as is usual.

    Args:
        bundle: The bundle.
        wishes: What the user wants. Release keeps its share of the threshold where that changes.

    Raises:
        ConfigError: If the wishes contradict one another, or the bundle does not tell which
            threshold gives that rate of false alarms.
    """
    if wishes.threshold is not None and wishes.false_alarms is not None:
        raise ConfigError("--threshold and --false-alarms both set the threshold; give one.")
    rule = _base_rule(bundle, wishes)
    release = rule.release if wishes.release is None else wishes.release
    if release > rule.threshold:
        raise ConfigError(
            f"--release {release:g} is above the threshold {rule.threshold:g}, so no alarm could "
            "last; give a lower one."
        )
    return DecisionRule(
        rule.threshold,
        release,
        rule.debounce if wishes.debounce is None else wishes.debounce,
        rule.refractory if wishes.refractory is None else wishes.refractory,
    )


def _base_rule(bundle: Bundle, wishes: AlarmWishes) -> DecisionRule:
    decision = bundle.metadata.decision
    if wishes.false_alarms is not None:
        return _for_false_alarms(bundle.metadata.name, decision, wishes.false_alarms).rule
    if decision is None:
        asked = wishes.threshold
        return USUAL(bundle.metadata.threshold if asked is None else asked)
    return decision.rule if wishes.threshold is None else decision.rule.at(wishes.threshold)


def _for_false_alarms(name: str, decision: Decision | None, per_minute: float) -> Decision:
    chosen = None if decision is None else choose_again(decision, per_minute)
    if chosen is not None:
        return chosen
    if decision is None or not decision.curve:
        raise ConfigError(
            f"the bundle {name} does not tell which threshold gives {per_minute:g} false alarms a "
            "minute; export a run that was scored on footage with bursts, or give --threshold."
        )
    least = min(point.false_alarms_per_minute for point in decision.curve)
    raise ConfigError(
        f"no threshold of the bundle {name} gave as few as {per_minute:g} false alarms a minute; "
        f"the least was {least:.2g}, so ask for that, or give --threshold."
    )
