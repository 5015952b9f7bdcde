"""Simulate a tank, and train a small stream forecaster on it.

    python examples/train_on_simulated_footage.py [--minutes 3] [--epochs 3] [--folder FOLDER]

Leaves a recording and a run in the folder. The other examples begin where this one ends.
"""

import argparse
from pathlib import Path

from fishrt.config import load_config
from fishrt.recording import Split, load_recording
from fishrt.simulate import TankSpec
from training.fit import FitOptions, fit
from training.simulated import record_simulation

# small frames, short clips, few filters: enough to see everything work in seconds
SETTINGS = (
    "clip.height=36",
    "clip.width=48",
    "clip.steps=8",
    "model.filters=[4]",
    "model.motion_units=8",
    "train.mode=stream",
    "train.chunk_steps=8",
    "train.batch_size=4",
    "train.class_weights=false",
    "train.learning_rate=0.02",
    "split.train=0.5",
    "split.validation=0.2",
)


def main(minutes: float, epochs: int, folder: Path) -> None:
    """Simulates, trains, and says how it went."""
    config = load_config(None, [*SETTINGS, f"train.epochs={epochs}"])
    frames = round(minutes * 60 * config.clip.fps)
    record_simulation(TankSpec(seed=1), frames, config, folder / "recording")
    recording = load_recording(folder / "recording")
    for split in Split:
        labels = recording.burst_label[recording.labelled_ends(split, config.clip.geometry)]
        print(f"{split}: {len(labels)} labelled frames, a burst is ahead at {labels.mean():.0%}")

    result = fit(recording, config, folder / "run", FitOptions(report=print))
    print(
        f"epoch {result.best_epoch} of {result.epochs} was best, validation loss "
        f"{result.validation_loss:.3f}, {result.clips_per_second:.0f} chunks a second"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=3.0, help="footage to simulate")
    parser.add_argument("--epochs", type=int, default=3, help="passes over it")
    parser.add_argument("--folder", type=Path, default=Path("example-output"))
    given = parser.parse_args()
    main(given.minutes, given.epochs, given.folder)
