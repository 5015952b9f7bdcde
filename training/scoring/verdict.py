"""What an evaluation says, in plain sentences."""

import math

from fishrt.bootstrap import Interval
from fishrt.events import lead_words
from fishrt.metrics import ReliabilityBin
from training.scoring.evaluate import Evaluation
from training.scoring.rivals import FITTED, HARDEST, IN_WORDS, Rival

SMALL_ERROR = 0.03
"""Mean difference of what was said and what happened below which probabilities are as they say."""


def verdict(evaluation: Evaluation) -> tuple[str, ...]:
    """The evaluation in a few sentences: is it better, how good, and can it be taken literally."""
    return (
        comparison_sentence(evaluation),
        events_sentence(evaluation),
        calibration_sentence(evaluation),
    )


def comparison_sentence(evaluation: Evaluation) -> str:
    """Whether the model beats the best baseline; no bold word where only weak ones were scored."""
    gain = evaluation.gain
    rival = IN_WORDS[evaluation.best_rival]
    missing = hardest_missing(evaluation)
    best = _best_of_those_scored(evaluation)
    ours = evaluation.model.scores.roc_auc
    theirs = evaluation.forecasts[evaluation.best_rival].scores.roc_auc
    figures = f"ROC-AUC {ours:.3f} against {theirs:.3f}, a difference of {span(gain, '+.3f')}"
    if math.isnan(gain.low):
        return (
            f"There is too little footage to tell whether the model is better than {rival}: "
            f"{figures}."
        )
    if gain.low > 0 and missing:
        hardest = " and ".join(IN_WORDS[name] for name in missing)
        return (
            f"The model is ahead of {best}, {rival}: {figures}; but it was not held against "
            f"{hardest}, so whether it beats the baselines is open."
        )
    if gain.low > 0:
        return f"The model beats {best}, {rival}: {figures}."
    if gain.high < 0:
        return f"The model is worse than {best}, {rival}: {figures}."
    return f"The model does not beat {best}, {rival}: {figures}, which may as well be chance."


def hardest_missing(evaluation: Evaluation) -> tuple[Rival, ...]:
    """The baselines that are hardest to beat and were not scored."""
    return tuple(name for name in HARDEST if name not in evaluation.forecasts)


def _best_of_those_scored(evaluation: Evaluation) -> str:
    if not set(FITTED) & set(evaluation.forecasts):
        return "the best baseline that needs no training"
    if hardest_missing(evaluation):
        return "the best of the weaker baselines"
    return "the best baseline"


def events_sentence(evaluation: Evaluation) -> str:
    """What alarms at the chosen threshold are worth."""
    events = evaluation.model.events
    if events is None or not events.bursts:
        return "No whole burst lies in the scored footage, so alarms cannot be judged."
    lead = f", {lead_words(events.caught, events.median_lead)}" if events.caught else ""
    return (
        f"With an alarm from a probability of {events.threshold:.2f} on, {events.caught} of "
        f"{events.bursts} bursts are announced{lead}, at {events.false_alarms_per_minute:.1f} "
        "false alarms a minute."
    )


def calibration_sentence(evaluation: Evaluation) -> str:
    """Whether a probability of 30 % means 30 %."""
    bins = evaluation.model.scores.reliability
    error = calibration_error(bins)
    said = sum(one.count * one.mean_probability for one in bins) / sum(one.count for one in bins)
    happened = evaluation.model.scores.burst_share
    figures = f"mean difference {error:.2f}, mean forecast {said:.0%}, bursts {happened:.0%}"
    if error <= SMALL_ERROR:
        return f"Its probabilities can be taken at their word ({figures})."
    if abs(said - happened) > error / 2:
        way = "high" if said > happened else "low"
        return f"Its probabilities are too {way} to be taken at their word ({figures})."
    return (
        "Its probabilities are too bold in places and too timid in others to be taken at their "
        f"word ({figures})."
    )


def calibration_error(bins: list[ReliabilityBin]) -> float:
    """Mean absolute difference of what was said and what happened, over all frames."""
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.mean_probability - one.burst_share) for one in bins) / total


def span(figure: Interval, form: str = ".3f") -> str:
    """A figure with its 95 % interval, as in `0.920 (0.906 .. 0.933)`."""
    value, low, high = (
        f"{round(number, 3) + 0.0:{form}}"  # no -0.000
        for number in (figure.value, figure.low, figure.high)
    )
    return value if math.isnan(figure.low) else f"{value} ({low} .. {high})"
