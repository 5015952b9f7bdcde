"""False peaks of the motion energy that come at a fixed beat: codec keyframes.

The beat is one of pictures. Frames that are the one before once more are left out, or it would
drift wherever a source is slower than the model. Of a faster one some pictures are left out, and
the beat moves on by a frame now and then (59.94 frames/s: once in 1000 frames), so the phase is
followed block by block.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fishrt.footage.real_changes import CHUNK, RealChanges
from fishrt.stored_array import Entries

MIN_PERIOD = 5  # lamp flicker at 30 frames/s can repeat every 3 frames; encoders do not
MAX_PERIOD = 600
MIN_PERIODS = 6  # a beat that was seen less often is none
# Encoders put a keyframe a frame early or late: those of the school video are 48 or 49 of 50.
TOLERANCE = 1
# A peak stands so far above the largest of its neighbours. On the school video the keyframes that
# show are 1.5 to 1.9 times that; of the published motion energies 0.07 % are (training part).
PEAK_RATIO = 1.3
# Share of the peaks that lie on the beat, and of the beats that are peaks. Measured: school video
# 1.0 and 0.41.
MIN_SHARE_OF_PEAKS, MIN_SHARE_OF_BEATS = 0.6, 0.3
# How unlikely it is by chance, in nats, on top of the number of beats that are tried. Measured:
# school video 10.3; the largest without keyframes is -4 (published training motion).
MIN_EVIDENCE = 7.0
# The same for the phase in one stretch, once the period is known.
MIN_STRETCH_EVIDENCE = 3.0
# When peaks on the beat are mended, smaller ones are, too.
MENDED_RATIO = 1.1
# Changes that are looked at; more tell nothing new (an hour and more at 30 frames/s).
MAX_ENTRIES = 8 * CHUNK
# From one block to the next the phase stays, or moves on by one; logarithms of how likely.
BLOCK = 512
GROUP = 8
STAYS, MOVES = math.log(0.98), math.log(0.01)


@dataclass(frozen=True)
class PeriodicPeaks:
    """Real changes with k % period == phase (give or take one) stand out.

    Attributes:
        period: In pictures.
        phase: 0 .. period - 1, where the search began; k is counted from the source's first change.
        evidence: Logarithm of how unlikely it is by chance, in nats.
        share: Share of these changes that are peaks, 0 .. 1.
    """

    period: int
    phase: int
    evidence: float
    share: float


@dataclass(frozen=True)
class FollowedBeat:
    """Where the peaks of one source are.

    Attributes:
        period: In pictures.
        phase: In the first stretch that has one, counted from the source's first change.
        phases: For each stretch the phase in every block of it, counted from its own first change,
            int16 `(blocks,)`; None where the peaks are too few to tell.
    """

    period: int
    phase: int
    phases: tuple[NDArray[np.int16] | None, ...]

    @property
    def missed(self) -> int:
        """Stretches in which the beat could not be followed."""
        return sum(phases is None for phases in self.phases)


def find_periodic_peaks(changes: RealChanges) -> PeriodicPeaks | None:
    """Looks for single peaks at a fixed period in the longest stretch without lost time.

    For every period, how many of the peaks lie on the beat is compared with chance by Chernoff's
    bound of the binomial distribution.

    Args:
        changes: The motion energy of the source.

    Returns:
        The beat that is least likely by chance, or None if none stands out.
    """
    segment = _longest(changes)
    found, length = [np.zeros(0, np.int64)], 0
    for chunk in changes.chunks(segment):
        found.append(length + np.flatnonzero(chunk.ratio >= PEAK_RATIO))
        length += len(chunk.at)
        if length >= MAX_ENTRIES:
            break
    at = np.concatenate(found)
    periods = _periods(length)
    candidates = (_on_beat(at, period, length) for period in periods)
    best = max(filter(None, candidates), key=lambda peaks: peaks.evidence, default=None)
    if best is None or best.evidence - math.log(sum(periods)) < MIN_EVIDENCE:
        return None
    phase = (best.phase + changes.rank(segment[0])) % best.period
    return PeriodicPeaks(best.period, phase, best.evidence, min(best.share, 1.0))


def known_periods(changes: RealChanges) -> range:
    """The periods for which a source is long enough; empty if it is for none."""
    first, stop = _longest(changes)
    return _periods(min(changes.rank(max(stop - 1, first)) - changes.rank(first), MAX_ENTRIES))


def _longest(changes: RealChanges) -> tuple[int, int]:
    return max(changes.segments, key=lambda part: part[1] - part[0], default=(0, 0))


def _periods(length: int) -> range:
    return range(MIN_PERIOD, min(MAX_PERIOD, length // MIN_PERIODS) + 1)


def _on_beat(at: NDArray[np.int64], period: int, length: int) -> PeriodicPeaks | None:
    """The phase of a period on which most peaks lie, or None if too few do on any."""
    needed = max(MIN_SHARE_OF_PEAKS * len(at), MIN_SHARE_OF_BEATS * length / period, 1)
    # bounds, each cheaper than what follows, rule out most periods; within a group of blocks the
    # phase is at most half of them away from that in its middle
    if len(at) < needed:
        return None
    groups = _wide(_hits(at, period, length, GROUP * BLOCK), TOLERANCE + GROUP // 2)
    if groups.max(axis=1).sum(dtype=np.int64) < needed:
        return None
    hits = _hits(at, period, length)
    wide = _wide(hits)
    if wide.max(axis=1).sum(dtype=np.int64) < needed:
        return None
    path = _follow(hits, wide, None)
    count = int(wide[np.arange(len(path)), path].sum(dtype=np.int64))
    if count < needed:
        return None
    evidence = _evidence(count, len(at), _chance(period)) + _likelihood(path)
    return PeriodicPeaks(period, int(path[0]), evidence, count * period / length)


def _chance(period: int) -> float:
    return (2 * TOLERANCE + 1) / period


def _hits(at: NDArray[np.int64], period: int, length: int, block: int = BLOCK) -> NDArray[np.int16]:
    """How many peaks of each block have each phase, `(blocks, period)`."""
    blocks = -(-length // block)
    cells = at // block * period + at % period
    counts = np.bincount(cells, minlength=blocks * period)
    return counts.astype(np.int16).reshape(blocks, period)


def _wide(hits: NDArray[np.int16], reach: int = TOLERANCE) -> NDArray[np.int16]:
    """The same, give or take as many phases as they reach."""
    period = hits.shape[1]
    around = np.concatenate([hits[:, -reach:], hits, hits[:, :reach]], axis=1)
    wide = around[:, :period].copy()
    for shift in range(1, 2 * reach + 1):
        wide += around[:, shift : shift + period]
    return wide


def _follow(
    hits: NDArray[np.int16], wide: NDArray[np.int16], before: int | None
) -> NDArray[np.int16]:
    """The likeliest phase in every block (Viterbi, 1967).

    Args:
        hits: Peaks of each block on each phase.
        wide: The same, give or take one.
        before: Phase in the block before the first one, if there is one.
    """
    blocks, period = hits.shape
    # of phases with as many hits, the one that most lie on exactly
    gain = -math.log(_chance(period)) * wide + 1e-3 * hits
    came_from = np.zeros((blocks, period), np.int8)
    score = np.zeros(period)
    if before is not None:
        score = np.full(period, -np.inf)
        score[before] = 0.0
    for k in range(blocks):
        if k or before is not None:
            ways = np.stack([np.roll(score, 1) + MOVES, score + STAYS, np.roll(score, -1) + MOVES])
            came_from[k] = np.argmax(ways, axis=0) - 1
            score = ways.max(axis=0)
        score = score + gain[k]
    path = np.zeros(blocks, np.int16)
    phase = int(np.argmax(score))
    for k in reversed(range(blocks)):
        path[k] = phase
        phase = (phase + int(came_from[k, phase])) % period
    return path


def _likelihood(path: NDArray[np.int16]) -> float:
    """Logarithm of how likely the moves of a path are, its first phase given."""
    moves = np.count_nonzero(np.diff(path))
    return MOVES * moves + STAYS * (max(len(path) - 1, 0) - moves)


def _evidence(count: int, total: int, chance: float) -> float:
    """-log of Chernoff's bound on P(at least `count` of `total`), in nats; 0 if expected."""
    if not total or count <= chance * total or chance >= 1:
        return 0.0
    share = count / total
    rest = (1 - share) * math.log((1 - share) / (1 - chance)) if share < 1 else 0.0
    return total * (share * math.log(share / chance) + rest)


def follow_beat(changes: RealChanges, period: int) -> FollowedBeat:
    """Finds the phase of a known period in every stretch, and follows it to its end.

    Args:
        changes: The motion energy of the source.
        period: Pictures from one keyframe to the next.
    """
    phases = tuple(_phases(changes, segment, period) for segment in changes.segments)
    known = (
        (int(own[0]) + changes.rank(first)) % period
        for own, (first, _) in zip(phases, changes.segments, strict=True)
        if own is not None
    )
    return FollowedBeat(period, next(known, 0), phases)


def _phases(
    changes: RealChanges, segment: tuple[int, int], period: int
) -> NDArray[np.int16] | None:
    paths: list[NDArray[np.int16]] = []
    count = total = start = 0
    for chunk in changes.chunks(segment):
        at = np.flatnonzero(chunk.ratio >= PEAK_RATIO)
        # a chunk is of whole blocks, so only the phase has to be moved
        hits = np.roll(_hits(at, period, len(chunk.at)), start % period, axis=1)
        wide = _wide(hits)
        paths.append(_follow(hits, wide, int(paths[-1][-1]) if paths else None))
        count += int(wide[np.arange(len(wide)), paths[-1]].sum(dtype=np.int64))
        total += len(at)
        start += len(chunk.at)
    if not paths:
        return None
    path = np.concatenate(paths)
    evidence = _evidence(count, total, _chance(period)) + _likelihood(path) - math.log(period)
    return path if evidence >= MIN_STRETCH_EVIDENCE else None


def interpolated_peaks(
    changes: RealChanges, beat: FollowedBeat
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """The peaks on a beat, and what lies between the real changes before and after each.

    Args:
        changes: The motion energy of the source.
        beat: Where its peaks are.

    Yields:
        Entries of the motion energy, ascending, and what is to stand there, `(N,)` each.
    """
    for segment, phases in zip(changes.segments, beat.phases, strict=True):
        if phases is None:
            continue
        start = 0
        for chunk in changes.chunks(segment):
            peaks = np.flatnonzero(chunk.ratio >= MENDED_RATIO)
            phase = phases[(start + peaks) // BLOCK]
            away = (start + peaks - phase + TOLERANCE) % beat.period
            peaks = peaks[away <= 2 * TOLERANCE]
            yield chunk.at[peaks], chunk.between[peaks]
            start += len(chunk.at)


def without_peaks(
    changes: RealChanges, beat: FollowedBeat | None, energy: Entries, size: int
) -> Iterator[NDArray[np.float64]]:
    """Motion energy with the peaks on a beat interpolated, block by block.

    Args:
        changes: The motion energy of the source.
        beat: Where its peaks are; None to leave it as it is.
        energy: The same, or more behind it, which is copied.
        size: Entries in a block.
    """
    mends = interpolated_peaks(changes, beat) if beat else iter(())
    at, value = np.zeros(0, np.int64), np.zeros(0)
    for start in range(0, len(energy), size):
        block = np.array(energy[start : start + size], np.float64)
        stop = start + len(block)
        while not len(at) or at[-1] < stop:
            if (more := next(mends, None)) is None:
                break
            at, value = np.concatenate([at, more[0]]), np.concatenate([value, more[1]])
        here = np.searchsorted(at, stop)
        block[at[:here] - start] = value[:here]
        at, value = at[here:], value[here:]
        yield block
