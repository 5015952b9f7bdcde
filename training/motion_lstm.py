"""The published second baseline: a two-layer LSTM on the last four seconds of motion energy."""

from collections.abc import Callable

import keras
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from training.motion_branch import CENTRE, FLOOR

PAST = 120
"""Motion energies that it sees, m[t-120 .. t-1]: four seconds at 30 fps."""
PER_STEP = 4
"""Motion energies that it takes at a time, as the network takes frames."""
UNITS = (32, 32)
EPOCHS = 8
BATCH = 256


def motion_windows(energy: NDArray[np.float64], frames: NDArray[np.int64]) -> NDArray[np.float32]:
    """Log motion energy before every frame; only m up to t - 1 is used.

    Args:
        energy: Motion energy m, float64 `(T - 1,)`.
        frames: Frames t, int64 `(N,)`; where less than 120 values lie before one, the first
            value stands in.

    Returns:
        float32 `(N, 30, 4)`, oldest first.
    """
    scaled = np.log((energy + FLOOR) / CENTRE).astype(np.float32)
    padded = np.concatenate([np.repeat(scaled[:1], PAST), scaled])
    windows = sliding_window_view(padded, PAST)[frames]
    return np.asarray(windows.reshape(len(frames), PAST // PER_STEP, PER_STEP))


def motion_lstm(
    energy: NDArray[np.float64],
    labels: NDArray[np.uint8],
    train_frames: NDArray[np.int64],
    seed: int = 0,
) -> Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]]:
    """Fits the LSTM to a recording's motion energy and labels.

    Args:
        energy: Motion energy of the training recording, float64 `(T - 1,)`.
        labels: Its burst labels, entry t for frame t.
        train_frames: Frames to learn from, int64 `(N,)`.
        seed: Makes it repeatable.

    Returns:
        A function of motion energy and frames that gives probabilities, float64 `(N,)`.
    """
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((PAST // PER_STEP, PER_STEP)),
            *[
                keras.layers.LSTM(units, return_sequences=units_left)
                for units, units_left in zip(UNITS, (True, False), strict=True)
            ],
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    batches = -(-len(train_frames) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * batches)
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy")
    model.fit(
        motion_windows(energy, train_frames),
        labels[train_frames].astype(np.float32),
        batch_size=BATCH,
        epochs=EPOCHS,
        verbose=0,
    )

    def forecast(m: NDArray[np.float64], frames: NDArray[np.int64]) -> NDArray[np.float64]:
        predicted = model.predict(motion_windows(m, frames), batch_size=1024, verbose=0)
        return np.asarray(predicted[:, 0], np.float64)

    return forecast
