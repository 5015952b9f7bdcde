"""Frames that are missing, there twice, or at another rate than the header says."""

import numpy as np
from numpy.typing import NDArray

from fishrt.footage.finding import Finding, FindingKind
from fishrt.footage.measured import SourceFootage

MAX_RATE_ERROR = 0.02
# A video's rate is variable where for this share of the time, and for so many seconds, it is
# another one by more than that. One that only loses pictures keeps its rate between the losses.
MAX_RATE_CHANGE = 0.15
MIN_VARIABLE_SHARE, MIN_VARIABLE_SECONDS = 0.02, 2.0
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
    variable = _check_variable(footage)
    # of a variable rate the header has only the mean, which is nobody's rate
    return variable or [*_check_header(footage), *_check_refitted(footage)]


def _check_variable(footage: SourceFootage) -> list[Finding]:
    if not footage.seconds_at:
        return []
    usual, _ = max(footage.seconds_at, key=lambda rate: rate[1])
    others = [
        (rate, seconds)
        for rate, seconds in footage.seconds_at
        if not 1 / (1 + MAX_RATE_CHANGE) < rate / usual < 1 + MAX_RATE_CHANGE
    ]
    changed = sum(seconds for _, seconds in others)
    share = changed / sum(seconds for _, seconds in footage.seconds_at)
    if share < MIN_VARIABLE_SHARE or changed < MIN_VARIABLE_SECONDS:
        return []
    low, high = min(others)[0], max(others)[0]
    rates = f"{low:.3g}" if high - low < MAX_RATE_CHANGE * low else f"{low:.3g} to {high:.3g}"
    costs = ""
    if footage.repeated:
        costs = f" So {footage.repeated} frames are the one before once more."
    if footage.lost:
        costs += " Where it is much slower than on the whole, each picture counts as a gap."
    return [
        _finding(
            FindingKind.VARIABLE_RATE,
            footage,
            f"Its rate is variable: mostly {usual:.3g} frames/s, but {rates} for {share:.0%} of "
            f"the time.{costs} Film at a constant rate (more light, a fixed exposure time), or cut "
            "the video where its rate changes and give the parts one after another. --source-fps "
            "would stretch its times.",
            usual_fps=usual,
            lowest_fps=low,
            highest_fps=high,
            share=share,
        )
    ]


def _check_header(footage: SourceFootage) -> list[Finding]:
    # what the user gave holds; only a live stream can come at another rate then
    told, declared = footage.told_fps, footage.told_fps or footage.declared_fps
    measured = footage.measured_fps
    if not declared or not measured or abs(measured / declared - 1) <= MAX_RATE_ERROR:
        return []
    says, cure = "The header", f"if the header is right, say so with --source-fps {declared:g}"
    if told:
        says, cure = "--source-fps", "leave it out, or correct it"
    return [
        _finding(
            FindingKind.FPS,
            footage,
            f"{says} says {declared:g} frames/s but the pictures come at {measured:.2f}. The "
            f"pictures' own times were used; {cure}.",
            declared_fps=declared,
            measured_fps=measured,
        )
    ]


def _check_refitted(footage: SourceFootage) -> list[Finding]:
    if footage.repeated + footage.surplus <= MAX_REFITTED * _length(footage):
        return []
    told, declared = footage.told_fps, footage.declared_fps
    rate = told or footage.measured_fps or declared or footage.fps
    says = ""
    if told and declared and abs(told / declared - 1) > MAX_RATE_ERROR:
        says = f" (by --source-fps; its header says {declared:.4g})"
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
            f"The source has {rate:.4g} frames/s{says} and the model {footage.fps:g}, so {how}. "
            f"Film at {footage.fps:g} frames/s, or set clip.fps to the rate of your camera.",
            source_fps=rate,
            repeated=footage.repeated,
            surplus=footage.surplus,
        )
    ]


def _check_lost(footage: SourceFootage) -> list[Finding]:
    findings = []
    gaps = len(footage.segments) - 1
    cure = "Record to a faster disk, or at a lower rate or size."
    if _check_variable(footage):
        cure = "The variable rate makes most of these, or all."
    if footage.lost:
        findings.append(
            _finding(
                FindingKind.LOST_FRAMES,
                footage,
                f"{footage.lost} frames are missing in {gaps} places; no clip crosses them, so "
                f"each costs several seconds of examples. {cure}",
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
    why = footage.ended_early
    if why is None:
        return []
    first = why.split(" ", 1)[0]
    if first.isalpha() and not why.startswith(footage.name):  # a word, not the name of a file
        why = why[:1].upper() + why[1:]
    return [
        _finding(
            FindingKind.ENDED_EARLY,
            footage,
            f"{why} What was read before is in the recording.",
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
