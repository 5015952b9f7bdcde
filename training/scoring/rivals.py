"""The baselines that a model is scored beside, each a function of motion energy and labels."""

import enum
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from fishrt.clip import ClipGeometry
from fishrt.motion_baselines import algorithmic_baseline
from fishrt.recording import Recording, Split
from training.baselines import climatology, fitted_baseline, persistence
from training.scoring.frames import scored_frames


class Rival(enum.StrEnum):
    """A baseline, as it is called in files."""

    CLIMATOLOGY = "climatology"
    PERSISTENCE = "persistence"
    PUBLISHED = "published_motion_baseline"
    BOOSTED = "fitted_motion_baseline"
    LSTM = "motion_lstm"
    DENSE = "motion_forecaster"


TITLES: Mapping[str, str] = {
    "model": "this model",
    Rival.CLIMATOLOGY: "climatology",
    Rival.PERSISTENCE: "persistence",
    Rival.PUBLISHED: "motion, published rule",
    Rival.BOOSTED: "motion, gradient boosting",
    Rival.LSTM: "motion, two-layer LSTM",
    Rival.DENSE: "motion, dense networks",
}
"""How forecasts are called for a person."""

IN_WORDS: Mapping[str, str] = {
    Rival.CLIMATOLOGY: "always saying how often bursts are",
    Rival.PERSISTENCE: "saying that what was goes on",
    Rival.PUBLISHED: "the hand-made motion rule",
    Rival.BOOSTED: "gradient boosting on motion energy alone",
    Rival.LSTM: "the small LSTM on motion energy alone",
    Rival.DENSE: "dense networks on motion energy alone",
}
"""The same in a sentence."""

QUICK = (Rival.CLIMATOLOGY, Rival.PERSISTENCE, Rival.PUBLISHED, Rival.BOOSTED)
"""Those that need no network to be trained."""
FITTED = (Rival.BOOSTED, Rival.LSTM, Rival.DENSE)
"""Those that learn from the training recording."""
HARDEST = (Rival.LSTM, Rival.DENSE)
"""Those that a model must be ahead of before it can be said to beat the baselines."""

LSTM_FRAMES = 20_000
"""About so many frames teach the LSTM, spread over all footage, so that it takes a minute."""

Forecast = Callable[[Recording, NDArray[np.int64]], NDArray[np.float64]]
"""Probabilities at frames of a recording, float64 `(N,)`."""
Say = Callable[[str], None]


def make_rivals(
    wanted: Iterable[Rival],
    training: Recording | None,
    share: float | None,
    geometry: ClipGeometry,
    say: Say,
) -> tuple[dict[Rival, Forecast], list[str]]:
    """Fits the baselines.

    Args:
        wanted: Which ones.
        training: What the model learned from; the fitted ones learn from its training part.
        share: Share of burst labels in it where the recording itself is not at hand.
        geometry: The model's clip geometry.
        say: Is told which one is being fitted.

    Returns:
        The baselines that can be had, and a sentence for every kind that cannot.
    """
    wanted = list(wanted)
    made: dict[Rival, Forecast] = {}
    notes = []
    if training is not None:
        learn = scored_frames(training, Split.TRAIN, geometry, 1).ends
        labels = training.burst_label
        share = float(labels[learn].mean())
    if Rival.CLIMATOLOGY in wanted and share is not None:
        known = share
        made[Rival.CLIMATOLOGY] = lambda _, frames: climatology(known, frames)
    if Rival.PERSISTENCE in wanted:
        made[Rival.PERSISTENCE] = lambda recording, frames: persistence(
            recording.burst_label, frames, recording.metadata.label.horizon
        )
    if Rival.PUBLISHED in wanted:
        made[Rival.PUBLISHED] = lambda recording, frames: algorithmic_baseline(
            recording.motion_energy, frames
        )
    if training is None:
        notes.append(
            "The training recording is not at hand, so baselines that learn from it are missing, "
            "among them the hardest to beat; name it with --training."
        )
        return made, notes
    absent = []
    for rival in (rival for rival in FITTED if rival in wanted):
        if find_spec("sklearn" if rival is Rival.BOOSTED else "tensorflow") is None:
            absent.append(TITLES[rival])
            continue
        say(f"fitting the baseline: {TITLES[rival]} ...")
        made[rival] = _fitted(rival, training, learn)
    if absent:
        notes.append(f"Left out, as the extra train is not installed: {', '.join(absent)}.")
    return made, notes


def _fitted(rival: Rival, training: Recording, frames: NDArray[np.int64]) -> Forecast:
    energy, labels = training.motion_energy, training.burst_label
    if rival is Rival.BOOSTED:
        boosted = fitted_baseline(energy, labels, frames)
        return lambda recording, frames: boosted(recording.motion_energy, frames)
    if rival is Rival.LSTM:
        from training.motion_lstm import motion_lstm

        step = max(len(frames) // LSTM_FRAMES, 1)  # neighbours are nearly the same
        lstm = motion_lstm(energy, labels, frames[::step])
        return lambda recording, frames: lstm(recording.motion_energy, frames)
    return _dense(training, frames)


def _dense(training: Recording, frames: NDArray[np.int64]) -> Forecast:
    """The motion forecaster with the settings of the config `motion`, but class weights."""
    from fishrt.config import load_config
    from training.fit_motion import fit_members, predict
    from training.motion_forecaster import MotionForecaster
    from training.soft_labels import soft_labels

    config = load_config("motion")
    model = MotionForecaster(config.clip, config.model)
    targets = soft_labels(training.label_energy, training.metadata.label.rule)
    whole = training.labelled_ends(Split.TRAIN, config.clip.geometry)
    learn = whole if len(whole) else frames  # short footage: what lies before it is made up
    fit_members(model, training.motion_energy, targets, learn, config, (1.0, 1.0))
    return lambda recording, frames: _by_stretch(
        recording, frames, lambda energy, at: predict(model, energy, at)
    )


def _by_stretch(
    recording: Recording,
    frames: NDArray[np.int64],
    forecast: Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Forecasts that look at nothing before the stretch of footage that a frame lies in."""
    said = np.full(len(frames), np.nan)
    for first, stop in recording.metadata.stretches():
        within = (frames >= first) & (frames < stop)
        if within.any():
            energy = recording.motion_energy[first : stop - 1]
            said[within] = forecast(energy, frames[within] - first)
    return said
