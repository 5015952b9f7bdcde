"""From what the user asked for to open sinks."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from fishrt.config import Config
from fishrt.errors import OutputError
from realtime.capture import Policy
from realtime.options import LiveOptions
from realtime.overlay import Overlay
from realtime.scoreboard.snapshot import ScoreSnapshot
from realtime.sinks.jsonl import JsonlSink
from realtime.sinks.scores import SCORES_EVERY_S, ScoreSink
from realtime.sinks.sink import Sink, close_all
from realtime.sinks.status import StatusSink
from realtime.sinks.video import VideoRecorder
from realtime.sinks.window import WindowSink
from realtime.stats import LiveStats


def make_sinks(
    options: LiveOptions,
    config: Config,
    threshold: float,
    policy: Policy,
    stats: LiveStats,
    console: Console,
    scores: Callable[[], ScoreSnapshot] = ScoreSnapshot,
) -> list[Sink]:
    """Opens what the user asked for; the status comes last, when the forecast is out.

    Args:
        options: What the user asked for.
        config: The model's config.
        threshold: Probability from which on a burst is forecast.
        policy: What gives way when the machine is too slow.
        stats: The figures of the run.
        console: Where the status goes.
        scores: Gives the scoreboard.

    Raises:
        OutputError: If one cannot be opened; those opened before it are closed again.
    """
    fps = config.clip.fps

    def overlay() -> Overlay:
        return Overlay(fps, threshold, config.label.horizon / fps)

    for target in (options.output, options.record, options.scores):
        refuse_source(target, options.camera)
    sinks: list[Sink] = []
    try:
        # the recorder first: it only looks at its file, while the log makes its own at once
        if options.record is not None:
            sinks.append(
                VideoRecorder(
                    options.record,
                    overlay(),
                    stats.snapshot,
                    fps,
                    may_drop=policy is Policy.KEEP_UP,
                    overwrite=options.overwrite,
                )
            )
        if options.output is not None:
            sinks.append(JsonlSink(options.output, overwrite=options.overwrite))
        if options.scores is not None:
            every = round(SCORES_EVERY_S * fps)
            sinks.append(ScoreSink(options.scores, scores, every, overwrite=options.overwrite))
        if options.window:
            sinks.append(WindowSink(overlay(), stats.snapshot))
        sinks.append(StatusSink(stats.snapshot, threshold, console, scores=scores))
    except BaseException:
        close_all(sinks)
        raise
    return sinks


def refuse_source(target: str | Path | None, camera: str) -> None:
    """Refuses to write over the footage that is being read, whatever --overwrite says.

    Raises:
        OutputError: If `target` is the source itself.
    """
    if target is None:
        return
    with contextlib.suppress(OSError):
        if Path(target).samefile(camera):
            raise OutputError(f"{target} is the footage itself; name another file.")
