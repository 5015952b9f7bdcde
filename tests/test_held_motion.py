"""Labels of footage that is slower than the model: a repeated frame is no calm before a burst."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fishrt.config import Config, override_config
from fishrt.held_motion import HeldMotion
from fishrt.motion import LabelRule, burst_labels, motion_energy
from fishrt.recording import load_recording
from fishrt.simulate import SimulatedTank, TankSpec
from realtime.forecast import Forecast
from realtime.scoreboard.scoreboard import Scoreboard
from training.prepare import PrepareRequest, prepare_recording

FPS = 30.0
SMALL = override_config(
    Config(),
    ["clip.height=60", "clip.width=80", "clip.steps=5", "clip.frames_per_step=2", "split.guard=4"],
)


def one_by_one(
    energy: NDArray[np.float64], repeated: NDArray[np.bool_], after_gap: NDArray[np.bool_]
) -> list[float]:
    """The definition: the last change that two pictures in a row made since the last gap."""
    held = []
    for t in range(len(energy)):
        real = [k for k in range(t + 1) if not repeated[k]]
        since = max((k for k in range(t + 1) if after_gap[k]), default=-1)
        use = real[-1] if repeated[t] and real and real[-1] > since else t
        held.append(float(energy[use]))
    return held


frames = st.tuples(st.floats(0.1, 1.0), st.sampled_from(["moved", "repeated", "after a gap"]))


@given(st.lists(frames, min_size=1, max_size=40), st.integers(1, 12))
def test_the_last_real_change_goes_on(said: list[tuple[float, str]], block: int) -> None:
    energy = np.array([0.0 if what == "repeated" else change for change, what in said])
    repeated = np.array([what == "repeated" for _, what in said])
    after_gap = np.array([what == "after a gap" for _, what in said])
    expected = one_by_one(energy, repeated, after_gap)
    whole, parts, single = HeldMotion(), HeldMotion(), HeldMotion()
    np.testing.assert_array_equal(whole.extend(energy, repeated, after_gap), expected)
    got = [
        parts.extend(energy[k : k + block], repeated[k : k + block], after_gap[k : k + block])
        for k in range(0, len(energy), block)
    ]
    np.testing.assert_array_equal(np.concatenate(got), expected)
    for t, change in enumerate(energy):
        pushed = single.push(None if after_gap[t] else float(change), repeated=bool(repeated[t]))
        assert pushed == (None if after_gap[t] else expected[t])


def film(path: Path, fps: float, seconds: int) -> NDArray[np.uint8]:
    """The same tank as a lossless video of so many frames a second."""
    tank = SimulatedTank(TankSpec(seed=0, width=80, height=60, fps=fps))
    pictures = np.array([tank.render(tank.advance()) for _ in range(round(fps * seconds))])
    codec = cv2.VideoWriter.fourcc(*"FFV1")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, fps, (80, 60), isColor=False)
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return pictures


def agreement(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """F1 score of one's bursts against the other's."""
    count = min(len(a), len(b))
    return float(2 * (a[:count] & b[:count]).sum() / (a[:count].sum() + b[:count].sum()))


# measured over three minutes: 0.94 held and 0.14 not for 25 frames/s, 0.91 and 0.18 for 20
@pytest.mark.parametrize("fps", [25.0, 20.0])
def test_a_slow_camera_gets_the_labels_of_a_quick_one(tmp_path: Path, fps: float) -> None:
    film(tmp_path / "slow.avi", fps, 45)
    quick = film(tmp_path / "quick.avi", FPS, 45)
    prepare_recording(PrepareRequest((str(tmp_path / "slow.avi"),), SMALL), tmp_path / "slow")
    slow = load_recording(tmp_path / "slow")
    rule = slow.metadata.label.rule
    truth = burst_labels(motion_energy(quick), rule)
    assert truth.any()
    assert agreement(slow.burst_label, truth) > 0.8
    assert agreement(burst_labels(slow.motion_energy, rule), truth) < 0.3
    still = np.load(tmp_path / "slow" / "repeated.npy")
    assert len(still) == pytest.approx((1 - fps / FPS) * len(slow.frames), abs=2)
    assert not slow.motion_energy[still - 1].any()
    assert slow.label_energy[still - 1].all()


def test_the_scoreboard_labels_as_prepare_does() -> None:
    rule = LabelRule(horizon=5, depth=0.2, threshold=0.1)
    rng = np.random.default_rng(3)
    energy = rng.uniform(0.1, 1.0, 200)
    repeated = np.arange(200) % 6 == 5
    energy[repeated] = 0.0
    board = Scoreboard(rule, FPS)
    told: dict[int, int] = {}
    for frame in range(201):
        change = float(energy[frame - 1]) if frame else None
        again = bool(frame and repeated[frame - 1])
        forecast = Forecast(
            frame, frame, frame / FPS, 0.0, 0.0, 1.0, 0.5, False, True, None, again, False, change
        )
        truth = board.push(forecast, np.zeros((2, 2), np.uint8)).truth
        if truth is not None:
            told[truth.frame] = truth.label
    held = HeldMotion().extend(energy, repeated, np.zeros(200, bool))
    np.testing.assert_array_equal([told[t] for t in range(195)], burst_labels(held, rule))
    assert 0 < sum(told.values()) < 195
