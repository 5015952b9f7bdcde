"""Fitting: epochs over the clips of a recording, with the best weights kept at every epoch."""

import csv
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fishrt.config import Config, Flips, LearningRateDecay, TrainMode
from fishrt.errors import TrainingError
from fishrt.recording import Recording, Split, split_borders
from fishrt.storage import sha256_of
from fishrt.stored_background import save_background
from training.dataset import ClipBatches, ClipSet, class_weights, clip_set
from training.forecaster import Forecaster
from training.loss import WeightedCrossentropy
from training.run import (
    HISTORY_FILE,
    RUN_FILE,
    WEIGHTS_FILE,
    Run,
    describe_software,
    refuse_existing_run,
    start_run,
    write_record,
)

VALIDATION_CLIPS = 1000
"""At most so many validation clips, evenly spread, are scored after an epoch."""


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
    recording: Recording,
    config: Config,
    folder: Path,
    start: Run | None = None,
    report: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> FitResult:
    """Fits a forecaster to a recording and writes the run folder.

    Args:
        recording: What to train on; its preprocessing and label rule are taken over.
        config: What to train and how.
        folder: The run folder to make.
        start: A run with the same network whose weights to start from, or None to start anew.
        report: Takes one line for every epoch.

    Returns:
        How it ended. The best weights are in the folder.

    Raises:
        TrainingError: If the recording does not fit, or the loss is no number any more.
    """
    refuse_existing_run(folder)
    config = _adopt(config, recording)
    train, validation = _clip_sets(recording, config)
    weights = class_weights(train.burst_share) if config.train.class_weights else (1.0, 1.0)
    keras.utils.set_random_seed(config.train.seed)
    model = Forecaster(config.clip, config.model, config.train.loss_steps)
    if start is not None:
        _take_weights(model, start)
    batches = ClipBatches(
        train,
        config.train.batch_size,
        flips=config.train.flips,
        seed=config.train.seed,
        limit=config.train.clips_per_epoch,
    )
    # XLA measured slower on CPU (1.2 against 5.6 clips/s), so it is not asked for
    model.compile(
        keras.optimizers.Adam(_learning_rate(config, len(batches))),
        WeightedCrossentropy(*weights),
        jit_compile=False,
    )
    description = _description(recording, config, model, weights)
    start_run(folder, config, description)
    save_background(folder, recording.background)
    watcher = _Watcher(folder, config.train.epochs, len(batches) * config.train.batch_size, report)
    interrupted = False
    try:
        model.fit(
            batches,
            epochs=config.train.epochs,
            validation_data=ClipBatches(
                validation,
                config.train.batch_size,
                flips=Flips.NONE,
                seed=config.train.seed,
            ),
            callbacks=[watcher],
            verbose=0,
        )
    except KeyboardInterrupt:
        interrupted = True
    if not watcher.best_epoch:  # nothing to keep
        raise KeyboardInterrupt
    result = FitResult(
        watcher.epochs_done,
        watcher.best_epoch,
        watcher.best_loss,
        watcher.clips_per_second,
        interrupted,
    )
    write_record(folder / RUN_FILE, {**description, "result": vars(result)})
    return result


def _adopt(config: Config, recording: Recording) -> Config:
    """The config with the preprocessing, label rule and rate that the recording was made with."""
    if config.train.mode is TrainMode.STREAM:
        raise TrainingError("train.mode=stream is not built yet; use train.mode=window.")
    metadata = recording.metadata
    made_with = {
        "preprocess": metadata.preprocess,
        "label": metadata.label,
        "split": metadata.splits,
    }
    asked = {
        "preprocess": config.preprocess,
        "label": config.label,
        "split": split_borders(len(recording.frames), config.split),
    }
    for section in ("preprocess", "label", "split"):
        if section in config.model_fields_set and asked[section] != made_with[section]:
            raise TrainingError(
                f"the settings in `{section}` differ from those that {recording.folder} was made "
                "with; make the recording with these settings, or leave them out here."
            )
    clip = config.clip.model_copy(update={"fps": metadata.fps})
    return config.model_copy(
        update={"clip": clip, "preprocess": metadata.preprocess, "label": metadata.label}
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
    geometry, steps = config.clip.geometry, config.train.loss_steps
    train = clip_set(recording, Split.TRAIN, geometry, steps)
    validation = clip_set(recording, Split.VALIDATION, geometry, steps)
    stride = math.ceil(len(validation.ends) / VALIDATION_CLIPS)
    return train, replace(validation, ends=validation.ends[::stride])


def _learning_rate(config: Config, batches: int) -> Any:
    rate = config.train.learning_rate
    if config.train.decay is LearningRateDecay.COSINE:
        return keras.optimizers.schedules.CosineDecay(rate, batches * config.train.epochs)
    return rate


def _description(
    recording: Recording, config: Config, model: Forecaster, weights: tuple[float, float]
) -> dict[str, Any]:
    return {
        "software": describe_software(),
        "recording": {
            "folder": str(recording.folder),
            "frames": len(recording.frames),
            "motion_energy_sha256": sha256_of(recording.folder / "motion_energy.npy"),
        },
        "seed": config.train.seed,
        "parameters": int(model.count_params()),
        "class_weights": {"calm": float(weights[0]), "burst": float(weights[1])},
    }


class _Watcher(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the best weights, writes the history, reports, and stops at a loss of NaN."""

    def __init__(
        self, folder: Path, epochs: int, clips: int, report: Callable[[str], None]
    ) -> None:
        super().__init__()
        self._folder = folder
        self._epochs = epochs
        self._clips = clips
        self._report = report
        self._began = 0.0
        self._train_seconds = 0.0
        self.best_loss = math.inf
        self.best_epoch = 0
        self.epochs_done = 0
        self.clips_per_second = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        del epoch, logs
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        del batch
        self._require_number((logs or {}).get("loss", 0.0))

    def _require_number(self, loss: float) -> None:
        if not math.isfinite(loss):
            kept = f"epoch {self.best_epoch} is kept" if self.best_epoch else "nothing is kept"
            raise TrainingError(
                f"the loss is not a number in epoch {self.epochs_done + 1}; {kept}. Try a smaller "
                "train.learning_rate."
            )

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        del logs
        self._train_seconds = time.perf_counter() - self._began

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        figures = {name: float(value) for name, value in (logs or {}).items()}
        self._require_number(figures["val_loss"])
        self.epochs_done = epoch + 1
        self.clips_per_second = self._clips / max(self._train_seconds, 1e-9)
        if figures["val_loss"] < self.best_loss:
            self.best_loss, self.best_epoch = figures["val_loss"], epoch + 1
            # .weights.h5 is the ending Keras asks for; the scratch name keeps the old file whole
            scratch = self._folder / "scratch.weights.h5"
            self.model.save_weights(scratch, overwrite=True)
            scratch.replace(self._folder / WEIGHTS_FILE)
        self._write_row({"epoch": epoch + 1, **figures, "clips_per_second": self.clips_per_second})
        left = (self._epochs - epoch - 1) * (time.perf_counter() - self._began)
        self._report(
            f"epoch {epoch + 1}/{self._epochs}  loss {figures['loss']:.4f}  "
            f"validation loss {figures['val_loss']:.4f}"
            f"{' (best)' if self.best_epoch == epoch + 1 else ''}  "
            f"{self.clips_per_second:.1f} clips/s  {left / 60:.0f} min left"
        )

    def _write_row(self, row: dict[str, Any]) -> None:
        path = self._folder / HISTORY_FILE
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow(
                {
                    name: np.format_float_positional(v) if isinstance(v, float) else v
                    for name, v in row.items()
                }
            )
