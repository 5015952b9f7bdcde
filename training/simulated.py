"""A recording of the simulated tank, with the true state of every fish beside the frames."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

from fishrt.config import Config
from fishrt.errors import ConfigError
from fishrt.preprocess import Background, make_preprocessor
from fishrt.recording import (
    RecordingMetadata,
    SourceRecord,
    split_borders,
    write_recording,
)
from fishrt.simulate import SimulatedTank, TankSpec, stack_states


def record_simulation(
    spec: TankSpec,
    frames: int,
    config: Config,
    folder: Path,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Simulates a tank and writes it as a recording.

    Args:
        spec: What to simulate.
        frames: How many frames.
        config: Frame size, preprocessing, label rule and split shares.
        folder: Where the recording goes; `truth.npz` holds the true state.
        progress: Told the number of frames done so far, after each.

    Raises:
        ConfigError: If a background is to be subtracted.
        OutputError: If the folder cannot be written.
    """
    clip = config.clip
    if config.preprocess.background is not Background.NONE:
        raise ConfigError(
            "the simulated tank has no background to subtract; leave preprocess.background at none."
        )
    preprocess = make_preprocessor(clip, config.preprocess, None)
    states = []
    with write_recording(folder, clip.height, clip.width) as writer:
        for done, (image, state) in enumerate(islice(SimulatedTank(spec), frames), start=1):
            writer.append(preprocess(image))
            states.append(state)
            progress(done)
        writer.add_truth(stack_states(states))
        writer.finish(
            RecordingMetadata(
                fps=spec.fps,
                height=clip.height,
                width=clip.width,
                preprocess=config.preprocess,
                label=config.label,
                sources=(
                    SourceRecord(
                        name=f"demo:{spec.seed}",
                        declared_fps=spec.fps,
                        measured_fps=spec.fps,
                        first=0,
                        stop=frames,
                    ),
                ),
                splits=split_borders(frames, config.split),
            )
        )
