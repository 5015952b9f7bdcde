"""From what the user asked for to open sinks."""

from pathlib import Path

from rich.console import Console

from fishrt.errors import OutputError
from fishrt.install_hints import install_hint
from realtime.capture import Policy
from realtime.event import EventKind
from realtime.footage_guard import refuse_source
from realtime.options import LiveOptions
from realtime.overlay import Overlay
from realtime.run_view import RunView
from realtime.sinks.files import open_event_log, open_log, open_score_log
from realtime.sinks.jsonl import STDOUT
from realtime.sinks.peers.open import open_peer
from realtime.sinks.queued import WhenFull
from realtime.sinks.recording import timestamps_path
from realtime.sinks.scores import SCORES_EVERY_S, ScoreSink
from realtime.sinks.sink import Sink, close_all
from realtime.sinks.status import StatusSink
from realtime.sinks.video import CameraRecorder, VideoRecorder
from realtime.sinks.video_file import can_fragment
from realtime.sinks.window import WindowSink

WITHOUT_PYAV = (
    f"PyAV is not installed, so a video is lost if this process is killed; {install_hint('video')}"
)


def make_sinks(options: LiveOptions, run: RunView, console: Console) -> list[Sink]:
    """Opens what the user asked for; the status comes last, when the forecast is out.

    Where pictures wait for us, files make the loop wait, and one that fails ends the run. Where
    they do not, frames go first: a failure is told in the outbox, and the run goes on.

    Args:
        options: What the user asked for.
        run: The run that they keep or show.
        console: Where the status goes.

    Raises:
        OutputError: If one cannot be opened; those opened before it are closed again.
        ConfigError: If an address is wrong.
        MissingExtraError: If a library is not installed.
    """
    fps, outbox = run.fps, run.outbox

    def overlay() -> Overlay:
        return Overlay(fps, run.threshold, run.horizon_s)

    check_targets(options)
    live = run.policy is Policy.KEEP_UP
    when_full = WhenFull.DROP_OLDEST if live else WhenFull.WAIT
    failures = outbox if live else None
    recorded = {"may_drop": live, "overwrite": options.overwrite}
    sinks: list[Sink] = []
    try:
        # recorders first: they only look at their files, while logs make their own at once
        if options.record is not None:
            sinks.append(
                VideoRecorder(
                    options.record, overlay(), run.figures, fps, outbox=failures, **recorded
                )
            )
        if options.record_raw is not None:
            sinks.append(CameraRecorder(options.record_raw, fps, outbox=failures, **recorded))
        if sinks and not can_fragment():
            outbox.put(EventKind.WARNING, WITHOUT_PYAV)
        sinks += [open_peer(address, outbox, when_full) for address in options.to]
        for target in options.outputs:
            log = open_log(target, options.overwrite, when_full, failures, outbox)
            log.ends_with_reader = options.only_to_stdout
            sinks.append(log)
        if options.events is not None:
            sinks.append(open_event_log(options.events, options.overwrite, failures))
        if options.scores is not None:
            every = round(SCORES_EVERY_S * fps)
            worker = ScoreSink(options.scores, run.scores, every, overwrite=options.overwrite)
            sinks.append(open_score_log(options.scores, worker, failures))
        if options.window:
            sinks.append(WindowSink(overlay(), run.figures))
        sinks.append(StatusSink(run.figures, run.threshold, console, scores=run.scores))
    except BaseException:
        close_all(sinks)
        raise
    return sinks


def check_targets(options: LiveOptions) -> None:
    """Refuses to write over the footage, and two outputs in one file.

    Raises:
        OutputError: If a file is the source itself, or is named twice.
    """
    videos = [path for path in (options.record, options.record_raw) if path is not None]
    named = (options.events, options.scores)
    logs = [*options.outputs, *(name for name in named if name is not None)]
    targets = [*logs, *map(str, videos), *(str(timestamps_path(path)) for path in videos)]
    for target in targets:
        if target != STDOUT:
            refuse_source(target, options.footage)
    places = [Path(target).absolute() for target in targets]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise OutputError(f"{targets[number]} is to hold two outputs; name another file.")
