"""The window: the overlay on the screen, where there is one."""

import os
import sys
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.errors import OutputError
from realtime.forecast import Forecast
from realtime.overlay import Overlay
from realtime.stats import StatsSnapshot

TITLE = "fishrt live"
POLL_MS = 1
ESCAPE = 27
MAX_AGE_MS = 100.0  # a picture older than this is not drawn: forecasts go first


class WindowSink:
    """Shows the overlay; must be used on the main thread, as window systems ask for."""

    def __init__(self, overlay: Overlay, snapshot: Callable[[], StatsSnapshot]) -> None:
        """Prepares the window, which opens with the first picture.

        Args:
            overlay: Draws the pictures; used by the window alone.
            snapshot: Gives the figures of the run.
        """
        self._overlay = overlay
        self._snapshot = snapshot
        self._opened = False
        self.closed_by_user = False

    def write(self, forecast: Forecast, picture: NDArray[np.uint8]) -> None:
        """Shows one picture; see `Sink.write`.

        Raises:
            OutputError: If the window cannot be opened.
        """
        self._overlay.observe(forecast)
        if self._opened and forecast.latency_ms > MAX_AGE_MS and not forecast.repeated:
            return
        canvas = self._overlay.draw(forecast, picture, self._snapshot())
        try:
            cv2.imshow(TITLE, canvas)
            key = cv2.waitKey(POLL_MS) & 0xFF
            gone = self._opened and cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error as error:
            raise OutputError(
                "no window can be opened here; run with --no-window, or install opencv-python "
                "with its window support."
            ) from error
        self._opened = True
        self.closed_by_user |= gone or key in (ESCAPE, ord("q"))

    def close(self) -> None:
        """Closes the window."""
        if self._opened:
            self._opened = False
            cv2.destroyWindow(TITLE)


def display_exists() -> bool:
    """Whether a window could be opened: a display on Linux, always on macOS and Windows."""
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return sys.platform in ("darwin", "win32")
