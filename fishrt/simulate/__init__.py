"""A simulated tank: frames like the published ones, with the truth about every fish.

A chase never comes out of the blue: a pair first approaches, then faces each other at close
range for about a second. So a forecaster can be trained and tested on frames whose future is
visible in the picture, but hardly in the amount of motion.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fishrt.simulate.behaviour import (
    FACING_ANGLE,
    FACING_DISTANCE,
    MAX_SPEED,
    MAX_TURN_RATE,
    SPINE_POINTS,
    TICKS_PER_SECOND,
    School,
)
from fishrt.simulate.rendering import TankRenderer
from fishrt.simulate.state import TankPhase, TankSpec, TankState, stack_states

__all__ = [
    "FACING_ANGLE",
    "FACING_DISTANCE",
    "MAX_SPEED",
    "MAX_TURN_RATE",
    "SPINE_POINTS",
    "SimulatedTank",
    "TankPhase",
    "TankSpec",
    "TankState",
    "stack_states",
]


class SimulatedTank:
    """Fish in a tank and the camera above it.

    Example:
        >>> tank = SimulatedTank(TankSpec(seed=1))
        >>> frame, state = next(iter(tank))
        >>> frame.shape, state.phase
        ((240, 320), <TankPhase.CALM: 'calm'>)
    """

    def __init__(self, spec: TankSpec | None = None) -> None:
        """Fills the tank.

        Args:
            spec: What to simulate; the defaults of `TankSpec` if left out.
        """
        self.spec = spec if spec is not None else TankSpec()
        # Two seeds: however many random numbers the camera draws, the fish behave the same.
        behaviour, noise = np.random.SeedSequence(self.spec.seed).spawn(2)
        self._school = School(self.spec, np.random.default_rng(behaviour))
        self._renderer = TankRenderer(self.spec, noise)
        self._frame_index = 0
        self._tick = 0
        self._before = self._pose()
        self._now = self._before

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint8], TankState]]:
        """Yields the frame, uint8 (height, width), and the state of every next frame, endlessly."""
        while True:
            state = self.advance()
            yield self.render(state), state

    def advance(self) -> TankState:
        """Moves on to the next frame (the first call: frame 0) and returns its state."""
        time = self._frame_index * TICKS_PER_SECOND / self.spec.fps
        while self._tick < time:
            self._school.tick()
            self._before, self._now = self._now, self._pose()
            self._tick += 1
        # Between two ticks the camera sees the straight way from one to the other.
        share = 1.0 - (self._tick - time)
        spine, heading, speed = (
            before + share * (now - before)
            for before, now in zip(self._before, self._now, strict=True)
        )
        state = TankState(
            position=spine[:, 0].astype(np.float32),
            heading=np.angle(np.exp(1j * heading)).astype(np.float32),
            speed=speed.astype(np.float32),
            spine=spine.astype(np.float32),
            phase=self._school.phase,
            actor=self._school.actor,
            partner=self._school.partner,
            frame_index=self._frame_index,
        )
        self._frame_index += 1
        return state

    def render(self, state: TankState) -> NDArray[np.uint8]:
        """Returns the camera frame of a state of this tank, uint8 (height, width)."""
        return self._renderer.render(state)

    def to_pixels(self, position: NDArray[np.floating]) -> NDArray[np.float64]:
        """Converts positions (..., 2) in body lengths to pixels (..., 2), both as x, y."""
        return self._renderer.to_pixels(position)

    def _pose(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        spine = self._school.spine()
        points = np.stack([spine.real, spine.imag], axis=-1)
        return points, self._school.heading, self._school.speed
