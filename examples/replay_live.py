"""Replay footage through the live forecaster, frame by frame, and score it as labels come true.

    python examples/replay_live.py [--folder example-output] [--bundle example-output/bundle]

Needs the recording that train_on_simulated_footage.py leaves, and a bundle for its frames. Nothing
here knows the future: each frame goes in, a forecast comes out, and 1.5 s later the label says
whether it was right.
"""

import argparse
from pathlib import Path

import numpy as np

from fishrt.bundle import load_bundle
from fishrt.metrics import Scorer
from fishrt.motion import frame_change
from fishrt.online_labels import LabelledLater
from fishrt.recording import load_recording
from realtime.modes import open_forecaster


def main(folder: Path, bundle_folder: Path) -> None:
    """Replays, draws the probability as a line of text every second, and scores."""
    recording = load_recording(folder / "recording")
    bundle = load_bundle(bundle_folder)
    config = bundle.metadata.config
    forecaster = open_forecaster(bundle, config.train.mode, every=1)
    waiting, scorer = LabelledLater[float | None](config.label.rule), Scorer()

    before = None
    for index, frame in enumerate(recording.frames):
        said = forecaster.push(frame)
        change = None if before is None else frame_change(before, frame)
        label, said_then = waiting.push(change, said.probability) or (0, None)
        if said_then is not None:  # 1.5 s ago, and now its label is known
            scorer.accumulate(np.array([label]), np.array([said_then]))
        before = frame
        if index % round(10 * config.clip.fps) == 0:
            bar = said.reason or "#" * round(40 * (said.probability or 0))
            print(f"{index / config.clip.fps:5.0f} s  {bar}")

    scores = scorer.compute()
    if scores is not None:
        print(f"{scores.frames} forecasts came true or did not: ROC-AUC {scores.roc_auc:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("example-output"))
    parser.add_argument("--bundle", type=Path, help="default: FOLDER/bundle")
    given = parser.parse_args()
    main(given.folder, given.bundle or given.folder / "bundle")
