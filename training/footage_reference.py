"""What a run's training footage looked like, measured for the live loop to compare with."""

import numpy as np

from fishrt.footage_reference import LONG_BLOCKS, FootageReference, make_reference
from fishrt.look import BLOCK_SECONDS, Look, LookMeter
from fishrt.motion_baselines import PAST, FittedBaseline, scaled_features
from fishrt.recording import Recording, Split

PARTS = 40
"""At most so many parts of three minutes each are looked at, evenly spread."""
FIT_FRAMES = 20_000
"""About so many frames teach the baseline, evenly spread: a second of work."""


def measure_footage(recording: Recording) -> FootageReference | None:
    """Measures the training part of a recording.

    Args:
        recording: What is trained on.

    Returns:
        The reference, or None where there are not even ten seconds in a row.
    """
    length = round(LONG_BLOCKS * BLOCK_SECONDS * recording.metadata.fps)
    parts = [
        (first, min(first + length, stop))
        for start, stop in recording.metadata.stretches(Split.TRAIN)
        for first in range(start, stop, length)
    ]
    step = max(-(-len(parts) // PARTS), 1)
    looks = [_looks(recording, first, stop) for first, stop in parts[::step]]
    minutes = sum(map(len, looks)) * BLOCK_SECONDS / 60.0
    return make_reference(looks, minutes, fit_baseline(recording))


def fit_baseline(recording: Recording) -> FittedBaseline | None:
    """Fits the motion baseline to the training part of a recording.

    Args:
        recording: What is trained on.

    Returns:
        The baseline, or None where the footage cannot teach it: it is too short, has labels of
        one kind only, or scikit-learn is not installed.
    """
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler
    except ImportError:
        return None
    horizon, energy = recording.metadata.label.horizon, recording.motion_energy
    parts = recording.metadata.stretches(Split.TRAIN)
    frames = np.concatenate(
        [np.zeros(0, np.int64)]
        + [np.arange(first + PAST, stop - 1 - horizon) for first, stop in parts]
    )
    frames = frames[:: max(len(frames) // FIT_FRAMES, 1)]
    labels = recording.burst_label[frames]
    unit = float(np.median(energy[frames])) if len(frames) else 0.0
    if not unit or len(set(labels.tolist())) < 2:
        return None
    x = scaled_features(energy, frames, unit)
    scaler = StandardScaler().fit(x)
    fitted = LogisticRegression(max_iter=1000).fit(scaler.transform(x), labels)
    weights = fitted.coef_[0] / scaler.scale_
    return FittedBaseline(
        unit=unit,
        intercept=float(fitted.intercept_[0] - weights @ scaler.mean_),
        weights=tuple(weights.tolist()),
    )


def _looks(recording: Recording, first: int, stop: int) -> list[Look]:
    meter = LookMeter(recording.metadata.fps)
    energy = recording.motion_energy
    said = (
        meter.push(recording.frames[t], None if t == first else float(energy[t - 1]))
        for t in range(first, stop)
    )
    return [look for look in said if look is not None]
