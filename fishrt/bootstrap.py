"""How sure a score is: 95 % intervals by drawing whole blocks of frames."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FEWEST_BLOCKS = 10
"""Fewer blocks than this say nothing about the spread of a score."""


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class WeightedScore(Protocol):
    """A score of `fishrt.metrics`: of labels and forecasts, each frame with a weight."""

    def __call__(
        self,
        labels: NDArray[np.generic],
        forecasts: NDArray[np.generic],
        weights: NDArray[np.float64] | None = None,
        /,
    ) -> float:
        """The score; without weights every frame counts once."""
        ...


def block_bootstrap(
    score: WeightedScore,
    labels: NDArray[np.generic],
    forecasts: NDArray[np.generic],
    *,
    block: int,
    rounds: int = 300,
    seed: int = 0,
) -> Interval:
    """95 % interval of a score, drawing whole blocks because frames are not independent.

    The percentile interval of the moving-block bootstrap (Kunsch 1989,
    https://doi.org/10.1214/aos/1176347265). A frame that is drawn three times has weight 3, so
    that nothing need be sorted anew in every round.

    Args:
        score: Takes labels, forecasts and weights.
        labels: `(N,)`, in time order.
        forecasts: `(N,)` in time order, or `(N, ...)` where the score compares forecasts.
        block: Length of a block in entries; several times the label's horizon.
        rounds: How often to draw.
        seed: Makes the draw repeatable; scores of equal length see the same draws.

    Returns:
        The score of all entries, with the 2.5 % and 97.5 % quantiles of the drawn scores; NaN for
        both where there are fewer than `FEWEST_BLOCKS` blocks, too few to tell a spread.
    """
    count = len(labels)
    value = score(labels, forecasts)
    if count < FEWEST_BLOCKS * block:
        return Interval(value, float("nan"), float("nan"))
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(rounds):
        starts = generator.integers(0, count - block + 1, size=-(-count // block))
        index = (starts[:, None] + np.arange(block)).ravel()[:count]
        weights = np.bincount(index, minlength=count).astype(np.float64)
        drawn.append(score(labels, forecasts, weights))
    if np.isnan(drawn).all():
        return Interval(value, float("nan"), float("nan"))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Interval(value, float(low), float(high))
