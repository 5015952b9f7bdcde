"""The background picture that travels in a recording, a run and a bundle."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.errors import ConfigError, FishrtError
from fishrt.preprocess import load_background

BACKGROUND_FILE = "background.png"


def save_background(folder: Path, background: NDArray[np.uint8] | None) -> None:
    """Writes the background that preprocessing subtracts, uint8 `(H, W)`, if there is one."""
    if background is not None:
        _, data = cv2.imencode(".png", background)
        (folder / BACKGROUND_FILE).write_bytes(data.tobytes())


def stored_background(
    folder: Path, owner: str, failure: type[FishrtError]
) -> NDArray[np.uint8] | None:
    """The background that was stored in a folder.

    Args:
        folder: The recording, run or bundle.
        owner: What the folder is, for the error sentence.
        failure: What to raise if the picture is damaged.

    Returns:
        uint8 `(H, W)`, or None if none was stored.
    """
    path = folder / BACKGROUND_FILE
    if not path.is_file():
        return None
    try:
        return load_background(path)
    except ConfigError as error:
        raise failure(f"{owner} is damaged: {error}") from error
