"""Scores of a forecaster on footage that it did not see, beside the motion baseline."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fishrt.config import Config, TrainMode
from fishrt.errors import TrainingError
from fishrt.metrics import best_youden_threshold, block_bootstrap, brier_skill, roc_auc
from fishrt.recording import Recording, Split
from training.baselines import PAST, algorithmic_baseline, fitted_baseline
from training.dataset import ClipSet, clip_set
from training.networks import AnyForecaster
from training.stream_batches import stretches

BLOCK_SECONDS = 20.0
"""Bootstrap blocks: long against the clip (4 s) and the label's horizon (1.5 s)."""

BATCH = 32
STREAM_STEPS = 60

NEUTRAL_THRESHOLD = 0.5
"""Where the validation part has one class only and cannot tell a better one."""


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


def evaluate(
    model: AnyForecaster,
    config: Config,
    recording: Recording,
    training: Recording,
    split: Split | None = None,
    stride: int = 5,
) -> dict[str, Any]:
    """Scores the network and two motion baselines on the same frames.

    Args:
        model: The network.
        config: Its config.
        recording: Footage that it was not trained on.
        training: The recording that it was trained on; the fitted baseline learns from its
            training part.
        split: Which part of `recording`, or None for all of it.
        stride: Score every so-manyth frame; neighbours are nearly the same.

    Returns:
        Plain values: frames, share of bursts, and for each forecaster the ROC-AUC and the Brier
        skill against climatology, with 95 % block-bootstrap intervals; the threshold with the
        largest Youden's J on the validation part of `training`; whether the network beats the
        better of the baselines.

    Raises:
        TrainingError: If the recording does not fit the config, or has one class only.
    """
    geometry = config.clip.geometry
    clips = _with_past(clip_set(recording, split, geometry), stride)
    labels = clips.labels[clips.ends]
    if not 0 < labels.sum() < len(labels):
        raise TrainingError(
            f"every scored frame of {recording.folder} has the same label, so nothing can be "
            "scored; give longer footage with --test, or another `label.threshold`."
        )
    learn = _with_past(clip_set(training, Split.TRAIN, geometry), 1)
    fitted = fitted_baseline(training.motion_energy, learn.labels, learn.ends)
    forecasts = {
        "model": forecast(model, config.train.mode, clips),
        "published_motion_baseline": algorithmic_baseline(recording.motion_energy, clips.ends),
        "fitted_motion_baseline": fitted(recording.motion_energy, clips.ends),
    }
    block = round(BLOCK_SECONDS * recording.metadata.fps / stride)
    scores = {
        name: {
            "roc_auc": asdict(block_bootstrap(roc_auc, labels, p, block=block)),
            "brier_skill": asdict(block_bootstrap(brier_skill, labels, p, block=block)),
        }
        for name, p in forecasts.items()
    }
    rivals = [name for name in forecasts if name != "model"]
    best = max(rivals, key=lambda name: float(scores[name]["roc_auc"]["value"]))
    gain = block_bootstrap(
        _auc_difference,
        labels,
        np.stack([forecasts["model"], forecasts[best]], axis=1),
        block=block,
    )
    return {
        "recording": recording.folder.name,
        "sources": [source.name for source in recording.metadata.sources],
        "frames": len(clips.ends),
        "stride": stride,
        "burst_share": float(labels.mean()),
        **scores,
        "best_motion_baseline": best,
        "roc_auc_gain": asdict(gain),
        "beats_motion_baseline": bool(gain.low > 0),
        "threshold": _chosen_threshold(model, config, training, stride),
    }


def _chosen_threshold(
    model: AnyForecaster, config: Config, training: Recording, stride: int
) -> float:
    """The threshold that is best on the validation part; the scored frames have no say in it."""
    clips = _with_past(clip_set(training, Split.VALIDATION, config.clip.geometry), stride)
    labels = clips.labels[clips.ends]
    if not 0 < labels.sum() < len(labels):
        return NEUTRAL_THRESHOLD
    return best_youden_threshold(labels, forecast(model, config.train.mode, clips))


def _with_past(clips: ClipSet, stride: int) -> ClipSet:
    """Every so-manyth clip of those with enough motion behind them for the baselines."""
    return replace(clips, ends=clips.ends[clips.ends >= PAST][::stride])


def _auc_difference(labels: NDArray[np.generic], pair: NDArray[np.generic]) -> float:
    return roc_auc(labels, pair[:, 0]) - roc_auc(labels, pair[:, 1])
