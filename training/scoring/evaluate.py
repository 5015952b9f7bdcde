"""The evaluation: a model and its baselines on the same frames, with uncertainty."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fishrt.bootstrap import Interval, WeightedScore, block_bootstrap
from fishrt.config import Config, ModelKind
from fishrt.decision import (
    FALSE_ALARMS,
    USUAL,
    Decision,
    choose_again,
    choose_decision,
    fixed_decision,
)
from fishrt.errors import RecordingError
from fishrt.events import EventScores, event_curve, score_events
from fishrt.metrics import (
    Scorer,
    Scores,
    Weights,
    average_precision,
    brier_skill,
    log_loss,
    rank,
    roc_auc,
)
from fishrt.recording import Recording, Split
from training.scoring.frames import ScoredFrames, check_recording, scored_frames
from training.scoring.rivals import Forecast, Rival, Say, make_rivals

BLOCK_SECONDS = 20.0
"""Bootstrap blocks: long against the clip (4 s) and the label's horizon (1.5 s)."""
MODEL = "model"
NEUTRAL_THRESHOLD = 0.5
"""Where nothing can tell a better one."""


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True)
class Candidate:
    """A model that can be scored.

    Attributes:
        name: What it is called.
        computed_by: What computes its forecasts, in words for a person.
        config: Its config.
        forecast: Its forecasts at scored frames, float64 `(N,)`.
        decision: The decision that came with it, or None.
        threshold: The threshold that came with it where there is no decision, or None.
        burst_share: Share of burst labels that it learned from, if it says so.
    """

    name: str
    computed_by: str
    config: Config
    forecast: Callable[[ScoredFrames], NDArray[np.float64]]
    decision: Decision | None = None
    threshold: float | None = None
    burst_share: float | None = None


@dataclass(frozen=True)
class Wanted:
    """How to score.

    Attributes:
        every: Frames from one forecast to the next.
        false_alarms: False alarms a minute that are bearable; None takes the decision that came
            with the model where the validation footage is not at hand, and else one a minute.
        rivals: The baselines.
        say: Is told what is being done.
    """

    every: int = 5
    false_alarms: float | None = None
    rivals: tuple[Rival, ...] = tuple(Rival)
    say: Say = field(default=_silent)


@dataclass(frozen=True)
class Scored:
    """One forecaster on the scored frames.

    Attributes:
        probabilities: float64 `(N,)`.
        scores: Scores of all frames.
        intervals: 95 % intervals of `roc_auc`, `average_precision`, `brier_skill`, `log_loss`.
        model_gain: ROC-AUC of the model less that of this one, on the same draws.
        decision: When its alarms start and end, or None where that could not be chosen.
        events: How its alarms met the bursts, or None without a decision.
        event_curve: The same at all thresholds.
    """

    probabilities: NDArray[np.float64]
    scores: Scores
    intervals: dict[str, Interval]
    model_gain: Interval
    decision: Decision | None
    events: EventScores | None
    event_curve: tuple[EventScores, ...]


@dataclass(frozen=True)
class Evaluation:
    """A model and its baselines on the same frames.

    Attributes:
        candidate: The model.
        frames: The scored frames.
        forecasts: By name, `model` first.
        best_rival: The baseline with the largest ROC-AUC, climatology and persistence left out
            where there is another.
        notes: What a reader should know, each a sentence.
    """

    candidate: Candidate
    frames: ScoredFrames
    forecasts: dict[str, Scored]
    best_rival: Rival
    notes: tuple[str, ...]

    @property
    def model(self) -> Scored:
        """The model's own figures."""
        return self.forecasts[MODEL]

    @property
    def decision(self) -> Decision:
        """The model's decision."""
        decision = self.model.decision
        if decision is None:
            raise RuntimeError("the model is always scored with a decision.")
        return decision

    @property
    def gain(self) -> Interval:
        """ROC-AUC of the model less that of the best baseline."""
        return self.forecasts[self.best_rival].model_gain


def evaluate(
    candidate: Candidate,
    recording: Recording,
    split: Split | None,
    training: Recording | None,
    wanted: Wanted = Wanted(),
) -> Evaluation:
    """Scores a model and its baselines.

    Args:
        candidate: The model.
        recording: The footage to score on.
        split: Which part of it, or None for all.
        training: What the model learned from, if it is at hand: baselines learn from its training
            part, and thresholds are chosen on its validation part, where the scored frames have
            no say.
        wanted: How.

    Raises:
        RecordingError: If the recording does not fit the model, has one class only, or a
            false-alarm rate is asked for that nothing can tell a threshold for.
    """
    geometry = candidate.config.clip.geometry
    notes = list(check_recording(recording, candidate.config))
    frames = scored_frames(recording, split, geometry, wanted.every)
    if not 0 < frames.labels.sum() < len(frames.labels):
        raise RecordingError(
            f"every scored frame of {recording.folder} has the same label, so nothing can be "
            "scored; take longer footage, another part with --split, or another `label.threshold`."
        )
    own = {Rival.DENSE} if candidate.config.model.kind is ModelKind.MOTION else set[Rival]()
    rivals, missing = make_rivals(
        [rival for rival in wanted.rivals if rival not in own],
        training,
        candidate.burst_share,
        geometry,
        wanted.say,
    )
    notes += missing
    wanted.say(f"forecasting at {len(frames.ends)} frames of {recording.folder.name} ...")
    said = {MODEL: candidate.forecast(frames)}
    said |= {name: rival(recording, frames.ends) for name, rival in rivals.items()}
    decisions, remarks = _decisions(candidate, rivals, training, wanted)
    notes += remarks
    wanted.say("drawing intervals ...")
    best = _best_rival(frames, said)
    forecasts = {
        name: _scored(frames, p, decisions.get(name), said[MODEL], said[best])
        for name, p in said.items()
    }
    return Evaluation(candidate, frames, forecasts, best, tuple(notes))


def _best_rival(frames: ScoredFrames, said: dict[str, NDArray[np.float64]]) -> Rival:
    simple = {Rival.CLIMATOLOGY, Rival.PERSISTENCE}
    rivals = [Rival(name) for name in said if name != MODEL]
    able = [rival for rival in rivals if rival not in simple] or rivals
    return max(able, key=lambda rival: roc_auc(frames.labels, said[rival]))


def _scored(
    frames: ScoredFrames,
    p: NDArray[np.float64],
    decision: Decision | None,
    model: NDArray[np.float64],
    baseline: NDArray[np.float64],
) -> Scored:
    labels = frames.labels
    scorer = Scorer()
    scorer.accumulate(labels, p, baseline)
    scores = scorer.compute()
    if scores is None:
        raise RuntimeError("there are always frames to score.")
    block = max(round(BLOCK_SECONDS * frames.fps / frames.every), 1)
    order = rank(p)
    measures: dict[str, WeightedScore] = {
        "roc_auc": partial(roc_auc, ranking=order),
        "average_precision": partial(average_precision, ranking=order),
        "brier_skill": brier_skill,
        "log_loss": log_loss,
    }
    model_order = rank(model)

    def gain(
        labels: NDArray[np.generic], pair: NDArray[np.generic], weights: Weights = None
    ) -> float:
        ours = roc_auc(labels, pair[:, 0], weights, model_order)
        return ours - roc_auc(labels, pair[:, 1], weights, order)

    footage, horizon = frames.footage(p), frames.recording.metadata.label.horizon
    return Scored(
        probabilities=p,
        scores=scores,
        intervals={
            name: block_bootstrap(score, labels, p, block=block) for name, score in measures.items()
        },
        model_gain=block_bootstrap(gain, labels, np.column_stack([model, p]), block=block),
        decision=decision,
        events=(
            score_events(footage, decision.rule, horizon=horizon, fps=frames.fps)
            if decision
            else None
        ),
        event_curve=(
            tuple(event_curve(footage, USUAL, horizon=horizon, fps=frames.fps))
            if np.ptp(p) > 0  # what never varies has no event
            else ()
        ),
    )


def _decisions(
    candidate: Candidate,
    rivals: dict[Rival, Forecast],
    training: Recording | None,
    wanted: Wanted,
) -> tuple[dict[str, Decision], list[str]]:
    """Thresholds chosen on validation footage; the scored frames have no say in them."""
    asked = FALSE_ALARMS if wanted.false_alarms is None else wanted.false_alarms
    if training is None:
        remedy = "name the recording that it learned from with --training"
        return {MODEL: _stored_decision(candidate, wanted.false_alarms, remedy)}, []
    try:
        frames = scored_frames(
            training, Split.VALIDATION, candidate.config.clip.geometry, wanted.every
        )
    except RecordingError as error:
        remedy = "make its training recording with a longer validation part"
        decision = _stored_decision(candidate, wanted.false_alarms, remedy)
        return {MODEL: decision}, [f"{str(error)[0].upper()}{str(error)[1:]} {_origin(candidate)}"]
    wanted.say(f"choosing thresholds on the validation part of {training.folder.name} ...")
    said: dict[str, NDArray[np.float64]] = {MODEL: candidate.forecast(frames)}
    said |= {name: rival(training, frames.ends) for name, rival in rivals.items()}
    decisions: dict[str, Decision] = {}
    for name, p in said.items():
        chosen = choose_decision(
            frames.footage(p),
            asked,
            f"the validation part of {training.folder.name} ({frames.minutes:.1f} minutes)",
            horizon=training.metadata.label.horizon,
            fps=frames.fps,
        )
        if chosen is not None:
            decisions[name] = chosen
    if MODEL in decisions:
        return decisions, []
    decisions[MODEL] = fixed_decision(
        NEUTRAL_THRESHOLD, "no footage: no threshold caught a burst on the validation part"
    )
    return decisions, [
        f"On the validation part ({frames.minutes:.1f} minutes) no threshold catches a burst with "
        f"{asked:g} false alarms a minute or fewer, so the threshold is a neutral "
        f"{NEUTRAL_THRESHOLD}; allow more with --false-alarms, or record more."
    ]


def _origin(candidate: Candidate) -> str:
    """Where the threshold comes from, in a sentence, if not from validation footage."""
    if candidate.decision is None and candidate.threshold is None:
        return f"So the threshold is a neutral {NEUTRAL_THRESHOLD}."
    return "So the threshold is what came with the model."


def _stored_decision(candidate: Candidate, asked: float | None, remedy: str) -> Decision:
    """The decision that came with the model.

    Args:
        candidate: The model.
        asked: False alarms a minute that are bearable, or None for those of the decision.
        remedy: What would tell a threshold for them where this cannot.
    """
    stored = candidate.decision
    if stored is None and candidate.threshold is not None:
        stored = fixed_decision(candidate.threshold, "what came with the model")
    if asked is None or (stored is not None and stored.false_alarms_asked == asked):
        return stored or fixed_decision(NEUTRAL_THRESHOLD, "no footage")
    again = choose_again(stored, asked) if stored is not None else None
    if again is None:
        raise RecordingError(
            f"nothing tells which threshold of {candidate.name} gives {asked:g} false alarms a "
            f"minute; {remedy}, or leave --false-alarms away."
        )
    return again
