"""The overlay: the camera picture with a footer of probability, trace, state and timing.

All text stands on the footer, never on the picture, so that it is legible whatever the footage
and hides no animal.
"""

import itertools
from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.forecast import Forecast, Reason
from realtime.stats import StatsSnapshot

MIN_WIDTH, MAX_WIDTH, MAX_HEIGHT = 640, 1280, 800  # of the picture, in pixels
FOOTER_HEIGHT = 132
TRACE_SECONDS = 10.0
FRAME_WIDTH = 4  # of the coloured edge around the picture while the alarm is on
SUBPIXEL_BITS = 4  # the trace is drawn to a sixteenth of a pixel, or it looks like stairs
SUBPIXELS = 1 << SUBPIXEL_BITS

Colour = tuple[int, int, int]  # BGR
FOOTER: Colour = (30, 24, 20)
WELL: Colour = (46, 38, 33)
TEXT: Colour = (240, 236, 232)
FAINT: Colour = (160, 148, 138)
GRID: Colour = (70, 60, 54)
CALM: Colour = (222, 168, 84)
RISING: Colour = (60, 190, 250)
BURST: Colour = (70, 70, 245)

Canvas = NDArray[np.uint8]


class Overlay:
    """Draws one picture after another; keeps the trace of the last seconds."""

    def __init__(self, fps: float, threshold: float, horizon_s: float) -> None:
        """Starts with an empty trace.

        Args:
            fps: Frames a second at the model's rate.
            threshold: Probability from which on a burst is forecast.
            horizon_s: How far the forecast looks ahead, in seconds.
        """
        self._threshold = threshold
        self._caption = f"burst in {horizon_s:.1f} s"
        self._span = max(round(fps * TRACE_SECONDS), 2)
        self._trace: deque[tuple[int, float]] = deque()
        self._latest: float | None = None

    def observe(self, forecast: Forecast) -> None:
        """Takes a forecast into the trace, whether or not its picture will be drawn."""
        if forecast.valid and forecast.probability is not None:
            self._trace.append((forecast.frame, forecast.probability))
            self._latest = forecast.probability
        elif forecast.reason is not Reason.SKIPPED:
            self._latest = None
        while self._trace and self._trace[0][0] <= forecast.frame - self._span:
            self._trace.popleft()

    def draw(self, forecast: Forecast, picture: NDArray[np.uint8], stats: StatsSnapshot) -> Canvas:
        """Draws the picture with its footer.

        Args:
            forecast: The forecast that was observed last.
            picture: uint8 `(H, W)` grey or `(H, W, 3)` BGR; left as it is.
            stats: The figures of the run.

        Returns:
            uint8 `(H', W', 3)` BGR with even sizes, `W'` from 640 to 1280.
        """
        image = scaled_to_bgr(picture)
        height, width = image.shape[:2]
        canvas = np.empty((height + FOOTER_HEIGHT, width, 3), np.uint8)
        canvas[:height] = image
        colour = colour_of(self._latest, self._threshold)
        alarm = forecast.alarm
        if alarm:
            draw_edge(canvas[:height])
        footer = canvas[height:]
        footer[:] = FOOTER
        cv2.line(footer, (0, 0), (width, 0), BURST if alarm else GRID, 2)
        self._draw_gauge(footer[:, :190], colour)
        self._draw_trace(footer[:, 190 : width - 170], forecast.frame)
        above = self._latest is not None and self._latest >= self._threshold
        draw_state(footer[:, width - 170 :], forecast, stats, above=above)
        return canvas

    def _draw_gauge(self, area: Canvas, colour: Colour) -> None:
        """The probability as a number and as a bar with a notch at the threshold."""
        number = "--" if self._latest is None else f"{self._latest:.2f}"
        put(area, number, (18, 58), 1.5, TEXT if self._latest is None else colour, 2)
        put(area, self._caption, (18, 84), 0.5, FAINT)
        left, top, right, bottom = 18, 98, 172, 112
        cv2.rectangle(area, (left, top), (right, bottom), WELL, -1)
        if self._latest is not None:
            end = left + round((right - left) * self._latest)
            cv2.rectangle(area, (left, top), (max(end, left), bottom), colour, -1)
        notch = left + round((right - left) * self._threshold)
        cv2.line(area, (notch, top - 4), (notch, bottom + 4), TEXT, 1, cv2.LINE_AA)

    def _draw_trace(self, area: Canvas, frame: int) -> None:
        """The probability over the last seconds, newest at the right edge."""
        top, bottom, left, right = 16, 112, 8, area.shape[1] - 10
        cv2.rectangle(area, (left, top), (right, bottom), WELL, -1)
        step = (right - left) / (self._span - 1)

        def point(at: int, probability: float) -> tuple[int, int]:
            x = right - (frame - at) * step
            y = bottom - (bottom - top) * probability
            return round(x * SUBPIXELS), round(y * SUBPIXELS)

        for second in range(2, round(TRACE_SECONDS), 2):
            x = round(right - (right - left) * second / TRACE_SECONDS)
            cv2.line(area, (x, top), (x, bottom), GRID, 1)
        _dashed(area, left, right, point(frame, self._threshold)[1] // SUBPIXELS)
        entries = list(self._trace)
        for (at, value), (after, next_value) in itertools.pairwise(entries):
            if after - at > self._span // 10:  # no line over a gap
                continue
            colour = colour_of(max(value, next_value), self._threshold)
            ends = point(at, value), point(after, next_value)
            cv2.line(area, *ends, colour, 2, cv2.LINE_AA, SUBPIXEL_BITS)
        if entries and self._latest is not None:
            colour = colour_of(self._latest, self._threshold)
            dot = point(*entries[-1])
            cv2.circle(area, dot, 4 * SUBPIXELS, colour, -1, cv2.LINE_AA, SUBPIXEL_BITS)
        put(area, f"{TRACE_SECONDS:.0f} s", (left + 4, bottom + 14), 0.38, FAINT)
        put_right(area, "now", (right, bottom + 14), 0.38, FAINT)


def draw_edge(picture: Canvas) -> None:
    """The coloured edge, exactly as wide as it says, which OpenCV's rectangles are not."""
    for band in (slice(None, FRAME_WIDTH), slice(-FRAME_WIDTH, None)):
        picture[band] = BURST
        picture[:, band] = BURST


def draw_state(area: Canvas, forecast: Forecast, stats: StatsSnapshot, *, above: bool) -> None:
    """State, frame rate and latency, in a column."""
    state, colour = state_text(forecast, stats, above=above)
    cv2.rectangle(area, (4, 16), (154, 44), colour, -1)
    (width, _), _ = cv2.getTextSize(state, cv2.FONT_HERSHEY_DUPLEX, 0.5, 1)
    put(area, state, (79 - width // 2, 35), 0.5, FOOTER)
    latency = f"{min(stats.latency.p50, 9999):.0f} / {min(stats.latency.p99, 9999):.0f} ms"
    rows = (
        ("fps", f"{stats.fps:.1f}"),
        ("p50 / p99", latency),
        ("lost", f"{stats.lost}"),
        ("frame", f"{forecast.frame}"),
    )
    for row, (name, value) in enumerate(rows):
        y = 63 + 17 * row
        put(area, name, (4, y), 0.42, FAINT)
        put_right(area, value, (154, y), 0.42, TEXT)


def state_text(forecast: Forecast, stats: StatsSnapshot, *, above: bool) -> tuple[str, Colour]:
    """The state in one or two words, and its colour.

    Args:
        forecast: The newest forecast.
        stats: The figures of the run.
        above: Whether the newest probability reaches the threshold, which debounce and refractory
            time may keep from being an alarm.
    """
    reason = forecast.reason
    if reason in (Reason.FILLING, Reason.GAP):
        return f"{reason} {stats.filled}/{stats.clip_frames}", RISING
    if reason not in (None, Reason.SKIPPED):
        return str(reason), RISING
    if forecast.alarm:
        return "BURST AHEAD", BURST
    return ("rising", RISING) if above else ("calm", CALM)


def colour_of(probability: float | None, threshold: float) -> Colour:
    """From calm over rising (at the threshold) to burst, BGR."""
    if probability is None:
        return FAINT
    if probability >= threshold:
        low, high, share = RISING, BURST, min((probability - threshold) / 0.15, 1.0)
    else:
        low, high, share = CALM, RISING, max(probability / threshold, 0.0) ** 2
    mixed = [round(a + (b - a) * share) for a, b in zip(low, high, strict=True)]
    return mixed[0], mixed[1], mixed[2]


def scaled_to_bgr(picture: NDArray[np.uint8]) -> Canvas:
    """A BGR copy of readable size with even sides, so that any video encoder takes it."""
    if picture.ndim == 2 or picture.shape[2] == 1:
        picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8)
    height, width = picture.shape[:2]
    scale = min(max(1.0, MIN_WIDTH / width), MAX_WIDTH / width, MAX_HEIGHT / height)
    size = tuple(max(round(side * scale / 2) * 2, 2) for side in (width, height))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = np.asarray(cv2.resize(picture[:, :, :3], size, interpolation=way), np.uint8)
    margin = max(MIN_WIDTH - size[0], 0) // 2  # a tall picture stands in the middle
    if margin == 0:
        return resized
    canvas = np.empty((size[1], MIN_WIDTH, 3), np.uint8)
    canvas[:] = FOOTER
    canvas[:, margin : margin + size[0]] = resized
    return canvas


def put(
    area: Canvas, text: str, at: tuple[int, int], size: float, colour: Colour, weight: int = 1
) -> None:
    """Writes text with its left lower corner at `at`."""
    cv2.putText(area, text, at, cv2.FONT_HERSHEY_DUPLEX, size, colour, weight, cv2.LINE_AA)


def put_right(area: Canvas, text: str, at: tuple[int, int], size: float, colour: Colour) -> None:
    """Writes text with its right lower corner at `at`."""
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, size, 1)
    put(area, text, (at[0] - width, at[1]), size, colour)


def _dashed(area: Canvas, left: int, right: int, y: int) -> None:
    for x in range(left, right, 10):
        cv2.line(area, (x, y), (min(x + 5, right), y), TEXT, 1)
