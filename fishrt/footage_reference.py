"""The reference: what the training footage looked like, as numbers that travel with a model."""

from collections.abc import Callable, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from fishrt.look import GRID, Look, light_elsewhere, mean_look
from fishrt.motion_baselines import FittedBaseline

SHORT_BLOCKS, LONG_BLOCKS = 6, 18
"""A minute tells brightness and motion; where the animals are takes three to even out.

Measured on five simulated tanks, the largest `light_elsewhere` of an unchanged tank against another
one: 0.20 over one minute, 0.13 over three; of a tank that is shifted by a tenth of the width the
smallest: 0.20 and 0.21."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class UsualRange(_Section):
    """The lowest, middle and highest value over all minutes of the footage."""

    low: float
    middle: float
    high: float


class FootageReference(_Section):
    """What footage looked like; see `fishrt.look.Look`.

    Attributes:
        minutes: How much of it was looked at.
        brightness: In grey levels.
        contrast: In grey levels.
        background: In grey levels.
        motion_energy: As a share of full scale.
        layout: Share of the light in each of 6 x 8 cells, row by row.
        elsewhere: The largest share of light that lay elsewhere in any three minutes of it.
        baseline: A motion baseline that was fitted to it, or None.
    """

    minutes: float = Field(gt=0)
    brightness: UsualRange
    contrast: UsualRange
    background: UsualRange
    motion_energy: UsualRange
    layout: tuple[float, ...] = Field(min_length=GRID[0] * GRID[1], max_length=GRID[0] * GRID[1])
    elsewhere: float = Field(ge=0, le=1)
    baseline: FittedBaseline | None = None


def make_reference(
    parts: Sequence[Sequence[Look]], minutes: float, baseline: FittedBaseline | None = None
) -> FootageReference | None:
    """Sums up looks.

    Args:
        parts: Looks of ten seconds each, in a row within each part.
        minutes: How much footage that is.
        baseline: See `FootageReference`.

    Returns:
        The reference, or None where there is no look at all.
    """
    parts = [part for part in parts if part]
    if not parts:
        return None
    short = [look for part in parts for look in _windows(part, SHORT_BLOCKS)]
    usual = mean_look([look for part in parts for look in part]).layout
    long = [look for part in parts for look in _windows(part, LONG_BLOCKS)]
    elsewhere = max(light_elsewhere(look.layout, usual) for look in long)

    def over(value: Callable[[Look], float]) -> UsualRange:
        values = [value(look) for look in short]
        low, middle, high = (_short(v) for v in np.quantile(values, [0.0, 0.5, 1.0]))
        return UsualRange(low=low, middle=middle, high=high)

    return FootageReference(
        minutes=_short(minutes),
        brightness=over(lambda look: look.brightness),
        contrast=over(lambda look: look.contrast),
        background=over(lambda look: look.background),
        motion_energy=over(lambda look: look.motion_energy),
        layout=tuple(_short(share) for share in usual),
        elsewhere=_short(elsewhere),
        baseline=baseline,
    )


def _windows(looks: Sequence[Look], length: int) -> list[Look]:
    """Means over windows of so many looks in a row; over all where there are fewer."""
    length = min(length, len(looks))
    return [mean_look(looks[at : at + length]) for at in range(len(looks) - length + 1)]


def _short(value: float) -> float:
    """Six digits: more say nothing, and a person may read them."""
    return float(f"{value:.6g}")
