"""How an evaluation is shown."""

import math
from typing import Any

from rich.table import Table

TITLES = {
    "model": "this model",
    "fitted_motion_baseline": "motion, fitted here",
    "published_motion_baseline": "motion, published rule",
}


def evaluation_table(scores: dict[str, Any]) -> Table:
    """The evaluation as a table, with a caption that says who won.

    Args:
        scores: What `training.evaluation.evaluate` gave.

    Returns:
        A table for the terminal.
    """
    gain = scores["roc_auc_gain"]
    verdict = "better than" if scores["beats_motion_baseline"] else "NOT better than"
    if math.isnan(gain["low"]):
        verdict = "too little footage to tell whether it is better than"
    table = Table(
        title=f"{scores['frames']} unseen frames, {scores['burst_share']:.1%} bursts",
        caption=f"{verdict} the best motion baseline: AUC {gain['value']:+.3f} "
        f"{_span(gain, '+.3f')}",
    )
    table.add_column("forecast")
    table.add_column("ROC-AUC (95 %)")
    table.add_column("Brier skill (95 %)")
    for name, title in TITLES.items():
        table.add_row(
            title, _interval(scores[name]["roc_auc"]), _interval(scores[name]["brier_skill"])
        )
    return table


def _interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} {_span(figure, '.3f')}"


def _span(figure: dict[str, float], form: str) -> str:
    if math.isnan(figure["low"]):
        return "(no interval)"
    return f"({figure['low']:{form}} .. {figure['high']:{form}})"
