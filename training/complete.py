"""From footage that was taken to a whole recording: check, threshold, labels, splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fishrt.config import ClipConfig, Config, LabelConfig
from fishrt.footage.check import check_footage
from fishrt.footage.finding import Finding, FindingKind
from fishrt.footage.keyframes import (
    FollowedBeat,
    find_periodic_peaks,
    follow_beat,
    known_periods,
    without_peaks,
)
from fishrt.footage.measured import SourceFootage
from fishrt.footage.policy import Keyframes
from fishrt.footage.threshold import auto_threshold
from fishrt.growing_array import GrowingArray
from fishrt.held_motion import HeldMotion
from fishrt.recording import (
    LABEL_ENERGY_FILE,
    KeyframePeaks,
    RecordingMetadata,
    SourceRecord,
    Split,
    overlaps,
    split_borders,
)
from fishrt.recording_writer import RecordingWriter
from fishrt.stored_array import StoredArray, entries_before
from fishrt.video import SourceKind
from training.source_tally import SourceTally

BLOCK = 1 << 16  # motion energies mended at a time, so that memory does not grow


@dataclass(frozen=True)
class LabelOptions:
    """How labels are made where the published rule would be misled.

    Attributes:
        keyframes: What to do with the false peaks of codec keyframes.
        threshold_quantile: The quantile of the training part's window ranges to take for
            `label.threshold`, or None for the threshold of the config.
    """

    keyframes: Keyframes = Keyframes.KEEP
    threshold_quantile: float | None = None


def complete_recording(
    writer: RecordingWriter,
    tallies: Sequence[SourceTally],
    hashes: Sequence[str | None],
    config: Config,
    options: LabelOptions,
) -> RecordingMetadata:
    """Labels the frames that were taken, checks the footage and makes the recording whole.

    Args:
        writer: The writer, which has all frames.
        tallies: What was taken from each source.
        hashes: SHA-256 of each source, or None.
        config: Frame rate, preprocessing, label rule and split shares.
        options: How labels are made.

    Returns:
        What `recording.yaml` holds.
    """
    energy = writer.entries("motion_energy")
    footage = [_measured(tally, writer, config.clip) for tally in tallies]
    beats = [find_periodic_peaks(one.changes) for one in footage]
    followed = [
        follow_beat(one.changes, beat.period)
        if beat and options.keyframes is Keyframes.IGNORE
        else None
        for one, beat in zip(footage, beats, strict=True)
    ]
    label_energy = _mended(writer, energy, footage, followed)
    splits = split_borders(writer.count, config.split)
    stretches = [stretch for tally in tallies for stretch in _stretches(tally)]
    label = _label(config.label, options, label_energy, stretches, splits[Split.TRAIN])
    findings = check_footage(
        footage, label.rule, config.clip.geometry.frames, [*_parts(label_energy, tallies)], beats
    )
    writer.label(label_energy, label.rule)
    metadata = RecordingMetadata(
        fps=config.clip.fps,
        height=config.clip.height,
        width=config.clip.width,
        preprocess=config.preprocess,
        label=label,
        sources=tuple(
            _record(tally, sha256, beat)
            for tally, sha256, beat in zip(tallies, hashes, followed, strict=True)
        ),
        splits=splits,
        threshold_quantile=options.threshold_quantile,
        findings=(
            *_with_what_was_done(findings, followed, config.preprocess.deflicker),
            *(
                _without_beat(one)
                for one, beat in zip(footage, beats, strict=True)
                if not beat and options.keyframes is Keyframes.IGNORE
            ),
            *_short_splits(splits, stretches, config.clip.geometry.frames + label.horizon + 1),
        ),
    )
    writer.finish(metadata)
    return metadata


def _measured(tally: SourceTally, writer: RecordingWriter, clip: ClipConfig) -> SourceFootage:
    shift, repeated = writer.entries("shift"), writer.entries("repeated")
    borders, repeats = (
        [entries_before(notes, frame) for frame in (tally.first, tally.stop)]
        for notes in (shift, repeated)
    )
    return SourceFootage(
        name=tally.name,
        fps=clip.fps,
        declared_fps=tally.declared_fps,
        measured_fps=tally.measured_fps,
        motion_energy=writer.entries("motion_energy").part(tally.first, tally.stop - 1),
        brightness=writer.entries("brightness").part(tally.first, tally.stop),
        shift=shift.part(*borders),
        segments=tuple((a - tally.first, b - tally.first) for a, b in _stretches(tally)),
        repeated=tally.repeated,
        repeated_frames=repeated.part(*repeats),
        first=tally.first,
        lost=tally.lost,
        surplus=tally.surplus,
        damaged=len(tally.damaged),
        ended_early=tally.ended_early,
        told_fps=tally.told_fps,
        view=(tally.view[0], tally.view[1]) if tally.view else None,
        frame=(clip.height, clip.width),
        # those of streams are of the network, and the numbers of a folder say what is missing
        seconds_at=tally.seconds_at if tally.kind == SourceKind.FILE else (),
    )


def _stretches(tally: SourceTally) -> list[tuple[int, int]]:
    return list(pairwise((tally.first, *tally.gaps, tally.stop)))


def _parts(energy: StoredArray, tallies: Sequence[SourceTally]) -> list[StoredArray]:
    return [energy.part(tally.first, tally.stop - 1) for tally in tallies]


def _mended(
    writer: RecordingWriter,
    energy: StoredArray,
    footage: Sequence[SourceFootage],
    followed: Sequence[FollowedBeat | None],
) -> StoredArray:
    """The motion energy that labels come from; kept as `label_energy.npy` where it differs."""
    if not any(followed) and not len(writer.entries("repeated")):
        return energy
    mended = GrowingArray(writer.folder / LABEL_ENERGY_FILE, np.float64)
    for one, beat in zip(footage, followed, strict=True):
        count = len(one.brightness)
        # the entry between two sources belongs to neither and is copied
        own, held = energy.part(one.first, one.first + count), HeldMotion()
        borders = [*(first for first, _ in one.segments[1:]), count]
        start = 0
        for block in without_peaks(one.changes, beat, own, BLOCK):
            stop = start + len(block)
            frames = np.arange(start + 1, stop + 1)  # to which the changes lead
            repeated = np.isin(frames, one.changes.repeated_in(start, stop) + 1)
            mended.extend(held.extend(block, repeated, np.isin(frames, borders)))
            start = stop
    stored = mended.stored()
    mended.close()
    return stored


def _label(
    label: LabelConfig,
    options: LabelOptions,
    energy: StoredArray,
    stretches: Sequence[tuple[int, int]],
    train: tuple[int, int],
) -> LabelConfig:
    """The label rule, its threshold taken from the training part if that is asked for."""
    if options.threshold_quantile is None:
        return label
    kept = tuple(overlaps(stretches, train))
    threshold = auto_threshold(energy, kept, label.horizon, options.threshold_quantile)
    return label.model_copy(update={"threshold": threshold})


def _short_splits(
    splits: Mapping[Split, tuple[int, int]], stretches: Sequence[tuple[int, int]], needed: int
) -> list[Finding]:
    """Splits that are empty, or without room for a single labelled clip."""
    short = {
        split.value: longest
        for split, part in splits.items()
        if (longest := max((b - a for a, b in overlaps(stretches, part)), default=0)) < needed
    }
    if not short:
        return []
    empty = [split for split, longest in short.items() if not longest]
    scant = [split for split in short if split not in empty]
    said = [
        *([f"The part for {' and '.join(empty)} is empty."] if empty else []),
        *(
            [
                f"There is no room for a labelled clip ({needed} frames in a row) in the part for "
                f"{' and '.join(scant)}."
            ]
            if scant
            else []
        ),
        "Record longer, or change the shares in split.",
    ]
    return [
        Finding(
            kind=FindingKind.SHORT,
            source=None,
            sentence=" ".join(said),
            values={split: float(longest) for split, longest in short.items()},
        )
    ]


def _record(tally: SourceTally, sha256: str | None, beat: FollowedBeat | None) -> SourceRecord:
    return SourceRecord(
        name=tally.name,
        sha256=sha256,
        declared_fps=tally.declared_fps,
        measured_fps=tally.measured_fps,
        first=tally.first,
        stop=tally.stop,
        gaps=tuple(tally.gaps),
        keyframes=KeyframePeaks(period=beat.period, phase=beat.phase) if beat else None,
    )


def _with_what_was_done(
    findings: Sequence[Finding], followed: Sequence[FollowedBeat | None], deflickered: bool
) -> list[Finding]:
    beats = iter([beat for beat in followed if beat])  # each has a finding, in this order
    told = []
    for finding in findings:
        if finding.kind is FindingKind.KEYFRAMES and (beat := next(beats, None)):
            told.append(_with_what_was_mended(finding, beat))
        elif finding.kind is FindingKind.FLICKER and deflickered:
            # it is measured before deflicker, so that it is told what the lamps do
            done = "every picture was brought to the median brightness of the second before it"
            told.append(
                finding.model_copy(update={"sentence": f"{finding.sentence} Done: {done}."})
            )
        else:
            told.append(finding)
    return told


def _with_what_was_mended(finding: Finding, beat: FollowedBeat) -> Finding:
    done = f"{finding.sentence} Done: the labels leave these peaks out."
    if beat.missed:
        done += (
            f" But in {beat.missed} of the {len(beat.phases)} stretches between gaps they are too "
            "few to follow, and stay."
        )
    values = {**finding.values, "stretches_not_mended": float(beat.missed)}
    return finding.model_copy(update={"sentence": done, "values": values})


def _without_beat(footage: SourceFootage) -> Finding:
    """That there was nothing to leave out, and how far was looked: not far in a short one."""
    periods = known_periods(footage.changes)
    if periods:
        looked = f"Beats of {periods[0]} to {periods[-1]} pictures were looked for."
    else:
        looked = "It is too short: no beat could be seen often enough."
    return Finding(
        kind=FindingKind.KEYFRAMES,
        source=footage.name,
        sentence="No beat of codec keyframes was found in the motion energy, so --keyframes ignore "
        f"changed nothing. {looked}",
        values={"longest_beat": float(periods[-1]) if periods else 0.0},
    )
