"""From what the user asked for to a page that is served."""

from pathlib import Path

from fishrt.bundle import Bundle
from realtime.options import LiveOptions
from realtime.overlay import Overlay
from realtime.sinks.video import VideoRecorder
from realtime.stats import LiveStats
from realtime.web.address import WebAddress
from realtime.web.messages import RunFacts, Scores
from realtime.web.recording import Tell
from realtime.web.sink import WebSink


def open_page(
    options: LiveOptions,
    address: WebAddress,
    bundle: Bundle,
    threshold: float,
    stats: LiveStats,
    tell: Tell,
    scores: Scores = lambda: None,
) -> WebSink:
    """Takes the port and serves the page.

    Args:
        options: What the user asked for.
        address: Where to serve.
        bundle: What forecasts.
        threshold: Probability from which on an alarm may start.
        stats: The figures of the run.
        tell: Takes what goes wrong and one sentence on it, on any thread.
        scores: Gives the scoreboard or None, on any thread.

    Raises:
        OutputError: If the port is in use, or there is no folder for recordings.
    """
    config = bundle.metadata.config
    fps, horizon = config.clip.fps, config.label.horizon
    facts = RunFacts(options.footage, bundle.metadata.name, fps, horizon, threshold)

    def recorder(path: Path) -> VideoRecorder:
        overlay = Overlay(fps, threshold, facts.horizon_s)
        return VideoRecorder(path, overlay, stats.snapshot, fps, may_drop=True)

    return WebSink(address, facts, stats.snapshot, scores, options.web_record_dir, recorder, tell)
