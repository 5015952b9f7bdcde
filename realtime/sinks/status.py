"""The status: one line that is renewed on a terminal, one plain line now and then elsewhere."""

import threading
import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.text import Text

from fishrt.patient_stderr import PatientStderr
from realtime.event import TROUBLE_ENDED_BY, Event, EventKind
from realtime.forecast import Forecast, Reason
from realtime.scoreboard.snapshot import ScoreSnapshot
from realtime.scoreboard.wording import score_parts
from realtime.stats import StatsSnapshot
from realtime.update import Update

TERMINAL_INTERVAL_S = 0.1
PLAIN_INTERVAL_S = 10.0
BAR_WIDTH = 20
TROUBLE = {  # in words
    EventKind.CAMERA_LOST: "camera lost since {clock}",
    EventKind.FROZEN: "frozen since {clock}",
    EventKind.RATE: "camera gives {fps:.1f} of {wanted_fps:g} fps",
}
UNSCORED = ScoreSnapshot()
BEHIND_S = 0.5  # how far a file may lag real time before it is said


class StatusSink:
    """Writes the status to stderr, never to stdout, which belongs to the forecasts.

    On a console that writes to a `PatientStderr` nobody waits for a terminal that is not read: a
    line that cannot be shown is left out, and the next one is as new as can be.
    """

    def __init__(
        self,
        snapshot: Callable[[], StatsSnapshot],
        threshold: float,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        scores: Callable[[], ScoreSnapshot] = ScoreSnapshot,
    ) -> None:
        """Begins the status line.

        Args:
            snapshot: Gives the figures of the run.
            threshold: Probability from which on a burst is forecast.
            console: Where to write; its file is a `PatientStderr` where the run must go on.
            clock: Monotonic seconds.
            scores: Gives the scoreboard.
        """
        self._snapshot = snapshot
        self._scores = scores
        self._threshold = threshold
        self._console = console
        self._clock = clock
        self._interval = TERMINAL_INTERVAL_S if console.is_terminal else PLAIN_INTERVAL_S
        self._due = clock() + self._interval
        self._probability: float | None = None
        self._trouble: dict[EventKind, str] = {}
        self._lost_still: threading.Event | None = None  # set when it is over
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()

    def write(self, update: Update) -> None:
        """Renews the line if it is time to; see `Sink.write`."""
        forecast = update.forecast
        if forecast.reason is not Reason.SKIPPED:
            self._probability = forecast.probability
        now = self._clock()
        if now < self._due or self._is_behind():
            return
        self._due = now + self._interval
        line = status_line(
            forecast, self._probability, self._threshold, self._snapshot(), self._scores()
        )
        for trouble in tuple(self._trouble.values()):
            line.append(f" | {trouble}", "bold yellow")
        if self._live is not None:
            self._live.update(line, refresh=True)
        else:
            self._console.print(line.plain, highlight=False, soft_wrap=True)

    def event(self, event: Event) -> None:
        """Prints the event above the status line, with its time of day."""
        clock = time.strftime("%H:%M:%S", time.localtime(event.wall))
        self._console.print(f"{clock} {event.text}", highlight=False, soft_wrap=True, markup=False)
        self._note_trouble(event, clock)

    def close(self) -> None:
        """Takes the line off the terminal."""
        self._stop_reminding()
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _is_behind(self) -> bool:
        file = self._console.file
        return isinstance(file, PatientStderr) and file.is_behind

    def _note_trouble(self, event: Event, clock: str) -> None:
        """Keeps in the line what is wrong with the camera until it is right again."""
        if event.kind in TROUBLE:
            self._trouble[event.kind] = TROUBLE[event.kind].format(clock=clock, **event.values)
        elif event.kind in TROUBLE_ENDED_BY:
            self._trouble.pop(TROUBLE_ENDED_BY[event.kind], None)
        if event.kind is EventKind.CAMERA_LOST:
            self._show_loss(self._trouble[event.kind])
        elif event.kind is EventKind.CAMERA_BACK:
            self._stop_reminding()

    def _show_loss(self, sentence: str) -> None:
        """Says that the camera is lost while no frame comes to renew the line."""
        if self._live is not None:
            self._live.update(Text(sentence, "bold yellow", no_wrap=True), refresh=True)
            return
        self._stop_reminding()
        self._lost_still = over = threading.Event()

        def remind() -> None:
            while not over.wait(self._interval):
                self._console.print(sentence, highlight=False, soft_wrap=True, markup=False)

        threading.Thread(target=remind, name="fishrt-camera-lost", daemon=True).start()

    def _stop_reminding(self) -> None:
        if self._lost_still is not None:
            self._lost_still.set()


def status_line(
    forecast: Forecast,
    probability: float | None,
    threshold: float,
    stats: StatsSnapshot,
    scores: ScoreSnapshot = UNSCORED,
) -> Text:
    """The status as one line of text with colours.

    Args:
        forecast: The newest forecast.
        probability: The newest probability, also where this frame has none of its own.
        threshold: Probability from which on a burst is forecast.
        stats: The figures of the run.
        scores: The scoreboard.
    """
    line = Text(no_wrap=True, overflow="ellipsis")
    if probability is None:
        state = str(forecast.reason)
        if forecast.reason not in (None, Reason.SKIPPED, Reason.NOT_FINITE):
            state += f" {stats.filled}/{stats.clip_frames}"
        line.append(state, "yellow")
    else:
        style = "bold red" if probability >= threshold else "green"
        full = round(probability * BAR_WIDTH)
        line.append(f"{probability:.2f} ", style)
        line.append("#" * full, style).append("." * (BAR_WIDTH - full), "dim")
        if forecast.reason is Reason.LATE:
            line.append(" late", "bold yellow")
    line.append(
        f" | {stats.fps:.1f} fps | p50 {stats.latency.p50:.0f} p99 {stats.latency.p99:.0f} ms | "
        f"budget {stats.budget:.0%} | frame {forecast.frame}"
    )
    for part in score_parts(scores):
        line.append(f" | {part}")
    if scores.drift_warning:
        line.append(" | unlike the usual picture", "bold yellow")
    if stats.dropped or stats.lost or stats.late:
        line.append(
            f" | dropped {stats.dropped}, lost {stats.lost}, late {stats.late}", "bold yellow"
        )
    if stats.behind_s > BEHIND_S:
        line.append(f" | {stats.behind_s:.1f} s behind real time", "bold yellow")
    return line
