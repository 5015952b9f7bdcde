"""Clips for training, cut from a recording by index; no clip is ever stored."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fishrt.clip import ClipGeometry
from fishrt.config import Config, Flips
from fishrt.errors import TrainingError
from fishrt.recording import Recording, Split

FLIP_AXES: tuple[tuple[int, ...], ...] = ((), (2,), (1,), (1, 2))
"""Axes of a clip (steps, height, width, frames) to mirror: none, H, V, HV."""


@dataclass(frozen=True)
class ClipSet:
    """The labelled clips of one split.

    Attributes:
        frames: uint8 `(T, H, W)`.
        labels: uint8 `(L,)`, entry t the label of frame t.
        ends: Last frames of the clips, int64 `(N,)`.
        geometry: The clip geometry.
        loss_steps: How many of a clip's last time steps have their label used.
    """

    frames: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    ends: NDArray[np.int64]
    geometry: ClipGeometry
    loss_steps: int = 1

    def clip(self, item: int) -> NDArray[np.uint8]:
        """One clip, uint8 `(steps, height, width, frames_per_step)`."""
        return self.geometry.cut(self.frames, int(self.ends[item]))

    def target(self, item: int) -> NDArray[np.uint8]:
        """Labels at the clip's last `loss_steps` time steps, uint8 `(loss_steps,)`."""
        back = np.arange(self.loss_steps - 1, -1, -1) * self.geometry.frames_per_step
        return np.asarray(self.labels[self.ends[item] - back])

    @property
    def burst_share(self) -> float:
        """Share of the clips whose label is a burst."""
        return float(self.labels[self.ends].mean()) if len(self.ends) else 0.0


def clip_set(
    recording: Recording, split: Split | None, geometry: ClipGeometry, loss_steps: int = 1
) -> ClipSet:
    """The labelled clips of one split of a recording.

    Args:
        recording: The recording.
        split: Which part, or None for all of it.
        geometry: The clip geometry.
        loss_steps: How many of a clip's last time steps have their label used.

    Raises:
        TrainingError: If the frames have another size, or no clip fits into the split.
    """
    if recording.frames.shape[1:] != (geometry.height, geometry.width):
        height, width = recording.frames.shape[1:]
        raise TrainingError(
            f"the recording {recording.folder} has frames of {width}x{height} but the config asks "
            f"for {geometry.width}x{geometry.height}; make it with the same config."
        )
    ends = recording.labelled_ends(split, geometry)
    if not len(ends):
        raise TrainingError(
            f"the {split or 'whole'} part of {recording.folder} is too short: a labelled clip "
            f"needs {geometry.frames + recording.metadata.label.horizon + 1} frames in a row; "
            "record more, or make the recording with other shares in `split`."
        )
    return ClipSet(recording.frames, recording.burst_label, ends, geometry, loss_steps)


def class_weights(burst_share: float) -> tuple[float, float]:
    """Weights of calm and burst examples that make both classes count the same.

    Args:
        burst_share: Share of burst labels, 0 .. 1.

    Returns:
        n / (2 n_calm) and n / (2 n_burst).

    Raises:
        TrainingError: If one class is missing.
    """
    if not 0.0 < burst_share < 1.0:
        kind = "a burst" if burst_share else "calm"
        raise TrainingError(
            f"every training frame is {kind}, so there is nothing to learn; record more, "
            "or make the recording with another `label.threshold`."
        )
    return 0.5 / (1.0 - burst_share), 0.5 / burst_share


def class_weights_of(config: Config, train: ClipSet) -> tuple[float, float]:
    """Weights of calm and burst frames: from the data, none, or given."""
    match config.train.class_weights:
        case True:
            return class_weights(train.burst_share)
        case False:
            return (1.0, 1.0)
        case calm, burst:
            return (calm, burst)


@dataclass(frozen=True)
class BatchPlace:
    """Where a batch lies in the recording.

    Attributes:
        first: First frame of every row, int64 `(B,)`.
        mirror: Index into `FLIP_AXES` of every row, int32 `(B,)`.
    """

    first: NDArray[np.int64]
    mirror: NDArray[np.int32]

    def inputs(self, frames: NDArray[np.uint8] | None, length: int) -> dict[str, NDArray[Any]]:
        """What the training network is fed.

        Args:
            frames: uint8 `(T, H, W)` to cut from, or None where the network has them itself.
            length: Consecutive frames in a row.

        Returns:
            `mirror`, and `footage` uint8 `(B, length, H, W)` or `first` int32 `(B,)`.
        """
        if frames is None:
            return {"first": self.first.astype(np.int32), "mirror": self.mirror}
        footage = np.stack([frames[first : first + length] for first in self.first])
        return {"footage": footage, "mirror": self.mirror}


class ClipBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of clips and labels, in a new random order every epoch.

    An epoch holds every clip once (four times with concatenated flips), or `limit` of them
    drawn at random; without a seed, every clip once in time order. The order depends on
    `seed` and the epoch alone, so a resumed training sees what it would have seen. Rows are
    consecutive frames; they are stacked in the network.
    """

    def __init__(
        self,
        clips: ClipSet,
        batch_size: int,
        *,
        flips: Flips,
        seed: int | None,
        limit: int | None = None,
        epoch: int = 0,
        frames_in_network: bool = False,
    ) -> None:
        super().__init__()
        self._clips = clips
        self._batch_size = batch_size
        self._flips = flips
        self._seed = seed
        self._limit = limit
        self._epoch = epoch
        self._frames = None if frames_in_network else clips.frames
        self._order, self._mirrors = self._shuffle()

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self._order) // self._batch_size)

    def __getitem__(self, batch: int) -> tuple[dict[str, NDArray[Any]], NDArray[np.float32]]:
        """One batch: inputs (see `BatchPlace`), and labels float32 `(B, loss_steps)`."""
        rows = slice(batch * self._batch_size, (batch + 1) * self._batch_size)
        items = self._order[rows]
        frames = self._clips.geometry.frames
        place = BatchPlace(
            self._clips.ends[items] - frames + 1, self._mirrors[rows].astype(np.int32)
        )
        labels = np.stack([self._clips.target(item) for item in items])
        return place.inputs(self._frames, frames), labels.astype(np.float32)

    def on_epoch_end(self) -> None:
        """Draws the next epoch's order."""
        self._epoch += 1
        self._order, self._mirrors = self._shuffle()

    def _shuffle(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        count = len(self._clips.ends)
        if self._seed is None:
            return np.arange(count), np.zeros(count, np.int64)
        generator = np.random.default_rng((self._seed, self._epoch))
        copies = len(FLIP_AXES) if self._flips is Flips.CONCATENATE else 1
        order = generator.permutation(count * copies)[: self._limit]
        mirrors = order // count
        if self._flips is Flips.RANDOM:
            mirrors = generator.integers(0, len(FLIP_AXES), len(order))
        return order % count, mirrors
