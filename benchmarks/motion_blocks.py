"""Scores the motion forecaster on blocks of a long motion energy that it did not learn from.

    python -m benchmarks.motion_blocks ../shared/reference/published_targets/train

The folder holds `motion_energy.npy` and `burst_label.npy`, entry t of both for frame t. Each of
five blocks is forecast by a model that learned from the others, with gaps as long as what a
forecast looks at, so that no frame is on both sides.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np

from fishrt.bootstrap import block_bootstrap
from fishrt.config import MOTION_PAST, load_config
from fishrt.metrics import roc_auc
from fishrt.motion_baselines import algorithmic_baseline
from training.fit_motion import fit_members, predict
from training.motion_forecaster import MotionForecaster
from training.soft_labels import soft_labels

BLOCKS = 5
BOOTSTRAP_FRAMES = 600
"""Bootstrap blocks of twenty seconds, as in `training.scoring`."""


def main() -> None:
    """Fits, forecasts and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    energy = np.load(folder / "motion_energy.npy")
    labels = np.load(folder / "burst_label.npy")
    settings = load_config("motion")
    horizon = settings.label.horizon
    targets = soft_labels(energy, settings.label.rule)
    frames = np.arange(MOTION_PAST + 1, len(targets))
    forecasts = np.full(len(energy), np.nan)
    borders = np.linspace(0, len(energy), BLOCKS + 1).astype(int)
    for start, stop in pairwise(borders):
        unseen = frames[(frames >= start) & (frames < stop)]
        known = frames[
            (frames < start - horizon - MOTION_PAST) | (frames >= stop + horizon + MOTION_PAST)
        ]
        model = MotionForecaster(settings.clip, settings.model)
        fit_members(model, energy, targets, known, settings, (1.0, 1.0))
        forecasts[unseen] = predict(model, energy, unseen)
        auc = roc_auc(labels[unseen], forecasts[unseen])
        print(f"frames {start} to {stop}: ROC-AUC {auc:.4f}", flush=True)
    for name, said in (
        ("motion model", forecasts[frames]),
        ("published rule", algorithmic_baseline(energy, frames)),
    ):
        all_blocks = block_bootstrap(roc_auc, labels[frames], said, block=BOOTSTRAP_FRAMES)
        print(f"{name}: {all_blocks.value:.4f} ({all_blocks.low:.4f} .. {all_blocks.high:.4f})")


if __name__ == "__main__":
    main()
