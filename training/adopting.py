"""What every kind of training takes over from a recording, and writes down about itself."""

from typing import Any

import keras

from fishrt.config import Config
from fishrt.errors import TrainingError
from fishrt.recording import BURST_LABEL_FILE, Recording, split_borders
from fishrt.storage import sha256_of
from training.dataset import ClipSet, class_weights
from training.footage_reference import measure_footage
from training.run import describe_software
from training.scoring.footage import learned_from


def adopt(config: Config, recording: Recording) -> Config:
    """The config with the preprocessing, label rule and rate that the recording was made with."""
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


def class_weights_of(config: Config, train: ClipSet) -> tuple[float, float]:
    """Weights of calm and burst frames: from the data, none, or given."""
    match config.train.class_weights:
        case True:
            return class_weights(train.burst_share)
        case False:
            return (1.0, 1.0)
        case calm, burst:
            return (calm, burst)


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
