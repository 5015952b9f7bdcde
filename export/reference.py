"""What Keras computed at export, kept in the bundle: another machine compares itself with it.

    reference.npz
      time_steps     uint8 (S, frames_per_step, H, W)   consecutive time steps of real frames;
                                                        each but the first as differences modulo
                                                        256, which compress better
      windows        float32 (S - steps + 1,)    probability of every window of those steps
      adversarial    float32 (6,)                probability of every adversarial clip
      hidden         float32 (4 + 6, samples)    last hidden state of the clips that are compared
      trace_NAME     float32 (steps, samples)    state NAME after every step of the first window

States are sampled at evenly spaced places. Older bundles have no flicker among their adversarial
clips, which are then four. The file is data: it is read without pickle.
"""

import hashlib
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fishrt.bundle import Bundle, StateSpec
from fishrt.errors import BundleError

REFERENCE_FILE = "reference.npz"
SAMPLES = 256
EXTRA_STEPS = 10
"""Time steps beyond a clip, so that as many lanes more than one are compared."""
WINDOWS_COMPARED = 4
FLICKER = ("flicker", "grey-flicker")
"""Adversarial clips whose whole picture changes from frame to frame: see `export.agreement`."""
ADVERSARIAL = ("black", "white", "noise", "saturated", *FLICKER)
WITHOUT_FLICKER = len(ADVERSARIAL) - len(FLICKER)
GREYS = (128, 224)
"""What `grey-flicker` alternates between: of 110 pairs of levels and phases, the one where FP16 was
furthest off with the demo model (0.14); black and white is not the worst."""
TRACE_PREFIX = "trace_"
UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,  # zipfile: encrypted, or an unknown compression (a subclass)
    zlib.error,
    zipfile.BadZipFile,
)
"""What numpy and zipfile raise for a file that is none of ours."""
UNKNOWN = -1
"""Label of a clip of which it is not known whether a burst followed."""

Clips = NDArray[np.uint8]
Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class Stretch:
    """Consecutive time steps, and what Keras made of them.

    Attributes:
        time_steps: uint8 `(S, frames_per_step, H, W)`, S at least a clip's steps.
        windows: float32 `(S - steps + 1,)`: probability of every window.
        trace: For every state, float32 `(steps, samples)`: after each step of the first window.
    """

    time_steps: NDArray[np.uint8]
    windows: Probabilities
    trace: dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Cases:
    """Clips to compare on, and what Keras made of them.

    Attributes:
        names: `real`, or the name of an adversarial clip; N of them.
        clips: uint8 `(N, steps, frames_per_step, H, W)`.
        expected: float32 `(N,)`: Keras' probabilities.
        hidden: float32 `(N, samples)`: the last layer's last hidden state.
        labels: int8 `(N,)`: 1 for a burst, 0 for calm, -1 where it is not known.
    """

    names: tuple[str, ...]
    clips: Clips
    expected: Probabilities
    hidden: NDArray[np.float32]
    labels: NDArray[np.int8]

    @property
    def real(self) -> NDArray[np.bool_]:
        """Which of them were cut from footage."""
        return np.array([name == "real" for name in self.names])

    def take(self, rows: NDArray[np.int64]) -> "Cases":
        """Those at some indices."""
        return Cases(
            tuple(self.names[row] for row in rows),
            self.clips[rows],
            self.expected[rows],
            self.hidden[rows],
            self.labels[rows],
        )


def sample(state: NDArray[np.generic]) -> NDArray[np.float32]:
    """Values of a state at evenly spaced places.

    Args:
        state: `(lanes, ...)`, channels first.

    Returns:
        float32 `(lanes, samples)`, at most `SAMPLES` of them.
    """
    flat = np.asarray(state).reshape(len(state), -1)
    count = min(SAMPLES, flat.shape[1])
    places = (np.arange(count) * flat.shape[1] + flat.shape[1] // 2) // count
    return flat[:, places].astype(np.float32)


def last_hidden(states: tuple[StateSpec, ...]) -> str:
    """Name of the last layer's hidden state; a motion model has its past energies instead."""
    return next((state.name for state in reversed(states) if state.half), states[-1].name)


def adversarial_clips(footage: Clips) -> Clips:
    """Clips that no camera gives, but that a graph must get right all the same.

    Args:
        footage: uint8 `(steps, frames_per_step, H, W)`, a clip of real frames.

    Returns:
        uint8 `(6, steps, frames_per_step, H, W)`, in the order of `ADVERSARIAL`: black, white,
        uniform noise (the same on every machine), the footage eightfold overexposed, frames that
        are black and white in turn, and two greys in turn.
    """
    shape = footage.shape
    noise = hashlib.shake_256(b"fishrt parity noise").digest(footage.size)
    return np.stack(
        [
            np.zeros(shape, np.uint8),
            np.full(shape, 255, np.uint8),
            np.frombuffer(noise, np.uint8).reshape(shape),
            np.minimum(footage.astype(np.uint16) * 8, 255).astype(np.uint8),
            _flicker(shape, 0, 255),
            _flicker(shape, *GREYS),
        ]
    )


def _flicker(shape: tuple[int, ...], first: int, second: int) -> NDArray[np.uint8]:
    """Frames of one level and of another in turn."""
    steps, per_step, height, width = shape
    levels = np.where(np.arange(steps * per_step) % 2, second, first).astype(np.uint8)
    return np.broadcast_to(levels.reshape(steps, per_step, 1, 1), (steps, per_step, height, width))


def windows_of(stretch: NDArray[np.uint8], steps: int) -> Clips:
    """All windows of a stretch, uint8 `(S - steps + 1, steps, frames_per_step, H, W)`."""
    return np.stack([stretch[at : at + steps] for at in range(len(stretch) - steps + 1)])


def compared_windows(count: int) -> NDArray[np.int64]:
    """Which of a stretch's windows are compared as clips: a few, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(WINDOWS_COMPARED, count)).astype(np.int64))


def save_reference(folder: Path, stretch: Stretch, cases: Cases) -> Path:
    """Writes what another machine needs into a bundle folder.

    Args:
        folder: The folder.
        stretch: The stretch.
        cases: The stretch's compared windows and the adversarial clips, in that order.

    Returns:
        Path of the file.
    """
    path = folder / REFERENCE_FILE
    content: dict[str, Any] = {
        "time_steps": np.diff(stretch.time_steps, axis=0, prepend=np.uint8(0)),
        "windows": stretch.windows,
        "adversarial": cases.expected[~cases.real],
        "hidden": cases.hidden,
        **{f"{TRACE_PREFIX}{name}": values for name, values in stretch.trace.items()},
    }
    np.savez_compressed(path, **content)
    return path


def load_reference(bundle: Bundle) -> tuple[Stretch, Cases]:
    """Reads and checks a bundle's reference.

    Raises:
        BundleError: If the bundle has none, or it is missing or damaged or of another network.
    """
    if bundle.metadata.reference is None:
        raise BundleError(
            f"the bundle {bundle.folder} was exported without a reference; export it again with "
            "this fishrt, or compare with its run: --run RUN."
        )
    path = bundle.stored(bundle.metadata.reference)
    try:
        with np.load(path, allow_pickle=False) as file:
            content = {name: file[name] for name in file.files}
    except UNREADABLE as error:
        raise BundleError(f"{path} is damaged; export the bundle again.") from error
    return _checked(content, bundle, path)


def _adversarial_count(content: dict[str, NDArray[np.generic]]) -> int:
    """How many adversarial clips a file has figures of: all, or in older files all but flicker."""
    older = "adversarial" in content and content["adversarial"].shape == (WITHOUT_FLICKER,)
    return WITHOUT_FLICKER if older else len(ADVERSARIAL)


def _checked(
    content: dict[str, NDArray[np.generic]], bundle: Bundle, path: Path
) -> tuple[Stretch, Cases]:
    geometry = bundle.metadata.config.clip.geometry
    states = bundle.metadata.states
    steps, picture = geometry.steps, (geometry.height, geometry.width)
    count = len(content["time_steps"]) if "time_steps" in content else 0
    windows = max(count - steps + 1, 0)
    compared = compared_windows(windows) if windows else np.zeros(0, np.int64)
    size = {state.name: min(SAMPLES, int(np.prod(state.shape))) for state in states}
    special = _adversarial_count(content)
    rows = len(compared) + special
    wanted: dict[str, tuple[Any, tuple[int, ...]]] = {
        "time_steps": (np.uint8, (count, geometry.frames_per_step, *picture)),
        "windows": (np.float32, (windows,)),
        "adversarial": (np.float32, (special,)),
        "hidden": (np.float32, (rows, size[last_hidden(states)])),
        **{
            f"{TRACE_PREFIX}{state.name}": (np.float32, (steps, size[state.name]))
            for state in states
        },
    }
    found: dict[str, Any] = {
        name: (array.dtype.type, array.shape) for name, array in content.items()
    }
    if not windows or found != wanted:
        raise BundleError(f"{path} does not fit the bundle's network; export the bundle again.")
    if not all(np.isfinite(a).all() for name, a in content.items() if name != "time_steps"):
        raise BundleError(f"{path} holds values that are no numbers; export the bundle again.")
    time_steps = np.cumsum(content["time_steps"], axis=0, dtype=np.uint8)
    expected = content["windows"].astype(np.float32)
    trace = {
        name.removeprefix(TRACE_PREFIX): array.astype(np.float32)
        for name, array in content.items()
        if name.startswith(TRACE_PREFIX)
    }
    clips = np.concatenate(
        [windows_of(time_steps, steps)[compared], adversarial_clips(time_steps[:steps])[:special]]
    )
    return Stretch(time_steps, expected, trace), Cases(
        ("real",) * len(compared) + ADVERSARIAL[:special],
        clips,
        np.concatenate([expected[compared], content["adversarial"].astype(np.float32)]),
        content["hidden"].astype(np.float32),
        np.full(len(clips), UNKNOWN, np.int8),
    )
