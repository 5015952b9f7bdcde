"""Running figures of a live run; their memory does not grow with its length."""

import math
import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from realtime.forecast import Forecast, Reason

HISTOGRAM_BIN_MS = 0.1
HISTOGRAM_RANGE_MS = 2_000.0
RECENT_FRAMES = 90  # the current frame rate is measured over the last 3 s at 30 frames/s


@dataclass(frozen=True)
class Percentiles:
    """Median, 99th percentile and maximum in milliseconds; 0 before the first value."""

    p50: float
    p99: float
    max: float


class Histogram:
    """Counts durations in bins of 0.1 ms, so that percentiles are exact to a bin for ever."""

    def __init__(self) -> None:
        """Starts empty."""
        self._counts = np.zeros(round(HISTOGRAM_RANGE_MS / HISTOGRAM_BIN_MS) + 1, np.int64)
        self._max = 0.0

    def add(self, milliseconds: float) -> None:
        """Counts one duration; those beyond the range share the last bin."""
        place = int(max(milliseconds, 0.0) / HISTOGRAM_BIN_MS)
        self._counts[min(place, len(self._counts) - 1)] += 1
        self._max = max(self._max, milliseconds)

    def percentiles(self) -> Percentiles:
        """Median, 99th percentile (upper edges of their bins) and maximum."""
        cumulative = np.cumsum(self._counts)
        total = int(cumulative[-1])
        if total == 0:
            return Percentiles(0.0, 0.0, 0.0)
        p50, p99 = (self._edge(cumulative, math.ceil(total * share)) for share in (0.5, 0.99))
        return Percentiles(p50, p99, self._max)

    def _edge(self, cumulative: np.ndarray, rank: int) -> float:
        place = int(np.searchsorted(cumulative, rank))
        if place == len(self._counts) - 1:
            return self._max
        return min((place + 1) * HISTOGRAM_BIN_MS, self._max)


@dataclass(frozen=True)
class StatsSnapshot:
    """The figures at one moment.

    Attributes:
        frames: Frames that got a line, repeated ones included.
        forecasts: Frames with a valid forecast.
        bursts: Valid forecasts at or above the threshold.
        repeated: Frames for which the previous picture stood in.
        lost: Frames for which no picture came.
        gaps: How often frames were lost, one or many at a time.
        dropped: Pictures thrown away because this machine was too slow.
        late: Forecasts withheld because they came too late, or to be on time again.
        fps: Frames a second over the last few seconds.
        fps_kept: Frames a second over the whole run.
        latency: From capture to emission, repeated frames left out.
        work: Computing time of a frame.
        budget: Median computing time as a share of the frame interval.
        behind_s: Seconds by which a file lags real time.
        filled: Frames in the window by now.
        clip_frames: Frames in a whole window.
        seconds: Length of the run.
        losses: How often the camera was lost.
        camera_fps: Frames a second that a live source really gives, or None if not measured.
        not_numbers: Frames for which the model gave what is no number.
    """

    frames: int
    forecasts: int
    bursts: int
    repeated: int
    lost: int
    gaps: int
    dropped: int
    late: int
    fps: float
    fps_kept: float
    latency: Percentiles
    work: Percentiles
    budget: float
    behind_s: float
    filled: int
    clip_frames: int
    seconds: float
    losses: int = 0
    camera_fps: float | None = None
    not_numbers: int = 0


class LiveStats:
    """Counts what happens; written by the loop alone."""

    def __init__(self, fps: float, clip_frames: int) -> None:
        """Starts at zero.

        Args:
            fps: The model's frames a second.
            clip_frames: Frames in a clip.
        """
        self.dropped = 0
        self.behind_s = 0.0
        self.filled = 0
        self.losses = 0
        self.camera_fps: float | None = None
        self._interval_ms = 1000.0 / fps
        self._clip_frames = clip_frames
        self._frames = self._forecasts = self._bursts = self._repeated = 0
        self._lost = self._gaps = self._late = self._not_numbers = 0
        self._latency = Histogram()
        self._work = Histogram()
        self._recent: deque[float] = deque(maxlen=RECENT_FRAMES)
        self._first: float | None = None
        self._last = 0.0

    @property
    def frames(self) -> int:
        """Frames that got a line."""
        return self._frames

    def count_lost(self, frames: int) -> None:
        """Counts one gap of so many frames."""
        self._lost += frames
        self._gaps += 1

    def count(self, forecast: Forecast, work_ms: float | None, now: float | None = None) -> None:
        """Counts one frame.

        Args:
            forecast: What was said about it.
            work_ms: Computing time in milliseconds, or None if it was not evaluated.
            now: Monotonic seconds; the clock's if left out.
        """
        now = time.monotonic() if now is None else now
        self._first = now if self._first is None else self._first
        self._last = now
        self._recent.append(now)
        self._frames += 1
        self._forecasts += forecast.valid
        self._bursts += bool(forecast.burst)
        self._repeated += forecast.repeated
        self._late += forecast.reason is Reason.LATE
        self._not_numbers += forecast.reason is Reason.NOT_FINITE
        if work_ms is not None:
            self._work.add(work_ms)
        if not forecast.repeated:  # a repeated picture is old by nature, not by slowness
            self._latency.add(forecast.latency_ms)

    def snapshot(self) -> StatsSnapshot:
        """The figures as they are now."""
        seconds = self._last - self._first if self._first is not None else 0.0
        work = self._work.percentiles()
        return StatsSnapshot(
            frames=self._frames,
            forecasts=self._forecasts,
            bursts=self._bursts,
            repeated=self._repeated,
            lost=self._lost,
            gaps=self._gaps,
            dropped=self.dropped,
            late=self._late,
            fps=_rate(len(self._recent), self._recent[-1] - self._recent[0] if self._recent else 0),
            fps_kept=_rate(self._frames, seconds),
            latency=self._latency.percentiles(),
            work=work,
            budget=work.p50 / self._interval_ms,
            behind_s=self.behind_s,
            filled=self.filled,
            clip_frames=self._clip_frames,
            seconds=seconds,
            losses=self.losses,
            camera_fps=self.camera_fps,
            not_numbers=self._not_numbers,
        )


def _rate(events: int, seconds: float) -> float:
    """Events a second, of so many events from the first to the last."""
    return (events - 1) / seconds if seconds > 0 else 0.0
