"""A live session: everything put together, run, summed up and put away again."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console

from fishrt.bundle import Bundle, load_bundle
from fishrt.config import Config, TrainMode
from fishrt.errors import FishrtError, OutputError, SourceError
from fishrt.events import DecisionRule
from fishrt.preprocess import Preprocessor
from fishrt.video import VideoSource, open_source
from realtime.alarm import wished_rule
from realtime.backends import Backend, stepper_maker
from realtime.budget import Budget, fit_lanes, fit_stream
from realtime.camera_settings import camera_preprocessor
from realtime.capture import Capture, Pace, Policy
from realtime.capture.watched import resampler_of, watched_capture
from realtime.fewer_lanes import LanesOnDemand
from realtime.lanes import CarriedState, ExactLanes
from realtime.loop import LiveLoop, LoopEnd
from realtime.modes import checked_mode
from realtime.options import LiveOptions
from realtime.pipeline import FramePipeline
from realtime.replay import is_recording, open_replay
from realtime.run_view import RunView
from realtime.scoreboard.scoreboard import Scoreboard
from realtime.sinks.named_pipe import readers_awaited
from realtime.sinks.open import make_sinks
from realtime.sinks.outlets import Outlets
from realtime.sinks.queued import QueuedSink, SinkReport
from realtime.sinks.sink import Sink, close_all, close_at_once, finish_all
from realtime.sinks.status import StatusSink
from realtime.sinks.window import WindowSink
from realtime.stats import LiveStats, StatsSnapshot
from realtime.stopping import StopRequest
from realtime.summary import LiveSummary

Say = Callable[[str], None]


@dataclass(frozen=True)
class _Session:
    """What a run consists of.

    Attributes:
        options: What the user asked for.
        bundle: The bundle.
        mode: Window or stream forecasts.
        source: The open source.
        capture: Takes its pictures; not started.
        preprocessor: From picture to frame.
        rule: When an alarm starts and ends.
        stats: What is counted.
        scoreboard: Learns what came true.
        outlets: Takes the sinks one after another, as they are opened.
        say: Takes the sentences for the user at the start.
    """

    options: LiveOptions
    bundle: Bundle
    mode: TrainMode
    source: VideoSource
    capture: Capture
    preprocessor: Preprocessor
    rule: DecisionRule
    stats: LiveStats
    scoreboard: Scoreboard
    outlets: Outlets
    say: Say


def run_live(
    options: LiveOptions, say: Say, console: Console, done: Callable[[LiveSummary], None]
) -> LiveSummary:
    """Runs a live session to its end; must be called on the main thread.

    Args:
        options: What the user asked for.
        say: Takes the sentences for the user at the start.
        console: Where the status goes (stderr).
        done: Takes the summary, before any complaint about the footage is raised.

    Raises:
        SourceError: If the source cannot be opened or fails, or had fewer frames than a clip.
        ConfigError: If a setting is wrong.
        BundleError: If the bundle cannot be used.
        OutputError: If a result cannot be written; where the run went on without it, at the end.
        MissingExtraError: If a sink's library is not installed.
    """
    session = _open_session(options, say)
    sinks = session.outlets.sinks
    with StopRequest() as request, closing(session.capture, sinks):
        budget, forecaster, loop = _put_together(session, console, request)
        try:
            end = loop.run(_stop_asked(request, sinks), options.frames)
        finally:
            status = [sink for sink in sinks if isinstance(sink, StatusSink)]
            for sink in status:  # off the screen before anything else is said
                sink.close()
    reports = tuple(sink.report() for sink in sinks if isinstance(sink, QueuedSink))
    summary = LiveSummary(
        end=end,
        figures=session.stats.snapshot(),
        scores=session.scoreboard.snapshot(),
        budget=budget,
        sinks=reports,
        interrupted=request.received and end is LoopEnd.STOPPED,
        note=session.source.ended_early if end is LoopEnd.SOURCE_ENDED else None,
        computed_by=forecaster.describe(),
    )
    done(summary)
    raise_sink_failure(reports)
    if end is LoopEnd.SOURCE_ENDED:
        require_a_clip(options.footage, session.bundle.metadata.config, summary.figures)
    return summary


def _open_session(options: LiveOptions, say: Say) -> _Session:
    """Opens the bundle and the source; writes nothing."""
    bundle = load_bundle(options.bundle)
    clip = bundle.metadata.config.clip
    mode = checked_mode(
        bundle, options.mode, options.every, allow_untrained=options.allow_untrained_stream
    )
    open_footage, preprocessor = footage_opener(options, bundle)
    source = open_footage()
    try:  # before a log is emptied or made, which a retry would refuse
        preprocessor.require_fit(source.info.height, source.info.width)
    except FishrtError:
        source.close()
        raise
    capture = watched_capture(
        source, open_footage, options.pace, clip.fps, options.request, options.frozen_after_s
    )
    for note in source.info.notes:
        say(note)
    return _Session(
        options=options,
        bundle=bundle,
        mode=mode,
        source=source,
        capture=capture,
        preprocessor=preprocessor,
        rule=wished_rule(bundle, options.alarm),
        stats=LiveStats(clip.fps, clip.geometry.frames),
        scoreboard=make_scoreboard(bundle),
        outlets=Outlets(),
        say=say,
    )


def _put_together(
    session: _Session, console: Console, request: StopRequest
) -> tuple[Budget, ExactLanes | CarriedState, LiveLoop]:
    """Starts the capture, measures the work of a frame, and opens the sinks, in this order."""
    options, source, capture = session.options, session.source, session.capture
    fps = session.bundle.metadata.config.clip.fps
    if source.info.is_live:
        capture.start()  # drains the camera, and lets the budget see its cost
    forecaster, budget = make_forecaster(
        session.bundle, session.mode, options, paced_fps(capture.policy, fps)
    )
    # not before the backend is open: a failure must leave no empty log, which a retry refuses
    with readers_awaited(options.line_files, session.say, lambda: request.received):
        _open_sinks(session, console)
    for sink in session.outlets.sinks:
        if isinstance(sink, QueuedSink):
            sink.stop_asked = lambda: request.received
    session.say(f"computed by {forecaster.describe()}.")
    session.say(budget.sentence(capture.policy, paced=is_paced(options, source)))
    if source.info.is_live:
        capture.discard()
    else:
        capture.start()
    loop = LiveLoop(
        capture,
        resampler_of(source, fps, options.request),
        FramePipeline(session.preprocessor, forecaster),
        session.outlets,
        session.stats,
        session.rule,
        session.scoreboard,
    )
    return budget, forecaster, loop


def _open_sinks(session: _Session, console: Console) -> None:
    """Opens the page and what else was asked for; those open are closed if one fails."""
    options, metadata, sinks = session.options, session.bundle.metadata, session.outlets.sinks
    run = RunView(
        camera=options.footage,
        bundle=metadata.name,
        config=metadata.config,
        threshold=session.rule.threshold,
        policy=session.capture.policy,
        figures=session.stats.snapshot,
        scores=session.scoreboard.snapshot,
        outbox=session.outlets.outbox,
    )
    if options.web is not None:
        from realtime.web.open import open_page  # its library is an extra

        page = open_page(options, options.web, run)
        sinks.append(page)
        session.say(page.sentence)
    sinks += make_sinks(options, run, console)


def raise_sink_failure(reports: Sequence[SinkReport]) -> None:
    """Ends a run that went on without a sink with that sink's sentence and exit code.

    Raises:
        OutputError: If a sink does not work any more.
    """
    for report in reports:
        if report.error is not None:
            raise OutputError(report.error)


def footage_opener(
    options: LiveOptions, bundle: Bundle
) -> tuple[Callable[[], VideoSource], Preprocessor]:
    """What opens the footage that was asked for, and what turns its pictures into frames.

    Raises:
        SourceError, RecordingError: If it is a recording and not asked for as one, or is damaged.
        ConfigError: If a setting is wrong.
    """
    if options.replay is not None:
        recording, preprocessor = open_replay(options.replay, bundle, options.overrides)
        return lambda: recording, preprocessor
    if is_recording(options.camera):
        raise SourceError(
            f"{options.camera} is a recording, whose frames are preprocessed already; play it with "
            f"--replay {options.camera}."
        )
    preprocessor = camera_preprocessor(bundle, options.camera, options.overrides, options.request)
    fps = bundle.metadata.config.clip.fps
    return (lambda: open_source(options.camera, fps=fps, request=options.request)), preprocessor


def make_scoreboard(bundle: Bundle) -> Scoreboard:
    """The scoreboard for the label rule and the training footage of a bundle."""
    metadata = bundle.metadata
    trained_on = metadata.trained_on
    return Scoreboard(
        metadata.config.label.rule,
        metadata.config.clip.fps,
        metadata.footage,
        trained_on.burst_share if trained_on is not None else None,
    )


def make_forecaster(
    bundle: Bundle, mode: TrainMode, options: LiveOptions, fps: float | None
) -> tuple[ExactLanes | CarriedState, Budget]:
    """Makes the forecaster, with a stride that fits the budget unless one was asked for.

    Args:
        bundle: The bundle.
        mode: Window or stream forecasts.
        options: What the user asked for.
        fps: Frames a second to keep up with, or None if there is no hurry.
    """
    clip = bundle.metadata.config.clip
    geometry = clip.geometry
    make_stepper = stepper_maker(
        bundle, options.backend, options.precision, trust_engine=options.trust_engine
    )
    if mode is TrainMode.STREAM:
        stepper, budget = fit_stream(make_stepper, geometry, fps or clip.fps)
        return CarriedState(stepper, geometry), budget
    every = options.every or (1 if fps is None else None)
    stepper, budget = fit_lanes(make_stepper, geometry, fps or clip.fps, every)
    # on a GPU a step takes hardly less with fewer lanes, and its memory may hold no second one
    if options.every is None and fps is not None and options.backend is Backend.CPU:
        return LanesOnDemand(stepper, geometry, budget.every, make_stepper), budget
    return ExactLanes(stepper, geometry, budget.every), budget


def is_paced(options: LiveOptions, source: VideoSource) -> bool:
    """Whether frames come at their own pace, so that a slow machine matters."""
    return source.info.is_live or options.pace is Pace.REALTIME


def paced_fps(policy: Policy, clip_fps: float) -> float | None:
    """Frames a second to keep up with, or None where frames wait for us.

    A video file waits, however it is paced: every frame of it is evaluated.
    """
    return clip_fps if policy is Policy.KEEP_UP else None


def require_a_clip(camera: str, config: Config, figures: StatsSnapshot) -> None:
    """Says so when a source ended before its first forecast was possible.

    Raises:
        SourceError: If fewer frames came than a clip needs.
    """
    needed = config.clip.geometry.frames
    if figures.frames < needed:
        raise SourceError(
            f"{camera} ended after {figures.frames} frames, and a forecast needs {needed} "
            f"({needed / config.clip.fps:g} s); use longer footage."
        )


@contextlib.contextmanager
def closing(capture: Capture, sinks: list[Sink]) -> Iterator[None]:
    """Stops the capture and closes the sinks at the end of the block, however it ends."""

    def close(_: object, error: BaseException | None, __: object) -> None:
        (close_at_once if isinstance(error, KeyboardInterrupt) else close_all)(sinks)

    with contextlib.ExitStack() as stack:  # a Ctrl-C while the thread ends must not lose a video
        stack.push(close)
        stack.callback(capture.stop)
        stack.callback(finish_all, sinks)  # a camera that hangs must not keep them waiting
        yield


def _stop_asked(request: StopRequest, sinks: Sequence[Sink]) -> Callable[[], bool]:
    windows = [sink for sink in sinks if isinstance(sink, WindowSink)]
    return lambda: request.received or any(window.is_closed() for window in windows)
