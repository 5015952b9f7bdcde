"""`fishrt simulate -o NAME.mp4`: what stands under the name is a whole video, or nothing."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import MAIN, RUN

from fishrt.errors import ExitCode, OutputError
from fishrt.simulate import SimulatedTank, TankSpec, stack_states
from fishrt.simulate import video as simulated_video
from fishrt.simulate.video import write_video

PATIENCE_S = 60.0  # for another process on a busy machine
SPEC = TankSpec(seed=4, width=96, height=72)
NO_ROOM = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); {MAIN}"


def decoded(path: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        there, image = capture.read()
        if not there:
            return frames
        frames.append(image[:, :, 0])


def assert_whole(path: Path, spec: TankSpec, frames: int) -> None:
    """The video is the beginning of the tank, picture for picture, and so is the truth."""
    pictures = decoded(path)
    assert len(pictures) == frames
    tank = SimulatedTank(spec)
    states = [tank.advance() for _ in range(frames)]
    for index in (0, frames // 2, frames - 1):
        error = np.abs(pictures[index].astype(float) - tank.render(states[index]))
        assert error.mean() < 1.5  # the codec's loss; measured: 0.5 grey levels
    truth = np.load(path.with_suffix(".truth.npz"), allow_pickle=False)
    expected = stack_states(states)
    assert set(truth.files) == set(expected)
    for name in truth.files:
        np.testing.assert_array_equal(truth[name], expected[name])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- Ctrl-C --------------------------------------------------------------------------------------


def test_ctrl_c_leaves_a_whole_video_of_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "tank.mp4"
    process = subprocess.Popen(
        [*RUN, "simulate", "-o", str(path), "--hours", "1", "--seed", "4"],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE_S
    while not any(each.stat().st_size > 100_000 for each in tmp_path.iterdir()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        assert not path.exists()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == ExitCode.INTERRUPTED
    frames = len(decoded(path))
    assert err.splitlines()[-1] == (
        f"fishrt: interrupted; the first {frames} of 108000 frames are in {path}, which is whole."
    )
    assert_whole(path, TankSpec(seed=4), frames)
    assert names(tmp_path) == ["tank.mp4", "tank.truth.npz"]


@pytest.mark.parametrize("where", ["before the picture is written", "behind it"])
def test_wherever_ctrl_c_comes_pictures_and_states_are_as_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    to_colour, calls = cv2.cvtColor, iter(range(100))

    def interrupted(*of: object) -> object:
        if next(calls) == 20:
            raise KeyboardInterrupt
        return to_colour(*of)

    def progress(done: int) -> None:
        if where == "behind it" and done == 20:
            raise KeyboardInterrupt

    if where != "behind it":
        monkeypatch.setattr(simulated_video.cv2, "cvtColor", interrupted)
    with pytest.raises(KeyboardInterrupt, match="the first 20 of 60 frames"):
        write_video(SPEC, 60, tmp_path / "tank.mp4", progress)
    assert_whole(tmp_path / "tank.mp4", SPEC, 20)


def test_ctrl_c_before_the_first_picture_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(simulated_video.cv2, "cvtColor", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        write_video(SPEC, 60, tmp_path / "tank.mp4")
    assert names(tmp_path) == []


# -- a kill, a full disk -------------------------------------------------------------------------


def test_until_it_is_whole_nothing_has_the_name(tmp_path: Path) -> None:
    path = tmp_path / "tank.mp4"

    def progress(done: int) -> None:
        assert done
        assert not path.exists()

    write_video(SPEC, 30, path, progress)
    assert_whole(path, SPEC, 30)
    assert names(tmp_path) == ["tank.mp4", "tank.truth.npz"]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tank.mp4"
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM, "simulate", "-o", str(path), "--minutes", "0.2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.OUTPUT, done.stderr
    assert done.stderr == (
        f"fishrt: cannot write {path}: what was written cannot be played, most likely because the "
        "disk is full; free some space, or write to another disk.\n"
    )
    assert names(tmp_path) == []


def test_no_room_for_the_truth_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = np.savez_compressed

    def full(path: Path, **arrays: object) -> None:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
        try:
            save(path, **arrays)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OutputError, match=r"cannot write .*tank\.truth\.npz"):
        write_video(SPEC, 30, tmp_path / "tank.mp4")
    assert names(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match=r"cannot write the video .*tank\.mp4;"):
        write_video(SPEC, 30, tmp_path / "tank.mp4")
