"""Fitting the motion forecaster: to motion energy and labels, without touching a frame."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fishrt.config import Config, TrainMode
from fishrt.errors import TrainingError
from fishrt.metrics import log_loss
from fishrt.recording import Recording, Split
from fishrt.stored_background import save_background
from training.dataset import class_weights_of, clip_set
from training.fit import FitOptions, FitResult
from training.motion_branch import log_energy
from training.motion_forecaster import (
    FEATURE_LIMIT,
    LEVEL_QUANTILES,
    MotionForecaster,
    motion_features,
    past_energies,
)
from training.run import (
    RUN_FILE,
    append_history,
    describe_run,
    refuse_existing_run,
    save_weights,
    start_run,
    write_record,
)
from training.run_config import adopted_config
from training.soft_labels import soft_labels
from training.watcher import Tell

SCALE_FLOOR = 1e-3
PREDICT_BATCH = 4096


def fit_motion(
    recording: Recording, config: Config, folder: Path, options: FitOptions
) -> FitResult:
    """Fits a motion forecaster to a recording and writes the run folder.

    Args:
        recording: What to train on; its frames are not read.
        config: With a model of kind `motion`.
        folder: The run folder to make.
        options: Who is told; it starts anew and computes on one device.

    Returns:
        How it ended.

    Raises:
        TrainingError: If the recording does not fit, or something is asked that it cannot do.
    """
    if options.resume or options.start is not None or options.strategy is not None:
        raise TrainingError(
            "a motion model trains in a minute, from the beginning and on one device; leave "
            "--resume, --init and --strategy out."
        )
    if config.train.mode is not TrainMode.STREAM:
        raise TrainingError("a motion model carries its past on; leave train.mode=stream.")
    refuse_existing_run(folder)
    config = adopted_config(config, recording)
    geometry = config.clip.geometry
    train = clip_set(recording, Split.TRAIN, geometry)
    validation = clip_set(recording, Split.VALIDATION, geometry)
    weights = class_weights_of(config, train)
    model = MotionForecaster(config.clip, config.model)
    description = describe_run(recording, config, model, weights)
    start_run(folder, config, description)
    save_background(folder, recording.background)
    began = time.perf_counter()
    fit_members(
        model,
        recording.motion_energy,
        soft_labels(recording.label_energy, recording.metadata.label.rule),
        train.ends,
        config,
        weights,
        options.tell,
    )
    seconds = time.perf_counter() - began
    loss = log_loss(
        recording.burst_label[validation.ends],
        predict(model, recording.motion_energy, validation.ends),
    )
    save_weights(folder, model)
    epochs = config.train.epochs
    rate = len(train.ends) * epochs * config.model.members / seconds
    trained = log_loss(
        recording.burst_label[train.ends], predict(model, recording.motion_energy, train.ends)
    )
    append_history(folder, {"epoch": epochs, "loss": trained, "val_loss": loss})
    options.report(
        f"{config.model.members} members, {epochs} epochs  loss {trained:.4f}  validation loss "
        f"{loss:.4f}  {rate:.0f} frames/s"
    )
    result = FitResult(epochs, epochs, loss, rate, False)
    write_record(folder / RUN_FILE, {**description, "result": vars(result)})
    return result


def fit_members(
    model: MotionForecaster,
    energy: NDArray[np.float64],
    targets: NDArray[np.float64],
    frames: NDArray[np.int64],
    config: Config,
    weights: tuple[float, float],
    tell: Tell = lambda *_: None,
) -> None:
    """Fits every member of a motion forecaster, each with a seed of its own.

    Args:
        model: The network; its weights are set.
        energy: Motion energy m, float64 `(T - 1,)`.
        targets: What to learn, 0 .. 1, entry t for frame t: `soft_labels`, or burst labels.
        frames: Frames to learn from, int64 `(N,)`.
        config: Epochs, batch size, learning rate, seed.
        weights: Weights of calm and burst frames.
        tell: Takes name, members done and members in all, for a progress bar.
    """
    known = np.asarray(log_energy(energy[frames - 1].astype(np.float32)))
    model.levels.assign(np.quantile(known, LEVEL_QUANTILES))
    features = np.concatenate(
        [np.asarray(motion_features(past, model.levels)) for past in _pasts(energy, frames)]
    )
    mean, spread = features.mean(axis=0), features.std(axis=0)
    model.feature_mean.assign(mean)
    model.feature_scale.assign(1.0 / np.maximum(spread, SCALE_FLOOR))
    scaled = (features - mean) / np.maximum(spread, SCALE_FLOOR)
    scaled = np.clip(scaled, -FEATURE_LIMIT, FEATURE_LIMIT)
    target = np.asarray(targets)[frames].astype(np.float32)
    importance = (weights[0] + (weights[1] - weights[0]) * target).astype(np.float32)
    settings = config.train
    for number, layers in enumerate(model.members):
        keras.utils.set_random_seed(settings.seed * 1000 + number)
        member = keras.Sequential([keras.Input(features.shape[1:]), *_fresh(layers)])
        batches = -(-len(frames) // settings.batch_size)
        rate = keras.optimizers.schedules.CosineDecay(
            settings.learning_rate, batches * settings.epochs
        )
        member.compile(
            keras.optimizers.Adam(rate), keras.losses.BinaryCrossentropy(from_logits=True)
        )
        member.fit(
            scaled,
            target,
            sample_weight=importance,
            batch_size=settings.batch_size,
            epochs=settings.epochs,
            verbose=0,
        )
        for ours, theirs in zip(layers, member.layers, strict=True):
            ours.set_weights(theirs.get_weights())
        tell(f"member {number + 1}", number + 1, len(model.members))


def predict(
    model: MotionForecaster, energy: NDArray[np.float64], frames: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Probabilities from motion energy, float64 `(N,)`; at frame t from m up to t - 1."""
    odds = [np.asarray(model.log_odds(past)) for past in _pasts(energy, frames)]
    return np.asarray(1.0 / (1.0 + np.exp(-np.concatenate(odds).astype(np.float64))))


def _pasts(energy: NDArray[np.float64], frames: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    """What lies before the frames, some at a time: of an hour at once it would be 400 MB."""
    for first in range(0, len(frames), PREDICT_BATCH):
        yield past_energies(energy, frames[first : first + PREDICT_BATCH])


def _fresh(layers: list[Any]) -> list[Any]:
    """Layers of the same make with new weights, drawn with the seed that was just set."""
    return [type(layer).from_config(layer.get_config()) for layer in layers]
