"""What each kind of model learns from the same hour of the simulated tank.

    python -m benchmarks.compare_models --folder recordings/compare

Everything is seeded. Frames are reduced to 64x48 pixels and the layers to 8 and 16 filters, so
that two CPU cores need less than an hour. Every network gets the same recipe: short sequences
first, then long ones, then without class weights so that probabilities are calibrated. A model
whose run is in the folder already is scored only; so a stopped comparison goes on.

Prints a table of the test AUC with 95 % block-bootstrap intervals, on another seed's footage.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fishrt.bootstrap import block_bootstrap
from fishrt.config import load_config
from fishrt.metrics import brier_skill, roc_auc
from fishrt.motion_baselines import PAST, algorithmic_baseline
from fishrt.recording import Recording, Split, load_recording
from fishrt.simulate import TankSpec
from training.baselines import fitted_baseline
from training.checkpoint import CHECKPOINT_FILE
from training.dataset import ClipSet, clip_set
from training.evaluation import forecast
from training.fit import FitOptions, fit
from training.motion_lstm import motion_lstm
from training.run import Run, load_run
from training.scoring.evaluate import BLOCK_SECONDS
from training.simulated import record_simulation

FPS = 30
TRAIN_MINUTES, TRAIN_SEED = 60, 100
TEST_MINUTES, TEST_SEED = 60, 200
STRIDE = 5
BASE = ("clip.height=48", "clip.width=64", "model.filters=[8, 16]", "train.flips=random")

WINDOW = (
    ("clip.steps=8 train.loss_steps=6 train.batch_size=16 train.learning_rate=0.003", 3200, 6),
    ("train.loss_steps=22 train.batch_size=8 train.learning_rate=0.002", 800, 5),
    (
        "train.loss_steps=22 train.batch_size=8 train.learning_rate=0.001 "
        "train.class_weights=false",
        800,
        4,
    ),
)
STREAM = (
    (
        "train.mode=stream train.chunk_steps=8 train.warm_up_steps=2 train.batch_size=16 "
        "train.reset_probability=0.2 train.learning_rate=0.003",
        3200,
        6,
    ),
    ("train.mode=stream train.batch_size=8 train.learning_rate=0.002", 800, 5),
    (
        "train.mode=stream train.batch_size=8 train.learning_rate=0.001 train.class_weights=false",
        800,
        4,
    ),
)
MODELS = {
    "window": (WINDOW, ()),
    "stream": (STREAM, ()),
    "fused": (STREAM, ("model.motion_units=16",)),
}


def recording(folder: Path, minutes: int, seed: int) -> Recording:
    """The simulated footage, made where it is not there yet."""
    if not folder.exists():
        config = load_config(None, BASE)
        record_simulation(TankSpec(seed=seed, fps=FPS), minutes * 60 * FPS, config, folder)
    return load_recording(folder)


def train(name: str, footage: Recording, folder: Path) -> Path:
    """Runs the stages of one model; returns the last run."""
    stages, extra = MODELS[name]
    before = None
    for number, (settings, clips, epochs) in enumerate(stages):
        run = folder / f"{name}-{number + 1}"
        overrides = [
            *BASE,
            *extra,
            *settings.split(),
            f"train.clips_per_epoch={clips}",
            f"train.epochs={epochs}",
            "train.decay=cosine",
        ]
        if not finished(run, epochs):
            start = load_run(before) if before else None
            resume = (run / CHECKPOINT_FILE).exists()
            began = time.perf_counter()
            fit(footage, load_config(None, overrides), run, FitOptions(start, resume))
            print(f"{run.name}: {time.perf_counter() - began:.0f} s", flush=True)
        before = run
    assert before is not None
    return before


def finished(run: Path, epochs: int) -> bool:
    """Whether a run has all its epochs."""
    history = run / "history.csv"
    return history.exists() and len(history.read_text().splitlines()) > epochs


def interval(
    score: object, labels: NDArray[np.uint8], p: NDArray[np.float64], form: str = ".3f"
) -> str:
    """A score with its 95 % interval."""
    block = round(BLOCK_SECONDS * FPS / STRIDE)
    figure = block_bootstrap(score, labels, p, block=block)  # type: ignore[arg-type]
    return f"{figure.value:{form}} ({figure.low:{form}} .. {figure.high:{form}})"


def scored(clips: ClipSet, stride: int) -> NDArray[np.int64]:
    """Frames with enough motion behind them for the baselines."""
    return clips.ends[clips.ends >= PAST + 1][::stride]


def main() -> None:
    """Makes footage, trains what is missing, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("recordings/compare"))
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    footage = recording(options.folder / "train", TRAIN_MINUTES, TRAIN_SEED)
    unseen = recording(options.folder / "test", TEST_MINUTES, TEST_SEED)
    geometry = load_config(None, BASE).clip.geometry
    learn = clip_set(footage, Split.TRAIN, geometry)
    clips = clip_set(unseen, None, geometry)
    ends = scored(clips, STRIDE)
    labels = clips.labels[ends]
    m, frames = footage.motion_energy, scored(learn, 1)
    forecasts = {
        "motion, published rule": algorithmic_baseline(unseen.motion_energy, ends),
        "motion, gradient boosting": fitted_baseline(m, learn.labels, frames)(
            unseen.motion_energy, ends
        ),
        "motion, two-layer LSTM": motion_lstm(m, learn.labels, frames)(unseen.motion_energy, ends),
    }
    at = np.searchsorted(clips.ends, ends)
    for name in options.models:
        run = load_run(train(name, footage, options.folder))
        if name == "window":
            some = ClipSet(clips.frames, clips.labels, ends, geometry)
            forecasts[name] = forecast(run.model, run.config.train.mode, some)
        else:
            forecasts[name] = forecast(run.model, run.config.train.mode, clips)[at]
            print(drift(name, clips, run))
    print(f"{len(ends)} frames of {TEST_MINUTES} unseen minutes, {labels.mean():.1%} bursts")
    print("| forecast | ROC-AUC (95 %) | Brier skill (95 %) |\n|---|---|---|")
    for name, p in forecasts.items():
        print(f"| {name} | {interval(roc_auc, labels, p)} | {interval(brier_skill, labels, p)} |")


def drift(name: str, clips: ClipSet, run: Run) -> str:
    """AUC of the last ten minutes, with the state carried all along, and begun just before."""
    p = forecast(run.model, run.config.train.mode, clips)
    last = clips.ends[-1] - 10 * 60 * FPS
    tail = replace(clips, ends=clips.ends[clips.ends > last])
    fresh = forecast(run.model, run.config.train.mode, tail)[::STRIDE]
    labels = clips.labels[clips.ends]
    ten = slice(0, 10 * 60 * FPS, STRIDE)
    late = slice(-len(tail.ends), None, STRIDE)
    return (
        f"{name}, state carried on for {len(clips.frames) / FPS / 60:.0f} minutes: first ten "
        f"{interval(roc_auc, labels[ten], p[ten])}, last ten "
        f"{interval(roc_auc, labels[late], p[late])}, the same begun anew "
        f"{interval(roc_auc, labels[late], fresh)}"
    )


if __name__ == "__main__":
    main()
