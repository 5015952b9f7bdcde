"""Arrays on the disk: slices as of an array in memory, and memory that does not grow."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fishrt.config import Config
from fishrt.footage.policy import Keyframes
from fishrt.growing_array import GrowingArray
from fishrt.recording_writer import Layout, write_recording
from fishrt.video import SourceKind
from training.complete import LabelOptions, complete_recording
from training.prepare import MEASURED_NOTES, MEASURED_TRACKS
from training.source_tally import SourceTally

edges = st.one_of(st.none(), st.integers(-25, 25))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    start=edges, stop=edges, step=st.integers(1, 4), a=st.integers(-3, 25), b=st.integers(-3, 25)
)
@pytest.mark.parametrize("shape", [(), (4,)])
def test_slices_are_those_of_an_array(
    tmp_path: Path, shape: tuple[int, ...], start: int | None, stop: int | None, step: int, a: int,
    b: int,
) -> None:  # fmt: skip
    rows = np.random.default_rng(0).normal(size=(20, *shape))
    growing = GrowingArray(tmp_path / "a.npy", np.float64, shape)
    growing.extend(rows)
    stored = growing.stored()
    growing.close()
    np.testing.assert_array_equal(stored[start:stop:step], rows[start:stop:step])
    part = stored.part(a, b)
    expected = rows[max(a, 0) : max(b, 0)]
    assert len(part) == len(expected)
    np.testing.assert_array_equal(part[start:stop:step], expected[start:stop:step])


def peak_of_completing(folder: Path, frames: int) -> int:
    """Peak bytes, as NumPy and Python count them, of the checks, labels and splits of a source."""
    layout = Layout(1, 1, frames=False, tracks=MEASURED_TRACKS, notes=MEASURED_NOTES)
    options = LabelOptions(Keyframes.IGNORE, threshold_quantile=0.3)
    rng = np.random.default_rng(0)
    with write_recording(folder, layout, {}) as writer:
        for _ in range(0, frames, 10_000):
            energy = 1e-3 * rng.uniform(0.95, 1.05, 9_999)
            energy[::50] *= 2.0  # keyframes, so that a mended motion energy is written, too
            brightness = rng.normal(100.0, 1.0, 10_000)
            writer.extend(np.zeros((10_000, 1, 1), np.uint8), energy, brightness=brightness)
        for frame in range(14, frames, 15):
            writer.note("shift", np.array([frame, 0.1, 0.0, 0.5]))
        tally = SourceTally("a", SourceKind.FILE, 0, frames=frames, pictures=frames)
        tracemalloc.start()
        made = complete_recording(writer, [tally], [None], Config(), options)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert made.sources[0].keyframes is not None
    return peak


def test_the_last_step_takes_no_more_memory_for_longer_footage(tmp_path: Path) -> None:
    # measured: 5.6, 5.5 and 5.5 MiB for 3, 10 and 30 hours; with all in memory it was 9.5, 10.7
    # and 14.0, and 20 MiB of memory maps for every ten hours
    short, long = (peak_of_completing(tmp_path / f"{n}", n) for n in (250_000, 1_000_000))
    assert long < 1.03 * short
