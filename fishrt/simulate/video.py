"""A simulated tank as a video file, with the true state beside it."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from fishrt.errors import OutputError
from fishrt.simulate import SimulatedTank, TankSpec, TankState, stack_states
from fishrt.storage import whole_file
from fishrt.video.mp4 import frames_in, open_mp4


def write_video(
    spec: TankSpec, frames: int, path: Path, progress: Callable[[int], None] = lambda _: None
) -> None:
    """Simulates a tank and writes an MP4 and `NAME.truth.npz`.

    MP4 is lossy: the motion energy of the decoded video differs a little from the tank's own.
    An MP4 without its end cannot be played, so it gets its name when it is whole. Ctrl-C makes
    it shorter: the frames up to there become a whole video.

    Args:
        spec: What to simulate.
        frames: How many frames.
        path: The MP4 file.
        progress: Told the number of frames done so far, after each.

    Raises:
        OutputError: If the video exists or a file cannot be written.
        KeyboardInterrupt: After Ctrl-C, with words about what there is, if there is something.
    """
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: its folder does not exist; create it first.")
    if path.exists():
        raise OutputError(f"{path} already exists; name another file.")
    with whole_file(path, path.suffix) as scratch:
        states, interrupt = _film(spec, frames, scratch, path, progress)
        count = frames_in(scratch)
        if interrupt is not None and not count:
            raise interrupt
        # where Ctrl-C came, a state may lack its picture
        if count != len(states) and (interrupt is None or count != len(states) - 1):
            raise OutputError(
                f"cannot write {path}: what was written cannot be played, most likely because the "
                "disk is full; free some space, or write to another disk."
            )
        truth = path.with_suffix(".truth.npz")
        with whole_file(truth, truth.suffix) as scratch_truth:
            np.savez_compressed(scratch_truth, **stack_states(states[:count]))  # type: ignore[arg-type]
    if interrupt is not None:
        raise KeyboardInterrupt(
            f"interrupted; the first {count} of {frames} frames are in {path}, which is whole."
        ) from interrupt


def _film(
    spec: TankSpec, frames: int, scratch: Path, path: Path, progress: Callable[[int], None]
) -> tuple[list[TankState], KeyboardInterrupt | None]:
    """Writes the video; gives the states, and the Ctrl-C that ended it early, if one did."""
    writer = open_mp4(scratch, spec.fps, (spec.width, spec.height), path)
    states: list[TankState] = []
    try:
        for done, (image, state) in enumerate(islice(SimulatedTank(spec), frames), start=1):
            states.append(state)
            writer.write(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
            progress(done)
    except KeyboardInterrupt as error:
        return states, error
    finally:
        writer.release()
    return states, None
