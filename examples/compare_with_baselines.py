"""Is the network worth its trouble? Score it beside what is simpler, on footage it did not see.

    python examples/compare_with_baselines.py [--folder example-output]

Needs the recording and the run that train_on_simulated_footage.py leaves. With so little footage
the answer is that nobody can tell; `fishrt evaluate` says the same, with pictures.
"""

import argparse
from pathlib import Path

from fishrt.recording import Split, load_recording
from training.evaluation import run_candidate
from training.run import load_run
from training.scoring.evaluate import Wanted, evaluate
from training.scoring.rivals import QUICK, TITLES
from training.scoring.verdict import verdict


def main(folder: Path) -> None:
    """Scores, and prints a line for every forecast."""
    recording = load_recording(folder / "recording")
    run = load_run(folder / "run")
    result = evaluate(
        run_candidate(run), recording, Split.TEST, recording, Wanted(every=2, rivals=QUICK)
    )
    print(
        f"{len(result.frames.labels)} forecasts, a burst ahead at {result.frames.labels.mean():.0%}"
    )
    for name, scored in result.forecasts.items():
        scores = scored.scores
        print(
            f"{TITLES[name]:32} ROC-AUC {scores.roc_auc:.3f}  Brier skill {scores.brier_skill:+.3f}"
        )
    print(*verdict(result), sep="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("example-output"))
    main(parser.parse_args().folder)
