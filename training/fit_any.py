"""Fitting whatever network a config describes."""

from pathlib import Path

from fishrt.config import Config, ModelKind
from fishrt.recording import Recording
from training.fit import FitOptions, FitResult, fit
from training.fit_motion import fit_motion


def fit_any(recording: Recording, config: Config, folder: Path, options: FitOptions) -> FitResult:
    """Fits a network to a recording and writes the run folder; see `fit` and `fit_motion`.

    Raises:
        TrainingError: If the recording does not fit, or the training fails.
    """
    fit_this = fit_motion if config.model.kind is ModelKind.MOTION else fit
    return fit_this(recording, config, folder, options)
