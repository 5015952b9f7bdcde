"""The window: the overlay on the screen, where there is one."""

import subprocess
import sys
import time
from collections.abc import Callable

import cv2

from fishrt.display import display_exists
from fishrt.errors import OutputError
from realtime.event import Event
from realtime.overlay import Overlay
from realtime.stats import StatsSnapshot
from realtime.update import Update

TITLE = "fishrt live"
POLL_MS = 1
ESCAPE = 27
LISTEN_S = 0.1  # how often keys are heard while no frame comes
PROBE = f"import cv2; cv2.namedWindow({TITLE!r})"
PROBE_TIMEOUT_S = 20.0  # importing OpenCV takes a second or two on a busy machine
MAX_WAIT_S = 0.1  # a picture that waited longer than this is not drawn: forecasts go first
REDRAW_S = 0.2  # but even then the window is drawn so often, or it would look frozen
NO_WINDOW = (
    "no window can be opened here; run with --no-window, or on a machine with a display and an "
    "opencv-python that has window support."
)


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
        self._drawn = 0.0
        self._heard = 0.0
        self.closed_by_user = False

    def write(self, update: Update) -> None:
        """Shows one picture; see `Sink.write`.

        Raises:
            OutputError: If the window cannot be opened.
        """
        forecast = update.forecast
        self._overlay.observe(forecast)
        try:
            if self._is_due(update):
                cv2.imshow(TITLE, self._overlay.draw(forecast, update.picture, self._snapshot()))
                self._drawn = time.monotonic()
            self._listen()  # at every frame, drawn or not
        except cv2.error as error:
            raise OutputError(NO_WINDOW) from error
        self._opened = True

    def is_closed(self) -> bool:
        """Whether the user has closed it; also heard while a lost camera gives no picture."""
        if self._opened and time.monotonic() - self._heard > LISTEN_S:
            self._listen()
        return self.closed_by_user

    def _listen(self) -> None:
        """Hears keys and the close button."""
        self._heard = time.monotonic()
        key = cv2.waitKey(POLL_MS) & 0xFF
        gone = self._opened and cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1
        self.closed_by_user |= gone or key in (ESCAPE, ord("q"))

    def event(self, event: Event) -> None:
        """Events are not drawn."""
        del event

    def _is_due(self, update: Update) -> bool:
        on_time = update.waited_s <= MAX_WAIT_S or update.forecast.repeated
        return not self._opened or on_time or time.monotonic() - self._drawn > REDRAW_S

    def close(self) -> None:
        """Closes the window."""
        if self._opened:
            self._opened = False
            cv2.destroyWindow(TITLE)


def window_wanted(asked: bool | None) -> bool:
    """Whether to show a window: as asked, or wherever one can be opened.

    Args:
        asked: What the user said, or None.

    Raises:
        OutputError: If a window was asked for and cannot be opened.
    """
    if asked is False:
        return False
    usable = display_exists() and window_opens()
    if asked and not usable:
        raise OutputError(NO_WINDOW)
    return usable


def window_opens() -> bool:
    """Whether OpenCV can open a window, tried by another process.

    A display may be named that is not there (a closed remote session), and then Qt ends the
    process that tries it, without an error that could be caught.
    """
    try:
        tried = subprocess.run(
            [sys.executable, "-c", PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0
