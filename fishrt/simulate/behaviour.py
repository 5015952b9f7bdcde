"""How the fish of the simulated tank behave: steering, bodies, and the course of a chase.

Points and directions are complex numbers (x + iy, in body lengths): a turn is a product, a
distance an `abs`. Time runs in ticks of 1/60 s whatever the frame rate of the camera is.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from fishrt.simulate.state import (
    WATER_BOTTOM,
    WATER_LEFT,
    WATER_RIGHT,
    WATER_TOP,
    TankPhase,
    TankSpec,
)

Complexes = NDArray[np.complex128]
Floats = NDArray[np.float64]

TICKS_PER_SECOND = 60
TICK_SECONDS = 1.0 / TICKS_PER_SECOND

# Limits that hold at every tick; body lengths, seconds, radians.
MAX_SPEED = 10.0
MAX_TURN_RATE = 14.0

# When a pair counts as face to face: closer than this, heads within this of the other's bearing.
FACING_DISTANCE = 0.8
FACING_ANGLE = math.radians(35.0)

CRUISE_SPEED = 0.72
CALM_TURN_RATE = 2.5
APPROACH_SPEED = 1.25
APPROACH_TIMEOUT = 4.0
DISPLAY_GAP = 0.4
DISPLAY_JITTER = 0.25
# How far the tail tips of a displaying pair swing, drawn for every display.
QUIVER_WIDTH = (0.06, 0.16)
CHASE_SECONDS = (0.9, 1.5)
SPRINT_SPEED = (7.0, MAX_SPEED)
# How much the school starts at the onset of a chase: 1 is 2.8 times faster on top.
STARTLE = (1.0, 2.4)
MIN_CALM_SECONDS = 0.5
# Measured at the defaults: what an attempt takes on average besides the display and the chase.
APPROACH_SECONDS = 1.25

# A decoy: a fish that for a while keeps this close to another without facing it. The places are
# relative to the other's heading: at its left, at its right, at its tail.
DECOYS_PER_MINUTE = 10.0
DECOY_SECONDS = (1.5, 3.5)
DECOY_PLACES = (0.45j, -0.45j, -1.0 + 0.0j)

SPINE_POINTS = 9
_HEAD_RADIUS = 0.08
_LINK_LENGTH = (1.0 - _HEAD_RADIUS) / (SPINE_POINTS - 1)
# Time after which a body part follows the part before it when the fish does not swim.
_LINK_SECONDS = 0.025

_WANDER_SECONDS, _WANDER_RADIANS = 1.0, 0.25
_MOOD_SECONDS, _MOOD_SPREAD = 0.8, 0.25
_ALARM_SECONDS = 0.6


@dataclasses.dataclass
class _Aim:
    """What every fish tries to do in the next tick; arrays of (N,)."""

    direction: Complexes  # where to swim; the length is the urgency and does not matter
    speed: Floats
    turn_rate: Floats  # at most this, radians a second
    speed_seconds: Floats  # how quickly the speed is reached


@dataclasses.dataclass
class _Decoy:
    """Fish `follower` keeps at `place` beside fish `leader` for `seconds` more."""

    follower: int
    leader: int
    place: complex
    seconds: float


class School:
    """The fish, one tick at a time.

    Attributes:
        head: Head centres, complex (N,).
        heading: Radians (N,), not wrapped, so that two ticks can be interpolated.
        speed: Body lengths a second (N,).
        phase: What the school is doing.
        actor: The chasing fish, -1 in calm.
        partner: The chased fish, -1 in calm.
    """

    def __init__(self, spec: TankSpec, rng: np.random.Generator) -> None:
        """Puts the fish into the water.

        Args:
            spec: The tank; its picture size and frame rate are not looked at.
            rng: Source of every decision.
        """
        count = spec.fish
        self._spec = spec
        self._rng = rng
        self.head: Complexes = rng.uniform(
            WATER_LEFT + 1.0, WATER_RIGHT - 1.0, count
        ) + 1j * rng.uniform(WATER_TOP + 1.0, WATER_BOTTOM - 1.0, count)
        self.heading: Floats = rng.uniform(-math.pi, math.pi, count)
        self.speed: Floats = np.full(count, CRUISE_SPEED)
        self._turn_rate: Floats = np.zeros(count)
        self._links: Floats = np.repeat(self.heading[:, None], SPINE_POINTS - 1, axis=1)
        self._beat: Floats = rng.uniform(0.0, 2.0 * math.pi, count)
        self._beat_width: Floats = np.full(count, 0.05)
        self._wander: Floats = np.zeros(count)
        self._mood: Floats = np.zeros(count)
        self._alarm: Floats = np.zeros(count)
        self._decoy: _Decoy | None = None
        self._sprint_speed = 0.0
        self._display_angle = 0.0
        self._quiver = 0.0
        self.phase = TankPhase.CALM
        self.actor = -1
        self.partner = -1
        self._phase_seconds_left = 0.0
        self._begin_calm()

    def tick(self) -> None:
        """Moves on by one tick."""
        self._drift_moods()
        self._advance_phase()
        self._advance_decoy()
        aim = self._calm_aim()
        if self._decoy is not None:
            self._follow_as_decoy(aim, self._decoy)
        if self.phase is TankPhase.APPROACH:
            self._aim_approach(aim)
        elif self.phase is TankPhase.DISPLAY:
            self._aim_display(aim)
        elif self.phase is TankPhase.CHASE:
            self._aim_chase(aim)
        self._swim(aim)
        self._bend()

    def spine(self) -> Complexes:
        """Returns the midlines, complex (N, SPINE_POINTS), from head centre to tail tip."""
        directions = np.exp(1j * self._links)
        behind = np.cumsum(directions, axis=1) * -_LINK_LENGTH
        along = np.arange(1, SPINE_POINTS) / (SPINE_POINTS - 1)
        # A wave that grows towards the tail and runs backwards, as in a swimming fish.
        swing = along**1.5 * np.sin(self._beat[:, None] - 5.0 * along)
        behind += 1j * directions * (self._beat_width[:, None] * swing)
        return np.concatenate([self.head[:, None], self.head[:, None] + behind], axis=1)

    # -- what happens next -------------------------------------------------------------------

    def _drift_moods(self) -> None:
        """Lets every fish's urge to turn and to speed change a little at random."""
        noise = self._rng.standard_normal((2, len(self.head)))
        self._wander = _drift(self._wander, noise[0], _WANDER_SECONDS, _WANDER_RADIANS)
        self._mood = _drift(self._mood, noise[1], _MOOD_SECONDS, _MOOD_SPREAD)
        self._alarm *= math.exp(-TICK_SECONDS / _ALARM_SECONDS)

    def _advance_phase(self) -> None:
        self._phase_seconds_left -= TICK_SECONDS
        if self.phase is TankPhase.APPROACH and self._pair_is_face_to_face():
            self._begin_display()
        if self._phase_seconds_left > 0.0:
            return
        if self.phase is TankPhase.CALM:
            self._begin_approach()
        elif self.phase is TankPhase.DISPLAY:
            if self._rng.random() < self._spec.false_start_probability:
                self._begin_calm()
            else:
                self._begin_chase()
        else:
            self._begin_calm()

    def _begin_calm(self) -> None:
        self.phase, self.actor, self.partner = TankPhase.CALM, -1, -1
        wanted = self._spec.chases_per_minute
        if wanted == 0.0:
            self._phase_seconds_left = math.inf
            return
        attempt = APPROACH_SECONDS + self._spec.display_seconds
        chase = sum(CHASE_SECONDS) / 2.0
        kept = 1.0 - self._spec.false_start_probability
        mean = kept * (60.0 / wanted - chase) - attempt
        # Without memory past the least spell: how long it has been calm tells nothing.
        extra = self._rng.exponential(max(mean - MIN_CALM_SECONDS, 0.2))
        self._phase_seconds_left = MIN_CALM_SECONDS + extra

    def _begin_approach(self) -> None:
        first, second = np.triu_indices(len(self.head), k=1)
        distance = np.abs(self.head[first] - self.head[second])
        # Neighbours some way off: near enough to meet soon, far enough for the meeting to show.
        weight = np.exp(-(((distance - 2.2) / 1.0) ** 2)) + 1e-9
        chosen = self._rng.choice(len(weight), p=weight / weight.sum())
        pair = [int(first[chosen]), int(second[chosen])]
        self._rng.shuffle(pair)
        self.actor, self.partner = pair
        self.phase = TankPhase.APPROACH
        self._phase_seconds_left = APPROACH_TIMEOUT
        if self._decoy is not None and {self._decoy.follower, self._decoy.leader} & set(pair):
            self._decoy = None

    def _begin_display(self) -> None:
        self.phase = TankPhase.DISPLAY
        jitter = self._rng.uniform(-DISPLAY_JITTER, DISPLAY_JITTER)
        self._phase_seconds_left = self._spec.display_seconds * (1.0 + jitter)
        self._display_angle = self._rng.uniform(-0.25, 0.25)
        self._quiver = self._rng.uniform(*QUIVER_WIDTH)

    def _begin_chase(self) -> None:
        self.phase = TankPhase.CHASE
        self._phase_seconds_left = self._rng.uniform(*CHASE_SECONDS)
        self._sprint_speed = self._rng.uniform(*SPRINT_SPEED)
        self._alarm = self._rng.uniform(*STARTLE, len(self.head))

    def _pair_is_face_to_face(self) -> bool:
        across = self.head[self.partner] - self.head[self.actor]
        facing = np.exp(1j * self.heading[[self.actor, self.partner]])
        off = np.abs(np.angle(facing * np.conj([across, -across])))
        return bool(abs(across) < FACING_DISTANCE and off.max() < FACING_ANGLE)

    def _advance_decoy(self) -> None:
        if self._decoy is not None:
            self._decoy.seconds -= TICK_SECONDS
            if self._decoy.seconds <= 0.0:
                self._decoy = None
        elif self._rng.random() < DECOYS_PER_MINUTE / 60.0 * TICK_SECONDS:
            free = [i for i in range(len(self.head)) if i not in (self.actor, self.partner)]
            if len(free) >= 2:
                follower = int(self._rng.choice(free))
                free.remove(follower)
                # The nearest: a fish farther off would not get there in time.
                leader = min(free, key=lambda fish: abs(self.head[fish] - self.head[follower]))
                place = DECOY_PLACES[self._rng.integers(len(DECOY_PLACES))]
                seconds = self._rng.uniform(*DECOY_SECONDS)
                self._decoy = _Decoy(follower, leader, place, seconds)

    # -- where every fish wants to go --------------------------------------------------------

    def _calm_aim(self) -> _Aim:
        facing = np.exp(1j * self.heading)
        urge = facing * np.exp(1j * self._wander)
        push = 1.6 * self._wall_push(facing) + self._crowd_push(facing)
        speed = CRUISE_SPEED * np.exp(self._mood) * (1.0 + 2.8 * self._alarm)
        return _Aim(
            direction=urge + push,
            speed=np.minimum(speed, 5.0),
            turn_rate=CALM_TURN_RATE * (1.0 + 0.8 * self._alarm),
            speed_seconds=0.3 / (1.0 + 2.0 * self._alarm),
        )

    def _wall_push(self, facing: Complexes) -> Complexes:
        """Returns the urge (N,) away from the walls ahead: 0 in open water, 1 at a wall."""
        ahead = self.head + facing * (0.3 + 0.25 * np.abs(self.speed))
        x, y = ahead.real, ahead.imag
        margin = 0.8
        right = np.clip(1.0 - (x - WATER_LEFT) / margin, 0.0, 2.0)
        left = np.clip(1.0 - (WATER_RIGHT - x) / margin, 0.0, 2.0)
        down = np.clip(1.0 - (y - WATER_TOP) / margin, 0.0, 2.0)
        up = np.clip(1.0 - (WATER_BOTTOM - y) / margin, 0.0, 2.0)
        push: Complexes = (right - left) + 1j * (down - up)
        return push

    def _crowd_push(self, facing: Complexes) -> Complexes:
        """Returns the urge (N,) to give way to fish near the head and in front of it."""
        apart = self.head[:, None] - self.head[None, :]
        distance = np.abs(apart)
        np.fill_diagonal(distance, np.inf)
        ahead = np.real(-apart * np.conj(facing)[:, None]) / distance
        strength = 1.8 * np.exp(-((distance / 0.9) ** 2)) * (0.4 + 0.6 * np.maximum(ahead, 0.0))
        if self._decoy is not None:
            strength[self._decoy.follower, self._decoy.leader] = 0.0
            strength[self._decoy.leader, self._decoy.follower] = 0.0
        # Sideways as well as back, or two fish that meet head on would brake nose to nose.
        away = apart / distance * np.exp(0.5j)
        push: Complexes = (away * strength).sum(axis=1)
        return push

    def _follow_as_decoy(self, aim: _Aim, decoy: _Decoy) -> None:
        follower, leader = decoy.follower, decoy.leader
        course = np.exp(1j * self.heading[leader])
        way = self.head[leader] + decoy.place * course - self.head[follower]
        wall = self._wall_push(np.exp(1j * self.heading))[follower]
        aim.direction[follower] = 1.5 * way + 0.6 * course + wall
        aim.speed[follower] = min(self.speed[leader] + 0.9 * abs(way), 1.8)

    def _aim_approach(self, aim: _Aim) -> None:
        for fish, other in ((self.actor, self.partner), (self.partner, self.actor)):
            way = self.head[other] - self.head[fish]
            aim.direction[fish] = way
            # Arrive slowly, and turn before setting off.
            ahead = math.cos(np.angle(way) - self.heading[fish])
            room = max(abs(way) - DISPLAY_GAP, 0.0)
            aim.speed[fish] = min(1.2 * room, APPROACH_SPEED) * max(ahead, 0.25)

    def _aim_display(self, aim: _Aim) -> None:
        for fish, other, sign in ((self.actor, self.partner, 1), (self.partner, self.actor, -1)):
            way = self.head[other] - self.head[fish]
            aim.direction[fish] = way * np.exp(1j * sign * self._display_angle)
            aim.speed[fish] = np.clip(1.5 * (abs(way) - DISPLAY_GAP), -0.3, 0.6)

    def _aim_chase(self, aim: _Aim) -> None:
        chaser, chased = self.actor, self.partner
        facing = np.exp(1j * self.heading)
        wall = self._wall_push(facing)
        gap = self.head[chased] - self.head[chaser]
        away = gap / max(abs(gap), 1e-6)
        flight = facing[chased] * np.exp(1j * self._wander[chased]) + 0.9 * away
        aim.direction[chased] = flight + 2.5 * wall[chased]
        aim.direction[chaser] = gap + 0.3 * facing[chased] + wall[chaser]
        # A sprint tires: the last 0.4 s run out.
        sprint = self._sprint_speed * min(1.0, 0.3 + self._phase_seconds_left / 0.4)
        aim.speed[chased] = sprint
        aim.speed[chaser] = min(sprint, 2.0 + 4.0 * max(abs(gap) - 0.5, 0.0))
        for fish in (chaser, chased):
            off = abs(np.angle(aim.direction[fish] * np.conj(facing[fish])))
            aim.speed[fish] *= 1.0 - 0.5 * off / math.pi
            aim.turn_rate[fish] = MAX_TURN_RATE
            aim.speed_seconds[fish] = 0.1

    # -- how the bodies carry it out ---------------------------------------------------------

    def _swim(self, aim: _Aim) -> None:
        facing = np.exp(1j * self.heading)
        off_course = np.angle(aim.direction * np.conj(facing))
        wanted = np.clip(4.0 * off_course, -aim.turn_rate, aim.turn_rate)
        self._turn_rate += (wanted - self._turn_rate) * _share(0.08)
        self.heading = self.heading + self._turn_rate * TICK_SECONDS
        self.speed = self.speed + (aim.speed - self.speed) * _share(aim.speed_seconds)
        moved = self.head + self.speed * np.exp(1j * self.heading) * TICK_SECONDS
        self.head = np.clip(moved.real, WATER_LEFT, WATER_RIGHT) + 1j * np.clip(
            moved.imag, WATER_TOP, WATER_BOTTOM
        )

    def _bend(self) -> None:
        """Lets the body follow the head, and the tail beat with the speed."""
        before = np.concatenate([self.heading[:, None], self._links[:, :-1]], axis=1)
        pace = np.abs(self.speed)
        follow = _share(1.0 / (pace / _LINK_LENGTH + 1.0 / _LINK_SECONDS))
        self._links = self._links + (before - self._links) * follow[:, None]
        beats_per_second = np.minimum(1.0 + 1.3 * pace, 8.0)
        width = np.minimum(0.01 + 0.023 * pace, 0.24)
        if self.phase is TankPhase.DISPLAY:
            # The pair quivers on the spot: holding still must not show as a dip of the motion.
            beats_per_second[[self.actor, self.partner]] = 4.0
            width[[self.actor, self.partner]] = self._quiver
        self._beat = self._beat + 2.0 * math.pi * TICK_SECONDS * beats_per_second
        self._beat_width = self._beat_width + (width - self._beat_width) * _share(0.15)


def _share(seconds: Floats | float) -> Floats:
    """Returns how much of a difference a lag of that time constant closes in one tick."""
    share: Floats = -np.expm1(-TICK_SECONDS / np.asarray(seconds, dtype=np.float64))
    return share


def _drift(value: Floats, noise: Floats, seconds: float, spread: float) -> Floats:
    """Returns the next tick of a noise of that correlation time and standard deviation."""
    keep = math.exp(-TICK_SECONDS / seconds)
    return keep * value + spread * math.sqrt(1.0 - keep**2) * noise
