"""From what the user asked for to a page that is served."""

from pathlib import Path

from realtime.options import LiveOptions
from realtime.overlay import Overlay
from realtime.run_view import RunView
from realtime.sinks.video import VideoRecorder
from realtime.web.address import WebAddress
from realtime.web.sink import WebSink


def open_page(options: LiveOptions, address: WebAddress, run: RunView) -> WebSink:
    """Takes the port and serves the page.

    Args:
        options: What the user asked for.
        address: Where to serve.
        run: The run that it shows.

    Raises:
        OutputError: If the port is in use, or there is no folder for recordings.
    """

    def recorder(path: Path) -> VideoRecorder:
        overlay = Overlay(run.fps, run.threshold, run.horizon_s)
        return VideoRecorder(path, overlay, run.figures, run.fps, may_drop=True)

    return WebSink(address, run, options.web_record_dir, recorder)
