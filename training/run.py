"""The run folder: what training leaves, and what evaluate and export take.

    config.yaml        the whole config, preprocessing and label rule as in the recording
    run.yaml           software versions, seed, recording, best epoch
    best.weights.h5    weights of the epoch with the lowest validation loss
    history.csv        figures of every epoch
    curves.png         the same as a picture
    tensorboard/       the same for TensorBoard
    checkpoint.npz     the training's own state, for `--resume`
    evaluation.yaml    scores on footage that training did not see
    background.png     the background that preprocessing subtracts, if it has one

A run is data: the network is built from the config, and the weights file holds numbers only.
"""

import csv
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError

from fishrt import __version__
from fishrt.bundle import TrainedOn
from fishrt.config import Config, load_config
from fishrt.decision import Decision
from fishrt.errors import TrainingError, output_error
from fishrt.folder_format import write_metadata
from fishrt.footage_reference import FootageReference
from fishrt.recording import BURST_LABEL_FILE, Recording
from fishrt.storage import sha256_of, write_text
from fishrt.stored_background import stored_background
from training.footage_reference import measure_footage
from training.networks import AnyForecaster, build_network
from training.scoring.footage import learned_from

CONFIG_FILE = "config.yaml"
RUN_FILE = "run.yaml"
WEIGHTS_FILE = "best.weights.h5"
SCRATCH_FILE = "scratch.weights.h5"  # .weights.h5 is the ending Keras asks for
HISTORY_FILE = "history.csv"
CURVES_FILE = "curves.png"
TENSORBOARD_FOLDER = "tensorboard"
EVALUATION_FILE = "evaluation.yaml"


@dataclass(frozen=True)
class Run:
    """A finished run that was read and checked.

    Attributes:
        folder: Where it lies.
        config: Its whole config.
        model: The network with the best weights.
        evaluation: Scores on unseen footage; empty if none were made.
        background: uint8 `(H, W)` that preprocessing subtracts, or None.
        trained_on: The recording that it learned from, if that was written down.
        footage: What that recording looked like, if that was.
    """

    folder: Path
    config: Config
    model: AnyForecaster
    evaluation: dict[str, Any]
    background: NDArray[np.uint8] | None
    trained_on: TrainedOn | None = None
    footage: FootageReference | None = None

    @property
    def decision(self) -> Decision | None:
        """When an alarm starts and ends, as the evaluation chose it; None where it did not.

        Raises:
            TrainingError: If what is stored is damaged.
        """
        stored = self.evaluation.get("decision")
        if stored is None:
            return None
        try:
            return Decision.model_validate(stored)
        except ValidationError as error:
            raise TrainingError(
                f"{self.folder / EVALUATION_FILE} is damaged; train again, or delete it."
            ) from error


def describe_software() -> dict[str, str]:
    """Versions of what computes."""
    return {
        "fishrt": __version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }


def describe_run(
    recording: Recording, config: Config, model: keras.Model, weights: tuple[float, float]
) -> dict[str, Any]:
    """What `run.yaml` says before the first epoch."""
    learned = learned_from(recording, config.clip.geometry)
    footage = measure_footage(recording)
    return {
        "software": describe_software(),
        "recording": {
            "folder": learned.recording,
            "frames": len(recording.frames),
            "motion_energy_sha256": learned.motion_energy_sha256,
            "burst_label_sha256": sha256_of(recording.folder / BURST_LABEL_FILE),
            "burst_share": learned.burst_share,
        },
        "footage": footage.model_dump(mode="json") if footage is not None else None,
        "seed": config.train.seed,
        "parameters": int(model.count_params()),
        "class_weights": {"calm": float(weights[0]), "burst": float(weights[1])},
    }


def start_run(folder: Path, config: Config, description: dict[str, Any]) -> None:
    """Makes the run folder and writes the config and what is known before the first epoch.

    Raises:
        OutputError: If it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    (folder / HISTORY_FILE).unlink(missing_ok=True)  # of a try that ended before its first epoch
    write_metadata(folder / CONFIG_FILE, config)
    write_record(folder / RUN_FILE, description)


def refuse_existing_run(folder: Path) -> None:
    """Refuses to write over a run that has weights.

    Raises:
        TrainingError: If the folder holds one.
    """
    if (folder / WEIGHTS_FILE).exists():
        raise TrainingError(f"{folder} already holds a run; name another folder with -o.")


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Writes a mapping of plain values as YAML."""
    write_text(path, yaml.safe_dump(record, sort_keys=False, allow_unicode=True))


def save_weights(folder: Path, model: AnyForecaster) -> None:
    """Writes a network's weights into a run; the old ones stay whole until the new ones are.

    Raises:
        OutputError: If they cannot be written.
    """
    scratch = folder / SCRATCH_FILE
    try:
        try:
            model.save_weights(scratch, overwrite=True)
            scratch.replace(folder / WEIGHTS_FILE)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(folder / WEIGHTS_FILE, error) from error


def append_history(folder: Path, row: dict[str, Any]) -> None:
    """Adds an epoch's figures to the history."""
    path = folder / HISTORY_FILE
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


def load_run(folder: Path) -> Run:
    """Reads a run and rebuilds its network.

    Raises:
        TrainingError: If the run is missing, has no weights yet, or they do not fit the config.
        ConfigError: If its config cannot be read.
    """
    if not (folder / CONFIG_FILE).is_file():
        raise TrainingError(f"{folder} is not a run: it has no {CONFIG_FILE}; see `fishrt train`.")
    config = load_config(folder / CONFIG_FILE)
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise TrainingError(f"{folder} has no {WEIGHTS_FILE}: its first epoch did not end.")
    model = build_network(config.clip, config.model)
    try:
        model.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(
            f"{weights} is damaged or belongs to another network; train again."
        ) from error
    try:
        record = _record(folder)
        trained_on, footage = _trained_on(record), _footage(record)
    except (OSError, yaml.YAMLError, UnicodeDecodeError, KeyError, ValidationError) as error:
        raise TrainingError(f"{folder / RUN_FILE} cannot be read or is damaged.") from error
    return Run(
        folder,
        config,
        model,
        _evaluation(folder),
        stored_background(folder, "the run", TrainingError),
        trained_on,
        footage,
    )


def _record(folder: Path) -> dict[str, Any]:
    """What `run.yaml` says; nothing where there is none."""
    path = folder / RUN_FILE
    record = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None
    return record if isinstance(record, dict) else {}


def _trained_on(record: dict[str, Any]) -> TrainedOn | None:
    """The recording that `run.yaml` names; None for imported weights, which name none."""
    recording = record.get("recording")
    if not isinstance(recording, dict):
        return None
    return TrainedOn(
        recording=recording["folder"],
        motion_energy_sha256=recording["motion_energy_sha256"],
        burst_share=recording.get("burst_share"),
    )


def _footage(record: dict[str, Any]) -> FootageReference | None:
    """What the recording looked like; runs of before do not say."""
    stored = record.get("footage")
    return None if stored is None else FootageReference.model_validate(stored)


def _evaluation(folder: Path) -> dict[str, Any]:
    path = folder / EVALUATION_FILE
    if not path.is_file():
        return {}
    try:
        evaluation = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path} cannot be read or is damaged; train again.") from error
    return evaluation if isinstance(evaluation, dict) else {}
