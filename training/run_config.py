"""The config of a run: what is asked for, with what its recording or its earlier epochs settle."""

from pathlib import Path

import yaml

from fishrt.config import Config, load_config
from fishrt.errors import TrainingError
from fishrt.recording import BURST_LABEL_FILE, MOTION_ENERGY_FILE, Recording, split_borders
from fishrt.storage import sha256_of
from training.run import CONFIG_FILE, RUN_FILE


def adopted_config(config: Config, recording: Recording) -> Config:
    """The config with the preprocessing, label rule and rate that the recording was made with.

    Raises:
        TrainingError: If the config sets one of them otherwise.
    """
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


def resumable_config(folder: Path, asked: Config, recording: Recording) -> Config:
    """The config to go on with: the run's own, with the epochs that are asked for now.

    Args:
        folder: The run.
        asked: What the command line asks for; what it sets must agree with the run, but for
            `train.epochs` and `train.patience`.
        recording: What is trained on now.

    Raises:
        TrainingError: If there is no run, or it was made with other settings or footage.
    """
    if not (folder / CONFIG_FILE).is_file():
        raise TrainingError(f"{folder} holds no run to resume; train without --resume.")
    stored = load_config(folder / CONFIG_FILE)
    try:
        made_from = yaml.safe_load((folder / RUN_FILE).read_text(encoding="utf-8"))["recording"]
        digest = made_from["motion_energy_sha256"]
    except (OSError, yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{folder / RUN_FILE} cannot be read or is damaged.") from error
    if digest != sha256_of(recording.folder / MOTION_ENERGY_FILE):
        raise TrainingError(f"{folder} was trained on other footage than {recording.folder}.")
    labels = made_from.get("burst_label_sha256")  # runs of before do not say
    if labels is not None and labels != sha256_of(recording.folder / BURST_LABEL_FILE):
        raise TrainingError(
            f"{folder} was trained with other labels than {recording.folder} has now; train anew "
            "into another folder."
        )
    free = {"epochs", "patience"}
    for section in asked.model_fields_set:
        ours, theirs = getattr(stored, section), getattr(asked, section)
        for name in theirs.model_fields_set - (free if section == "train" else set()):
            if getattr(ours, name) != getattr(theirs, name):
                raise TrainingError(
                    f"{folder} was trained with another {section}.{name}; resume it without that "
                    "setting, or train anew into another folder."
                )
    changed = {name: getattr(asked.train, name) for name in free & asked.train.model_fields_set}
    return stored.model_copy(update={"train": stored.train.model_copy(update=changed)})
