"""Forecasts by Keras at a recording's frames, as the live loop makes them, to be scored."""

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fishrt.config import TrainMode
from fishrt.errors import TrainingError
from training.dataset import ClipSet
from training.networks import AnyForecaster
from training.run import Run
from training.scoring.evaluate import Candidate
from training.scoring.frames import ScoredFrames
from training.stream_batches import stretches

BATCH = 32
STREAM_STEPS = 60


def forecast(model: AnyForecaster, mode: TrainMode, clips: ClipSet) -> NDArray[np.float64]:
    """Forecasts at the end of every clip, as the live loop makes them for such a model.

    Args:
        model: The network.
        mode: What it was trained for: windows from zero state, or a carried state.
        clips: N clips.

    Returns:
        Probabilities, float64 `(N,)`.
    """
    if mode is TrainMode.STREAM:
        return forecast_stream(model, clips)
    return forecast_clips(model, clips)


def forecast_clips(model: AnyForecaster, clips: ClipSet) -> NDArray[np.float64]:
    """Window forecasts at the end of every clip.

    Args:
        model: The network.
        clips: N clips.

    Returns:
        Probabilities, float64 `(N,)`.
    """
    parts = [
        np.asarray(model.predict_on_batch(np.stack([clips.clip(i) for i in batch])))[:, -1]
        for batch in np.array_split(
            np.arange(len(clips.ends)), max(1, -(-len(clips.ends) // BATCH))
        )
    ]
    return np.concatenate(parts).astype(np.float64)


def forecast_stream(model: AnyForecaster, clips: ClipSet) -> NDArray[np.float64]:
    """Stream forecasts at the end of every clip, with a state carried on through all footage.

    Every phase is a stream of its own, as in the live loop; a stream starts anew where footage
    between two clips is missing.

    Args:
        model: The network.
        clips: N clips; the footage between the first and the last of them is gone through.

    Returns:
        Probabilities, float64 `(N,)`.
    """
    geometry = clips.geometry
    per_step, phases = geometry.frames_per_step, np.arange(geometry.frames_per_step)
    advance = tf.function(lambda steps, *states: model.run(steps, list(states)), autograph=False)
    found = np.full(len(clips.frames), np.nan)
    for first, stop in stretches(clips, geometry.frames):
        states = model.zero_states(per_step)
        at = first
        while at + per_step + per_step - 1 <= stop:
            steps = min(STREAM_STEPS, (stop - at - per_step + 1) // per_step)
            rows = at + phases[:, None] + np.arange(steps * per_step)
            footage = clips.frames[rows].reshape(
                per_step, steps, per_step, geometry.height, geometry.width
            )
            probabilities, states = advance(tf.constant(footage.transpose(0, 1, 3, 4, 2)), *states)
            ends = at + phases[:, None] + (np.arange(steps) + 1) * per_step - 1
            found[ends] = np.asarray(probabilities)
            at += steps * per_step
        # the last frames that no whole row of phases reaches
        tail = stop - at
        for phase in range(max(tail - per_step + 1, 0)):
            row = clips.frames[at + phase : at + phase + per_step]
            batch = np.repeat(np.moveaxis(row, 0, -1)[None, None], per_step, axis=0)
            found[at + phase + per_step - 1] = np.asarray(advance(tf.constant(batch), *states)[0])[
                phase, 0
            ]
    return found[clips.ends]


def run_candidate(run: Run) -> Candidate:
    """A run, to be scored.

    Args:
        run: A run with its weights.
    """
    geometry, mode = run.config.clip.geometry, run.config.train.mode

    def at(frames: ScoredFrames) -> NDArray[np.float64]:
        recording = frames.recording
        clips = ClipSet(recording.frames, recording.burst_label, frames.ends, geometry)
        said = forecast(run.model, mode, clips)
        if not np.isfinite(said).all():
            raise TrainingError(
                f"{run.folder} gives forecasts that are no numbers; its weights are damaged, or "
                "its training went wrong: train again."
            )
        return said

    threshold = run.evaluation.get("threshold")
    return Candidate(
        name=run.folder.resolve().name,
        computed_by=f"Keras {keras.__version__} on TensorFlow {tf.__version__}",
        config=run.config,
        forecast=at,
        decision=run.decision,
        threshold=threshold if isinstance(threshold, float) else None,
        burst_share=run.trained_on.burst_share if run.trained_on else None,
    )
