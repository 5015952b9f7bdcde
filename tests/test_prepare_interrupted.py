"""`fishrt prepare` and what stops it at bad moments: Ctrl-C, pipes, folders with more in them."""

import io
import itertools
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fishrt.cli.interrupts import REPEAT_S, repeats_taken_for_one
from fishrt.config import Config, override_config
from fishrt.errors import SourceError
from fishrt.footage.policy import Damaged, Keyframes
from fishrt.footage.threshold import FEW, MANY, check_threshold
from fishrt.growing_array import GrowingArray
from fishrt.motion import LabelRule
from fishrt.preprocess import Preprocessor
from fishrt.recording import WRITTEN, load_recording, partial_folder
from fishrt.recording_writer import Existing, kept_frames
from fishrt.simulate import SimulatedTank, TankSpec
from training.complete import LabelOptions
from training.prepare import PrepareRequest, prepare_recording
from training.recording_report import write_report
from training.simulated import record_simulation

SMALL = override_config(Config(), ["clip.height=30", "clip.width=40"])
COUNT = 300


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (folder := tmp_path / "pictures").mkdir()
    tank = SimulatedTank(TankSpec(seed=2, width=160, height=120))
    for number, (picture, _) in enumerate(itertools.islice(tank, COUNT)):
        cv2.imwrite(str(folder / f"{number:05d}.png"), picture)
    return folder


class InterruptedFile(io.FileIO):
    """Ctrl-C comes in one of the writes: before it, in the middle or behind it."""

    def __init__(self, path: Path, at: int, share: float) -> None:
        super().__init__(path, "r+b")
        self.left, self.share = at, share

    def write(self, data: Any) -> int:
        self.left -= 1
        if self.left:
            return int(super().write(data))
        super().write(bytes(data)[: round(len(data) * self.share)])
        raise KeyboardInterrupt


@given(
    runs=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    at=st.integers(1, 12),
    share=st.sampled_from([0.0, 0.5, 1.0]),
    data=st.data(),
)
def test_ctrl_c_while_an_array_is_written_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    runs: list[int],
    at: int,
    share: float,
    data: st.DataObject,
) -> None:
    path = tmp_path_factory.mktemp("arrays") / "array.npy"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fishrt.growing_array.BLOCK_BYTES", 5 * 8)
        array = GrowingArray(path, np.float64)
    array._file.close()
    array._file = InterruptedFile(path, at, share)
    numbers = np.arange(float(sum(runs)))
    start = 0
    try:
        for run in runs:
            if run == 1:
                array.append(float(numbers[start]))
            else:
                array.extend(numbers[start : start + run])
            start += run
            if data.draw(st.booleans()):
                array.flush()
    except KeyboardInterrupt:
        assert array.count in (start, start + 1)  # one alone is taken before its block is written
    array._file.left = -1  # it comes once
    kept = data.draw(st.integers(0, array.count))
    if data.draw(st.booleans()):
        array.cut(kept)
    else:
        kept = array.count
    array.append(-1.0)
    np.testing.assert_array_equal(array.view(), [*numbers[:kept], -1.0])
    array.close()


def test_ctrl_c_between_a_picture_and_its_frame_keeps_what_was_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fishrt.recording_writer.MARK_EVERY_SECONDS", 0.0)
    frame, done = Preprocessor.frame, itertools.count(1)

    def interrupted(self: Preprocessor, *view: Any) -> Any:
        if next(done) == 200:
            raise KeyboardInterrupt
        return frame(self, *view)

    deflicker = override_config(SMALL, ["preprocess.deflicker=true"])
    request = PrepareRequest((str(folder),), deflicker)
    with monkeypatch.context() as patch:
        patch.setattr(Preprocessor, "frame", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare_recording(request, tmp_path / "broken")
    assert kept_frames(tmp_path / "broken") == 199
    for name in ("broken", "whole"):
        prepare_recording(request, tmp_path / name)
    broken, whole = (load_recording(tmp_path / name) for name in ("broken", "whole"))
    assert broken.metadata == whole.metadata
    np.testing.assert_array_equal(broken.frames, whole.frames)
    np.testing.assert_array_equal(broken.motion_energy, whole.motion_energy)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_among_the_pictures_is_a_damaged_one(folder: Path, tmp_path: Path) -> None:
    (folder / "00100.png").unlink()
    os.mkfifo(folder / "00100.png")
    request = PrepareRequest((str(folder),), SMALL)
    with pytest.raises(SourceError, match=r"00100\.png is damaged"):
        prepare_recording(request, tmp_path / "r")
    skipping = PrepareRequest((str(folder),), SMALL, damaged=Damaged.SKIP)
    made = prepare_recording(skipping, tmp_path / "skipped")
    assert made.sources[0].stop == COUNT - 1


TWICE = """
import os, signal, sys, time
from fishrt.cli.interrupts import repeats_taken_for_one

def press():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        print("went on")
    except KeyboardInterrupt:
        print("interrupted")

with repeats_taken_for_one():
    for pause in map(float, sys.argv[1:]):
        press()
        time.sleep(pause)
press()
"""


def test_ctrl_c_pressed_twice_is_pressed_once() -> None:
    # a third one while the second still counts, then one that came later
    pauses = [str(seconds) for seconds in (REPEAT_S / 4, REPEAT_S / 4, 1.5 * REPEAT_S, 0)]
    said = subprocess.run(
        [sys.executable, "-c", TWICE, *pauses], capture_output=True, text=True, check=True
    )
    # behind the block, too, while Python itself ends
    expected = ["interrupted", "went on", "went on", "interrupted", "went on"]
    assert said.stdout.split("\n")[:5] == expected


def test_behind_a_command_ctrl_c_is_what_it_was() -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals are for the main thread")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with repeats_taken_for_one():
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as under nohup, or in the background
        with repeats_taken_for_one():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


RULE = LabelRule(horizon=45, depth=0.2, threshold=0.001)


def test_no_threshold_is_recommended_where_none_would_help() -> None:
    moving = np.random.default_rng(0).uniform(0, 1e-4, 1000)
    (finding,) = check_threshold(moving, RULE)
    assert "Use --threshold auto (here 3.3e-05)" in finding.sentence
    for threshold in (0.001, 0.0):
        rule = LabelRule(horizon=45, depth=0.2, threshold=threshold)
        (finding,) = check_threshold(np.zeros(1000), rule)
        assert "--threshold auto would not help (here 0" in finding.sentence
    # half of the windows are still, so that the usual quantile is none of those that move
    (finding,) = check_threshold(np.concatenate([np.zeros(600), moving[:400]]), RULE)
    assert "--threshold auto would not help (here 0" in finding.sentence


@given(st.lists(st.floats(0, 1e-2), min_size=20, max_size=200))
def test_a_recommended_threshold_ends_the_finding(ranges: list[float]) -> None:
    for finding in check_threshold(np.array(ranges), RULE):
        if "Use --threshold auto" in finding.sentence:
            share = np.mean(np.array(ranges) >= finding.values["auto_threshold"])
            assert FEW <= share <= MANY


def test_what_a_user_put_into_a_recording_outlives_it(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "r"
    background = override_config(SMALL, ["preprocess.background=median"])
    ignoring = LabelOptions(Keyframes.IGNORE)
    prepare_recording(PrepareRequest((str(folder),), background, ignoring), target)
    write_report(target, html=True)
    (target / "label_energy.npy").write_bytes(b"of the recording before")
    assert {path.name for path in target.iterdir()} >= {"background.png", "report.html", "examples"}
    assert {path.name for path in target.iterdir()} <= WRITTEN
    (target / "notes.txt").write_text("the left lamp flickered")
    np.save(target / "tracks.npy", np.arange(3))
    (target / "photos").mkdir()
    (target / "photos" / "tank.jpg").write_bytes(b"a photo")
    record_simulation(TankSpec(), 300, SMALL, target)
    assert (target / "notes.txt").read_text() == "the left lamp flickered"
    assert (target / "photos" / "tank.jpg").read_bytes() == b"a photo"
    alone = tmp_path / "alone"
    record_simulation(TankSpec(), 300, SMALL, alone)
    written = {path.name for path in alone.iterdir()}
    theirs = {"notes.txt", "photos", "tracks.npy"}
    assert {path.name for path in target.iterdir()} == written | theirs
    assert written < WRITTEN
    prepare_recording(PrepareRequest((str(folder),), SMALL), target, existing=Existing.REPLACE)
    assert not (target / "truth").exists()
    assert (target / "notes.txt").exists()
    assert not partial_folder(target).exists()


def test_simulate_says_what_its_check_found(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fishrt.cli", "simulate", "--minutes", "0.2"]
    small = ["-o", str(tmp_path / "r"), "--set", "clip.height=30", "--set", "clip.width=40"]
    done = subprocess.run([*command, *small], capture_output=True, text=True, check=True)
    findings = load_recording(tmp_path / "r").metadata.findings
    assert findings
    for finding in findings:
        assert finding.sentence in " ".join(done.stderr.split())


def test_helpers_share_memory_that_is_in_no_file_system(tmp_path: Path) -> None:
    if not hasattr(os, "memfd_create"):
        pytest.skip("this system has no files in memory")
    from training.shared_bytes import SharedBytes, shared_bytes

    shared = shared_bytes(5000)
    assert isinstance(shared, SharedBytes)
    shared.array()[7] = 3
    assert str(Path(f"/proc/self/fd/{shared._file}").readlink()).startswith("/memfd:")
    array, file = shared.array(), shared._file
    del shared
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file)
    assert array[7] == 3
