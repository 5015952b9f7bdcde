"""Recordings: what was written is what is read, and nothing damaged is accepted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from fishrt import growing_array
from fishrt.clip import ClipGeometry
from fishrt.config import LabelConfig, PreprocessConfig, SplitConfig
from fishrt.errors import RecordingError
from fishrt.motion import burst_labels, motion_energy
from fishrt.recording import (
    METADATA_FILE,
    Recording,
    RecordingMetadata,
    SourceRecord,
    Split,
    load_recording,
    split_borders,
)
from fishrt.recording_writer import Layout, write_recording

COUNT, HEIGHT, WIDTH = 60, 6, 8
LABEL = LabelConfig(horizon=5, depth=0.25, threshold=0.01)
GEOMETRY = ClipGeometry(steps=3, frames_per_step=2, height=HEIGHT, width=WIDTH)
LAYOUT = Layout(HEIGHT, WIDTH, tracks={"truth/phase": (np.int64, ())})
FRAMES = np.random.default_rng(0).integers(0, 256, (COUNT, HEIGHT, WIDTH), np.uint8)


def metadata(sources: tuple[tuple[int, int], ...] = ((0, COUNT),)) -> RecordingMetadata:
    return RecordingMetadata(
        fps=30.0,
        height=HEIGHT,
        width=WIDTH,
        preprocess=PreprocessConfig(),
        label=LABEL,
        sources=tuple(SourceRecord(name="a", first=first, stop=stop) for first, stop in sources),
        splits=split_borders(COUNT, SplitConfig(train=0.5, validation=0.25, guard=0)),
    )


def write(folder: Path, sources: tuple[tuple[int, int], ...] = ((0, COUNT),)) -> None:
    buffer = np.empty((HEIGHT, WIDTH), np.uint8)
    with write_recording(folder, LAYOUT, {}) as writer:
        for index, frame in enumerate(FRAMES):
            buffer[:] = frame  # as a capture loop does that uses one buffer all the time
            writer.append(buffer, truth__phase=index)
        writer.label(writer.entries("motion_energy"), LABEL.rule)
        writer.finish(metadata(sources))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "recording")
    return tmp_path / "recording"


def test_what_was_written_is_read_back(folder: Path) -> None:
    recording = load_recording(folder)
    np.testing.assert_array_equal(recording.frames, FRAMES)
    assert isinstance(recording.frames, np.memmap)
    assert not recording.frames.flags.writeable
    np.testing.assert_array_equal(recording.motion_energy, motion_energy(FRAMES))
    expected = burst_labels(motion_energy(FRAMES), LABEL.rule)
    assert set(expected) == {0, 1}
    np.testing.assert_array_equal(recording.burst_label, expected)
    assert recording.metadata == metadata()
    assert recording.background is None
    assert np.load(folder / "truth" / "phase.npy").tolist() == list(range(COUNT))


def test_a_frame_of_another_size_or_type_is_refused(tmp_path: Path) -> None:
    for frame in (np.zeros((HEIGHT, WIDTH + 1), np.uint8), np.zeros((HEIGHT, WIDTH), np.float32)):
        with (
            pytest.raises(RecordingError, match="a frame is"),
            write_recording(tmp_path / "recording", LAYOUT, {}) as writer,
        ):
            writer.append(frame, truth__phase=0)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [0, 1])
def test_a_recording_of_hardly_any_frames(tmp_path: Path, count: int) -> None:
    short = metadata().model_copy(
        update={"splits": split_borders(count, SplitConfig()), "sources": ()}
    )
    with write_recording(tmp_path / "short", LAYOUT, {}) as writer:
        for frame in FRAMES[:count]:
            writer.append(frame, truth__phase=0)
        writer.label(writer.entries("motion_energy"), LABEL.rule)
        writer.finish(short)
    recording = load_recording(tmp_path / "short")
    assert recording.frames.shape == (count, HEIGHT, WIDTH)
    assert len(recording.labelled_ends(None, GEOMETRY)) == 0


def naive_ends(recording: Recording, split: Split | None) -> list[int]:
    """Frames whose clip and label window lie within one source and within the split."""
    begin, stop = recording.metadata.splits[split] if split else (0, COUNT)
    ends = []
    for t in range(COUNT):
        # the label window m[t .. t + horizon] compares frames up to t + horizon + 1
        needed = (t - GEOMETRY.frames + 1, t + LABEL.horizon + 1)
        within_split = begin <= needed[0] and needed[1] < stop
        within_source = any(
            source.first <= needed[0] and needed[1] < source.stop
            for source in recording.metadata.sources
        )
        if within_split and within_source:
            ends.append(t)
    return ends


@pytest.mark.parametrize(
    "sources", [((0, COUNT),), ((0, 17), (17, 40), (40, COUNT)), ((0, 3), (3, COUNT))]
)
def test_labelled_ends_cross_no_border(
    tmp_path: Path, sources: tuple[tuple[int, int], ...]
) -> None:
    write(tmp_path / "recording", sources)
    recording = load_recording(tmp_path / "recording")
    for split in (None, *Split):
        ends = recording.labelled_ends(split, GEOMETRY)
        assert ends.dtype == np.int64
        assert ends.tolist() == naive_ends(recording, split)
    assert len(recording.labelled_ends(None, GEOMETRY)) > 0


def test_split_borders_cover_all_frames_in_time_order() -> None:
    for count in (0, 1, 2, 7, 1000, 53918):
        borders = split_borders(count, SplitConfig(guard=0))
        assert list(borders) == list(Split)
        edges = [edge for border in borders.values() for edge in border]
        assert edges[0] == 0
        assert edges[-1] == count
        assert edges[1:-1:2] == edges[2::2]
        assert edges == sorted(edges)
    train, validation, _ = split_borders(53918, SplitConfig(guard=0)).values()
    # the published recording: 44956 frames of training, 3593 of validation
    assert abs(train[1] - 44956) <= 3
    assert abs(validation[1] - validation[0] - 3593) <= 3


def cut_short(folder: Path) -> None:
    path = folder / "frames.npy"
    path.write_bytes(path.read_bytes()[:-1])


def edit(**changes: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = yaml.safe_load((folder / METADATA_FILE).read_text())
        (folder / METADATA_FILE).write_text(yaml.safe_dump({**content, **changes}))

    return damage


def replace(name: str, array: NDArray[np.generic]) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / name, array)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / METADATA_FILE).unlink(), "not a whole recording"),
        (lambda folder: (folder / METADATA_FILE).write_text("a: ["), "not valid YAML"),
        (lambda folder: (folder / METADATA_FILE).write_bytes(b"\xff\xfe\x00"), "not valid YAML"),
        (lambda folder: (folder / METADATA_FILE).write_text("3"), "format version None"),
        (edit(format_version=99), "format version 99, but this fishrt reads version 2"),
        (edit(colour=1), "damaged: unknown setting colour; known there"),
        (edit(splits={"train": [0, 10]}), "do not fit together"),
        (
            edit(splits={"train": [0, 10], "validation": [10, 20], "test": [20, 999]}),
            "fit together",
        ),
        (edit(width=WIDTH + 1), "do not fit together"),
        (lambda folder: (folder / "frames.npy").unlink(), "lacks .*frames.npy"),
        (cut_short, "frames.npy is damaged or cut short"),
        (lambda folder: (folder / "burst_label.npy").write_bytes(b""), "damaged or cut short"),
        (replace("frames.npy", np.array(3, np.uint8)), "do not fit together"),
        (replace("frames.npy", FRAMES.astype(np.float32)), "holds float32, not uint8"),
        (replace("frames.npy", FRAMES[:-1]), "do not fit together"),
        (replace("motion_energy.npy", np.full(COUNT - 1, np.nan)), "do not fit together"),
        (replace("burst_label.npy", np.zeros((COUNT - 6, 1), np.uint8)), "do not fit together"),
        (lambda folder: (folder / "background.png").write_bytes(b"x"), "not a picture"),
    ],
)
def test_a_damaged_recording_is_one_sentence(
    folder: Path, damage: Callable[[Path], None], sentence: str
) -> None:
    load_recording(folder)
    damage(folder)
    with pytest.raises(RecordingError, match=sentence) as caught:
        load_recording(folder)
    assert "\n" not in str(caught.value)


def test_pickled_arrays_are_never_loaded(folder: Path) -> None:
    np.save(folder / "motion_energy.npy", np.array([print], object), allow_pickle=True)
    with pytest.raises(RecordingError, match="damaged"):
        load_recording(folder)


def test_an_array_that_the_system_is_asked_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing_array, "WRITEBACK_BYTES", 1000)
    monkeypatch.setattr(growing_array, "BLOCK_BYTES", 512)
    rows = np.random.default_rng(0).integers(0, 256, (400, 7, 9), np.uint8)
    growing = growing_array.GrowingArray(tmp_path / "a.npy", np.uint8, (7, 9))
    for start in range(0, 400, 10):
        growing.extend(rows[start : start + 10])
    np.testing.assert_array_equal(growing.view(), rows)
    growing.close()
