"""Frames that are missing, there twice, or at another rate than the header says."""

import numpy as np
from numpy.typing import NDArray

from fishrt.footage.finding import Finding, FindingKind
from fishrt.footage.measured import SourceFootage

MAX_RATE_ERROR = 0.02
# Share of frames that may be repeated or left out to fit the model's rate: 30 against 29.97 is
# 0.001.
MAX_REFITTED = 0.005
# A frame is the one before once more if it moves this much less than both its neighbours.
DUPLICATE_RATIO = 0.02
MIN_DUPLICATES = 3
MAX_ENTRIES = 1 << 17
# Share of the distances between duplicates that are the same where they come at a beat.
MIN_BEAT_SHARE = 0.6


def check_timing(footage: SourceFootage, clip_frames: int, horizon: int) -> list[Finding]:
    """Everything about time: rate, lost and damaged pictures, early end, length.

    Args:
        footage: What was measured.
        clip_frames: Frames in a clip.
        horizon: Frames that the label looks ahead.
    """
    return [
        *_check_rate(footage),
        *_check_lost(footage),
        *_check_duplicates(footage),
        *_check_end(footage),
        *_check_length(footage, clip_frames + horizon + 1),
    ]


def _finding(kind: FindingKind, footage: SourceFootage, sentence: str, **values: float) -> Finding:
    return Finding(kind=kind, source=footage.name, sentence=sentence, values=values)


def _check_rate(footage: SourceFootage) -> list[Finding]:
    declared, measured, frames = footage.declared_fps, footage.measured_fps, _length(footage)
    if declared and measured and abs(measured / declared - 1) > MAX_RATE_ERROR:
        return [
            _finding(
                FindingKind.FPS,
                footage,
                f"The header says {declared:g} frames/s but the pictures come at {measured:.2f}. "
                "The pictures' own times were used; if the header is right, say so with "
                f"--source-fps {declared:g}.",
                declared_fps=declared,
                measured_fps=measured,
            )
        ]
    refitted = footage.repeated + footage.surplus
    if frames and refitted > MAX_REFITTED * frames:
        rate = measured or declared or footage.fps
        if footage.repeated >= footage.surplus:
            how = (
                f"{footage.repeated} frames are the one before once more (labels take the change "
                "before them to go on)"
            )
        else:
            how = f"{footage.surplus} pictures were left out"
        return [
            _finding(
                FindingKind.FPS,
                footage,
                f"The source has {rate:.4g} frames/s and the model {footage.fps:g}, so {how}. Film "
                f"at {footage.fps:g} frames/s, or set clip.fps to the rate of your camera.",
                source_fps=rate,
                repeated=footage.repeated,
                surplus=footage.surplus,
            )
        ]
    return []


def _check_lost(footage: SourceFootage) -> list[Finding]:
    findings = []
    gaps = len(footage.segments) - 1
    if footage.lost:
        findings.append(
            _finding(
                FindingKind.LOST_FRAMES,
                footage,
                f"{footage.lost} frames are missing in {gaps} places; no clip crosses them, so "
                "each costs several seconds of examples. Record to a faster disk, or at a lower "
                "rate or size.",
                lost=footage.lost,
                gaps=gaps,
            )
        )
    if footage.damaged:
        findings.append(
            _finding(
                FindingKind.DAMAGED,
                footage,
                f"{footage.damaged} pictures are damaged, cannot be read, or have another size "
                "and were left out, their time counts as lost. Copy them again from where they "
                "were recorded.",
                damaged=footage.damaged,
            )
        )
    return findings


def _check_duplicates(footage: SourceFootage) -> list[Finding]:
    first, stop = footage.longest
    energy = np.array(footage.motion_energy[first : min(stop - 1, first + MAX_ENTRIES)])
    at = find_duplicates(energy)
    # what was repeated here to fit the rate is told by `_check_rate`
    if len(at) < MIN_DUPLICATES or footage.repeated >= len(at):
        return []
    distances, counts = np.unique(np.diff(at), return_counts=True)
    beat = int(distances[np.argmax(counts)])
    regular = counts.max() >= MIN_BEAT_SHARE * counts.sum()
    how = f", one in every {beat}" if regular else ""
    native = footage.fps * (beat - 1) / beat if regular and beat > 1 else footage.fps
    cure = (
        f"it was probably filmed at {native:.3g} frames/s and converted; give the original"
        if regular
        else "the camera or the recorder could not keep up; give the original, or lower its load"
    )
    return [
        _finding(
            FindingKind.DUPLICATES,
            footage,
            f"{len(at)} frames are the same as the one before{how}, so motion is false there: "
            f"{cure}.",
            duplicates=len(at),
            beat=beat if regular else 0,
        )
    ]


def find_duplicates(energy: NDArray[np.float64]) -> NDArray[np.int64]:
    """Entries at which nothing moved although there was motion just before and just after.

    Args:
        energy: Motion energy, float64 `(T - 1,)`.

    Returns:
        int64 `(N,)`, ascending.
    """
    if len(energy) < 3:
        return np.zeros(0, np.int64)
    around = np.minimum(energy[:-2], energy[2:])
    return np.flatnonzero((energy[1:-1] <= DUPLICATE_RATIO * around) & (around > 0)) + 1


def _check_end(footage: SourceFootage) -> list[Finding]:
    if footage.ended_early is None:
        return []
    return [
        _finding(
            FindingKind.ENDED_EARLY,
            footage,
            f"{footage.ended_early[:1].upper()}{footage.ended_early[1:]} What was read before is "
            "in the recording.",
            frames=_length(footage),
        )
    ]


def _check_length(footage: SourceFootage, needed: int) -> list[Finding]:
    first, stop = footage.longest
    if stop - first >= needed:
        return []
    return [
        _finding(
            FindingKind.SHORT,
            footage,
            f"Its longest stretch has {stop - first} frames, but a labelled clip needs {needed}; "
            "it gives no example. Record longer without a break.",
            longest=stop - first,
            needed=needed,
        )
    ]


def _length(footage: SourceFootage) -> int:
    return len(footage.brightness)
