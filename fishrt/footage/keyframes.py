"""False peaks of the motion energy that come at a fixed beat: codec keyframes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fishrt.stored_array import Entries

MIN_PERIOD = 5  # lamp flicker at 30 frames/s can repeat every 3 frames; encoders do not
MAX_PERIOD = 600
MIN_PERIODS = 6  # a beat that was seen less often is none
# Encoders put a keyframe a frame early or late: those of the school video are 48 or 49 of 50.
TOLERANCE = 1
# A peak stands so far above the largest of its neighbours. On the school video the keyframes that
# show are 1.5 to 1.9 times that; of the published motion energies 0.07 % are (training part).
PEAK_RATIO = 1.3
NEIGHBOURS = 3
# Share of the peaks that lie on the beat, and of the beats that are peaks. Measured: school video
# 1.0 and 0.41.
MIN_SHARE_OF_PEAKS, MIN_SHARE_OF_BEATS = 0.6, 0.3
# How unlikely it is by chance, in nats, on top of the number of beats that are tried. Measured:
# school video 10.3; the largest without keyframes is -4 (published training motion).
MIN_EVIDENCE = 7.0
# When peaks on the beat are mended, smaller ones are, too.
MENDED_RATIO = 1.1
# Entries that are looked at; more tell nothing new (an hour and more at 30 frames/s).
MAX_ENTRIES = 1 << 17


@dataclass(frozen=True)
class PeriodicPeaks:
    """Entries t of the motion energy with t % period == phase (give or take one) stand out.

    Attributes:
        period: In frames.
        phase: 0 .. period - 1.
        evidence: Logarithm of how unlikely it is by chance, in nats.
        share: Share of these entries that are peaks, 0 .. 1.
    """

    period: int
    phase: int
    evidence: float
    share: float


def find_periodic_peaks(
    energy: Entries, segments: Sequence[tuple[int, int]] | None = None
) -> PeriodicPeaks | None:
    """Looks for single-entry peaks at a fixed period and phase.

    For every period and phase, how many of the peaks lie on the beat is compared with chance
    by Chernoff's bound of the binomial distribution.

    Args:
        energy: Motion energy, float64 `(T - 1,)`.
        segments: Frames `[first, stop)` without lost time; the longest one is looked at.

    Returns:
        The beat that is least likely by chance, or None if none stands out.
    """
    first, stop = (0, len(energy) + 1)
    if segments:
        first, stop = max(segments, key=lambda segment: segment[1] - segment[0])
    part = np.array(energy[first : min(stop - 1, first + MAX_ENTRIES)], np.float64)
    at = np.flatnonzero(peak_ratio(part) >= PEAK_RATIO)
    periods = range(MIN_PERIOD, min(MAX_PERIOD, len(part) // MIN_PERIODS) + 1)
    best = max(
        (_on_beat(at, period, len(part)) for period in periods),
        key=lambda peaks: peaks.evidence,
        default=None,
    )
    if best is None or best.evidence - math.log(sum(periods)) < MIN_EVIDENCE:
        return None
    on_beat = best.share * len(part) / best.period
    if best.share < MIN_SHARE_OF_BEATS or on_beat < MIN_SHARE_OF_PEAKS * len(at):
        return None
    phase = (best.phase + first) % best.period
    return PeriodicPeaks(best.period, phase, best.evidence, min(best.share, 1.0))


def _on_beat(at: NDArray[np.int64], period: int, length: int) -> PeriodicPeaks:
    """The phase of a period on which most peaks lie."""
    hits = np.bincount(at % period, minlength=period)
    shifts = range(-TOLERANCE, TOLERANCE + 1)
    wide = np.sum([np.roll(hits, shift) for shift in shifts], axis=0)
    # of phases with as many hits, the one that most lie on exactly
    phase = int(np.argmax(wide * (len(at) + 1) + hits))
    count = int(wide[phase])
    chance = min((2 * TOLERANCE + 1) / period, 1.0)
    return PeriodicPeaks(
        period, phase, _evidence(count, len(at), chance), count * period / max(length, 1)
    )


def _evidence(count: int, total: int, chance: float) -> float:
    """-log of Chernoff's bound on P(at least `count` of `total`), in nats; 0 if expected."""
    if not total or count <= chance * total or chance >= 1:
        return 0.0
    share = count / total
    rest = (1 - share) * math.log((1 - share) / (1 - chance)) if share < 1 else 0.0
    return total * (share * math.log(share / chance) + rest)


def peak_ratio(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each entry stands above the largest of the three before and the three after it.

    Args:
        energy: float64 `(N,)`.

    Returns:
        float64 `(N,)`; 0 for the three at either end, and where all is still.
    """
    length = len(energy)
    padded = np.pad(energy, NEIGHBOURS, constant_values=np.inf)
    shifts = [k for k in range(2 * NEIGHBOURS + 1) if k != NEIGHBOURS]
    around = np.max([padded[k : k + length] for k in shifts], axis=0, initial=0.0)
    # a still neighbourhood with one movement in it is no encoder's doing
    usable = (around > 0) & np.isfinite(around)
    ratio: NDArray[np.float64] = np.divide(energy, around, out=np.zeros(length), where=usable)
    return ratio


def interpolate_peaks(
    energy: Entries,
    period: int,
    phase: int,
    start: int = 0,
    stop: int | None = None,
) -> NDArray[np.float64]:
    """Motion energy with the peaks on a beat interpolated between their neighbours.

    Args:
        energy: float64 `(T - 1,)`, of which the wanted block is read.
        period: Period of the peaks in frames.
        phase: Where they are: t % period == phase, give or take one.
        start: First entry wanted.
        stop: Entry after the last one wanted; None for the end.

    Returns:
        float64 `(stop - start,)`.
    """
    stop = len(energy) if stop is None else stop
    low, high = max(start - NEIGHBOURS - 1, 0), min(stop + NEIGHBOURS + 1, len(energy))
    near = np.array(energy[low:high], np.float64)
    ratio = peak_ratio(near)
    index = np.arange(low, high)
    distance = (index - phase + TOLERANCE) % period
    mended = near.copy()
    for t in np.flatnonzero((distance <= 2 * TOLERANCE) & (ratio >= MENDED_RATIO)):
        mended[t] = (near[t - 1] + near[t + 1]) / 2
    return mended[start - low : stop - low]
