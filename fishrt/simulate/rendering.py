"""What the camera sees of the simulated tank: bright fish on a black background.

The frames look like those the published model was trained on: processed pictures, in which the
background was removed and only fish, specks and reflections are left.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.simulate.behaviour import SPINE_POINTS
from fishrt.simulate.state import (
    PICTURE_HEIGHT,
    PICTURE_WIDTH,
    WATER_BOTTOM,
    WATER_LEFT,
    WATER_RIGHT,
    WATER_TOP,
    TankSpec,
    TankState,
)

Picture = NDArray[np.uint8]

# Fractions of a pixel that OpenCV draws to, as a power of two.
_SHIFT = 6
# Below this width fish are drawn larger and scaled down: OpenCV draws no line under a pixel.
_DRAWING_WIDTH = 320

# Along the body from head centre to tail tip: half width in body lengths, and grey level.
_HALF_WIDTH = np.interp(
    np.linspace(0.0, 1.0, SPINE_POINTS),
    [0.0, 0.15, 0.4, 0.75, 1.0],
    [0.046, 0.055, 0.042, 0.018, 0.0],
)
_GREY = np.interp(
    np.linspace(0.0, 1.0, SPINE_POINTS - 1), [0.0, 0.4, 0.7, 1.0], [156.0, 134.0, 97.0, 43.0]
)
_HEAD_GREY = 190.0
_HEAD_RADIUS = 0.04


class TankRenderer:
    """Draws states of one tank; the same state always gives the same picture."""

    def __init__(self, spec: TankSpec, noise: np.random.SeedSequence) -> None:
        """Prepares the static part of the picture.

        Args:
            spec: The tank.
            noise: Seed of the sensor noise and of the static background.
        """
        self._size = (spec.width, spec.height)
        self._noise_level = spec.noise_level
        self._noise = noise
        self._enlarged = max(1, math.ceil(_DRAWING_WIDTH / spec.width))
        width, height = spec.width * self._enlarged, spec.height * self._enlarged
        # One scale for both axes: a picture of another shape gets black bars, not wider fish.
        self._scale = min(width / PICTURE_WIDTH, height / PICTURE_HEIGHT)
        self._origin = np.array(
            [
                (width - PICTURE_WIDTH * self._scale) / 2.0,
                (height - PICTURE_HEIGHT * self._scale) / 2.0,
            ]
        )
        background_seed = np.random.SeedSequence(noise.entropy, spawn_key=(*noise.spawn_key, 0))
        self._background = self._draw_background(
            np.zeros((height, width), np.uint8), np.random.default_rng(background_seed)
        )

    def to_pixels(self, position: NDArray[np.floating]) -> NDArray[np.float64]:
        """Converts positions in body lengths to picture coordinates.

        Args:
            position: Positions (..., 2) as x, y in body lengths.

        Returns:
            Pixel coordinates (..., 2) as x, y; whole numbers are the middles of pixels.
        """
        drawn: NDArray[np.float64] = (
            np.asarray(position, np.float64) * self._scale + self._origin
        ) / self._enlarged
        return drawn - 0.5

    def render(self, state: TankState) -> Picture:
        """Returns the frame of a state, uint8 (height, width)."""
        canvas = self._background.copy()
        self._draw_fish(canvas, state.spine.astype(np.float64))
        if self._enlarged > 1:
            canvas = cv2.resize(canvas, self._size, interpolation=cv2.INTER_AREA)
        self._add_noise(canvas, state.frame_index)
        return canvas

    def _to_canvas(self, points: NDArray[np.float64]) -> NDArray[np.int32]:
        """Converts body lengths to OpenCV's fixed-point coordinates."""
        pixels = points * self._scale + self._origin - 0.5
        fixed: NDArray[np.int32] = np.rint(pixels * (1 << _SHIFT)).astype(np.int32)
        return fixed

    def _draw_fish(self, canvas: Picture, spine: NDArray[np.float64]) -> None:
        tangent = np.gradient(spine, axis=1)
        tangent /= np.linalg.norm(tangent, axis=2, keepdims=True) + 1e-12
        normal = np.stack([-tangent[..., 1], tangent[..., 0]], axis=2)
        left = self._to_canvas(spine + normal * _HALF_WIDTH[:, None])
        right = self._to_canvas(spine - normal * _HALF_WIDTH[:, None])
        parts = np.stack([left[:, :-1], left[:, 1:], right[:, 1:], right[:, :-1]], axis=2)
        # All tails first: where fish cross, a faint tail must not darken a body.
        for part in reversed(range(SPINE_POINTS - 1)):
            for polygon in parts[:, part]:
                cv2.fillConvexPoly(canvas, polygon, _GREY[part], cv2.LINE_AA, _SHIFT)
        radius = round(_HEAD_RADIUS * self._scale * (1 << _SHIFT))
        for x, y in self._to_canvas(spine[:, 0]).tolist():
            cv2.circle(canvas, (x, y), radius, _HEAD_GREY, cv2.FILLED, cv2.LINE_AA, _SHIFT)

    def _add_noise(self, frame: Picture, frame_index: int) -> None:
        """Adds the sensor noise of one frame, in place.

        The generator is made anew from the frame's number, so that a frame does not depend on
        which frames were drawn before it.
        """
        if self._noise_level == 0.0:
            return
        key = (*self._noise.spawn_key, 1, frame_index)
        rng = np.random.default_rng(np.random.SeedSequence(self._noise.entropy, spawn_key=key))
        pixels = frame.reshape(-1)
        lit = np.flatnonzero(pixels)
        noisy = pixels[lit] + rng.normal(0.0, self._noise_level, lit.size)
        pixels[lit] = np.clip(np.rint(noisy), 0.0, 255.0).astype(np.uint8)
        # Drawing the few dark pixels that exceed black is 20 times cheaper than all of them.
        specks = rng.integers(0, pixels.size, rng.poisson(0.002 * self._noise_level * pixels.size))
        height = 1.0 + rng.exponential(0.6 * self._noise_level, specks.size)
        pixels[specks] = np.maximum(pixels[specks], height.astype(np.uint8))

    def _draw_background(self, canvas: Picture, rng: np.random.Generator) -> Picture:
        """Draws what does not move: dirt, lamp spots, and reflections at the water's edge."""
        for _ in range(40):
            spot = (rng.uniform(WATER_LEFT, WATER_RIGHT), rng.uniform(WATER_TOP, WATER_BOTTOM))
            self._draw_speck(canvas, spot, rng.exponential(28.0))
        for side in (WATER_LEFT - 0.2, WATER_RIGHT + 0.4):
            for row in np.arange(2.1, 5.6, 0.95):
                self._draw_speck(canvas, (side, row), rng.uniform(30.0, 110.0))
        self._draw_reflection(canvas, rng, WATER_LEFT - 0.3, 3.0)
        self._draw_reflection(canvas, rng, 7.4, WATER_RIGHT + 0.1)
        return canvas

    def _draw_speck(self, canvas: Picture, spot: tuple[float, float], grey: float) -> None:
        side = max(1, round(0.03 * self._scale))
        x, y = (np.array(spot) * self._scale + self._origin).astype(int)
        canvas[y : y + side, x : x + side] = min(grey, 120.0)

    def _draw_reflection(
        self, canvas: Picture, rng: np.random.Generator, start: float, end: float
    ) -> None:
        """Draws a faint, streaky smudge along the upper edge of the water."""
        corners = np.array([[start, WATER_TOP - 0.08], [end, WATER_TOP + 0.14]])
        (left, top), (right, bottom) = (corners * self._scale + self._origin).astype(int)
        rows, columns = max(bottom - top, 1), max(right - left, 1)
        grain = rng.exponential(1.0, (rows, columns))
        streaks = cv2.blur(grain, (max(1, round(0.12 * self._scale)), 1))
        fade_down = np.exp(-1.8 * np.arange(rows) / rows)[:, None]
        fade_in = np.sin(np.linspace(0.2, math.pi - 0.2, columns))
        smudge = np.clip(14.0 * streaks * fade_down * fade_in - 1.0, 0.0, 255.0).astype(np.uint8)
        part = canvas[top : top + rows, left : left + columns]
        np.maximum(part, smudge, out=part)
