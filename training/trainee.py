"""The network as it is trained: footage in, stacked, mirrored and forecast inside the graph."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from fishrt.config import TrainMode
from training.forecaster import Forecaster

Tensor = Any


class Trainee(keras.Model):  # type: ignore[misc]
    """A forecaster behind the steps that make clips of consecutive frames.

    Its inputs are those of `training.dataset.BatchPlace`: `footage` uint8 `(B, F, H, W)`, or
    `first` where the frames are kept here; `mirror`; and for streams `restart`.

    Attributes:
        forecaster: The network that is trained.
        mode: Whether every clip starts from zero state, or a state is carried on.
        length: Consecutive frames in a row of a batch.
    """

    def __init__(
        self,
        forecaster: Forecaster,
        mode: TrainMode,
        length: int,
        streams: int,
        frames: NDArray[np.uint8] | None = None,
    ) -> None:
        """Takes over a forecaster.

        Args:
            forecaster: The network.
            mode: What it is trained for.
            length: Consecutive frames in a row of a batch.
            streams: Rows in a batch, each with a carried state; used in stream mode only.
            frames: uint8 `(T, H, W)` to keep on the device, or None where batches bring theirs.
        """
        super().__init__(name="trainee", dtype=forecaster.dtype_policy)
        self.forecaster = forecaster
        self.mode = mode
        self.length = length
        self._frames = None if frames is None else ops.convert_to_tensor(frames)
        self._states = []
        if mode is TrainMode.STREAM:
            self._states = [
                self.add_weight(
                    name=f"state_{index}",
                    shape=tuple(state.shape),
                    initializer="zeros",
                    trainable=False,
                    dtype="float32",
                    autocast=False,
                )
                for index, state in enumerate(forecaster.zero_states(streams))
            ]
        self.built = True

    def call(self, inputs: dict[str, Tensor], training: bool = False) -> Tensor:
        """Forecasts one batch.

        Returns:
            Probabilities float32, `(B, loss_steps)` for windows, `(B, chunk steps)` for streams.
        """
        clips = self.clips(inputs)
        if self.mode is TrainMode.WINDOW:
            return self.forecaster(clips, training=training)
        keep = 1.0 - inputs["restart"]
        states = [
            ops.convert_to_tensor(state) * ops.reshape(keep, (-1, *[1] * (len(state.shape) - 1)))
            for state in self._states
        ]
        probabilities, new_states = self.forecaster.run(clips, states, training)
        for state, new in zip(self._states, new_states, strict=True):
            state.assign(ops.stop_gradient(new))
        return probabilities

    def clips(self, inputs: dict[str, Tensor]) -> Tensor:
        """The batch as the forecaster takes it: cut, mirrored and stacked.

        Returns:
            uint8 `(B, steps, height, width, frames_per_step)`, oldest frame in channel 0.
        """
        return self._stacked(self._mirrored(self._footage(inputs), inputs["mirror"]))

    def _footage(self, inputs: dict[str, Tensor]) -> Tensor:
        if self._frames is None:
            return inputs["footage"]
        rows = ops.expand_dims(inputs["first"], 1) + ops.arange(self.length, dtype="int32")
        return ops.take(self._frames, rows, axis=0)

    def _stacked(self, footage: Tensor) -> Tensor:
        """Consecutive frames `(B, F, H, W)` as time steps `(B, steps, H, W, frames_per_step)`."""
        clip = self.forecaster.clip
        per_step = clip.frames_per_step
        shape = (-1, self.length // per_step, per_step, clip.height, clip.width)
        return ops.transpose(ops.reshape(footage, shape), (0, 1, 3, 4, 2))

    @staticmethod
    def _mirrored(footage: Tensor, mirror: Tensor) -> Tensor:
        # indices of FLIP_AXES: 1 mirrors left and right, 2 top and bottom, 3 both
        flags = ops.reshape(mirror, (-1, 1, 1, 1))
        odd, high = ops.equal(flags % 2, 1), flags >= 2
        footage = ops.where(odd, ops.flip(footage, axis=3), footage)
        return ops.where(high, ops.flip(footage, axis=2), footage)
