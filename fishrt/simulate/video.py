"""A simulated tank as a video file, with the true state beside it."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from fishrt.errors import OutputError, output_error
from fishrt.simulate import SimulatedTank, TankSpec, stack_states
from fishrt.video.mp4 import open_mp4


def write_video(
    spec: TankSpec, frames: int, path: Path, progress: Callable[[int], None] = lambda _: None
) -> None:
    """Simulates a tank and writes an MP4 and `NAME.truth.npz`.

    MP4 is lossy: the motion energy of the decoded video differs a little from the tank's own.

    Args:
        spec: What to simulate.
        frames: How many frames.
        path: The MP4 file.
        progress: Told the number of frames done so far, after each.

    Raises:
        OutputError: If the video exists or a file cannot be written.
    """
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: its folder does not exist; create it first.")
    if path.exists():
        raise OutputError(f"{path} already exists; name another file.")
    writer = open_mp4(path, spec.fps, (spec.width, spec.height))
    states = []
    try:
        for done, (image, state) in enumerate(islice(SimulatedTank(spec), frames), start=1):
            writer.write(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
            states.append(state)
            progress(done)
    finally:
        writer.release()
    truth = path.with_suffix(".truth.npz")
    try:
        np.savez_compressed(truth, **stack_states(states))  # type: ignore[arg-type]
    except OSError as error:
        raise output_error(truth, error) from error
