"""Batches for stream training: chunks of continuous footage, side by side, in time order.

Truncated back-propagation through time: every row of a batch is a stream that goes on where the
same row of the batch before ended, with its recurrent state carried on. The gradient reaches
back to the beginning of the chunk; the state reaches back to the stream's last restart.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fishrt.config import Flips, TrainConfig
from training.dataset import FLIP_AXES, BatchPlace, ClipSet


@dataclass(frozen=True)
class Schedule:
    """Which chunk every stream reads in every batch.

    Attributes:
        first: First frame of the chunks, int64 `(batches, B)`.
        restart: Whether the stream starts anew there, bool `(batches, B)`.
        age: Steps since the restart at the chunk's beginning, int64 `(batches, B)`.
        mirror: Index into `FLIP_AXES`, one for a stream between restarts, int32 `(batches, B)`.
    """

    first: NDArray[np.int64]
    restart: NDArray[np.bool_]
    age: NDArray[np.int64]
    mirror: NDArray[np.int32]


def stretches(clips: ClipSet, apart: int = 1) -> list[tuple[int, int]]:
    """Continuous footage `[first, stop)` that the labelled clips cover, within one source each.

    A source may be cut in the middle (lost frames); clips that overlap or touch belong to one
    stretch.

    Args:
        clips: The clips.
        apart: Ends further apart than this belong to two stretches: 1 for all clips of a
            split, a clip's frames where only some of the clips are there.
    """
    if not len(clips.ends):
        return []
    breaks = np.flatnonzero(np.diff(clips.ends) > apart) + 1
    return [
        (int(run[0]) - clips.geometry.frames + 1, int(run[-1]) + 1)
        for run in np.split(clips.ends, breaks)
    ]


def chunk_starts(
    footage: list[tuple[int, int]], length: int, generator: np.random.Generator | None
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """First frames of all whole chunks, and whether each begins a stretch.

    Args:
        footage: Stretches `[first, stop)`.
        length: Frames in a chunk.
        generator: Draws where in its first chunk a stretch is entered, so that over the epochs
            every frame is in every phase and none is always left over; None enters at its
            first frame.
    """
    starts, heads = [np.zeros(0, np.int64)], [np.zeros(0, bool)]
    for first, stop in footage:
        spare = min(stop - first - length, length - 1)
        if spare < 0:
            continue
        offset = int(generator.integers(0, spare + 1)) if generator else 0
        own = np.arange(first + offset, stop - length + 1, length, dtype=np.int64)
        starts.append(own)
        heads.append(np.arange(len(own)) == 0)
    return np.concatenate(starts), np.concatenate(heads)


def make_schedule(
    footage: list[tuple[int, int]],
    streams: int,
    length: int,
    per_step: int,
    generator: np.random.Generator | None,
    settings: TrainConfig,
    lead: int = 0,
) -> Schedule:
    """Deals the chunks of all stretches to streams that each read on in time order.

    Args:
        footage: Stretches `[first, stop)`.
        streams: B, how many are side by side.
        length: Frames in a chunk.
        per_step: Frames in a time step.
        generator: Source of offsets, restarts and flips; None for none of them (validation).
        settings: Reset probability, flips and how many chunks an epoch may have.
        lead: Chunks that every stream reads before its own, to warm up in: short footage would
            else be over before anything counts.

    Returns:
        The schedule; fewer batches than chunks / B may be left out at the end.
    """
    starts, heads = chunk_starts(footage, length, generator)
    batches = max(len(starts) // streams, 1)
    # where the footage is short, streams share chunks instead of being idle
    rows = np.maximum((np.arange(streams) * len(starts)) // streams - lead, 0)
    batches = min(batches + lead, len(starts))
    order = np.minimum(rows[None, :] + np.arange(batches)[:, None], len(starts) - 1)
    if settings.clips_per_epoch is not None and generator is not None:
        wanted = max(settings.clips_per_epoch // streams, 1)
        if wanted < batches:
            shift = int(generator.integers(0, batches - wanted + 1))
            order = order[shift : shift + wanted]
    first = starts[order]
    restart = heads[order]
    restart[0] = True
    restart[1:] |= np.diff(first, axis=0) != length
    mirror = np.zeros(first.shape, np.int32)
    if generator is not None:
        restart |= generator.random(first.shape) < settings.reset_probability
        if settings.flips is not Flips.NONE:
            mirror = generator.integers(0, len(FLIP_AXES), first.shape, np.int32)
    age = np.zeros(first.shape, np.int64)
    for batch in range(1, len(first)):
        carried = ~restart[batch]
        age[batch, carried] = age[batch - 1, carried] + length // per_step
        mirror[batch, carried] = mirror[batch - 1, carried]
    return Schedule(first, restart, age, mirror)


class StreamBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Chunks with a label at every step, in time order within each stream.

    An epoch goes through all footage once. Every epoch begins with restarts; its schedule
    depends on `seed` and the epoch alone.
    """

    def __init__(
        self,
        clips: ClipSet,
        settings: TrainConfig,
        *,
        training: bool,
        epoch: int = 0,
        frames_in_network: bool = False,
    ) -> None:
        super().__init__()
        self._clips = clips
        self._settings = settings
        self._training = training
        self._epoch = epoch
        self._frames = None if frames_in_network else clips.frames
        self._footage = stretches(clips)
        warm_up = settings.warm_up_steps
        self._warm_up = clips.geometry.steps - 1 if warm_up is None else warm_up
        self._labelled = np.zeros(len(clips.frames), bool)
        self._labelled[clips.ends] = True
        self._schedule = self._draw()

    @property
    def chunk_frames(self) -> int:
        """Frames in a chunk."""
        return self._settings.chunk_steps * self._clips.geometry.frames_per_step

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self._schedule.first)

    def __getitem__(
        self, batch: int
    ) -> tuple[dict[str, NDArray[Any]], NDArray[np.float32], NDArray[np.float32]]:
        """One batch.

        Returns:
            The network's inputs (see `BatchPlace`) with `restart` float32 `(B,)`; labels float32
            `(B, chunk_steps)`; and their weights: 0 in the warm-up after a restart and where a
            frame has no label, else 1.
        """
        schedule = self._schedule
        place = BatchPlace(schedule.first[batch], schedule.mirror[batch])
        inputs = place.inputs(self._frames, self.chunk_frames)
        inputs["restart"] = schedule.restart[batch].astype(np.float32)
        per_step = self._clips.geometry.frames_per_step
        steps = np.arange(self._settings.chunk_steps)
        ends = place.first[:, None] + (steps + 1) * per_step - 1
        known = self._labelled[ends]
        labels = self._clips.labels[np.where(known, ends, self._clips.ends[0])]
        warm = schedule.age[batch][:, None] + steps >= self._warm_up
        return inputs, labels.astype(np.float32), (known & warm).astype(np.float32)

    @property
    def any_label_counts(self) -> bool:
        """Whether any step of the epoch is past its warm-up."""
        last = self._schedule.age + self._settings.chunk_steps - 1
        return bool((last >= self._warm_up).any())

    def on_epoch_end(self) -> None:
        """Draws the next epoch's schedule."""
        self._epoch += 1
        if self._training:
            self._schedule = self._draw()

    def _draw(self) -> Schedule:
        generator = np.random.default_rng((self._settings.seed, self._epoch))
        lead = 0 if self._training else -(-self._warm_up // self._settings.chunk_steps)
        return make_schedule(
            self._footage,
            self._settings.batch_size,
            self.chunk_frames,
            self._clips.geometry.frames_per_step,
            generator if self._training else None,
            self._settings,
            lead,
        )
