"""`fishrt prepare`: any footage becomes the same recording, whatever happens on the way."""

import contextlib
import itertools
import json
import math
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from tiny_footage import write_video

from fishrt.cli.kept import telling_what_is_kept
from fishrt.clip import ClipGeometry
from fishrt.config import Config, override_config
from fishrt.errors import FishrtError, OutputError, RecordingError, SourceError
from fishrt.footage.finding import FindingKind
from fishrt.footage.policy import Damaged, Keyframes
from fishrt.motion import burst_labels, motion_energy
from fishrt.preprocess import Preprocessor
from fishrt.recording import Recording, Split, load_recording, partial_folder
from fishrt.recording_writer import PROGRESS_FILE, Existing, Unfinished
from fishrt.simulate import SimulatedTank, TankSpec
from fishrt.storage import sha256_of
from fishrt.video import SourceKind
from fishrt.video.factory import open_recorded
from training.complete import LabelOptions
from training.prepare import PrepareRequest, check_sources, prepare_recording
from training.recording_report import write_report
from training.simulated import record_simulation
from training.source_reader import source_sha256

COUNT = 240
SMALL = override_config(
    Config(),
    ["clip.height=30", "clip.width=40", "clip.steps=5", "clip.frames_per_step=2",
     "label.horizon=5", "split.guard=4"],
)  # fmt: skip
PREPROCESS = Preprocessor(30, 40)


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    tank = itertools.islice(SimulatedTank(TankSpec(seed=2, width=160, height=120)), COUNT)
    return [picture for picture, _ in tank]


@pytest.fixture
def folder(tmp_path: Path, pictures: list[NDArray[np.uint8]]) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{index:05d}.png"), picture)
    return folder


def request(*sources: Path | str, config: Config = SMALL, **options: object) -> PrepareRequest:
    return PrepareRequest(tuple(map(str, sources)), config, **options)  # type: ignore[arg-type]


def same(a: Recording, b: Recording) -> None:
    np.testing.assert_array_equal(a.frames, b.frames)
    np.testing.assert_array_equal(a.motion_energy, b.motion_energy)
    np.testing.assert_array_equal(a.burst_label, b.burst_label)
    brightness = [np.load(one.folder / "brightness.npy") for one in (a, b)]
    np.testing.assert_array_equal(*brightness)


def test_a_folder_becomes_a_recording(
    tmp_path: Path, folder: Path, pictures: list[NDArray[np.uint8]]
) -> None:
    seen: list[tuple[str, int, int | None]] = []
    prepare_recording(request(folder), tmp_path / "r", progress=lambda *told: seen.append(told))
    recording = load_recording(tmp_path / "r")
    expected = np.stack([PREPROCESS(picture) for picture in pictures])
    np.testing.assert_array_equal(recording.frames, expected)
    np.testing.assert_array_equal(recording.motion_energy, motion_energy(expected))
    rule = recording.metadata.label.rule
    np.testing.assert_array_equal(
        recording.burst_label, burst_labels(recording.motion_energy, rule)
    )
    np.testing.assert_allclose(
        np.load(tmp_path / "r" / "brightness.npy"), [p.mean() for p in pictures], rtol=1e-5
    )
    (source,) = recording.metadata.sources
    assert (source.name, source.first, source.stop, source.gaps) == (str(folder), 0, COUNT, ())
    assert source.sha256 is not None
    assert source.declared_fps == 30.0
    assert source.measured_fps == pytest.approx(30.0)
    assert seen[-1] == (str(folder), COUNT, COUNT)
    assert not partial_folder(tmp_path / "r").exists()
    assert not (tmp_path / "r" / PROGRESS_FILE).exists()
    (folder / "00007.png").write_bytes((folder / "00008.png").read_bytes())
    prepare_recording(request(folder), tmp_path / "other")
    assert load_recording(tmp_path / "other").metadata.sources[0].sha256 != source.sha256


def test_splits_share_no_frame_and_keep_their_guard(tmp_path: Path, folder: Path) -> None:
    config = override_config(SMALL, ["split.train=0.5", "split.validation=0.25"])
    prepare_recording(request(folder, config=config), tmp_path / "r")
    recording = load_recording(tmp_path / "r")
    geometry = ClipGeometry(5, 2, 30, 40)
    needed = []
    for split in Split:
        ends = recording.labelled_ends(split, geometry)
        assert len(ends)
        # a clip reaches 9 frames back, a label window 5 + 1 frames ahead
        needed.append({int(t) + k for t in ends for k in range(-9, 7)})
    for a, b in itertools.combinations(needed, 2):
        assert not a & b
    assert min(needed[1]) - max(needed[0]) - 1 == 4
    assert min(needed[2]) - max(needed[1]) - 1 == 4


def test_several_sources_keep_their_borders(tmp_path: Path, folder: Path) -> None:
    prepare_recording(request(folder, "demo:4", folder, minutes=0.1), tmp_path / "r")
    recording = load_recording(tmp_path / "r")
    assert [(s.first, s.stop) for s in recording.metadata.sources] == [
        (0, 180), (180, 360), (360, 540)
    ]  # fmt: skip
    ends = recording.labelled_ends(None, ClipGeometry(5, 2, 30, 40))
    inside = [range(first + 9, first + 180 - 6) for first in (0, 180, 360)]
    assert ends.tolist() == list(itertools.chain(*inside))
    assert recording.metadata.sources[1].sha256 is None


def test_a_missing_number_is_a_gap(tmp_path: Path, folder: Path) -> None:
    for number in (100, 101, 150):
        (folder / f"{number:05d}.png").unlink()
    metadata = prepare_recording(request(folder), tmp_path / "r")
    assert metadata.sources[0].gaps == (100, 148)
    (lost,) = [f for f in metadata.findings if f.kind is FindingKind.LOST_FRAMES]
    assert lost.values == {"lost": 3.0, "gaps": 2.0}
    ends = load_recording(tmp_path / "r").labelled_ends(None, ClipGeometry(5, 2, 30, 40))
    for t in ends.tolist():
        assert not any(t - 9 < gap <= t + 6 for gap in (100, 148))


def test_one_damaged_picture_among_many(tmp_path: Path, folder: Path) -> None:
    (folder / "00120.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"00120\.png is damaged.*120 frames before.*skip"):
        prepare_recording(request(folder), tmp_path / "r")
    with pytest.raises(RecordingError, match="not finished"):
        load_recording(tmp_path / "r")
    assert len(np.load(partial_folder(tmp_path / "r") / "frames.npy")) == 120
    metadata = prepare_recording(request(folder, damaged=Damaged.SKIP), tmp_path / "r")
    assert metadata.sources[0].stop == COUNT - 1
    assert metadata.sources[0].gaps == (120,)
    assert FindingKind.DAMAGED in {finding.kind for finding in metadata.findings}


def test_a_damaged_picture_can_be_mended(tmp_path: Path, folder: Path) -> None:
    prepare_recording(request(folder), tmp_path / "whole")
    good = (folder / "00120.png").read_bytes()
    (folder / "00120.png").write_bytes(good[: len(good) // 2])
    with pytest.raises(SourceError):
        prepare_recording(request(folder), tmp_path / "r")
    (folder / "00120.png").write_bytes(good)
    prepare_recording(request(folder), tmp_path / "r")
    same(load_recording(tmp_path / "r"), load_recording(tmp_path / "whole"))


def another_size(path: Path) -> None:
    cv2.imwrite(str(path), np.zeros((50, 60), np.uint8))


def more_bits(path: Path) -> None:
    cv2.imwrite(str(path), np.zeros((120, 160), np.uint16))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


# the median of as many pictures as there are is learned from this one, too
MEDIAN_OF_ALL = ["preprocess.background=median", "preprocess.median_images=240"]


@pytest.mark.parametrize("settings", [[], ["preprocess.deflicker=true"], MEDIAN_OF_ALL])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (another_size, "changes from 160x120 to 60x50 at picture 120"),
        (more_bits, "uint16 pixels"),
        (a_folder, "cannot read the picture"),
    ],
)
def test_a_picture_that_does_not_fit_costs_its_time_alone(
    tmp_path: Path, folder: Path, make: Callable[[Path], None], words: str, settings: list[str]
) -> None:
    make(folder / "00120.png")
    config = override_config(SMALL, settings)
    with pytest.raises(SourceError, match=words):
        prepare_recording(request(folder, config=config), tmp_path / "r")
    skip = request(folder, config=config, damaged=Damaged.SKIP)
    metadata = prepare_recording(skip, tmp_path / "r")
    assert (metadata.sources[0].stop, metadata.sources[0].gaps) == (COUNT - 1, (120,))
    kinds = {finding.kind for finding in metadata.findings}
    assert FindingKind.DAMAGED in kinds
    assert FindingKind.ENDED_EARLY not in kinds
    assert metadata.sources[0].sha256 == source_sha256(str(folder), SourceKind.IMAGES)


def test_a_first_picture_that_cannot_be_read_is_left_out(tmp_path: Path, folder: Path) -> None:
    a_folder(folder / "00000.png")
    with pytest.raises(SourceError, match="cannot read the picture"):
        prepare_recording(request(folder), tmp_path / "r")
    metadata = prepare_recording(request(folder, damaged=Damaged.SKIP), tmp_path / "r")
    assert metadata.sources[0].stop == COUNT - 1


@pytest.fixture
def damaged_video(tmp_path: Path, pictures: list[NDArray[np.uint8]]) -> tuple[Path, list[int]]:
    """A video that is damaged in its middle, and its pictures that can be decoded."""
    video = write_video(tmp_path / "v.mp4", pictures)
    data = bytearray(video.read_bytes())
    middle = (data.index(b"mdat") + data.index(b"moov")) // 2
    data[middle : middle + 4000] = b"\xff" * 4000
    video.write_bytes(data)
    capture = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG)
    whole = [index for index in range(COUNT) if capture.grab()]
    assert 5 < len(whole) < COUNT - 5
    assert whole[-1] == COUNT - 1
    return video, whole


@pytest.mark.parametrize("source_fps", [None, 30.0])
@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_video_goes_on_behind_what_is_damaged(
    tmp_path: Path,
    damaged_video: tuple[Path, list[int]],
    one_by_one: bool,
    source_fps: float | None,
) -> None:
    video, whole = damaged_video
    config = override_config(SMALL, ["preprocess.deflicker=true"] if one_by_one else [])
    told = {"config": config, "source_fps": source_fps}
    metadata = prepare_recording(request(video, **told), tmp_path / "stopped")
    breaks = [at for at, (a, b) in enumerate(itertools.pairwise(whole), 1) if b - a > 1]
    assert metadata.sources[0].stop == breaks[0]
    assert FindingKind.ENDED_EARLY in {finding.kind for finding in metadata.findings}
    skip = request(video, damaged=Damaged.SKIP, **told)
    metadata = prepare_recording(skip, tmp_path / "r")
    assert metadata.sources[0].stop == len(whole)
    assert metadata.sources[0].gaps == tuple(breaks)
    findings = {finding.kind: finding for finding in metadata.findings}
    assert FindingKind.ENDED_EARLY not in findings
    assert findings[FindingKind.DAMAGED].values == {"damaged": COUNT - len(whole)}
    assert findings[FindingKind.LOST_FRAMES].values["lost"] == COUNT - len(whole)


@pytest.mark.parametrize("before", [10, -10])
def test_stopped_before_or_behind_damage_it_goes_on(
    tmp_path: Path,
    damaged_video: tuple[Path, list[int]],
    before: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    video, whole = damaged_video
    (first, *_) = [at for at, (a, b) in enumerate(itertools.pairwise(whole), 1) if b - a > 1]

    def stop(_: str, done: int, __: int | None) -> None:
        if done >= first - before:
            raise KeyboardInterrupt

    skip = request(video, damaged=Damaged.SKIP)
    for module in ("training.video_blocks", "fishrt.video.prefetch"):
        monkeypatch.setattr(f"{module}.block_size", lambda _: 1)
    with pytest.raises(KeyboardInterrupt):
        prepare_recording(skip, tmp_path / "r", progress=stop)
    # without --damaged skip what was left out before stays so
    policy = Damaged.SKIP if before > 0 else Damaged.STOP
    prepare_recording(request(video, damaged=policy), tmp_path / "r")
    prepare_recording(skip, tmp_path / "whole")
    same(load_recording(tmp_path / "r"), load_recording(tmp_path / "whole"))


def test_h264_gives_a_kept_picture_before_it_skips_what_is_damaged(
    tmp_path: Path, reference: Path
) -> None:
    data = bytearray((reference / "video" / "school_overhead_1024_30fps.mp4").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200_000] = bytes(200_000)
    (tmp_path / "v.mp4").write_bytes(data)
    skip = request(tmp_path / "v.mp4", damaged=Damaged.SKIP, source_fps=30.0)
    metadata = prepare_recording(skip, tmp_path / "r")
    findings = {finding.kind: finding.values for finding in metadata.findings}
    assert FindingKind.ENDED_EARLY not in findings
    missing = 900 - metadata.sources[0].stop
    assert missing > 20
    # the clock and the number of pictures may differ by one behind damage
    assert findings[FindingKind.DAMAGED]["damaged"] == pytest.approx(missing, abs=1)
    assert findings[FindingKind.LOST_FRAMES]["lost"] == pytest.approx(missing, abs=1)


def test_a_video_that_is_damaged_for_too_long_has_ended(
    tmp_path: Path, damaged_video: tuple[Path, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fishrt.video.opencv.TRIED_ON", 2)
    video, whole = damaged_video
    metadata = prepare_recording(request(video, damaged=Damaged.SKIP), tmp_path / "r")
    assert metadata.sources[0].stop < len(whole)
    assert FindingKind.ENDED_EARLY in {finding.kind for finding in metadata.findings}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_text("just words"), "not a video"),
        (lambda path: None, "there is no file"),
    ],
)
def test_no_video_is_told_before_anything_is_read(
    tmp_path: Path,
    folder: Path,
    make,
    words: str,  # type: ignore[no-untyped-def]
) -> None:
    make(tmp_path / "bad.mp4")
    with pytest.raises(SourceError, match=words):
        prepare_recording(request(folder, tmp_path / "bad.mp4"), tmp_path / "r")
    assert not (tmp_path / "r").exists()
    assert not partial_folder(tmp_path / "r").exists()


def test_a_truncated_video(tmp_path: Path, pictures: list[NDArray[np.uint8]]) -> None:
    video = write_video(tmp_path / "whole.mp4", pictures)
    data = video.read_bytes()
    (tmp_path / "no-index.mp4").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(SourceError, match="cut short or still being written"):
        prepare_recording(request(tmp_path / "no-index.mp4"), tmp_path / "r")
    # AVI keeps its pictures readable up to the cut
    avi = tmp_path / "cut.avi"
    data = write_video(avi, pictures).read_bytes()
    avi.write_bytes(data[: len(data) // 2])
    metadata = prepare_recording(request(avi), tmp_path / "r")
    assert 60 < metadata.sources[0].stop < COUNT
    assert FindingKind.ENDED_EARLY in {finding.kind for finding in metadata.findings}


def test_a_slower_video_is_placed_by_its_times(
    tmp_path: Path, pictures: list[NDArray[np.uint8]]
) -> None:
    video = write_video(tmp_path / "slow.mp4", pictures[:125], fps=25.0)
    metadata = prepare_recording(request(video), tmp_path / "r")
    assert metadata.sources[0].stop == pytest.approx(150, abs=1)
    assert metadata.sources[0].declared_fps == 25.0
    assert metadata.sources[0].measured_fps == pytest.approx(25.0, rel=1e-3)
    assert metadata.sources[0].sha256 == sha256_of(video)
    (rate,) = [f for f in metadata.findings if f.kind is FindingKind.FPS]
    assert "25 frames/s and the model 30" in rate.sentence
    metadata = prepare_recording(request(video, source_fps=30.0), tmp_path / "told")
    assert metadata.sources[0].stop == 125
    # the rate is the user's now: neither "the header is wrong" nor "pictures are repeated"
    assert FindingKind.FPS not in {finding.kind for finding in metadata.findings}
    metadata = prepare_recording(request(video, source_fps=15.0), tmp_path / "slower")
    (rate,) = [f for f in metadata.findings if f.kind is FindingKind.FPS]
    assert rate.sentence.startswith(
        "The source has 15 frames/s (by --source-fps; its header says 25) and the model 30, so 124 "
        "frames are the one before once more"
    )


def with_intervals(video: Path, *runs: tuple[int, int]) -> None:
    """Changes the times of an MP4: so many pictures, so many times their usual interval."""
    data = bytearray(video.read_bytes())
    at = data.rfind(b"stts") - 4  # the index is behind the pictures, so that none is moved
    size, _, _, _, _, delta = struct.unpack(">I4s4I", data[at : at + 24])
    box = struct.pack(">4sII", b"stts", 0, len(runs))
    box += b"".join(struct.pack(">II", number, delta * times) for number, times in runs)
    data[at : at + size] = struct.pack(">I", len(box) + 4) + box
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        parent = data.rfind(name, 0, at) - 4
        (before,) = struct.unpack(">I", data[parent : parent + 4])
        data[parent : parent + 4] = struct.pack(">I", before + len(box) + 4 - size)
    data = data.replace(b"edts", b"free")  # it says how long the pictures are shown
    video.write_bytes(data)


@pytest.mark.parametrize(
    ("runs", "repeated", "lost"),
    [(((120, 1), (120, 2)), 119, 0), (((180, 1), (34, 3), (26, 1)), 0, 68)],
)
def test_a_variable_rate_is_called_one(
    tmp_path: Path,
    pictures: list[NDArray[np.uint8]],
    runs: tuple[tuple[int, int], ...],
    repeated: int,
    lost: int,
) -> None:
    video = write_video(tmp_path / "phone.mp4", pictures)
    with_intervals(video, *runs)
    findings = {finding.kind: finding for finding in check_sources(request(video)).findings}
    told = findings[FindingKind.VARIABLE_RATE]
    assert (f"{repeated} frames are the one before" in told.sentence) == bool(repeated)
    # the mean rate of the header is no rate to give, and a faster disk is no cure
    assert FindingKind.FPS not in findings
    assert (FindingKind.LOST_FRAMES in findings) == bool(lost)
    if lost:
        assert findings[FindingKind.LOST_FRAMES].values["lost"] == lost
        assert "faster disk" not in findings[FindingKind.LOST_FRAMES].sentence
    given = check_sources(request(video, source_fps=30.0)).findings
    assert FindingKind.VARIABLE_RATE not in {finding.kind for finding in given}


def test_a_video_behind_a_url(tmp_path: Path, pictures: list[NDArray[np.uint8]]) -> None:
    # Python's server cannot seek, and an MP4's index is at its end
    video = write_video(tmp_path / "tank.avi", pictures)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://me:secret@127.0.0.1:{server.server_port}/tank.avi"
        try:
            prepare_recording(request(url), tmp_path / "online")
        finally:
            server.shutdown()
    prepare_recording(request(video), tmp_path / "local")
    same(load_recording(tmp_path / "online"), load_recording(tmp_path / "local"))
    assert "secret" not in (tmp_path / "online" / "recording.yaml").read_text()


def test_an_endless_source_needs_a_length(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="--minutes"):
        prepare_recording(request("demo"), tmp_path / "r")


@pytest.mark.parametrize("position", [0, 1, 50, COUNT - 1])
@pytest.mark.parametrize("kind", ["folder", "video", "demo"])
def test_skipping_is_reading_without_looking(
    tmp_path: Path, folder: Path, pictures: list[NDArray[np.uint8]], kind: str, position: int
) -> None:
    text = {
        "folder": str(folder),
        "demo": "demo:3",
        "video": str(write_video(tmp_path / "v.mp4", pictures)),
    }[kind]
    read, skipped = open_recorded(text), open_recorded(text)
    for _ in range(position):
        picture = read.read()
        assert picture is not None
        assert skipped.skip() == picture.timestamp  # type: ignore[attr-defined]
    a, b = read.read(), skipped.read()
    assert a is not None
    assert b is not None
    assert (a.index, a.timestamp) == (b.index, b.timestamp)
    np.testing.assert_array_equal(a.image, b.image)


SLOWLY = """
import sys, time
import fishrt.recording_writer as writer
import training.picture_helpers as helpers
from fishrt.cli import main
helpers.WORTH_PICTURES = 0
writer.SAFE_EVERY_SECONDS = 0.02
append = writer.RecordingWriter.append
def slow(self, *frame, **values):
    append(self, *frame, **values)
    time.sleep(60 if self.count == 150 else 0.004)  # so that no machine is too fast, or too slow
writer.RecordingWriter.append = slow
extend = writer.RecordingWriter.extend
def slow_block(self, frames, *inside, **values):
    extend(self, frames, *inside, **values)
    time.sleep(60 if 150 <= self.count < 190 else 0.004 * len(frames))
writer.RecordingWriter.extend = slow_block
main()
"""
SETTINGS = ["--set", "clip.height=30", "--set", "clip.width=40"]


def progress_of(folder: Path) -> int:
    try:
        return int(json.loads((partial_folder(folder) / PROGRESS_FILE).read_text())["frames"])
    except (OSError, ValueError):
        return 0


def stop_in_the_middle(arguments: list[str], folder: Path, how: signal.Signals) -> tuple[int, str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOWLY, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while progress_of(folder) < 60 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    if how is signal.SIGINT:
        os.killpg(process.pid, how)  # as the terminal does: helpers get it, too
    else:
        process.send_signal(how)
    errors = process.communicate(timeout=60)[1]
    while (left := processes_of_session(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left
    return process.returncode, errors.decode()


def processes_of_session(session: int) -> list[str]:
    """Those of a session that live, where the system tells."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, fields = path.read_text().rpartition(") ")
            state, _, _, own = fields.split()[:4]
            if int(own) == session and state != "Z":
                found.append(name)
    return found


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("what", ["folder", "blocks", "demo", "video", "simulate"])
def test_killed_it_goes_on_where_it_was(
    tmp_path: Path,
    folder: Path,
    pictures: list[NDArray[np.uint8]],
    what: str,
    how: signal.Signals,
) -> None:
    if what == "simulate":
        command = ["simulate", "--minutes", "0.12", "--seed", "3"]
    else:
        source = {
            "folder": str(folder),
            "blocks": str(folder),
            "video": str(write_video(tmp_path / "v.mp4", pictures)),
            "demo": "demo:3",
        }[what]
        command = ["prepare", source, "--minutes", "0.12"]
        if what != "blocks":  # which deflicker, that needs the pictures one by one, rules out
            command.append("--deflicker")
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    code, said = stop_in_the_middle([*command, "-o", str(broken), *SETTINGS], broken, how)
    assert code == (-9 if how is signal.SIGKILL else 130)
    kept = f"{progress_of(broken)} frames are kept in {partial_folder(broken)}"
    words = f"fishrt: interrupted; {kept}, and the same command goes on there.\n"
    assert said.endswith(words) == (how is signal.SIGINT)
    assert "Traceback" not in said
    with pytest.raises(RecordingError, match="not finished"):
        load_recording(broken)
    assert 60 <= progress_of(broken) < 216
    cli = [sys.executable, "-m", "fishrt.cli", *command]
    for target in (broken, whole):
        subprocess.run([*cli, "-o", str(target), *SETTINGS], check=True, capture_output=True)
    same(load_recording(broken), load_recording(whole))
    assert len(load_recording(whole).frames) == 216
    for path in sorted((whole / "truth").glob("*.npy")):
        np.testing.assert_array_equal(np.load(broken / "truth" / path.name), np.load(path))


# 14 frames: between the two pictures of the first pair; in the slower video that is at 17
@pytest.mark.parametrize("stop", [14, 15, 17, 29])
@pytest.mark.parametrize("kind", ["video", "folder", "blocks", "demo", "simulate"])
def test_stopped_at_any_frame_no_shift_is_lost(
    tmp_path: Path,
    folder: Path,
    pictures: list[NDArray[np.uint8]],
    kind: str,
    stop: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sources = {"folder": folder, "blocks": folder, "demo": "demo:3"}
    if kind == "video":  # slower than the model, so that frames are not pictures
        sources["video"] = write_video(tmp_path / "v.mp4", pictures[:60], fps=24.0)
    for module in ("training.picture_blocks", "training.video_blocks", "fishrt.video.prefetch"):
        monkeypatch.setattr(f"{module}.block_size", lambda _: 1)
    deflicker = override_config(SMALL, [f"preprocess.deflicker={str(kind == 'folder').lower()}"])

    def make(target: Path, stop_at: int | None) -> None:
        def stop_there(*told: str | int | None) -> None:
            done = told[0] if kind == "simulate" else told[1]
            if stop_at is not None and isinstance(done, int) and done >= stop_at:
                raise KeyboardInterrupt

        if kind == "simulate":
            record_simulation(TankSpec(seed=3), 45, SMALL, target, progress=stop_there)
        else:
            one = request(sources[kind], config=deflicker, minutes=45 / 1800)
            prepare_recording(one, target, progress=stop_there)

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "broken", stop)
    assert progress_of(tmp_path / "broken") in (stop, stop + 1)
    make(tmp_path / "broken", None)
    make(tmp_path / "whole", None)
    shifts = [np.load(tmp_path / name / "shift.npy") for name in ("broken", "whole")]
    np.testing.assert_array_equal(*shifts)
    assert len(shifts[0]) == (2 if kind == "video" else 3)


@pytest.mark.parametrize("kind", ["video", "folder", "simulate"])
@pytest.mark.parametrize("stop", [20, 77])  # before and after deflicker's second is full
def test_deflicker_goes_on_as_if_it_had_never_stopped(
    tmp_path: Path, pictures: list[NDArray[np.uint8]], kind: str, stop: int
) -> None:
    config = override_config(SMALL, ["preprocess.deflicker=true"])
    rng = np.random.default_rng(0)
    gains = 1 + 0.15 * np.sin(np.arange(90) * 2.1) + rng.uniform(-0.05, 0.05, 90)
    lit = [
        cv2.convertScaleAbs(picture, alpha=gain, beta=20)
        for picture, gain in zip(pictures, gains, strict=False)
    ]
    if kind == "video":  # slower than the model: every fourth picture makes two frames
        source = write_video(tmp_path / "v.mp4", lit, fps=24.0)
    else:
        source = tmp_path / "lit"
        source.mkdir()
        for index, picture in enumerate(lit):
            cv2.imwrite(str(source / f"{index:05d}.png"), picture)

    def make(target: Path, stop_at: float) -> None:
        def stop_there(*told: str | int | None) -> None:
            done = told[0] if kind == "simulate" else told[1]
            if isinstance(done, int) and done >= stop_at:
                raise KeyboardInterrupt

        if kind == "simulate":
            record_simulation(TankSpec(seed=3), 90, config, target, progress=stop_there)
        else:
            slow = None if kind == "video" else 24.0
            one = request(source, config=config, source_fps=slow)
            prepare_recording(one, target, progress=stop_there)

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "broken", stop)
    make(tmp_path / "broken", math.inf)
    make(tmp_path / "whole", math.inf)
    same(load_recording(tmp_path / "broken"), load_recording(tmp_path / "whole"))


def test_a_report_that_was_not_finished_is_made_by_the_next_run(
    tmp_path: Path, folder: Path
) -> None:
    def killed(partial: Path) -> None:
        assert (partial / "recording.yaml").exists()
        raise KeyboardInterrupt

    for draw in (killed, write_report):
        with contextlib.suppress(KeyboardInterrupt):
            prepare_recording(request(folder), tmp_path / "r", draw=draw)
        assert (tmp_path / "r").exists() == (draw is write_report)
    assert (tmp_path / "r" / "report.png").exists()
    prepare_recording(request(folder), tmp_path / "other")
    same(load_recording(tmp_path / "r"), load_recording(tmp_path / "other"))


def test_an_empty_part_is_called_empty(tmp_path: Path, folder: Path) -> None:
    config = override_config(SMALL, ["split.validation=0.01", "split.guard=30"])
    findings = prepare_recording(request(folder, config=config), tmp_path / "r").findings
    (short,) = [finding for finding in findings if finding.kind is FindingKind.SHORT]
    assert short.sentence == (
        "The part for validation is empty. There is no room for a labelled clip (16 frames in a "
        "row) in the part for test. Record longer, or change the shares in split."
    )
    assert short.values == {"validation": 0.0, "test": 8.0}


@pytest.fixture
def half_done(tmp_path: Path, folder: Path) -> Iterator[Path]:
    good = (folder / "00120.png").read_bytes()
    (folder / "00120.png").write_bytes(b"x")
    with pytest.raises(SourceError):
        prepare_recording(request(folder), tmp_path / "r")
    (folder / "00120.png").write_bytes(good)
    return tmp_path / "r"  # type: ignore[return-value]


@pytest.mark.parametrize("restart", [False, True])
def test_ctrl_c_says_what_is_kept(half_done: Path, tmp_path: Path, restart: bool) -> None:
    command = "the same command without --restart" if restart else "the same command"
    with (
        pytest.raises(KeyboardInterrupt) as caught,
        telling_what_is_kept(half_done, restart=restart),
    ):
        raise KeyboardInterrupt
    assert str(caught.value) == (
        f"interrupted; 120 frames are kept in {half_done}.partial, and {command} goes on there."
    )
    with (
        pytest.raises(KeyboardInterrupt, match=r"^$"),
        telling_what_is_kept(tmp_path / "nothing", restart=restart),
    ):
        raise KeyboardInterrupt


def test_an_unfinished_recording_of_something_else_is_kept(half_done: Path, folder: Path) -> None:
    other = request(folder, config=override_config(SMALL, ["preprocess.polarity=dark"]))
    with pytest.raises(RecordingError, match=r"other sources or settings.*--restart"):
        prepare_recording(other, half_done)
    assert progress_of(half_done) == 120
    prepare_recording(other, half_done, unfinished=Unfinished.RESTART)
    expected = 255 - cv2.imread(str(folder / "00000.png"), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(
        load_recording(half_done).frames[0], PREPROCESS(np.asarray(expected, np.uint8))
    )


def test_a_source_that_changed_is_noticed(half_done: Path, folder: Path) -> None:
    (folder / "00050.png").unlink()
    with pytest.raises(RecordingError, match=r"not what it was.*--restart"):
        prepare_recording(request(folder), half_done)


@pytest.mark.parametrize("damage", ["cut", "journal", "version"])
def test_a_damaged_unfinished_recording_is_one_sentence(
    half_done: Path, folder: Path, damage: str
) -> None:
    scratch = partial_folder(half_done)
    if damage == "cut":
        (scratch / "frames.npy").write_bytes((scratch / "frames.npy").read_bytes()[:5000])
    elif damage == "journal":
        (scratch / PROGRESS_FILE).write_text("{")
    else:
        (scratch / PROGRESS_FILE).write_text("{}")
    with pytest.raises(FishrtError, match="--restart"):
        prepare_recording(request(folder), half_done)
    prepare_recording(request(folder), half_done, unfinished=Unfinished.RESTART)
    assert len(load_recording(half_done).frames) == COUNT


def test_a_whole_recording_is_not_replaced_unasked(tmp_path: Path, folder: Path) -> None:
    prepare_recording(request(folder), tmp_path / "r")
    with pytest.raises(OutputError, match="--overwrite"):
        prepare_recording(request("demo", minutes=0.05), tmp_path / "r")
    prepare_recording(request("demo", minutes=0.05), tmp_path / "r", existing=Existing.REPLACE)
    assert len(load_recording(tmp_path / "r").frames) == 90


@pytest.mark.parametrize(
    ("one_by_one", "eager", "least"),
    # the disk has room for about 160 frames; blocks have 60
    [(False, False, 1), (False, True, 120), (True, False, 1), (True, True, 140)],
)
def test_a_full_disk_loses_little_and_nothing_in_the_end(
    tmp_path: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    one_by_one: bool,
    eager: bool,
    least: int,
) -> None:
    if eager:  # as if it took minutes
        monkeypatch.setattr("fishrt.growing_array.BLOCK_BYTES", 4096)
        monkeypatch.setattr("fishrt.recording_writer.MARK_EVERY_SECONDS", 0.0)
    small = override_config(SMALL, ["preprocess.deflicker=true"] if one_by_one else [])
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no small file system can be mounted here (that needs root)")
    try:
        words = r"the disk is full; free some space, then: \d+ frames are kept in"
        with (
            pytest.raises(OutputError, match=words),
            telling_what_is_kept(disk / "r", restart=False),
        ):
            prepare_recording(request(folder, config=small), disk / "r")
        assert least <= progress_of(disk / "r") < 170
        subprocess.run([*mount[:4], "remount,size=20m", "none", str(disk)], check=True)
        prepare_recording(request(folder, config=small), disk / "r")
        prepare_recording(request(folder, config=small), tmp_path / "whole")
        same(load_recording(disk / "r"), load_recording(tmp_path / "whole"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_no_permission(tmp_path: Path, folder: Path) -> None:
    (folder / "00003.png").chmod(0)
    with pytest.raises(SourceError, match="permissions"):
        prepare_recording(request(folder), tmp_path / "r")


def test_check_writes_nothing_and_finds_the_same(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    checked = check_sources(request(folder))
    assert sorted(tmp_path.iterdir()) == before
    assert checked == prepare_recording(request(folder), tmp_path / "r")


def test_labels_without_keyframes(tmp_path: Path, reference: Path) -> None:
    video = reference / "video" / "school_overhead_1024_30fps.mp4"
    config = override_config(SMALL, ["clip.height=120", "clip.width=160"])
    labels = LabelOptions(Keyframes.IGNORE, threshold_quantile=0.5)
    metadata = prepare_recording(request(video, config=config, labels=labels), tmp_path / "r")
    recording = load_recording(tmp_path / "r")
    assert metadata.sources[0].keyframes is not None
    assert metadata.sources[0].keyframes.period == 50
    (finding,) = [f for f in metadata.findings if f.kind is FindingKind.KEYFRAMES]
    assert finding.sentence.endswith("Done: the labels leave these peaks out.")
    mended = np.load(tmp_path / "r" / "label_energy.npy")
    assert recording.motion_energy[498:501].max() > 1.3 * mended[498:501].max()
    assert metadata.threshold_quantile == 0.5
    assert metadata.label.threshold != SMALL.label.threshold
    np.testing.assert_array_equal(recording.burst_label, burst_labels(mended, metadata.label.rule))
    # the threshold is that of the training part alone
    stop = metadata.splits[Split.TRAIN][1]
    windows = [np.ptp(mended[t : t + 6]) for t in range(stop - 1 - 5)]
    assert metadata.label.threshold == pytest.approx(np.quantile(windows, 0.5), rel=1e-6)


@pytest.mark.parametrize(("roi", "sideways"), [(None, None), ("[0, 0, 60, 90]", 2.0)])
def test_the_shape_within_the_region_counts(
    tmp_path: Path, folder: Path, roi: str | None, sideways: float | None
) -> None:
    config = override_config(SMALL, [f"preprocess.roi={roi}"]) if roi else SMALL
    findings = check_sources(request(folder, config=config)).findings
    told = [f.values["sideways"] for f in findings if f.kind is FindingKind.SQUEEZED]
    assert told == ([] if sideways is None else [pytest.approx(sideways)])


def test_flicker_that_was_taken_out_is_called_done(
    tmp_path: Path, pictures: list[NDArray[np.uint8]]
) -> None:
    folder = tmp_path / "lamp"
    folder.mkdir()
    for index in range(520):  # the flicker check takes 512
        light = 1 + 0.1 * np.sin(2 * np.pi * index / 3)
        view = np.clip((pictures[index % COUNT] + 60.0) * light, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{index:05d}.png"), view)
    for deflicker in (False, True):
        config = override_config(SMALL, [f"preprocess.deflicker={deflicker}"])
        findings = check_sources(request(folder, config=config)).findings
        (flicker,) = [finding for finding in findings if finding.kind is FindingKind.FLICKER]
        assert ("Done: every picture" in flicker.sentence) is deflicker


def test_a_median_background_of_two_sources(tmp_path: Path, folder: Path) -> None:
    config = override_config(SMALL, ["preprocess.background=median"])
    prepare_recording(request(folder, folder, config=config), tmp_path / "r")
    background = load_recording(tmp_path / "r").background
    assert background is not None
    assert background.shape == (120, 160)
    with pytest.raises(SourceError, match="different sizes"):
        prepare_recording(request(folder, "demo", minutes=0.1, config=config), tmp_path / "other")


def test_the_report_is_a_picture_and_a_page(tmp_path: Path, folder: Path) -> None:
    (folder / "00100.png").write_bytes(b"no picture")
    both = request(folder, "demo", minutes=0.2, damaged=Damaged.SKIP)
    prepare_recording(both, tmp_path / "r")
    write_report(tmp_path / "r", html=True)
    picture = cv2.imread(str(tmp_path / "r" / "report.png"))
    assert picture.shape[0] > 800
    assert picture.std() > 20  # not an empty page
    page = (tmp_path / "r" / "report.html").read_text()
    assert "data:image/png;base64," in page
    assert page.count("<tr>") == 3
    findings = load_recording(tmp_path / "r").metadata.findings
    assert FindingKind.DAMAGED in {finding.kind for finding in findings}
    for finding in findings:
        assert f"<b>{finding.kind}</b>" in page
    assert "http" not in page.replace("<!doctype html>", "")


def test_the_command(tmp_path: Path, folder: Path) -> None:
    cli = [sys.executable, "-m", "fishrt.cli", "prepare", str(folder), *SETTINGS]
    done = subprocess.run(
        [*cli, "-o", str(tmp_path / "r"), "--threshold", "auto", "--html", "--json"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    stored = yaml.safe_load((tmp_path / "r" / "recording.yaml").read_text())
    assert json.loads(done.stdout) == stored
    assert (tmp_path / "r" / "report.html").exists()
    again = subprocess.run([*cli, "-o", str(tmp_path / "r")], capture_output=True, text=True)
    assert again.returncode == 7
    assert "--overwrite" in again.stderr
    assert "Traceback" not in again.stderr
    wrong = subprocess.run([*cli, "--threshold", "much"], capture_output=True, text=True)
    assert wrong.returncode == 2
    check = subprocess.run([*cli, "--check"], capture_output=True, text=True, cwd=tmp_path)
    assert check.returncode == 0
    assert "checked" in check.stderr
    assert not (tmp_path / "recordings").exists()
