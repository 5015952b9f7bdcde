"""What the trials of a sweep are compared by, and which settings a validation loss depends on."""

import enum
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fishrt.config import Config, ModelKind, TrainMode


class CompareBy(enum.StrEnum):
    """The figure that tells which trial is best."""

    LOSS = "loss"
    AUC = "auc"


@dataclass(frozen=True)
class Figure:
    """A figure of a trial.

    Attributes:
        words: What it is called, for a person.
        column: Its column in `sweep.csv`.
        direction: Which end is better, in Optuna's words: `minimize` or `maximize`.
    """

    words: str
    column: str
    direction: str


FIGURES = MappingProxyType(
    {
        CompareBy.LOSS: Figure("validation loss", "validation_loss", "minimize"),
        CompareBy.AUC: Figure("validation ROC-AUC", "validation_roc_auc", "maximize"),
    }
)


def loss_terms(config: Config) -> dict[str, Any]:
    """The settings that decide which labels a validation loss counts, and how much each.

    Losses of two configs on one recording can be compared where these are the same. Label rule,
    preprocessing and split are not among them, as they are the recording's; nor are penalties,
    flips and soft targets, as only the training loss has them.

    Args:
        config: The config of a trial.

    Returns:
        Values by the names of the settings.
    """
    clip, train = config.clip, config.train
    terms = {
        "model.kind": config.model.kind,
        "train.mode": train.mode,
        "clip.steps": clip.steps,
        "clip.frames_per_step": clip.frames_per_step,
    }
    if config.model.kind is ModelKind.MOTION:  # its loss counts every labelled frame once
        return terms
    terms["train.class_weights"] = train.class_weights
    if train.mode is TrainMode.WINDOW:
        if train.class_weights is True:  # they come from the clips that are trained on
            terms["train.clip_stride"] = train.clip_stride
        return terms | {"train.loss_steps": train.loss_steps}
    return terms | {
        "train.warm_up_steps": train.warm_up_steps,
        # whole chunks are dealt to so many streams; what is left over does not count
        "train.chunk_steps": train.chunk_steps,
        "train.batch_size": train.batch_size,
    }
