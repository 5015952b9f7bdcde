"""Writes into a bundle what its training footage looked like, where its export did not."""

from pathlib import Path

from fishrt.bundle import load_bundle, save_metadata
from fishrt.errors import RecordingError
from fishrt.footage_reference import FootageReference
from fishrt.recording import Recording
from training.footage_reference import measure_footage
from training.scoring.footage import is_it, learned_from
from training.scoring.frames import check_recording


def add_footage(folder: Path, recording: Recording) -> FootageReference:
    """Measures the training footage of a bundle and stores the figures in it.

    Graphs, decision and evaluation stay as they are.

    Args:
        folder: The bundle.
        recording: What its model learned from.

    Returns:
        The figures.

    Raises:
        BundleError: If there is no such bundle.
        RecordingError: If the recording is another one than the model learned from, does not fit
            it, or is too short.
    """
    metadata = load_bundle(folder).metadata
    known = metadata.trained_on
    if known is not None and not is_it(recording.folder, known):
        raise RecordingError(
            f"{recording.folder} is not the recording that the bundle {metadata.name} learned from "
            f"(that was {known.recording}); name that one."
        )
    check_recording(recording, metadata.config)
    footage = measure_footage(recording)
    if footage is None:
        raise RecordingError(
            f"the training part of {recording.folder} has not even ten seconds in a row."
        )
    trained_on = known or learned_from(recording, metadata.config.clip.geometry).by_name
    save_metadata(
        folder, metadata.model_copy(update={"footage": footage, "trained_on": trained_on})
    )
    return footage
