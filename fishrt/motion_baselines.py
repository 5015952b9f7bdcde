"""Forecasts from the past motion alone, for frames of a recording and for frames as they come."""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

WINDOW = 89
"""Past motion energies that the published baseline looks at: m[t-89 .. t-1]."""


def algorithmic_baseline(
    energy: NDArray[np.float64], frames: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The published hand-made motion baseline.

    P = (s1 + s2) / 2 with s1 = 1 / (1 + exp(-5300 (range(w) - 0.0006))) and
    s2 = 1 / (1 + exp(11000 (m[t-1] - (min(w) + 0.2 range(w))))), w = m[t-89 .. t-1]: motion
    varies, and is low just now. Only motion up to t - 1 is used, which is known at frame t.

    Args:
        energy: Motion energy m, float64 `(T - 1,)`.
        frames: Frames t to forecast at, int64 `(N,)`, each at least 89.

    Returns:
        Probabilities, float64 `(N,)`.

    Raises:
        ValueError: If a frame has no whole window behind it.
    """
    if len(frames) and (frames.min() < WINDOW or frames.max() > len(energy)):
        raise ValueError(f"frames must lie between {WINDOW} and {len(energy)}.")
    windows = sliding_window_view(energy, WINDOW)[frames - WINDOW]
    low = windows.min(axis=1)
    span = windows.max(axis=1) - low
    varies = _logistic(5300.0 * (span - 0.0006))
    is_low = _logistic(-11000.0 * (energy[frames - 1] - (low + 0.2 * span)))
    return np.asarray((varies + is_low) / 2.0)


def _logistic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))  # 1 / (1 + exp(-x)) without overflow


PAST = 119
"""Past motion energies that the fitted baselines look at: those inside the clip."""
FEATURES = 34
RECENT = 15
MEANS = np.array([2, 4, 8, 15, 30, 60, PAST])
SHAPES = np.array([8, 30, PAST])
ROWS = 1 << 15  # windows at a time, so that memory does not grow with the footage
NEWEST = np.array([PAST])
"""The frame to forecast at where there are just so many motion energies."""


def motion_features(energy: NDArray[np.float64], frames: NDArray[np.int64]) -> NDArray[np.float64]:
    """Features of the past motion alone: m[t-119 .. t-1].

    Args:
        energy: Motion energy m, float64 `(T - 1,)`.
        frames: Frames t, int64 `(N,)`, each at least 119.

    Returns:
        float64 `(N, 34)`: the last 15 values one by one, means over 2 to 119 frames, and
        minimum, maximum, spread and slope over a quarter to four seconds.
    """
    windows = sliding_window_view(energy, PAST)
    parts = [
        _features(windows[frames[at : at + ROWS] - PAST])
        for at in range(0, max(len(frames), 1), ROWS)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _features(past: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features of windows `(N, 119)`; all follow from running sums and extremes, newest first."""
    backwards = past[:, ::-1]
    sums, squares = np.cumsum(backwards, axis=1), np.cumsum(backwards**2, axis=1)
    low = np.minimum.accumulate(backwards, axis=1)[:, SHAPES - 1]
    high = np.maximum.accumulate(backwards, axis=1)[:, SHAPES - 1]
    means = sums[:, MEANS - 1] / MEANS
    mean = sums[:, SHAPES - 1] / SHAPES
    spread = np.sqrt(np.maximum(squares[:, SHAPES - 1] / SHAPES - mean**2, 0.0))
    newer = SHAPES - SHAPES // 2  # the second half of each window
    late = sums[:, newer - 1]
    slope = late / newer - (sums[:, SHAPES - 1] - late) / (SHAPES - newer)
    shapes = np.stack([low, high, spread, slope], axis=2).reshape(len(past), -1)
    return np.concatenate([past[:, -RECENT:], means, shapes], axis=1)


class FittedBaseline(BaseModel):
    """Logistic regression on the past motion: a fitted baseline that is nothing but numbers.

    P = 1 / (1 + exp(-(intercept + weights . x))) with x = f / unit and asinh(f / unit), f the
    features of `motion_features`. The asinh tells small motion energies apart.

    Attributes:
        unit: Median motion energy of the training footage.
        intercept: The intercept.
        weights: One for each entry of x.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    unit: float = Field(gt=0)
    intercept: float
    weights: tuple[float, ...] = Field(min_length=2 * FEATURES, max_length=2 * FEATURES)

    def __call__(
        self, energy: NDArray[np.float64], frames: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Forecasts at frames of a recording.

        Args:
            energy: Motion energy m, float64 `(T - 1,)`.
            frames: Frames t, int64 `(N,)`, each at least 119.

        Returns:
            Probabilities, float64 `(N,)`.
        """
        x = scaled_features(energy, frames, self.unit)
        return _logistic(self.intercept + x @ np.array(self.weights))


def scaled_features(
    energy: NDArray[np.float64], frames: NDArray[np.int64], unit: float
) -> NDArray[np.float64]:
    """What `FittedBaseline` weighs, float64 `(N, 68)`."""
    features = motion_features(energy, frames) / unit
    return np.concatenate([features, np.arcsinh(features)], axis=1)


MotionBaseline = Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]]
"""Probabilities at frames, float64 `(N,)`, from motion energy up to the change into each frame."""


class OnlineBaseline:
    """A motion baseline on footage that comes in; its numbers are those on the whole recording."""

    def __init__(self, baseline: MotionBaseline) -> None:
        """Begins before the first frame.

        Args:
            baseline: Looks at no more than the last 119 motion energies.
        """
        self._baseline = baseline
        # every entry is kept twice, so that the last ones always lie in a row, oldest first
        self._energy = np.zeros(2 * PAST)
        self._place = self._count = 0

    def push(self, energy: float | None) -> None:
        """Takes the next frame t.

        Args:
            energy: m[t - 1], the change from the frame before to this one; None where this frame
                is the first or follows a gap, which begins anew.
        """
        if energy is None:
            self._count = 0
            return
        self._energy[self._place] = self._energy[self._place + PAST] = energy
        self._place = (self._place + 1) % PAST
        self._count += 1

    def forecast(self) -> float | None:
        """The probability at the newest frame; None while it has fewer than 119 behind it."""
        if self._count < PAST:
            return None
        window = self._energy[self._place : self._place + PAST]
        return float(self._baseline(window, NEWEST)[0])
