"""What Keras computes of real and of adversarial clips: the truth that graphs are held to."""

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from export.reference import (
    ADVERSARIAL,
    EXTRA_STEPS,
    UNKNOWN,
    Cases,
    Stretch,
    adversarial_clips,
    compared_windows,
    last_hidden,
    sample,
    windows_of,
)
from fishrt.clip import ClipGeometry
from fishrt.config import Config
from fishrt.errors import RecordingError, TrainingError
from fishrt.motion import burst_labels, motion_energy
from fishrt.preprocess import Preprocessor
from fishrt.recording import Recording
from fishrt.simulate import SimulatedTank, TankSpec
from training.networks import AnyForecaster

BATCH = 8
RECORDED_FRAMES = 3600
"""Frames of a recording that are compared on, from its end (unseen in training)."""
TANK_FRAMES = 1800


@dataclass(frozen=True)
class Footage:
    """Frames to compare on.

    Attributes:
        source: Where they come from, for the record.
        frames: uint8 `(T, H, W)`, consecutive.
        labels: uint8 `(L,)`, L <= T: burst labels of the first L frames.
    """

    source: str
    frames: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class KerasReference:
    """Keras' figures.

    Attributes:
        source: Where the real frames come from.
        stretch: Consecutive time steps with all their windows.
        kept: The cases that a bundle keeps: some of those windows, and the adversarial clips.
        cases: Those, and more real clips with labels.
    """

    source: str
    stretch: Stretch
    kept: Cases
    cases: Cases


def tank_footage(config: Config) -> Footage:
    """A minute of the simulated tank, for where no recording is at hand."""
    clip = config.clip
    preprocess = Preprocessor(clip.height, clip.width)
    frames = np.empty((TANK_FRAMES, clip.height, clip.width), np.uint8)
    for index, (image, _) in enumerate(islice(SimulatedTank(TankSpec(seed=7)), len(frames))):
        frames[index] = preprocess(image)
    labels = burst_labels(motion_energy(frames), config.label.rule)
    return Footage("the simulated tank", frames, labels)


def recorded_footage(recording: Recording, geometry: ClipGeometry) -> Footage:
    """The end of a recording.

    Raises:
        RecordingError: If its frames are of another size, or fewer than a clip has.
    """
    first = max(len(recording.frames) - RECORDED_FRAMES, 0)
    frames = recording.frames[first:]
    count, height, width = frames.shape
    if (height, width) != (geometry.height, geometry.width):
        raise RecordingError(
            f"the recording {recording.folder} has frames of {width}x{height}, and the network "
            f"takes {geometry.width}x{geometry.height}; name a recording of that size, or leave "
            "--recording away."
        )
    if count < geometry.frames:
        raise RecordingError(
            f"the recording {recording.folder} has {count} frames, and a clip takes "
            f"{geometry.frames}; name a longer one, or leave --recording away."
        )
    return Footage(f"the recording {recording.folder.name}", frames, recording.burst_label[first:])


def compute_reference(model: AnyForecaster, footage: Footage, clips: int) -> KerasReference:
    """Runs Keras on footage and on adversarial clips.

    Args:
        model: The network.
        footage: At least a clip long.
        clips: How many real clips to take besides those of the stretch: as many bursts as calm
            ones where there are so many.

    Returns:
        Its figures.

    Raises:
        TrainingError: If one is not a finite number: there is nothing to compare with then.
    """
    geometry = model.clip.geometry
    ends = chosen_ends(footage, geometry, clips)
    time_steps = _stretch(footage, geometry)
    windows = windows_of(time_steps, geometry.steps)
    special = adversarial_clips(time_steps[: geometry.steps])
    more = np.stack([_channels_first(geometry.cut(footage.frames, int(end))) for end in ends])
    probabilities, hidden = _run(model, np.concatenate([windows, special, more]))
    trace = _trace(model, windows[0])
    if not all(np.isfinite(values).all() for values in (probabilities, hidden, *trace.values())):
        raise TrainingError(
            "the trained network itself gives a value that is not a number, so no graph can be "
            "compared with it; train it again, with a smaller train.learning_rate if that recurs."
        )
    # some of the windows and all of the rest; what a bundle keeps comes first
    compared = compared_windows(len(windows))
    rows = np.concatenate([compared, np.arange(len(windows), len(probabilities))])
    labels = np.full(len(rows), UNKNOWN, np.int8)
    known = ends < len(footage.labels)
    labels[len(rows) - len(ends) :][known] = footage.labels[ends[known]]
    cases = Cases(
        ("real",) * len(compared) + ADVERSARIAL + ("real",) * len(ends),
        np.concatenate([windows[compared], special, more]),
        probabilities[rows],
        hidden[rows],
        labels,
    )
    return KerasReference(
        footage.source,
        Stretch(time_steps, probabilities[: len(windows)], trace),
        cases.take(np.arange(len(compared) + len(ADVERSARIAL))),
        cases,
    )


def chosen_ends(footage: Footage, geometry: ClipGeometry, clips: int) -> NDArray[np.int64]:
    """Last frames of real clips: half of them bursts where there are so many, evenly spaced.

    Args:
        footage: At least a clip long.
        geometry: The clip geometry.
        clips: How many.

    Returns:
        int64 `(N,)`, N <= clips, in time order.
    """
    last = min(len(footage.labels), len(footage.frames))
    ends = np.arange(geometry.frames - 1, last)
    if not len(ends):
        return np.unique(_spread(np.arange(geometry.frames - 1, len(footage.frames)), clips))
    bursts, calm = (ends[footage.labels[ends] == label] for label in (1, 0))
    few = min(len(bursts), clips // 2)
    taken = [_spread(bursts, max(few, clips - len(calm))), _spread(calm, clips - few)]
    return np.unique(np.concatenate(taken))


def _spread(values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    count = min(count, len(values))
    return values[np.linspace(0, len(values) - 1, count).astype(np.int64)] if count else values[:0]


def _stretch(footage: Footage, geometry: ClipGeometry) -> NDArray[np.uint8]:
    """Time steps that end where the first burst is ahead that they fit before; else at the end."""
    per_step = geometry.frames_per_step
    count = min(geometry.steps + EXTRA_STEPS, len(footage.frames) // per_step)
    ahead = np.flatnonzero(footage.labels)
    fitting = ahead[ahead >= count * per_step - 1]
    stop = int(fitting[0]) + 1 if len(fitting) else len(footage.frames)
    frames = footage.frames[stop - count * per_step : stop]
    return frames.reshape(count, per_step, geometry.height, geometry.width)


def _run(
    model: AnyForecaster, clips: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities `(N,)` and sampled last hidden states `(N, samples)`."""
    names = [spec.name for spec in model.state_specs]
    wanted = names.index(last_hidden(model.state_specs))
    probabilities, hidden = [], []
    for start in range(0, len(clips), BATCH):
        batch = np.moveaxis(clips[start : start + BATCH], 2, -1)
        probability, states = model.run(batch, None, wanted=1)
        probabilities.append(np.asarray(probability)[:, 0])
        hidden.append(sample(_state(states[wanted])))
    return np.concatenate(probabilities).astype(np.float32), np.concatenate(hidden)


def _trace(model: AnyForecaster, clip: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Sampled states after every step of a clip."""
    rows: list[list[NDArray[np.float32]]] = []
    states = model.zero_states(1)
    step = tf.function(lambda x, *old: model.step(x, list(old))[1], autograph=False)
    for time_step in clip:
        states = step(tf.constant(np.moveaxis(time_step, 0, -1)[None]), *states)
        rows.append([sample(_state(state))[0] for state in states])
    names = [spec.name for spec in model.state_specs]
    return {
        name: np.stack(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)
    }


def _state(state: Any) -> NDArray[np.float32]:
    """A Keras state, pictures channels first."""
    values = np.asarray(state)
    return np.moveaxis(values, -1, 1) if values.ndim == 4 else values


def _channels_first(clip: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.moveaxis(clip, -1, 1))
