"""The ROC-AUC of a sweep's trials, on the same frames of the validation part for all of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fishrt.clip import ClipGeometry
from fishrt.errors import RecordingError
from fishrt.metrics import roc_auc
from fishrt.recording import Recording, Split
from training.evaluation import run_candidate
from training.run import load_run
from training.scoring.evaluate import Wanted
from training.scoring.frames import ScoredFrames, scored_frames


def frames_to_compare_on(recording: Recording, geometries: Sequence[ClipGeometry]) -> ScoredFrames:
    """The frames of the validation part at which models of all these geometries are scored.

    Args:
        recording: What the models learn from.
        geometries: The clip geometries that occur.

    Raises:
        RecordingError: If the validation part is too short for them, or has one class only.
    """
    steps = [geometry.steps for geometry in geometries]
    per_step = [geometry.frames_per_step for geometry in geometries]
    longest = replace(geometries[0], steps=max(steps), frames_per_step=max(per_step))
    # a carried state begins anew where scored frames are further apart than a clip is long
    every = min(Wanted().every, min(steps) * min(per_step))
    frames = scored_frames(recording, Split.VALIDATION, longest, every)
    if not 0 < frames.labels.sum() < len(frames.labels):
        raise RecordingError(
            f"every scored frame of the validation part of {recording.folder} has the same label, "
            "so there is no ROC-AUC to compare trials by; make the recording with a longer "
            "validation part or another `label.threshold`."
        )
    return frames


def trial_auc(folder: Path, frames: ScoredFrames) -> float:
    """ROC-AUC of a run's best weights, 0 .. 1, forecasting as `fishrt evaluate` does.

    Args:
        folder: The run.
        frames: Where it is scored.

    Raises:
        TrainingError: If the run cannot be read, or its forecasts are no numbers.
    """
    return roc_auc(frames.labels, run_candidate(load_run(folder)).forecast(frames))
