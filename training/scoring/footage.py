"""Which footage a model learned from, found again."""

from pathlib import Path

from fishrt.bundle import TrainedOn
from fishrt.clip import ClipGeometry
from fishrt.errors import RecordingError
from fishrt.recording import MOTION_ENERGY_FILE, Recording, Split, load_recording
from fishrt.storage import sha256_of


def learned_from(recording: Recording, geometry: ClipGeometry) -> TrainedOn:
    """What a model that learns from a recording says about it; the folder is a path."""
    ends = recording.labelled_ends(Split.TRAIN, geometry)
    return TrainedOn(
        recording=str(recording.folder),
        motion_energy_sha256=sha256_of(recording.folder / MOTION_ENERGY_FILE),
        burst_share=float(recording.burst_label[ends].mean()) if len(ends) else None,
    )


def find_training(
    trained_on: TrainedOn | None, given: Path | None, recording: Recording
) -> Recording | None:
    """The recording that a model learned from.

    Args:
        trained_on: What the model says about it, or None.
        given: Where the user says that it lies, or None.
        recording: The recording to be scored, which may be the one, or lie beside it.

    Returns:
        The recording, or None where it is not found.

    Raises:
        RecordingError: If the one that was given is another one, or cannot be read.
    """
    if given is not None:
        training = load_recording(given)
        if trained_on is not None and not is_it(given, trained_on):
            raise RecordingError(
                f"{given} is not the recording that the model learned from (that was "
                f"{trained_on.recording}); name that one, or leave --training away."
            )
        return training
    if trained_on is None:
        return None
    if is_it(recording.folder, trained_on):
        return recording
    named = Path(trained_on.recording)
    for folder in (named, recording.folder.resolve().parent / named.name):
        if is_it(folder, trained_on):
            return load_recording(folder)
    return None


def is_it(folder: Path, trained_on: TrainedOn) -> bool:
    """Whether a folder is the recording that a model learned from, by its motion energy."""
    energy = folder / MOTION_ENERGY_FILE
    return energy.is_file() and sha256_of(energy) == trained_on.motion_energy_sha256
