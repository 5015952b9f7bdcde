"""What happens after every epoch: the best weights, the checkpoint, history and curves."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from fishrt.errors import TrainingError
from fishrt.storage import write_text
from training.checkpoint import Progress, save_checkpoint
from training.curves import save_curves
from training.run import (
    CURVES_FILE,
    HISTORY_FILE,
    TENSORBOARD_FOLDER,
    append_history,
    save_weights,
)

ENTROPY = "entropy"
"""Name of the metric that is watched: the mean loss over the labels that count, without
penalties."""

Tell = Callable[[str, int, int | None], None]
AfterEpoch = Callable[[int, float], None]


@dataclass(frozen=True)
class EpochPlan:
    """What a watcher needs to know of the training.

    Attributes:
        folder: The run folder.
        epochs: Epochs that are wanted.
        batches: Batches in an epoch.
        clips: Clips in an epoch; in stream mode, chunks.
        patience: Epochs without improvement until it stops, or None.
        unit: What a clip is called: clips or chunks.
    """

    folder: Path
    epochs: int
    batches: int
    clips: int
    patience: int | None
    unit: str


class Watcher(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the best weights and the state, writes history and curves, stops at a NaN loss."""

    def __init__(
        self,
        plan: EpochPlan,
        progress: Progress,
        report: Callable[[str], None],
        tell: Tell,
        after_epoch: AfterEpoch,
    ) -> None:
        super().__init__()
        self._after_epoch = after_epoch
        self.progress = progress
        self._plan = plan
        self._report = report
        self._tell = tell
        self._writer = tf.summary.create_file_writer(str(plan.folder / TENSORBOARD_FOLDER))
        keep_history(plan.folder, progress.epochs)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the clock."""
        del epoch, logs
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Checks the loss and moves the bar."""
        self._require_number((logs or {}).get("loss", 0.0))
        plan = self._plan
        share = (batch + 1) / plan.batches
        rate = share * plan.clips / (time.perf_counter() - self._began)
        name = f"epoch {self.progress.epochs + 1}/{plan.epochs}  {rate:.1f} {plan.unit}/s"
        self._tell(name, batch + 1, plan.batches)

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        """Stops the clock: validation is not training."""
        del logs
        self._train_seconds = time.perf_counter() - self._began

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keeps what the epoch gave."""
        del epoch
        figures = {name: float(value) for name, value in (logs or {}).items()}
        loss, validation = figures[ENTROPY], figures[f"val_{ENTROPY}"]
        self._require_number(validation)
        progress, plan = self.progress, self._plan
        progress.epochs += 1
        progress.clips_per_second = plan.clips / max(self._train_seconds, 1e-9)
        better = validation < progress.best_loss
        if better:
            progress.best_loss, progress.best_epoch = validation, progress.epochs
            save_weights(plan.folder, self.model.forecaster)
        row = {
            "epoch": progress.epochs,
            "loss": loss,
            "val_loss": validation,
            "clips_per_second": progress.clips_per_second,
        }
        self._keep(row)
        save_checkpoint(plan.folder, self.model.forecaster, self.model.optimizer, progress)
        self._say(row, better)
        self._after_epoch(progress.epochs, validation)
        if self.waited_enough:
            waited = progress.epochs - progress.best_epoch
            self.model.stop_training = True
            self._report(f"no better validation loss for {waited} epochs: stopped early")

    @property
    def waited_enough(self) -> bool:
        """Whether so many epochs were no better that the training is to stop."""
        patience, progress = self._plan.patience, self.progress
        return patience is not None and progress.epochs - progress.best_epoch >= patience

    def _require_number(self, loss: float) -> None:
        if not math.isfinite(loss):
            best = self.progress.best_epoch
            kept = f"epoch {best} is kept" if best else "nothing is kept"
            raise TrainingError(
                f"the loss is not a number in epoch {self.progress.epochs + 1}; {kept}. Try a "
                "smaller train.learning_rate."
            )

    def _keep(self, row: dict[str, Any]) -> None:
        folder = self._plan.folder
        append_history(folder, row)
        save_curves(folder / HISTORY_FILE, folder / CURVES_FILE)
        with self._writer.as_default():
            for name, value in row.items():
                if name != "epoch":
                    tf.summary.scalar(name, value, step=row["epoch"])
        self._writer.flush()

    def _say(self, row: dict[str, Any], better: bool) -> None:
        plan, done = self._plan, self.progress.epochs
        left = (plan.epochs - done) * (time.perf_counter() - self._began)
        self._report(
            f"epoch {done}/{plan.epochs}  loss {row['loss']:.4f}  "
            f"validation loss {row['val_loss']:.4f}{' (best)' if better else ''}  "
            f"{row['clips_per_second']:.1f} {plan.unit}/s  {left / 60:.0f} min left"
        )


def keep_history(folder: Path, epochs: int) -> None:
    """Takes the rows after an epoch out: a training that was killed there does them again."""
    path = folder / HISTORY_FILE
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        if epochs:
            write_text(path, "".join(lines[: epochs + 1]))
        else:
            path.unlink()
