"""Codec keyframes are kept out of the labels whatever the rate of the source, and behind gaps.

The reviewer's tables: published motion with a peak at every keyframe, put on the model's time grid
by the real resampler. Labels of the mended motion energy are compared with those of the same
motion without peaks.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fishrt.config import Config, override_config
from fishrt.footage.finding import Finding, FindingKind
from fishrt.footage.keyframes import find_periodic_peaks, follow_beat, without_peaks
from fishrt.footage.policy import Keyframes
from fishrt.footage.real_changes import RealChanges
from fishrt.held_motion import HeldMotion
from fishrt.motion import LabelRule, burst_labels
from fishrt.recording import KeyframePeaks, RecordingMetadata, load_recording
from fishrt.recording_writer import Layout, write_recording
from fishrt.video import SourceKind
from fishrt.video.resample import Resampler
from training.complete import LabelOptions, complete_recording
from training.prepare import MEASURED_NOTES, MEASURED_TRACKS
from training.recording_report import plot_close, plot_motion
from training.source_tally import SourceTally

RULE = LabelRule()
PEAK = 0.01
NTSC = 30000 / 1001


@pytest.fixture(scope="module")
def published(reference: Path) -> NDArray[np.float64]:
    energy: NDArray[np.float64] = np.load(
        reference / "published_targets" / "train" / "motion_energy.npy"
    )
    return energy


def filmed(
    published: NDArray[np.float64], fps: float, gop: int, minutes: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Motion energy without and with peaks, and the repeated frames, at 30 frames/s."""
    resampler = Resampler(30.0, fps)
    clean, peaks, repeated = [], [], []
    last = 0
    resampler.push(0.0)
    for picture in range(1, round(minutes * 60 * fps)):
        place = resampler.push(picture / fps)
        if place.slot is None:
            continue
        real = len(clean) - len(repeated)
        repeated += range(len(clean) + 1, len(clean) + 1 + place.repeats)
        clean += [*[0.0] * place.repeats, float(published[real])]
        keyframe = picture // gop != last // gop
        peaks += [*[0.0] * place.repeats, float(published[real]) + PEAK * keyframe]
        last = picture
    return np.array(clean), np.array(peaks), np.array(repeated, np.int64)


def held(energy: NDArray[np.float64], repeated: NDArray[np.int64]) -> NDArray[np.float64]:
    again = np.isin(np.arange(len(energy)) + 1, repeated)
    return HeldMotion().extend(energy, again, np.zeros(len(energy), bool))


def f1(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(2 * np.sum((a == 1) & (b == 1)) / max(np.sum(a == 1) + np.sum(b == 1), 1))


# lowest is 0.005 below what was measured; searched in frames, repeated ones among them, it was 0.67
# and less wherever the rate is not 30 or 60 (29.97 with GOP 50: 0.28 from five minutes on)
@pytest.mark.parametrize(
    ("fps", "gop", "minutes", "lowest"),
    [
        (NTSC, 50, 0.5, 0.991),
        (NTSC, 50, 2, 0.990),
        (NTSC, 50, 20, 0.989),
        (NTSC, 250, 20, 0.993),
        (NTSC, 12, 5, 0.966),
        (59.94, 60, 20, 0.984),
        (59.94, 250, 20, 0.989),
        (25, 12, 5, 0.967),
        (24, 50, 5, 0.991),
        (24, 48, 8, 0.984),
        (20, 40, 8, 0.991),
        (15, 50, 8, 0.988),
        (10, 50, 8, 0.985),
        (50, 25, 5, 0.971),
        (60, 250, 20, 0.992),
        (30, 50, 5, 0.991),
    ],
)
def test_labels_are_those_without_keyframes(
    published: NDArray[np.float64], fps: float, gop: int, minutes: float, lowest: float
) -> None:
    clean, peaks, repeated = filmed(published, fps, gop, minutes)
    changes = RealChanges(peaks, ((0, len(peaks) + 1),), repeated)
    beat = find_periodic_peaks(changes)
    assert beat is not None
    without = np.concatenate(
        [*without_peaks(changes, follow_beat(changes, beat.period), peaks, 1 << 16)]
    )
    truth = burst_labels(held(clean, repeated), RULE)
    score = f1(burst_labels(held(without, repeated), RULE), truth)
    assert score >= lowest, (score, f1(burst_labels(held(peaks, repeated), RULE), truth), beat)


@pytest.mark.parametrize("lost", [1, 10, 25])
def test_the_phase_behind_a_gap_is_another_one(published: NDArray[np.float64], lost: int) -> None:
    # of 10 or 25
    clean, peaks = published[:12000], published[:12000].copy()
    peaks[49::50] += PEAK
    kept = np.r_[:7000, 7000 + lost : 12000]
    changes = RealChanges(peaks[kept], ((0, 7000), (7000, len(kept) + 1)), np.zeros(0, np.int64))
    beat = find_periodic_peaks(changes)
    assert beat is not None
    followed = follow_beat(changes, beat.period)
    assert (followed.period, followed.phase, followed.missed) == (50, 49, 0)
    (without,) = without_peaks(changes, followed, changes.energy, 1 << 16)
    assert without[6999] == peaks[6999]  # across the gap: no change at all
    for part in (slice(0, 6999), slice(7000, None)):
        truth = burst_labels(clean[kept][part], RULE)
        assert f1(burst_labels(without[part], RULE), truth) >= 0.985


def test_a_stretch_too_short_to_follow_is_left_and_counted(published: NDArray[np.float64]) -> None:
    peaks = published[:2100].copy()
    peaks[49::50] += PEAK
    changes = RealChanges(peaks, ((0, 2000), (2000, 2040), (2040, 2101)), np.zeros(0, np.int64))
    followed = follow_beat(changes, 50)
    assert [phases is None for phases in followed.phases] == [False, True, True]
    assert followed.missed == 2
    (without,) = without_peaks(changes, followed, peaks, 1 << 16)
    np.testing.assert_array_equal(without[1999:], peaks[1999:])


def test_neighbours_are_real_pictures(published: NDArray[np.float64]) -> None:
    # of a source at 15 frames/s every other frame is repeated: its 0 beside a peak would make a
    # false calm at every keyframe
    _, peaks, repeated = filmed(published, 15.0, 50, 2.0)
    changes = RealChanges(peaks, ((0, len(peaks) + 1),), repeated)
    (without,) = without_peaks(changes, follow_beat(changes, 50), peaks, 1 << 16)
    assert held(without, repeated)[3:].min() > 0  # the published motion begins with 0
    assert np.flatnonzero(without != peaks).size >= 30


def completed(
    folder: Path, sources: Sequence[tuple[NDArray[np.float64], NDArray[np.int64], list[int]]]
) -> RecordingMetadata:
    """A recording of sources that are given by motion energy, repeated frames and gaps."""
    layout = Layout(8, 8, tracks=MEASURED_TRACKS, notes=MEASURED_NOTES)
    options = LabelOptions(Keyframes.IGNORE, threshold_quantile=0.3)
    config = override_config(Config(), ["clip.height=8", "clip.width=8", "model.filters=[4]"])
    tallies, first = [], 0
    with write_recording(folder, layout, {}) as writer:
        for energy, repeated, gaps in sources:
            frames = len(energy) + 1
            writer.extend(
                np.zeros((frames, 8, 8), np.uint8), energy, brightness=np.full(frames, 100.0)
            )
            for frame in repeated:
                writer.note("repeated", np.array(first + frame))
            tallies.append(
                SourceTally(
                    "same name", SourceKind.FILE, first, frames, frames, [],
                    [first + gap for gap in gaps], repeated=len(repeated),
                )
            )  # fmt: skip
            first += frames
        return complete_recording(writer, tallies, [None] * len(tallies), config, options)


def assert_both_are_drawn(folder: Path) -> None:
    """Whether a picture shows what was mended: the measured peak and what stands in its place."""
    recording = load_recording(folder)
    for plot in (plot_motion, plot_close):
        ax = Figure().add_subplot()
        plot(recording, ax)
        names = ax.get_legend_handles_labels()[1]
        assert {"as measured", "what the labels come from"} <= set(names)
    lines = [np.asarray(line.get_ydata()) for line in ax.get_lines()]
    assert np.nanmax(lines[0]) > np.nanmax(lines[1]) + PEAK / 2


def keyframe_findings(made: RecordingMetadata) -> list[Finding]:
    return [finding for finding in made.findings if finding.kind is FindingKind.KEYFRAMES]


def test_every_source_and_stretch_of_a_recording(
    tmp_path: Path, published: NDArray[np.float64]
) -> None:
    _, peaks, repeated = filmed(published, 15.0, 50, 2.0)
    other = published[2:2502].copy()
    other[16::25] += PEAK  # no stretch of it has the phase of another
    gaps = [1303, 1330]
    made = completed(
        tmp_path / "r",
        [(published[2:1502], repeated[:0], []), (peaks, repeated, []), (other, repeated[:0], gaps)],
    )
    assert [source.keyframes for source in made.sources] == [
        None,
        KeyframePeaks(period=50, phase=49),
        KeyframePeaks(period=25, phase=16),
    ]
    label_energy = np.load(tmp_path / "r" / "label_energy.npy")
    own = label_energy[1501:][: len(peaks)]
    assert_both_are_drawn(tmp_path / "r")
    changes = RealChanges(peaks, ((0, len(peaks) + 1),), repeated)
    (alone,) = without_peaks(changes, follow_beat(changes, 50), peaks, 1 << 16)
    np.testing.assert_array_equal(own, held(alone, repeated))
    own = label_energy[1501 + len(peaks) + 1 :]
    assert own[2491] < PEAK / 2 < other[2491]
    assert own[1316] == other[1316]  # in a stretch of 27 frames nothing can be told
    assert own[[1302, 1329]].tolist() == other[[1302, 1329]].tolist()  # across a gap
    done, partly, nothing = (finding.sentence for finding in keyframe_findings(made))
    assert "every 50 pictures" in done
    assert done.endswith("Done: the labels leave these peaks out.")
    assert partly.endswith(
        "But in 1 of the 3 stretches between gaps they are too few to follow, and stay."
    )
    assert nothing == (
        "No beat of codec keyframes was found in the motion energy, so --keyframes ignore changed "
        "nothing. Beats of 5 to 250 pictures were looked for."
    )


def test_a_source_too_short_for_any_beat_is_told(tmp_path: Path) -> None:
    energy = np.full(29, 0.001)
    (finding,) = keyframe_findings(completed(tmp_path / "r", [(energy, np.zeros(0, np.int64), [])]))
    assert "changed nothing. It is too short" in finding.sentence
