"""Forecasts without a network, to compare one with."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fishrt.motion_baselines import motion_features


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
