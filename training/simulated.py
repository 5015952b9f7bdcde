"""A recording of the simulated tank, with the true state of every fish beside the frames."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fishrt.choices import Background
from fishrt.config import Config
from fishrt.deflicker import REFERENCE_PICTURES, mean_brightness
from fishrt.errors import ConfigError
from fishrt.footage.shake import ShakeMeter
from fishrt.preprocess import make_preprocessor
from fishrt.recording import RecordingMetadata
from fishrt.recording_writer import (
    Existing,
    Layout,
    RecordingWriter,
    Unfinished,
    write_recording,
)
from fishrt.simulate import SimulatedTank, TankSpec, TankState, stack_states
from fishrt.video import SourceKind
from training.complete import LabelOptions, complete_recording
from training.prepare import MEASURED_NOTES, MEASURED_TRACKS
from training.record_source import keep_example, note_shift
from training.source_tally import SourceTally


def record_simulation(
    spec: TankSpec,
    frames: int,
    config: Config,
    folder: Path,
    *,
    unfinished: Unfinished = Unfinished.RESUME,
    existing: Existing = Existing.REPLACE,
    progress: Callable[[int], None] = lambda _: None,
    draw: Callable[[Path], None] = lambda _: None,
) -> RecordingMetadata:
    """Simulates a tank and writes it as a recording; stopped, it goes on where it was.

    Args:
        spec: What to simulate.
        frames: How many frames.
        config: Frame size, preprocessing, label rule and split shares.
        folder: Where the recording goes; `truth/*.npy` hold the true state.
        unfinished: What to do with an unfinished recording of the same tank.
        existing: What to do with a whole recording in this place.
        progress: Told the number of frames done so far, after each.
        draw: Draws the report into the folder, in which all else is whole by then.

    Returns:
        What `recording.yaml` holds.

    Raises:
        ConfigError: If a background is to be subtracted.
        OutputError: If the folder cannot be written.
    """
    if config.preprocess.background is not Background.NONE:
        raise ConfigError(
            "the simulated tank has no background to subtract; leave preprocess.background at none."
        )
    clip = config.clip
    request = {
        "command": "simulate",
        "tank": asdict(spec),
        "frames": frames,
        "frame": [clip.height, clip.width],
        "preprocess": config.preprocess.model_dump(mode="json"),
    }
    tracks = {**MEASURED_TRACKS, **_truth_tracks(spec)}
    layout = Layout(clip.height, clip.width, tracks=tracks, notes=MEASURED_NOTES)
    with write_recording(
        folder, layout, request, unfinished=unfinished, existing=existing
    ) as writer:
        try:
            _simulate(writer, spec, frames, config, progress)
            writer.safe({})
        except BaseException:
            writer.save_quietly({})
            raise
        tally = SourceTally(
            f"demo:{spec.seed}",
            SourceKind.DEMO,
            0,
            frames=frames,
            pictures=frames,
            declared_fps=spec.fps,
            seconds=frames / spec.fps,
            intervals=frames,
        )
        metadata = complete_recording(writer, [tally], [None], config, LabelOptions())
        draw(writer.folder)
        return metadata


def _simulate(
    writer: RecordingWriter,
    spec: TankSpec,
    frames: int,
    config: Config,
    progress: Callable[[int], None],
) -> None:
    preprocess = make_preprocessor(config.clip, config.preprocess, None)
    meter = ShakeMeter()
    tank = SimulatedTank(spec)
    known = REFERENCE_PICTURES if preprocess.deflicker else 1
    for number in range(writer.count):
        state = tank.advance()
        if number >= writer.count - known:
            view = preprocess.view(tank.render(state))
            preprocess.frame(view)  # for what deflicker remembers
            if number == writer.count - 1:
                meter.push(number, view)
    while writer.count < frames:
        state = tank.advance()
        view = preprocess.view(tank.render(state))
        frame = preprocess.frame(view)
        keep_example(writer, view)
        note_shift(writer, writer.count, meter.push(writer.count, view))
        writer.append(frame, brightness=mean_brightness(view), **_truth(state))
        writer.keep(dict)
        progress(writer.count)


def _truth(state: TankState) -> dict[str, ArrayLike]:
    return {f"truth__{name}": array[0] for name, array in stack_states([state]).items()}


def _truth_tracks(spec: TankSpec) -> Mapping[str, tuple[DTypeLike, tuple[int, ...]]]:
    """Type and shape of a state's arrays, from a tank of the same kind."""
    arrays: dict[str, Any] = stack_states([SimulatedTank(spec).advance()])
    return {
        f"truth/{name}": (np.dtype(array.dtype), array.shape[1:]) for name, array in arrays.items()
    }
