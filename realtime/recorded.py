"""Forecasts of a recording's frames, made as the live loop makes them."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fishrt.bundle import Bundle
from realtime.modes import open_forecaster

TELL_EVERY = 100


def _silent(_: str, __: int, ___: int | None) -> None:
    pass


def forecast_frames(
    bundle: Bundle,
    frames: NDArray[np.uint8],
    stretches: Sequence[tuple[int, int]],
    every: int = 1,
    tell: Callable[[str, int, int | None], None] = _silent,
) -> NDArray[np.float64]:
    """Forecasts by ONNX Runtime, in the mode that the bundle was trained for.

    Args:
        bundle: The bundle.
        frames: uint8 `(T, H, W)`.
        stretches: Frames `[first, stop)` in a row; the first forecast of each is at `first`, for
            which a clip must lie before it. State starts from zero a clip before that.
        every: Frames from one forecast to the next; a carried state takes every frame anyway.
        tell: Takes a name, frames done and frames in all, for a progress bar.

    Returns:
        Probabilities, float64 `(T,)`; NaN where there is no forecast.

    Raises:
        BundleError: If the bundle cannot be run.
        MissingExtraError: If ONNX Runtime is not installed.
    """
    forecaster = open_forecaster(bundle, bundle.metadata.trained_for, every)
    lead = bundle.metadata.config.clip.geometry.frames - 1
    total = sum(stop - first + lead for first, stop in stretches)
    found = np.full(len(frames), np.nan)
    done = 0
    for first, stop in stretches:
        forecaster.reset()
        for frame in range(first - lead, stop):
            said = forecaster.push(frames[frame]).probability
            found[frame] = np.nan if said is None else said
            done += 1
            if done % TELL_EVERY == 0:
                tell("forecasting", done, total)
    return found
