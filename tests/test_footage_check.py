"""The footage check: finds what was put in, in real and simulated footage, and nothing else."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fishrt.area_mean import area_mean
from fishrt.deflicker import Deflicker
from fishrt.footage import real_changes, shake
from fishrt.footage.check import check_footage
from fishrt.footage.finding import FindingKind
from fishrt.footage.keyframes import find_periodic_peaks, follow_beat, without_peaks
from fishrt.footage.measured import SourceFootage
from fishrt.footage.real_changes import RealChanges
from fishrt.footage.shake import MIN_SHIFT, STILL, ShakeMeter, _stands_still
from fishrt.footage.threshold import auto_threshold, window_ranges
from fishrt.footage.timing import find_duplicates
from fishrt.motion import LabelRule, burst_labels, motion_energy
from fishrt.preprocess import Preprocessor
from fishrt.simulate import SimulatedTank, TankSpec

FPS, SECONDS = 30.0, 40
RULE = LabelRule()
CLIP = 120
Views = list[NDArray[np.uint8]]


@pytest.fixture(scope="module")
def tank() -> Views:
    """Forty seconds of six fish over a lit, structured ground."""
    noise = np.random.default_rng(1).integers(60, 120, (240, 320), dtype=np.uint8)
    ground = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.uint8)
    pictures = itertools.islice(SimulatedTank(TankSpec(seed=3)), round(FPS * SECONDS))
    return [np.asarray(cv2.add(ground, view), np.uint8) for view, _ in pictures]


def measure(views: Iterable[NDArray[np.uint8]], **known: object) -> SourceFootage:
    meter, preprocess = ShakeMeter(), Preprocessor()
    seen = [(preprocess(v), v.mean(), meter.push(number, v)) for number, v in enumerate(views)]
    frames, brightness, shifts = zip(*seen, strict=True)
    shift = [one for one in shifts if one is not None]
    values = {
        "name": "tank",
        "fps": FPS,
        "declared_fps": FPS,
        "measured_fps": FPS,
        "segments": ((0, len(frames)),),
        **known,
    }
    return SourceFootage(
        motion_energy=motion_energy(np.stack(frames)),
        brightness=np.array(brightness, np.float32),
        shift=np.array(shift).reshape(-1, 3),
        **values,  # type: ignore[arg-type]
    )


def kinds(footage: SourceFootage, rule: LabelRule = RULE) -> set[FindingKind]:
    findings = check_footage([footage], rule, CLIP)
    for finding in findings:
        assert finding.sentence.endswith(".")
        assert all(np.isfinite(value) for value in finding.values.values())
    return {finding.kind for finding in findings}


def whole(energy: NDArray[np.float64]) -> RealChanges:
    return RealChanges(energy, ((0, len(energy) + 1),), np.zeros(0, np.int64))


def mended(changes: RealChanges, period: int, size: int = 1000) -> NDArray[np.float64]:
    blocks = without_peaks(changes, follow_beat(changes, period), changes.energy, size)
    return np.concatenate([np.zeros(0), *blocks])


def flickering(views: Views) -> Iterator[NDArray[np.uint8]]:
    """A lamp at 100 Hz, seen by a camera at 30 frames/s as 10 Hz, 2 % strong."""
    for t, view in enumerate(views):
        yield np.clip(view * (1 + 0.02 * np.sin(2 * np.pi * 100 * t / FPS)), 0, 255).astype(
            np.uint8
        )


def jittering(views: Views) -> Iterator[NDArray[np.uint8]]:
    generator = np.random.default_rng(0)
    for view in views:
        dx, dy = generator.normal(0, 3, 2)  # 1.5 pixels of the small picture
        matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        yield np.asarray(
            cv2.warpAffine(view, matrix, view.shape[::-1], borderMode=cv2.BORDER_REFLECT), np.uint8
        )


def brightening(views: Views) -> Iterator[NDArray[np.uint8]]:
    for t, view in enumerate(views):
        yield np.asarray(cv2.add(view, 20), np.uint8) if t > len(views) // 2 else view


def stuttering(views: Views) -> Iterator[NDArray[np.uint8]]:
    """25 frames/s that were converted to 30 by showing every fifth picture twice."""
    for t, view in enumerate(views[: len(views) * 5 // 6]):
        yield view
        if t % 5 == 4:
            yield view


def test_good_footage_has_no_finding(tank: Views) -> None:
    assert kinds(measure(tank)) == set()


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (flickering, {FindingKind.FLICKER}),
        (jittering, {FindingKind.SHAKE}),
        (brightening, {FindingKind.EXPOSURE}),
        (stuttering, {FindingKind.DUPLICATES}),
    ],
)
def test_one_defect_is_one_finding(tank: Views, spoil, expected: set[FindingKind]) -> None:  # type: ignore[no-untyped-def]
    found = kinds(measure(spoil(tank)))
    # whatever moves every frame also lifts every window over the threshold or none
    assert found - {FindingKind.THRESHOLD} == expected


def test_a_redrawn_picture_at_a_beat_is_a_keyframe(tank: Views) -> None:
    # a keyframe's picture differs from both its neighbours, so two entries of m rise; encoders
    # blend the next one in, and one entry stays
    energy = motion_energy(np.stack([Preprocessor()(view) for view in tank]))
    energy[17::60] *= 1.6
    peaks = find_periodic_peaks(whole(energy))
    assert peaks is not None
    assert (peaks.period, peaks.phase) == (60, 17)


def test_the_simulated_tank_in_the_dark_has_no_finding() -> None:
    for seed in (1, 5):
        pictures = itertools.islice(SimulatedTank(TankSpec(seed=seed)), 3600)
        assert kinds(measure(view for view, _ in pictures)) <= {FindingKind.THRESHOLD}


def test_the_school_video_has_its_keyframes_and_nothing_else(reference: Path) -> None:
    capture = cv2.VideoCapture(str(reference / "video" / "school_overhead_1024_30fps.mp4"))
    views = []
    while (read := capture.read())[0]:
        views.append(np.asarray(cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY), np.uint8))
    footage = measure(views)
    assert kinds(footage) == {FindingKind.KEYFRAMES}
    peaks = find_periodic_peaks(footage.changes)
    assert peaks is not None
    assert peaks.period == 50
    # the seven that stand out by half and more (looked up by hand), and one smaller
    without = mended(footage.changes, peaks.period)
    changed = set(np.flatnonzero(without != footage.motion_energy).tolist())
    assert {98, 249, 348, 499, 598, 749, 848} <= changed
    assert len(changed) <= 9
    assert find_periodic_peaks(whole(without)) is None


def test_the_guppies_have_no_finding(reference: Path) -> None:
    views = np.load(reference / "video" / "guppies8_gray_160x120.npy")
    # there are 200 pictures of them
    assert kinds(measure(list(views))) <= {FindingKind.THRESHOLD, FindingKind.NOT_CHECKED}


@pytest.mark.parametrize("part", ["train", "validation"])
def test_the_published_motion_has_no_finding(reference: Path, part: str) -> None:
    energy = np.load(reference / "published_targets" / part / "motion_energy.npy")
    footage = SourceFootage(
        name=part,
        fps=FPS,
        declared_fps=FPS,
        measured_fps=FPS,
        motion_energy=energy,
        brightness=np.full(len(energy) + 1, 20, np.float32),
        shift=np.zeros((0, 3)),
        segments=((0, len(energy) + 1),),
    )
    assert kinds(footage) == set()
    # 0.001 belongs to one tank: on another scale nothing, or everything, is a burst
    for scale in (0.01, 100.0):
        other = SourceFootage(**{**vars(footage), "motion_energy": energy * scale})
        assert kinds(other) == {FindingKind.THRESHOLD}


def test_the_automatic_threshold_on_published_motion_is_the_published_one(reference: Path) -> None:
    energy = np.load(reference / "published_targets" / "train" / "motion_energy.npy")
    segments = ((0, len(energy) + 1),)
    # measured: 0.000993
    assert auto_threshold(energy, segments, 45) == pytest.approx(0.001, rel=0.03)
    ranges = window_ranges(energy, segments, 45)
    assert np.mean(ranges < auto_threshold(energy, segments, 45, 0.8)) == pytest.approx(
        0.8, abs=1e-3
    )


@pytest.mark.parametrize(
    ("known", "kind", "words"),
    [
        ({"measured_fps": 25.0}, FindingKind.FPS, "--source-fps 30"),
        ({"repeated": 100}, FindingKind.FPS, "100 frames are the one before"),
        ({"surplus": 100}, FindingKind.FPS, "100 pictures were left out"),
        ({"lost": 7, "segments": ((0, 500), (500, 1200))}, FindingKind.LOST_FRAMES, "7 frames"),
        ({"damaged": 1}, FindingKind.DAMAGED, "1 pictures"),
        ({"ended_early": "it ended."}, FindingKind.ENDED_EARLY, "It ended."),
        ({"segments": tuple((k, k + 100) for k in range(0, 1200, 100))}, FindingKind.SHORT, "166"),
    ],
)
def test_what_the_reader_saw_is_told(
    tank: Views, known: dict[str, object], kind: FindingKind, words: str
) -> None:
    findings = check_footage([measure(tank, **known)], RULE, CLIP)
    silent = (FindingKind.THRESHOLD, FindingKind.NOT_CHECKED)
    told = [finding for finding in findings if finding.kind not in silent]
    assert [finding.kind for finding in told] == [kind]
    assert words in told[0].sentence


def test_a_wrong_header_does_not_hide_what_was_repeated(tank: Views) -> None:
    findings = check_footage([measure(tank, measured_fps=25.0, repeated=200)], RULE, CLIP)
    told = [finding.sentence for finding in findings if finding.kind is FindingKind.FPS]
    assert len(told) == 2
    assert "--source-fps 30" in told[0]
    assert "200 frames are the one before" in told[1]


def test_a_rate_that_was_given_is_not_called_the_pictures_own(tank: Views) -> None:
    footage = measure(tank, measured_fps=15.0, told_fps=15.0, repeated=600)
    (rate,) = [f for f in check_footage([footage], RULE, CLIP) if f.kind is FindingKind.FPS]
    assert "15 frames/s (by --source-fps; its header says 30)" in rate.sentence
    assert "600 frames are the one before" in rate.sentence
    stream = measure(tank, measured_fps=15.0, told_fps=25.0)
    (rate,) = [f for f in check_footage([stream], RULE, CLIP) if f.kind is FindingKind.FPS]
    assert rate.sentence.startswith("--source-fps says 25 frames/s but the pictures come at 15.00")


@pytest.mark.parametrize(
    ("why", "begins"),
    [
        ("cut.avi ended after 363 of the 600 pictures.", "cut.avi ended"),
        ("pictures/00007.png is damaged.", "pictures/00007.png is"),
        ("http://127.0.0.1/tank.avi ended.", "http://127"),
        ("tank changes.", "tank changes"),  # the name that `measure` gives
        ("the picture size changes.", "The picture"),
    ],
)
def test_a_name_keeps_its_letters(tank: Views, why: str, begins: str) -> None:
    findings = check_footage([measure(tank, ended_early=why)], RULE, CLIP)
    (early,) = [f for f in findings if f.kind is FindingKind.ENDED_EARLY]
    assert early.sentence.startswith(begins)


@pytest.mark.parametrize(
    ("frames", "missed"),
    [
        (512, ()),
        (511, ("flicker",)),
        (89, ("flicker", "exposure")),
        (29, ("flicker", "exposure", "moving camera")),
    ],
)
def test_what_could_not_be_looked_for_is_told(
    tank: Views, frames: int, missed: tuple[str, ...]
) -> None:
    findings = check_footage([measure(tank[:frames])], RULE, CLIP)
    told = [f.sentence for f in findings if f.kind is FindingKind.NOT_CHECKED]
    assert len(told) == bool(missed)
    words = ("flicker", "exposure", "moving camera")
    assert tuple(word for word in words if any(word in one for one in told)) == missed


def test_flicker_is_looked_for_in_one_stretch(tank: Views) -> None:
    halves = measure(tank[:800], segments=((0, 400), (400, 800)))
    (told,) = [f for f in check_footage([halves], RULE, CLIP) if f.kind is FindingKind.NOT_CHECKED]
    assert "512 frames in a row, 17.1 s, and its longest stretch has 400" in told.sentence


@pytest.mark.parametrize(
    ("view", "words"),
    [
        ((1024, 1024), "stretched sideways by 33%"),
        ((1080, 1920), "stretched upwards by 33%"),
        ((600, 880), None),  # a tenth and no more
        ((600, 720), "sideways by 11%"),
        (None, None),
    ],
)
def test_another_shape_than_the_frame_s_is_told(
    tank: Views, view: tuple[int, int] | None, words: str | None
) -> None:
    findings = check_footage([measure(tank, view=view, frame=(120, 160))], RULE, CLIP)
    told = [finding.sentence for finding in findings if finding.kind is FindingKind.SQUEEZED]
    assert len(told) == (words is not None)
    assert all(str(words) in sentence for sentence in told)


def test_still_pictures_are_no_duplicates() -> None:
    assert len(find_duplicates(np.zeros(100))) == 0
    energy = np.full(100, 0.001)
    energy[[10, 16, 22]] = 0
    assert find_duplicates(energy).tolist() == [10, 16, 22]


@given(
    period=st.integers(5, 90),
    data=st.data(),
    seed=st.integers(0, 2**32 - 1),
    factor=st.floats(1.8, 5.0),
)
def test_any_beat_is_found(period: int, data: st.DataObject, seed: int, factor: float) -> None:
    phase = data.draw(st.integers(0, period - 1))
    energy = np.random.default_rng(seed).uniform(0.9, 1.1, 1800) * 0.001
    assert find_periodic_peaks(whole(energy)) is None
    energy[phase::period] *= factor
    peaks = find_periodic_peaks(whole(energy))
    assert peaks is not None
    assert (peaks.period, peaks.phase) == (period, phase)


@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(0, 400), max_size=3),
    share=st.sampled_from([0.0, 0.1, 0.5]),
    size=st.integers(1, 300),
)
def test_mending_in_blocks_is_mending_at_once(
    seed: int, lengths: list[int], share: float, size: int
) -> None:
    rng = np.random.default_rng(seed)
    edges = [0, *itertools.accumulate(lengths)]
    energy = rng.random(edges[-1])
    energy[7::20] += 2.0
    repeated = np.flatnonzero(rng.random(edges[-1]) < share)
    changes = RealChanges(energy, [*itertools.pairwise(edges)], repeated)
    at_once = mended(changes, 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(real_changes, "CHUNK", 512)
        np.testing.assert_array_equal(mended(changes, 20, size), at_once)
    assert at_once.shape == energy.shape


def test_chunks_are_what_lies_between_gaps_without_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    energy = np.random.default_rng(0).random(300)
    repeated = np.arange(104, 400, 3)  # the source begins at frame 100
    changes = RealChanges(energy, ((0, 120), (120, 301)), repeated, first=100)
    real = np.setdiff1d(np.arange(120, 300), repeated - 101)
    monkeypatch.setattr(real_changes, "CHUNK", 16)
    chunks = [*changes.chunks((120, 301))]
    np.testing.assert_array_equal(np.concatenate([c.at for c in chunks]), real)
    ratio = np.concatenate([c.ratio for c in chunks])
    np.testing.assert_array_equal(ratio, real_changes.peak_ratio(energy[real]))
    between = np.concatenate([c.between for c in chunks])
    np.testing.assert_array_equal(between[1:-1], (energy[real][:-2] + energy[real][2:]) / 2)
    assert changes.rank(120) == 120 - np.sum(repeated - 101 < 120)


def test_deflicker_brings_the_labels_back(tank: Views) -> None:
    # a sensor has noise; without it every rounding to whole grey levels would be seen
    generator = np.random.default_rng(0)
    views = [
        np.clip(view + generator.normal(0, 1.5, view.shape), 0, 255).astype(np.uint8)
        for view in tank
    ]
    clean = motion_energy(np.stack([Preprocessor()(view) for view in views]))
    spoilt = motion_energy(np.stack([Preprocessor()(view) for view in flickering(views)]))
    mend = Preprocessor(deflicker=Deflicker())
    mended = motion_energy(np.stack([mend(view) for view in flickering(views)]))
    error = np.abs(spoilt - clean)[60:].mean(), np.abs(mended - clean)[60:].mean()
    assert error[1] < 0.2 * error[0]
    rule = LabelRule(threshold=float(np.quantile(window_ranges(clean, ((0, 1200),), 45), 0.3)))
    truth = burst_labels(clean, rule)[60:]
    wrong = [np.mean(burst_labels(m, rule)[60:] != truth) for m in (spoilt, mended)]
    assert wrong[1] < 0.5 * wrong[0], wrong


@given(
    seed=st.integers(0, 2**32 - 1),
    coarse=st.integers(3, 20),
    shift=st.floats(MIN_SHIFT, 1.5),
    direction=st.floats(0, 2 * np.pi),
    noise=st.floats(0, 3),
)
def test_a_quarter_that_is_shifted_does_not_stand_still(
    seed: int, coarse: int, shift: float, direction: float, noise: float
) -> None:
    rng = np.random.default_rng(seed)
    texture = rng.integers(0, 256, (coarse, coarse), np.uint8)
    scene = cv2.resize(texture, (90, 70), interpolation=cv2.INTER_CUBIC)
    way = shift * np.cos(direction), shift * np.sin(direction)
    moved = cv2.warpAffine(
        scene, np.array([[1, 0, way[0]], [0, 1, way[1]]]), (90, 70), flags=cv2.INTER_CUBIC
    )
    before, now = (
        np.clip(part[5:65, 5:85] + rng.normal(0, noise, (60, 80)), 0, 255).astype(np.uint8)
        for part in (scene, moved)
    )
    assert not _stands_still(before, now)
    assert _stands_still(before, before)


@given(seed=st.integers(0, 2**32 - 1), height=st.integers(8, 40), width=st.integers(8, 40))
def test_standing_still_is_told_by_the_structure_tensor(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(0, 256, (6, 6), np.uint8), (width, height))
    # about as far from its limit to either side
    steps = rng.choice([1, 4, 16, 64]) * rng.standard_normal((height, width)) / 4
    now = np.clip(coarse + steps, 0, 255).astype(np.uint8)
    grey = coarse.astype(np.float64)
    right, down = grey[:-1, 1:] - grey[:-1, :-1], grey[1:, :-1] - grey[:-1, :-1]
    tensor = [[np.sum(a * b) for a in (right, down)] for b in (right, down)]
    limit = STILL * MIN_SHIFT**2 * np.linalg.eigvalsh(tensor)[0]
    change = np.sum((now - grey) ** 2)
    assume(abs(change - limit) > 1e-6 * limit)
    assert _stands_still(coarse, now) == (change <= limit)


def test_means_that_are_known_change_nothing() -> None:
    rng = np.random.default_rng(0)
    views = [cv2.resize(rng.integers(0, 256, (15, 20), np.uint8), (320, 240)) for _ in range(2)]
    views += [np.roll(views[1], 3, axis=1), views[0]]

    def measured(*sizes: tuple[int, int] | None) -> list[object]:
        meter = ShakeMeter()
        means = [
            None if size is None else area_mean(view, *size)
            for view, size in zip(views, sizes, strict=True)
        ]
        numbers = (13, 14, 28, 29)
        shifts = [
            meter.push(number, view, mean)
            for number, view, mean in zip(numbers, views, means, strict=True)
        ]
        return [None if shift is None else shift.tolist() for shift in shifts]

    alone = measured(None, None, None, None)
    assert sum(shift is not None for shift in alone) == 2
    assert measured((120, 160), None, (120, 160), (120, 160)) == alone
    assert measured((60, 80), (60, 80), (120, 161), (119, 160)) == alone  # not of its own size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shake, "area_mean", None)
        assert measured(*[(120, 160)] * 4) == alone


def test_a_quarter_at_rest_stands_still_for_all_its_noise() -> None:
    rng = np.random.default_rng(0)
    scene = cv2.resize(rng.integers(0, 256, (15, 20), np.uint8), (80, 60))
    before, now = (
        np.clip(scene + rng.normal(0, 2, scene.shape), 0, 255).astype(np.uint8) for _ in range(2)
    )
    assert _stands_still(before, now)
