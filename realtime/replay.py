"""A recording to be forecast: the frames must be those that the bundle's model takes."""

import contextlib
from pathlib import Path

from fishrt.bundle import Bundle
from fishrt.errors import ConfigError, RecordingError
from fishrt.preprocess import Preprocessor
from fishrt.recording import METADATA_FILE, Recording, load_recording, partial_folder
from fishrt.video import VideoSource
from fishrt.video.stored import StoredFrames


def is_recording(text: str) -> bool:
    """Whether a source is a recording, whole or not."""
    with contextlib.suppress(OSError, ValueError):  # opening it says what is wrong
        path = Path(text).expanduser()
        return (path / METADATA_FILE).is_file() or (
            not path.exists() and partial_folder(path.absolute()).is_dir()
        )
    return False


def fitting_recording(text: str, bundle: Bundle) -> Recording:
    """Reads a recording whose frames the bundle's model takes.

    Raises:
        RecordingError: If it is damaged, or has frames of another size or rate.
    """
    recording = load_recording(Path(text).expanduser())
    found, clip = recording.metadata, bundle.metadata.config.clip
    if (found.width, found.height, found.fps) != (clip.width, clip.height, clip.fps):
        raise RecordingError(
            f"the recording {text} has frames of {found.width}x{found.height} at {found.fps:g} "
            f"frames/s, but the bundle {bundle.metadata.name} takes {clip.width}x{clip.height} at "
            f"{clip.fps:g}; give the footage itself, or prepare it with the bundle's config."
        )
    return recording


def open_replay(
    text: str, bundle: Bundle, overrides: tuple[str, ...]
) -> tuple[VideoSource, Preprocessor]:
    """Opens a recording to play it like a camera.

    Args:
        text: The recording's folder.
        bundle: The bundle.
        overrides: Settings of a camera; there must be none.

    Returns:
        The source, and a preprocessing that leaves its frames as they are.

    Raises:
        RecordingError: If it is damaged, or has frames of another size or rate.
        ConfigError: If there are overrides.
    """
    if overrides:
        raise ConfigError(
            "--set changes what becomes of a camera's pictures, and the frames of a recording are "
            "preprocessed already; leave it away, or give the footage itself with --camera."
        )
    source = StoredFrames(fitting_recording(text, bundle))
    return source, Preprocessor(source.info.height, source.info.width)
