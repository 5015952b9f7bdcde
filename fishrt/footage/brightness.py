"""Lamp flicker and exposure changes, both read from the mean brightness of the pictures."""

import numpy as np
from numpy.typing import NDArray

from fishrt.footage.finding import Finding, FindingKind
from fishrt.footage.measured import SourceFootage
from fishrt.stored_array import Entries

BLOCK = 512  # pictures in one block of the spectrum: lines 0.06 Hz wide at 30 frames/s
MAX_BLOCKS = 256
SURROUNDINGS = 12  # lines on either side that a line is compared with
MIN_FLICKER_HZ = 1.0  # slower is no lamp
# A line must stand this far above the rest of the spectrum. Measured largest ratio without
# flicker: 9 (school video), 13 (simulated tank).
MIN_LINE_RATIO = 40.0
# It matters where it makes at least this share of the median motion energy.
MIN_SHARE_OF_MOTION = 0.1
LEVELS = 255.0

SMOOTH_SECONDS = 1.0
MIN_STEPS = 3  # of a second each; in fewer no jump can be told
SMOOTHED = 600  # seconds looked at together
# Brightness of a picture that changes within two seconds, or over the whole source, by this much.
# Measured without a change: 0.3 % (school video), 3 % of a nearly black picture (simulated tank).
STEP_SHARE, STEP_LEVELS = 0.05, 1.0
DRIFT_SHARE, DRIFT_LEVELS = 0.2, 3.0


def check_flicker(footage: SourceFootage, beat: float | None) -> list[Finding]:
    """Looks for a narrow line in the spectrum of the brightness.

    Args:
        footage: What was measured.
        beat: Period of codec keyframes in frames, if there are any: their lines are no flicker.
    """
    first, stop = footage.longest
    if stop - first < BLOCK:
        return []
    power = _spectrum(footage.brightness, first, stop)
    frequency = np.fft.rfftfreq(BLOCK, 1.0 / footage.fps)
    usable = frequency >= MIN_FLICKER_HZ
    if beat:
        tone = footage.fps / beat
        usable &= np.abs(frequency - np.round(frequency / tone) * tone) > 1.5 * frequency[1]
    if usable.sum() < 8:
        return []
    around = _surroundings(power)
    at = int(np.argmax(np.where(usable, power / np.maximum(around, 1e-12), -1.0)))
    floor = float(around[at])
    amplitude = float(np.sqrt(4.0 * power[max(at - 1, 0) : at + 2].sum()))
    # the mean change from one picture to the next of a sine of this amplitude, as motion energy
    motion = amplitude * 2 * np.sin(np.pi * frequency[at] / footage.fps) * 2 / np.pi / LEVELS
    usual = float(np.median(footage.motion_energy[first : min(stop - 1, first + (1 << 17))]))
    if power[at] < MIN_LINE_RATIO * floor or motion < MIN_SHARE_OF_MOTION * usual:
        return []
    return [
        Finding(
            kind=FindingKind.FLICKER,
            source=footage.name,
            sentence=f"The light flickers: brightness swings by {amplitude:.2g} grey levels at "
            f"{frequency[at]:.1f} Hz (what the camera sees of the mains), which is motion energy "
            "without motion. Use --deflicker, or film under lamps that do not flicker.",
            values={
                "frequency_hz": float(frequency[at]),
                "amplitude_levels": amplitude,
                "line_over_floor": float(power[at] / max(floor, 1e-12)),
            },
        )
    ]


def _surroundings(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median power of the lines near each one, itself and its two neighbours left out.

    A jump of the brightness fills the spectrum, but smoothly; a lamp is a line.
    """
    padded = np.pad(power, SURROUNDINGS, mode="reflect")
    near = np.stack(
        [
            padded[SURROUNDINGS + k : SURROUNDINGS + k + len(power)]
            for k in range(-SURROUNDINGS, SURROUNDINGS + 1)
            if abs(k) > 2
        ]
    )
    middle: NDArray[np.float64] = np.median(near, axis=0)
    return middle


def _spectrum(brightness: Entries, first: int, stop: int) -> NDArray[np.float64]:
    """Mean power of Hann-windowed blocks (Welch, 1967), `(BLOCK / 2 + 1,)`.

    Scaled so that a sine of amplitude A gives A^2 / 4 in all, spread over its line.
    """
    starts = np.arange(first, stop - BLOCK + 1, BLOCK // 2)
    starts = starts[:: max(len(starts) // MAX_BLOCKS, 1)]
    window = np.hanning(BLOCK)
    scale = 1.0 / (BLOCK * (window**2).sum())
    power = np.zeros(BLOCK // 2 + 1)
    for start in starts:
        block = np.array(brightness[start : start + BLOCK], np.float64)
        power += np.abs(np.fft.rfft((block - block.mean()) * window)) ** 2 * scale
    return power / len(starts)


def smooth_steps(footage: SourceFootage) -> int:
    """How many whole steps of SMOOTH_SECONDS there are for `check_exposure`."""
    return len(footage.brightness) // _step(footage)


def _step(footage: SourceFootage) -> int:
    return max(round(SMOOTH_SECONDS * footage.fps), 1)


def check_exposure(footage: SourceFootage) -> list[Finding]:
    """Looks for brightness that jumps, or that is another one at the end than at the start."""
    second, count = _step(footage), smooth_steps(footage)
    if count < MIN_STEPS:
        return []
    smooth = np.empty(count, np.float32)
    for start in range(0, count, SMOOTHED):
        stop = min(start + SMOOTHED, count)
        block = footage.brightness[start * second : stop * second]
        smooth[start:stop] = np.median(block.reshape(-1, second), axis=1)
    usual = float(np.median(smooth))
    jumps = np.abs(smooth[2:] - smooth[:-2])
    largest = int(np.argmax(jumps))
    jump = float(jumps[largest])
    low, high = np.quantile(smooth, [0.02, 0.98])
    drift = float(high - low)
    if jump > max(STEP_SHARE * usual, STEP_LEVELS):
        how = f"jumps by {jump:.1f} grey levels at {_clock((largest + 1) * SMOOTH_SECONDS)}"
    elif drift > max(DRIFT_SHARE * usual, DRIFT_LEVELS):
        how = f"goes from {low:.0f} to {high:.0f} grey levels"
    else:
        return []
    return [
        Finding(
            kind=FindingKind.EXPOSURE,
            source=footage.name,
            sentence=f"The exposure changes: the brightness {how}. Switch automatic exposure and "
            "gain off and keep the light the same; prepare the parts before and after by "
            "themselves.",
            values={"largest_jump": jump, "drift": drift, "brightness": usual},
        )
    ]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
