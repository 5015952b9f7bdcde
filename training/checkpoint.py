"""The training's own state after an epoch, so that a killed training goes on where it was.

One file, `checkpoint.npz`: the network's variables (the states of its random generators too), the
optimizer's, and a few figures. Arrays of numbers only: reading it runs nothing.
"""

import json
import os
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fishrt.errors import TrainingError, output_error

CHECKPOINT_FILE = "checkpoint.npz"
_SCRATCH = "scratch.npz"
_PROGRESS = "progress"


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        epochs: Epochs that were finished.
        best_epoch: The one with the lowest validation loss, from 1; 0 before the first.
        best_loss: Its validation loss.
        clips_per_second: Training clips a second in the last epoch, validation not counted.
    """

    epochs: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    clips_per_second: float = 0.0


def save_checkpoint(folder: Path, model: keras.Model, optimizer: Any, progress: Progress) -> None:
    """Writes the state; the old file stays whole until the new one is.

    Raises:
        OutputError: If it cannot be written.
    """
    arrays = _arrays(model, optimizer)
    arrays[_PROGRESS] = np.frombuffer(json.dumps(asdict(progress)).encode(), np.uint8)
    scratch = folder / _SCRATCH
    try:
        with scratch.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(folder / CHECKPOINT_FILE)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise output_error(folder / CHECKPOINT_FILE, error) from error


def has_checkpoint(folder: Path) -> bool:
    """Whether an epoch was finished in a run folder."""
    return (folder / CHECKPOINT_FILE).is_file()


def restore_checkpoint(folder: Path, model: keras.Model, optimizer: Any) -> Progress:
    """Puts a saved state back into a network and its optimizer.

    Raises:
        TrainingError: If it is damaged or of another network; see `has_checkpoint`.
    """
    path = folder / CHECKPOINT_FILE
    try:
        with np.load(path, allow_pickle=False) as stored:
            saved = {name: stored[name] for name in stored.files}
        progress = Progress(**json.loads(saved.pop(_PROGRESS).tobytes()))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path} is damaged; train anew into another folder.") from error
    targets = _variables(model, optimizer)
    if {name: tuple(v.shape) for name, v in targets.items()} != {
        name: value.shape for name, value in saved.items()
    }:
        raise TrainingError(f"{path} belongs to another network; train anew.")
    for name, variable in targets.items():
        variable.assign(saved[name])
    return progress


def _variables(model: keras.Model, optimizer: Any) -> dict[str, Any]:
    # by number: two variables may share a path
    return {
        f"{kind}_{index}": variable
        for kind, variables in (("model", model.variables), ("optimizer", optimizer.variables))
        for index, variable in enumerate(variables)
    }


def _arrays(model: keras.Model, optimizer: Any) -> dict[str, Any]:
    return {
        name: keras.ops.convert_to_numpy(variable)
        for name, variable in _variables(model, optimizer).items()
    }
