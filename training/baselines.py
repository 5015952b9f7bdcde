"""Forecasts without a network, to compare one with."""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

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
"""Past motion energies that the fitted baseline looks at: those inside the clip."""


def motion_features(energy: NDArray[np.float64], frames: NDArray[np.int64]) -> NDArray[np.float64]:
    """Features of the past motion alone: m[t-119 .. t-1].

    Args:
        energy: Motion energy m, float64 `(T - 1,)`.
        frames: Frames t, int64 `(N,)`, each at least 119.

    Returns:
        float64 `(N, 34)`: the last 15 values one by one, means over 2 to 119 frames, and
        minimum, maximum, spread and slope over a quarter to four seconds.
    """
    past = sliding_window_view(energy, PAST)[frames - PAST]
    recent = past[:, -15:]
    means = [past[:, -n:].mean(axis=1) for n in (2, 4, 8, 15, 30, 60, PAST)]
    shapes = []
    for n in (8, 30, 119):
        window = past[:, -n:]
        shapes += [window.min(axis=1), window.max(axis=1), window.std(axis=1)]
        shapes.append(window[:, n // 2 :].mean(axis=1) - window[:, : n // 2].mean(axis=1))
    return np.column_stack([recent, *means, *shapes])


def fitted_baseline(
    energy: NDArray[np.float64],
    labels: NDArray[np.uint8],
    train_frames: NDArray[np.int64],
    seed: int = 0,
) -> Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]]:
    """Gradient boosting on features of the past motion: what motion alone can tell here.

    The published baseline's constants belong to one tank; this one learns them from the same
    training footage as the network, so it is the fairer bar.

    Args:
        energy: Motion energy of the training recording, float64 `(T - 1,)`.
        labels: Its burst labels, entry t for frame t.
        train_frames: Frames to learn from, int64 `(N,)`, each at least 119.
        seed: Makes it repeatable.

    Returns:
        A function of motion energy and frames that gives probabilities, float64 `(N,)`.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    booster = HistGradientBoostingClassifier(
        max_iter=150,
        learning_rate=0.06,
        max_leaf_nodes=15,
        l2_regularization=1.0,
        min_samples_leaf=100,
        random_state=seed,
    )
    booster.fit(motion_features(energy, train_frames), labels[train_frames])

    def forecast(m: NDArray[np.float64], frames: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(booster.predict_proba(motion_features(m, frames))[:, 1])

    return forecast


def climatology(share: float, frames: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of burst labels in the training footage, said at every frame.

    Args:
        share: 0 .. 1.
        frames: Frames t to forecast at, int64 `(N,)`.

    Returns:
        Probabilities, float64 `(N,)`.
    """
    return np.full(len(frames), share)


def persistence(
    labels: NDArray[np.uint8], frames: NDArray[np.int64], horizon: int
) -> NDArray[np.float64]:
    """The newest label that is known: what was, goes on.

    The label of frame s needs m[s .. s + horizon], and at frame t motion energy is known up to
    t - 1, so the newest known label is that of frame t - 1 - horizon.

    Args:
        labels: Burst labels, entry t for frame t, uint8 `(L,)`.
        frames: Frames t to forecast at, int64 `(N,)`, each above the horizon.
        horizon: Frames that a label looks ahead.

    Returns:
        Probabilities, 0 or 1, float64 `(N,)`.

    Raises:
        ValueError: If no label is known yet at a frame.
    """
    newest = frames - 1 - horizon
    if len(frames) and newest.min() < 0:
        raise ValueError(f"frames must be at least {horizon + 1}.")
    return labels[newest].astype(np.float64)
