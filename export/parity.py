"""Proof that the exported graphs compute what the Keras model computes."""

from dataclasses import dataclass
from itertools import islice

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from export.graphs import LANES
from fishrt.bundle import StateSpec
from fishrt.clip import ClipGeometry
from fishrt.errors import ParityError
from fishrt.preprocess import Preprocessor
from fishrt.simulate import SimulatedTank, TankSpec
from training.networks import AnyForecaster

LIMIT = 1e-4
"""Largest difference in probability that passes for FP32; measured here: below 1e-6."""


@dataclass(frozen=True)
class Parity:
    """Largest differences in probability, over all clips.

    Attributes:
        frames_from: Where the clips were cut from.
        clips: How many clips.
        clip: Clip graph against Keras.
        step: Step graph, run over all steps of a clip from zero state, against Keras.
        spread: Standard deviation of Keras' probabilities; all alike would prove little.
    """

    frames_from: str
    clips: int
    clip: float
    step: float
    spread: float


def tank_frames(geometry: ClipGeometry) -> NDArray[np.uint8]:
    """Frames to compare on where no recording is at hand: the simulated tank.

    Args:
        geometry: Frame size.

    Returns:
        uint8 `(T, H, W)`: a minute at 30 fps.
    """
    preprocess = Preprocessor(geometry.height, geometry.width)
    frames = np.empty((1800, geometry.height, geometry.width), np.uint8)
    for index, (image, _) in enumerate(islice(SimulatedTank(TankSpec(seed=7)), len(frames))):
        frames[index] = preprocess(image)
    return frames


def measure_parity(
    model: AnyForecaster,
    clip_model: onnx.ModelProto,
    step_model: onnx.ModelProto,
    frames: NDArray[np.uint8],
    frames_from: str,
    clips: int = 16,
) -> Parity:
    """Compares both graphs in ONNX Runtime with Keras on clips spread over the frames.

    Args:
        model: The Keras forecaster.
        clip_model: The clip graph.
        step_model: The step graph.
        frames: uint8 `(T, H, W)`, at least one clip long.
        frames_from: Where they come from, for the record.
        clips: How many clips to compare.

    Returns:
        The largest differences.
    """
    geometry = model.clip.geometry
    ends = np.linspace(geometry.frames - 1, len(frames) - 1, clips).astype(int)
    batch = np.stack([geometry.cut(frames, int(end)) for end in ends])
    truth = np.asarray(model.predict_on_batch(batch))[:, -1]
    channels_first = np.ascontiguousarray(np.moveaxis(batch, -1, 2))
    by_clip = _run_clip(clip_model, channels_first)
    by_step = _run_steps(step_model, channels_first, model.state_specs)
    return Parity(
        frames_from,
        clips,
        float(np.abs(by_clip - truth).max()),
        float(np.abs(by_step - truth).max()),
        float(truth.std()),
    )


def check_parity(parity: Parity, limit: float = LIMIT) -> None:
    """Refuses graphs that differ from Keras.

    Raises:
        ParityError: If a difference is beyond the limit or no number.
    """
    for name, difference in (("clip", parity.clip), ("step", parity.step)):
        if not difference <= limit:
            raise ParityError(
                f"the exported {name} graph differs from Keras by {difference:.2g} in probability "
                f"(limit {limit:.0e}) on {parity.frames_from}; no bundle was written."
            )


def _run_clip(model: onnx.ModelProto, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.concatenate([session.run(None, {"clip": clip[None]})[0] for clip in clips])


def _run_steps(
    model: onnx.ModelProto, clips: NDArray[np.uint8], states: tuple[StateSpec, ...]
) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.add_free_dimension_override_by_name(LANES, 1)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    probabilities = []
    for clip in clips:
        values = {state.name: np.zeros((1, *state.shape), np.float32) for state in states}
        for time_step in clip:
            probability, *new = session.run(None, {"time_step": time_step[None], **values})
            values = dict(zip(values, new, strict=True))
        probabilities.append(probability)
    return np.concatenate(probabilities)
