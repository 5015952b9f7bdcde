"""An evaluation as plain values: what `evaluation.json` and `evaluation.yaml` hold."""

from dataclasses import asdict
from typing import Any

import numpy as np

from fishrt.events import EventScores
from fishrt.plain_values import plain
from training.scoring.evaluate import MODEL, Evaluation, Scored
from training.scoring.verdict import hardest_missing, verdict

SCORES = ("roc_auc", "average_precision", "brier_skill", "log_loss")


def evaluation_record(evaluation: Evaluation) -> dict[str, Any]:
    """Everything but the forecasts themselves; figures that cannot be told are None.

    Args:
        evaluation: What `training.scoring.evaluate.evaluate` gave.

    Returns:
        Plain values: about model and footage, one entry for each forecaster, what the comparison
        says, the decision.
    """
    frames, candidate = evaluation.frames, evaluation.candidate
    recording = frames.recording
    record = {
        "verdict": list(verdict(evaluation)),
        "name": candidate.name,
        "computed_by": candidate.computed_by,
        "mode": candidate.config.train.mode.value,
        "recording": recording.folder.name,
        "sources": [source.name for source in recording.metadata.sources],
        "split": frames.split.value if frames.split else "all",
        "frames": len(frames.ends),
        "stride": frames.every,
        "minutes": frames.minutes,
        "burst_share": float(frames.labels.mean()),
        **{name: _scored(scored) for name, scored in evaluation.forecasts.items()},
        "forecasts": list(evaluation.forecasts),
        "best_motion_baseline": evaluation.best_rival.value,
        "roc_auc_gain": asdict(evaluation.gain),
        "beats_motion_baseline": evaluation.gain.low > 0,
        "hardest_baselines_missing": [rival.value for rival in hardest_missing(evaluation)],
        "confusion": confusion(evaluation),
        "threshold": evaluation.decision.threshold,
        "decision": evaluation.decision.model_dump(mode="json"),
        "notes": list(evaluation.notes),
    }
    return dict(plain(record))


def confusion(evaluation: Evaluation) -> dict[str, int]:
    """Frames by label and by whether the probability reaches the threshold."""
    burst = evaluation.frames.labels.astype(bool)
    called = evaluation.forecasts[MODEL].probabilities >= evaluation.decision.threshold
    return {
        "hits": int((burst & called).sum()),
        "misses": int((burst & ~called).sum()),
        "false_alarms": int((~burst & called).sum()),
        "correct_rejections": int((~burst & ~called).sum()),
    }


def _scored(scored: Scored) -> dict[str, Any]:
    scores, decision = scored.scores, scored.decision
    return {
        **{name: asdict(scored.intervals[name]) for name in SCORES},
        "brier": scores.brier,
        "skill_against_best_baseline": scores.skill_against_baseline,
        "sharpness": scores.sharpness,
        "model_gain_in_roc_auc": asdict(scored.model_gain),
        "best": {name: asdict(point) for name, point in scores.best.items()},
        "reliability": [asdict(one) for one in scores.reliability],
        "events": _events(scored.events) if scored.events and decision else None,
    }


def _events(events: EventScores) -> dict[str, Any]:
    leads = np.array(events.lead_seconds)
    quartiles = np.quantile(leads, (0.25, 0.5, 0.75)).tolist() if len(leads) else [None] * 3
    return {
        "threshold": events.threshold,
        "bursts": events.bursts,
        "caught": events.caught,
        "share_caught": events.share_caught,
        "alarms": events.alarms,
        "false_alarms": events.false_alarms,
        "false_alarms_per_minute": events.false_alarms_per_minute,
        "lead_seconds": dict(
            zip(("lower_quartile", "median", "upper_quartile"), quartiles, strict=True)
        ),
    }
