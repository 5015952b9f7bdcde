"""A live session: everything put together, run, summed up and put away again."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from fishrt.bundle import Bundle, GraphPrecision, load_bundle
from fishrt.config import Config, TrainMode
from fishrt.errors import OutputError, SourceError
from fishrt.video import VideoSource, open_source
from fishrt.video.resample import Resampler
from realtime.backends import Backend, stepper_maker
from realtime.budget import Budget, fit_lanes, fit_stream
from realtime.camera_settings import camera_preprocessor
from realtime.capture import Capture, Pace, Policy, policy_of
from realtime.lanes import CarriedState, ExactLanes, Forecaster
from realtime.loop import LiveLoop, LoopEnd
from realtime.modes import checked_mode
from realtime.overlay import Overlay
from realtime.recorder import VideoRecorder
from realtime.sinks import JsonlSink, Sink
from realtime.stats import LiveStats, StatsSnapshot
from realtime.status import StatusSink
from realtime.stopping import StopRequest
from realtime.summary import LiveSummary
from realtime.window import WindowSink

Say = Callable[[str], None]


@dataclass(frozen=True)
class LiveOptions:
    """What the user asked for; the command line has the same names and defaults.

    Attributes:
        camera: Where pictures come from, as `open_source` takes it.
        bundle: Path or name of the bundle.
        mode: Window or stream forecasts, or None for what the bundle was trained for.
        allow_untrained_stream: Whether stream forecasts of a window-trained model are wanted.
        every: Frames from one forecast to the next, or None to let the budget decide.
        threshold: Probability from which on a burst is forecast, or None for the bundle's.
        output: Path of the log of JSON lines, `-` for stdout, or None for no log.
        record: Path of the overlay video, or None.
        overwrite: Whether existing files may be replaced.
        window: Whether to show a window.
        frames: Frames to write at most, or None.
        precision: Which of the bundle's step graphs to run.
        backend: What computes.
        trust_engine: Whether a TensorRT engine may run code on the host.
        pace: How fast to go where the source has no pace of its own.
        overrides: Settings of this camera, such as `preprocess.polarity=dark`.
    """

    camera: str = "0"
    bundle: str = "demo"
    mode: TrainMode | None = None
    allow_untrained_stream: bool = False
    every: int | None = None
    threshold: float | None = None
    output: str | None = None
    record: Path | None = None
    overwrite: bool = False
    window: bool = False
    frames: int | None = None
    precision: GraphPrecision = GraphPrecision.FP32
    backend: Backend = Backend.CPU
    trust_engine: bool = False
    pace: Pace = Pace.REALTIME
    overrides: tuple[str, ...] = ()


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
        OutputError: If a result cannot be written.
    """
    bundle = load_bundle(options.bundle)
    config = bundle.metadata.config
    mode = checked_mode(
        bundle, options.mode, options.every, allow_untrained=options.allow_untrained_stream
    )
    preprocessor = camera_preprocessor(bundle, options.camera, options.overrides)
    source = open_source(options.camera, fps=config.clip.fps)
    capture = Capture(source, options.pace)
    stats = LiveStats(config.clip.fps, config.clip.geometry.frames)
    threshold = bundle.metadata.threshold if options.threshold is None else options.threshold
    sinks: list[Sink] = []
    with StopRequest() as request, closing(capture, sinks):
        if source.info.is_live:
            capture.start()  # drains the camera, and lets the budget see its cost
        forecaster, budget = make_forecaster(
            bundle, mode, options, paced_fps(options, config.clip.fps, source)
        )
        # not before the backend is open: a failure must leave no empty log, which a retry refuses
        sinks += make_sinks(options, config, threshold, capture.policy, stats, console)
        say(budget.sentence(capture.policy, paced=is_paced(options, source)))
        if source.info.is_live:
            capture.discard()
        else:
            capture.start()
        resampler = Resampler(config.clip.fps, source.info.declared_fps)
        loop = LiveLoop(capture, resampler, preprocessor, forecaster, sinks, stats, threshold)
        try:
            end = loop.run(_stop_asked(request, sinks), options.frames)
        finally:
            status = [sink for sink in sinks if isinstance(sink, StatusSink)]
            for sink in status:  # off the screen before anything else is said
                sink.close()
    recorders = [sink for sink in sinks if isinstance(sink, VideoRecorder)]
    summary = LiveSummary(
        end=end,
        figures=stats.snapshot(),
        budget=budget,
        unrecorded=sum(recorder.dropped for recorder in recorders),
        interrupted=request.received and end is LoopEnd.STOPPED,
        note=source.ended_early if end is LoopEnd.SOURCE_ENDED else None,
    )
    done(summary)
    if end is LoopEnd.SOURCE_ENDED:
        require_a_clip(options.camera, config, summary.figures)
    return summary


def make_forecaster(
    bundle: Bundle, mode: TrainMode, options: LiveOptions, fps: float | None
) -> tuple[Forecaster, Budget]:
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
    return ExactLanes(stepper, geometry, budget.every), budget


def make_sinks(
    options: LiveOptions,
    config: Config,
    threshold: float,
    policy: Policy,
    stats: LiveStats,
    console: Console,
) -> list[Sink]:
    """Opens what the user asked for; the status comes last, when the forecast is out.

    Raises:
        OutputError: If one cannot be opened; those opened before it are closed again.
    """
    fps = config.clip.fps

    def overlay() -> Overlay:
        return Overlay(fps, threshold, config.label.horizon / fps)

    for target in (options.output, options.record):
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
        if options.window:
            sinks.append(WindowSink(overlay(), stats.snapshot))
        sinks.append(StatusSink(stats.snapshot, threshold, console))
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


def is_paced(options: LiveOptions, source: VideoSource) -> bool:
    """Whether frames come at their own pace, so that a slow machine matters."""
    return source.info.is_live or options.pace is Pace.REALTIME


def paced_fps(options: LiveOptions, clip_fps: float, source: VideoSource) -> float | None:
    """Frames a second to keep up with, or None where frames wait for us.

    A video file waits, however it is paced: every frame of it is evaluated.
    """
    keeps_up = policy_of(source.info, options.pace) is Policy.KEEP_UP
    return clip_fps if keeps_up else None


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


def close_all(sinks: Sequence[Sink]) -> None:
    """Closes every sink, whatever happens to the others.

    Raises:
        OutputError: The first failure, after all were tried.
    """
    with contextlib.ExitStack() as stack:
        for sink in sinks:
            stack.callback(sink.close)


@contextlib.contextmanager
def closing(capture: Capture, sinks: list[Sink]) -> Iterator[None]:
    """Stops the capture and closes the sinks at the end of the block, however it ends."""
    with contextlib.ExitStack() as stack:  # a Ctrl-C while the thread ends must not lose a video
        stack.callback(close_all, sinks)
        stack.callback(capture.stop)
        yield


def _stop_asked(request: StopRequest, sinks: Sequence[Sink]) -> Callable[[], bool]:
    windows = [sink for sink in sinks if isinstance(sink, WindowSink)]
    return lambda: request.received or any(window.closed_by_user for window in windows)
