"""The scoreboard at one moment: plain values that a sink, a page or a summary can show."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ReliabilityPoint:
    """Forecasts between two probabilities: what was said, and what happened.

    Attributes:
        low: Lower edge of the bin, 0 .. 1.
        high: Upper edge.
        count: Forecasts in it.
        mean_probability: Their mean.
        burst_share: Share of them that came true.
    """

    low: float
    high: float
    count: int
    mean_probability: float
    burst_share: float


@dataclass(frozen=True)
class SkillFigures:
    """Scores of the forecasts whose label is known, over some stretch of the run.

    Every figure is None where it is not defined: without a forecast, without a burst, without
    the baseline.

    Attributes:
        minutes: Footage that the figures are about, in minutes: frames with a label at which a
            forecast stood, its own or, under `--every`, the one before.
        labelled: Forecasts with a known label.
        positives: Those of them with a burst ahead.
        enough: Whether there are enough of both kinds, 30 each, for an AUC to be shown.
        auc: Area under the ROC curve.
        baseline_auc: The same of the motion baseline, on the frames where it has a forecast.
        brier: Brier score, 0 is best.
        skill_climatology: Brier skill against always saying the climatology, above 0 is better.
        skill_baseline: Brier skill against the motion baseline, on the frames where both have a
            forecast.
        reliability: The reliability diagram, empty bins left out.
    """

    minutes: float = 0.0
    labelled: int = 0
    positives: int = 0
    enough: bool = False
    auc: float | None = None
    baseline_auc: float | None = None
    brier: float | None = None
    skill_climatology: float | None = None
    skill_baseline: float | None = None
    reliability: tuple[ReliabilityPoint, ...] = ()


@dataclass(frozen=True)
class BurstOutcome:
    """A burst that came true.

    Attributes:
        frame: Its onset, at the model's rate.
        caught: Whether an alarm came in time.
        lead_s: From that alarm to the onset, in seconds; None where it was missed.
    """

    frame: int
    caught: bool
    lead_s: float | None


@dataclass(frozen=True)
class EventFigures:
    """How alarms and bursts met, from the start of the run.

    Attributes:
        bursts: Bursts that could have been caught: forecasts had begun before, and one stood where
            an alarm would have come in time.
        caught: Those with an alarm in time.
        missed: The others.
        uncovered: Bursts beside these that no alarm could have caught, as forecasts were withheld.
        share_caught: Share caught; None before the first burst.
        alarms: Alarms that are known to be right or false.
        false_alarms: Alarms that no burst followed.
        false_alarms_per_minute: A minute of valid forecasts; None before the first.
        median_lead_s: Median lead time of the bursts caught, in seconds; None without one.
        recent: The last bursts that could have been caught, oldest first.
    """

    bursts: int = 0
    caught: int = 0
    missed: int = 0
    uncovered: int = 0
    share_caught: float | None = None
    alarms: int = 0
    false_alarms: int = 0
    false_alarms_per_minute: float | None = None
    median_lead_s: float | None = None
    recent: tuple[BurstOutcome, ...] = ()


@dataclass(frozen=True)
class DriftFigure:
    """One property of the picture, now and in the training footage.

    Attributes:
        name: `brightness`, `contrast`, `background`, `motion energy` or `light elsewhere`.
        now: Its value over the last minute (`light elsewhere`: the last three).
        reference: Its usual value in the training footage (or at the start of the run).
        low: The lowest value that is still usual.
        high: The highest one.
        outside: Whether it is outside now.
    """

    name: str
    now: float
    reference: float
    low: float
    high: float
    outside: bool


@dataclass(frozen=True)
class ScoreSnapshot:
    """How good the forecasts are, as far as is known by now.

    Attributes:
        frames: Frames that the scoreboard saw.
        forecasts: Those with a valid forecast, which are the ones that count.
        coverage: Share of frames with a valid forecast; None before the first frame.
        delay_s: How late a label is known, in seconds.
        window_minutes: Length of the rolling window, in minutes.
        climatology: Share of bursts that the skill is measured against; None while unknown.
        climatology_from: `training` or `run`.
        baseline: Which motion baseline the skill is measured against: `fitted` to the training
            footage, or the `published rule`.
        rolling: Scores over the rolling window.
        overall: Scores from the start of the run.
        events: Alarms and bursts, from the start of the run.
        drift: How the picture compares with the training footage; empty while too little came.
        drift_from: `training` or `run`: what it is compared with.
        drift_warning: What is wrong with the picture and what to do, or None.
    """

    frames: int = 0
    forecasts: int = 0
    coverage: float | None = None
    delay_s: float = 0.0
    window_minutes: float = 10.0
    climatology: float | None = None
    climatology_from: str = "run"
    baseline: str = "published rule"
    rolling: SkillFigures = SkillFigures()
    overall: SkillFigures = SkillFigures()
    events: EventFigures = EventFigures()
    drift: tuple[DriftFigure, ...] = ()
    drift_from: str = "run"
    drift_warning: str | None = None
