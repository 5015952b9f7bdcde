"""The values of the simulated tank: its specification and its true state at one frame.

Lengths are in body lengths, so that a picture of any size shows the same behaviour: the picture
is `PICTURE_WIDTH` wide and `PICTURE_HEIGHT` high, x runs to the right and y down, and the water
(where the heads stay) is the rectangle `WATER_LEFT..WATER_RIGHT` by `WATER_TOP..WATER_BOTTOM`.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

PICTURE_WIDTH, PICTURE_HEIGHT = 10.0, 7.5
WATER_LEFT, WATER_RIGHT = 0.7, 9.3
WATER_TOP, WATER_BOTTOM = 1.0, 6.6

# A chase needs an approach and a display first; more than this does not fit into a minute.
MAX_CHASES_PER_MINUTE = 10.0
MIN_WIDTH, MIN_HEIGHT = 64, 48


class TankPhase(enum.StrEnum):
    """What the school is doing; the phases of one attempt at a chase follow in this order."""

    CALM = "calm"
    APPROACH = "approach"
    DISPLAY = "display"
    CHASE = "chase"


@dataclasses.dataclass(frozen=True)
class TankSpec:
    """What to simulate.

    Attributes:
        seed: Decides the whole simulation: same specification, same frames, bit for bit.
        fish: Number of fish.
        width: Picture width in pixels.
        height: Picture height in pixels.
        fps: Frames per second; decides only when the tank is looked at, not what happens in it.
        chases_per_minute: Rate aimed for, on average; 0 for a school that stays calm. Longer
            displays than the default can leave too little time for it.
        display_seconds: Mean time that a pair faces each other before a chase; the time of one
            display is uniform within 25 % of it.
        false_start_probability: Share of displays after which the pair parts without a chase.
        noise_level: Standard deviation of the sensor noise on lit pixels, in grey levels. Dark
            pixels are clipped at black, so there it shows as rare faint specks.
    """

    seed: int = 0
    fish: int = 6
    width: int = 320
    height: int = 240
    fps: float = 30.0
    chases_per_minute: float = 7.5
    display_seconds: float = 0.95
    false_start_probability: float = 0.15
    noise_level: float = 1.0

    def __post_init__(self) -> None:
        """Raises ValueError, in one sentence, for a tank that cannot be simulated."""
        _require(self.seed >= 0, f"seed must be 0 or more, not {self.seed}")
        _require(2 <= self.fish <= 30, f"fish must be between 2 and 30, not {self.fish}")
        _require(
            self.width >= MIN_WIDTH and self.height >= MIN_HEIGHT,
            f"the picture must be at least {MIN_WIDTH}x{MIN_HEIGHT} pixels,"
            f" not {self.width}x{self.height}",
        )
        _require_within("fps", self.fps, 1.0, 1000.0)
        _require_within("chases_per_minute", self.chases_per_minute, 0.0, MAX_CHASES_PER_MINUTE)
        _require_within("display_seconds", self.display_seconds, 0.2, 5.0)
        _require_within("false_start_probability", self.false_start_probability, 0.0, 0.9)
        _require_within("noise_level", self.noise_level, 0.0, 50.0)


@dataclasses.dataclass(frozen=True)
class TankState:
    """The truth about one frame. All arrays are float32; lengths are in body lengths.

    Attributes:
        position: Head centres (N, 2) as x, y.
        heading: Where the heads point (N,), radians in [-pi, pi]: 0 is right, pi/2 is down.
        speed: Speed along the heading (N,) in body lengths a second; slightly negative while a
            fish backs off in a display.
        spine: Midline (N, SPINE_POINTS, 2) as x, y, from the head centre to the tip of the tail.
        phase: What the school is doing.
        actor: The fish that will chase or is chasing, -1 in calm.
        partner: The fish that is courted or chased, -1 in calm.
        frame_index: Number of the frame, from 0.
    """

    position: NDArray[np.float32]
    heading: NDArray[np.float32]
    speed: NDArray[np.float32]
    spine: NDArray[np.float32]
    phase: TankPhase
    actor: int
    partner: int
    frame_index: int


def stack_states(states: Iterable[TankState]) -> dict[str, NDArray[np.generic]]:
    """Stacks the states of T frames into arrays that `np.savez` stores without pickling.

    Args:
        states: At least one state, in the order of time.

    Returns:
        The fields of `TankState` by name: `position` float32 (T, N, 2), `heading` and `speed`
        float32 (T, N), `spine` float32 (T, N, SPINE_POINTS, 2), `phase` str (T,) that compares
        with `TankPhase`, `actor` and `partner` int16 (T,), `frame_index` int64 (T,).

    Raises:
        ValueError: If there is no state.
    """
    kept = list(states)
    _require(bool(kept), "stack_states needs at least one state")
    longest_name = max(len(phase.value) for phase in TankPhase)
    return {
        "position": np.stack([state.position for state in kept]),
        "heading": np.stack([state.heading for state in kept]),
        "speed": np.stack([state.speed for state in kept]),
        "spine": np.stack([state.spine for state in kept]),
        "phase": np.array([state.phase.value for state in kept], dtype=f"<U{longest_name}"),
        "actor": np.array([state.actor for state in kept], dtype=np.int16),
        "partner": np.array([state.partner for state in kept], dtype=np.int16),
        "frame_index": np.array([state.frame_index for state in kept], dtype=np.int64),
    }


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise ValueError(sentence)


def _require_within(name: str, value: float, low: float, high: float) -> None:
    _require(
        math.isfinite(value) and low <= value <= high,
        f"{name} must be between {low:g} and {high:g}, not {value:g}",
    )
