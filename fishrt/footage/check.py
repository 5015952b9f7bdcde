"""All checks of the footage, one after another."""

from collections.abc import Sequence

import numpy as np

from fishrt.footage.brightness import (
    BLOCK,
    MIN_STEPS,
    check_exposure,
    check_flicker,
    smooth_steps,
)
from fishrt.footage.finding import Finding, FindingKind
from fishrt.footage.keyframes import PeriodicPeaks, find_periodic_peaks
from fishrt.footage.measured import SourceFootage
from fishrt.footage.shake import MIN_SHIFT, STRIDE
from fishrt.footage.threshold import check_threshold, window_ranges
from fishrt.footage.timing import check_timing
from fishrt.motion import LabelRule
from fishrt.stored_array import Entries

# The response of what is no shake is 0, and of shake 0.4 and more. Recordings made before have that
# of the phase correlation, which counts from here on.
MIN_RESPONSE = 0.3
# The shape of a picture may differ from that of the frame by as much, width to height.
MAX_STRETCH = 1.1
MIN_SHAKEN = 2  # of the pairs that were compared
SHIFT_BLOCK = 1 << 12  # looked at together, so that memory does not grow with the length


def check_footage(
    footage: Sequence[SourceFootage],
    rule: LabelRule,
    clip_frames: int,
    label_energy: Sequence[Entries] | None = None,
    beats: Sequence[PeriodicPeaks | None] | None = None,
) -> tuple[Finding, ...]:
    """Looks for everything that misleads the labels.

    Args:
        footage: What was measured on each source.
        rule: The label rule.
        clip_frames: Frames in a clip.
        label_energy: For each source the motion energy that its labels come from, where that is
            not its own.
        beats: For each source the beat of its codec keyframes; None to look for them.

    Returns:
        The findings, source by source; empty for good footage.
    """
    findings: list[Finding] = []
    if beats is None:
        beats = [find_periodic_peaks(one.changes) for one in footage]
    for one, beat in zip(footage, beats, strict=True):
        findings += check_keyframes(one, beat)
        findings += check_flicker(one, _in_frames(one, beat) if beat else None)
        findings += check_timing(one, clip_frames, rule.horizon)
        findings += check_shake(one)
        findings += check_exposure(one)
        findings += check_shape(one)
        findings += tell_unchecked(one)
    energies = label_energy or [one.motion_energy for one in footage]
    ranges = [
        window_ranges(energy, one.segments, rule.horizon)
        for energy, one in zip(energies, footage, strict=True)
    ]
    if ranges:
        findings += check_threshold(np.concatenate(ranges), rule)
    return tuple(findings)


def check_shape(footage: SourceFootage) -> list[Finding]:
    """Says whether pictures are squeezed into a frame of another shape."""
    if footage.view is None or footage.frame is None:
        return []
    (height, width), (frame_height, frame_width) = footage.view, footage.frame
    sideways = (frame_width / width) / (frame_height / height)
    stretch = max(sideways, 1 / sideways)
    if stretch <= MAX_STRETCH:
        return []
    how = "sideways" if sideways > 1 else "upwards"
    return [
        Finding(
            kind=FindingKind.SQUEEZED,
            source=footage.name,
            sentence=f"The picture is {width}x{height} and the frame {frame_width}x{frame_height}, "
            f"so everything is stretched {how} by {stretch - 1:.0%}, and speeds with it. Set "
            "preprocess.roi to a part of the frame's shape, or clip.height and clip.width to the "
            "picture's shape.",
            values={"sideways": sideways},
        )
    ]


def tell_unchecked(footage: SourceFootage) -> list[Finding]:
    """Says what was not looked for because the footage is too short."""
    first, stop = footage.longest
    missed = []
    if stop - first < BLOCK:
        missed.append(
            f"lamp flicker (that takes {BLOCK} frames in a row, {BLOCK / footage.fps:.3g} s, and "
            f"its longest stretch has {stop - first})"
        )
    if len(footage.brightness) < MIN_SHAKEN * STRIDE:
        missed.append("a moving camera")
    if smooth_steps(footage) < MIN_STEPS:
        missed.append("exposure changes")
    if not missed:
        return []
    return [
        Finding(
            kind=FindingKind.NOT_CHECKED,
            source=footage.name,
            sentence=f"It is too short to look for {', '.join(missed)}. Check longer footage of "
            "the same camera.",
            values={"longest": stop - first, "needed_for_flicker": BLOCK},
        )
    ]


def check_keyframes(footage: SourceFootage, beat: PeriodicPeaks | None) -> list[Finding]:
    """Says what was found at a beat in the motion energy."""
    if beat is None:
        return []
    return [
        Finding(
            kind=FindingKind.KEYFRAMES,
            source=footage.name,
            sentence=f"The motion energy peaks every {beat.period} pictures, which is the codec's "
            "keyframes and not behaviour. Use --keyframes ignore to keep them out of the labels, "
            "or film with less compression (such as -crf 12) and rare keyframes.",
            values={
                "period": beat.period,
                "phase": beat.phase,
                "evidence": beat.evidence,
                "share": beat.share,
            },
        )
    ]


def _in_frames(footage: SourceFootage, beat: PeriodicPeaks) -> float:
    """The period in frames, of which repeated ones are some."""
    count = len(footage.motion_energy)
    return beat.period * count / max(count - len(footage.repeated_frames), 1)


def check_shake(footage: SourceFootage) -> list[Finding]:
    """Says whether the camera moved against the tank."""
    shaken, largest = 0, 0.0
    for start in range(0, len(footage.shift), SHIFT_BLOCK):
        block = footage.shift[start : start + SHIFT_BLOCK][:, -3:]
        whole = block[block[:, 2] >= MIN_RESPONSE]
        size = np.hypot(whole[:, 0], whole[:, 1])
        shaken += int((size >= MIN_SHIFT).sum())
        largest = max(largest, float(size.max(initial=0.0)))
    if shaken < MIN_SHAKEN:
        return []
    share = shaken / len(footage.shift)
    return [
        Finding(
            kind=FindingKind.SHAKE,
            source=footage.name,
            sentence=f"The camera moves: in {share:.1%} of the pairs of pictures that were "
            f"compared the whole picture shifts by {MIN_SHIFT:g} pixels of 160 or more, by up to "
            f"{largest:.2g}. Fix the camera to something that does not touch the tank "
            "or the floor that people walk on.",
            values={"share": share, "largest_shift": largest},
        )
    ]
