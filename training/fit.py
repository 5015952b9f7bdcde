"""Fitting: epochs over the footage of a recording, with the best weights kept at every epoch."""

import math
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras

from fishrt.config import Config, Flips, LearningRateDecay, ModelKind, TrainMode
from fishrt.errors import TrainingError
from fishrt.recording import Recording, Split
from fishrt.stored_background import save_background
from training.checkpoint import Progress, has_checkpoint, restore_checkpoint
from training.dataset import ClipBatches, ClipSet, class_weights_of, clip_set
from training.devices import describe_devices, is_chief, keep_on_device, use_xla
from training.forecaster import Forecaster
from training.loss import WeightedCrossentropy
from training.run import (
    RUN_FILE,
    Run,
    describe_run,
    refuse_existing_run,
    start_run,
    write_record,
)
from training.run_config import adopted_config, resumable_config
from training.spread_trainee import SpreadTrainee
from training.stream_batches import StreamBatches, stretches
from training.trainee import Trainee
from training.watcher import ENTROPY, AfterEpoch, EpochPlan, Tell, Watcher

VALIDATION_CLIPS = 1000
"""At most so many validation clips, evenly spread, are scored after an epoch."""


def _print(line: str) -> None:
    print(line, file=sys.stderr)


def _silent(name: str, done: int, total: int | None) -> None:
    del name, done, total


def _nothing(epoch: int, loss: float) -> None:
    del epoch, loss


@dataclass(frozen=True)
class FitOptions:
    """How a fit is run, beside what the config says.

    Attributes:
        start: A run with the same network whose weights to start from, or None to start anew.
        resume: Whether to go on with the training that the folder holds.
        strategy: A TensorFlow distribution strategy, or None.
        report: Takes one line for every epoch.
        tell: Takes name, batches done and batches in all, for a progress bar.
        after_epoch: Takes the epoch, from 1, and its validation loss; it may raise to end the fit.
    """

    start: Run | None = None
    resume: bool = False
    strategy: Any = None
    report: Callable[[str], None] = field(default=_print)
    tell: Tell = field(default=_silent)
    after_epoch: AfterEpoch = field(default=_nothing)


@dataclass(frozen=True)
class FitResult:
    """How a fit ended.

    Attributes:
        epochs: Epochs that were finished.
        best_epoch: The epoch whose weights were kept, from 1.
        validation_loss: Its validation loss.
        clips_per_second: Training clips a second, validation not counted.
        interrupted: Whether Ctrl-C ended it early.
    """

    epochs: int
    best_epoch: int
    validation_loss: float
    clips_per_second: float
    interrupted: bool


def fit(
    recording: Recording, config: Config, folder: Path, options: FitOptions = FitOptions()
) -> FitResult:
    """Fits a forecaster to a recording and writes the run folder.

    Args:
        recording: What to train on; its preprocessing and label rule are taken over.
        config: What to train and how.
        folder: The run folder to make.
        options: Start, resuming, devices, and who is told.

    Returns:
        How it ended. The best weights are in the folder.

    Raises:
        TrainingError: If the recording does not fit, or the loss is no number any more.
    """
    if options.resume:
        config = resumable_config(folder, config, recording)
    else:
        refuse_existing_run(folder)
        config = adopted_config(config, recording)
    if config.model.kind is ModelKind.MOTION:  # a resumed run says itself what it is
        raise TrainingError(
            "a motion model trains in a minute and is not resumed; train anew with "
            "--config motion into another folder."
        )
    _check_strategy(config, options.strategy)
    if is_chief(options.strategy):
        return _fit(recording, config, folder, options)
    # every worker computes the same; only the chief's folder is kept
    scratch = Path(tempfile.mkdtemp())
    try:
        if options.resume:
            shutil.copytree(folder, scratch, dirs_exist_ok=True)
        return _fit(recording, config, scratch, options)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _fit(recording: Recording, config: Config, folder: Path, options: FitOptions) -> FitResult:
    settings = config.train
    train, validation = _clip_sets(recording, config)
    weights = class_weights_of(config, train)
    on_device = keep_on_device(recording.frames, settings.frames_on, options.strategy)
    keras.utils.set_random_seed(settings.seed)
    batches = _batches(train, config, on_device)
    with options.strategy.scope() if options.strategy is not None else nullcontext():
        kind = Trainee if options.strategy is None else SpreadTrainee
        model = _trainee(kind, recording, config, on_device)
        if options.start is not None:
            _take_weights(model.forecaster, options.start)
        _compile(model, config, len(batches), weights, xla=False)
        if use_xla(settings.xla, model, batches[0], options.strategy):
            _compile(model, config, len(batches), weights, xla=True)
        model.optimizer.build(model.trainable_variables)
        if isinstance(model, SpreadTrainee):
            model.prepare(batches[0])
    unseen = _validation_batches(validation, config, on_device)
    description = {
        **describe_run(recording, config, model.forecaster, weights),
        "computed_on": describe_devices(options.strategy),
        "frames_on": "device" if on_device else "host",
        "xla": bool(model.jit_compile),
    }
    progress = Progress()
    if options.resume and has_checkpoint(folder):
        progress = restore_checkpoint(folder, model.forecaster, model.optimizer)
        batches = _batches(train, config, on_device, progress.epochs)
    else:  # a resumed one without a checkpoint ended within its first epoch: from the beginning
        start_run(folder, config, description)
        save_background(folder, recording.background)
    options.report(f"training on {description['computed_on']}")
    watcher = Watcher(
        EpochPlan(
            folder,
            settings.epochs,
            len(batches),
            len(batches) * settings.batch_size,
            settings.patience,
            "chunks" if settings.mode is TrainMode.STREAM else "clips",
        ),
        progress,
        options.report,
        options.tell,
        options.after_epoch,
    )
    ended = watcher.waited_enough  # it was stopped early before it was resumed
    if ended:
        options.report("it was stopped early already; a larger train.patience goes on with it")
    interrupted = False if ended else _run_epochs(model, batches, unseen, config, watcher)
    result = FitResult(
        progress.epochs,
        progress.best_epoch,
        progress.best_loss,
        progress.clips_per_second,
        interrupted,
    )
    write_record(folder / RUN_FILE, {**description, "result": vars(result)})
    return result


def _run_epochs(
    model: Trainee, batches: Any, validation: Any, config: Config, watcher: Watcher
) -> bool:
    """Runs the epochs that are left; returns whether Ctrl-C ended it."""
    try:
        model.fit(
            batches,
            epochs=config.train.epochs,
            initial_epoch=watcher.progress.epochs,
            validation_data=validation,
            callbacks=[watcher],
            shuffle=False,  # the batches are shuffled, or in time order, already
            verbose=0,
        )
    except KeyboardInterrupt:
        if not watcher.progress.best_epoch:  # nothing to keep
            raise
        return True
    return False


def _trainee(kind: type[Trainee], recording: Recording, config: Config, on_device: bool) -> Trainee:
    settings = config.train
    forecaster = Forecaster(
        config.clip, config.model, settings.loss_steps, settings.precision.value
    )
    steps = config.clip.steps if settings.mode is TrainMode.WINDOW else settings.chunk_steps
    return kind(
        forecaster,
        settings.mode,
        steps * config.clip.frames_per_step,
        settings.batch_size,
        recording.frames if on_device else None,
    )


def _compile(
    model: Trainee, config: Config, batches: int, weights: tuple[float, float], *, xla: bool
) -> None:
    loss = WeightedCrossentropy(*weights)
    model.compile(
        keras.optimizers.Adam(_learning_rate(config, batches)),
        loss,
        weighted_metrics=[keras.metrics.MeanMetricWrapper(loss.call, name=ENTROPY)],
        jit_compile=xla,
    )


def _batches(clips: ClipSet, config: Config, on_device: bool, epoch: int = 0) -> Any:
    settings = config.train
    if settings.mode is TrainMode.STREAM:
        return StreamBatches(
            clips, settings, training=True, epoch=epoch, frames_in_network=on_device
        )
    return ClipBatches(
        clips,
        settings.batch_size,
        flips=settings.flips,
        seed=settings.seed,
        limit=settings.clips_per_epoch,
        epoch=epoch,
        frames_in_network=on_device,
    )


def _validation_batches(clips: ClipSet, config: Config, on_device: bool) -> Any:
    settings = config.train
    if settings.mode is TrainMode.STREAM:
        batches = StreamBatches(clips, settings, training=False, frames_in_network=on_device)
        if not batches.any_label_counts:
            raise TrainingError(
                "the validation part is over before the warm-up is, so no epoch could be told "
                "from another; record more, or set a smaller train.warm_up_steps."
            )
        return batches
    return ClipBatches(
        clips,
        settings.batch_size,
        flips=Flips.NONE,
        seed=None,
        frames_in_network=on_device,
    )


def _check_strategy(config: Config, strategy: Any) -> None:
    if strategy is None:
        return
    if config.train.mode is TrainMode.STREAM:
        raise TrainingError(
            "train.mode=stream runs on one device, as its states are carried from batch to "
            "batch; leave --strategy out, or take train.mode=window."
        )
    copies = strategy.num_replicas_in_sync
    if config.train.batch_size % copies:
        raise TrainingError(
            f"train.batch_size ({config.train.batch_size}) must be a multiple of the {copies} "
            "copies of the network."
        )


def _take_weights(model: Forecaster, start: Run) -> None:
    channels = start.config.clip.frames_per_step
    if start.config.model != model.settings or channels != model.clip.frames_per_step:
        raise TrainingError(
            f"the run {start.folder} has another network (its `model` section or its "
            "clip.frames_per_step differs), so its weights cannot be the start of this one."
        )
    model.set_weights(start.model.get_weights())


def _clip_sets(recording: Recording, config: Config) -> tuple[ClipSet, ClipSet]:
    geometry, settings = config.clip.geometry, config.train
    train = clip_set(recording, Split.TRAIN, geometry, settings.loss_steps)
    validation = clip_set(recording, Split.VALIDATION, geometry, settings.loss_steps)
    if settings.mode is TrainMode.STREAM:
        _require_chunks(train, config)
        _require_chunks(validation, config)
        return train, validation
    stride = math.ceil(len(validation.ends) / VALIDATION_CLIPS)
    return (
        replace(train, ends=train.ends[:: settings.clip_stride]),
        replace(validation, ends=validation.ends[::stride]),
    )


def _require_chunks(clips: ClipSet, config: Config) -> None:
    frames = config.train.chunk_steps * config.clip.frames_per_step
    if not any(stop - first >= 2 * frames for first, stop in stretches(clips)):
        raise TrainingError(
            f"stream training needs at least {2 * frames} frames in a row in the training and "
            "the validation part; record more, or set a smaller train.chunk_steps."
        )


def _learning_rate(config: Config, batches: int) -> Any:
    rate = config.train.learning_rate
    if config.train.decay is LearningRateDecay.COSINE:
        return keras.optimizers.schedules.CosineDecay(rate, batches * config.train.epochs)
    return rate
