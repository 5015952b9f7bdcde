"""Window or stream forecasts: which one a bundle gives, and the forecaster for it."""

from fishrt.bundle import Bundle
from fishrt.config import TrainMode
from fishrt.errors import BundleError, ConfigError
from realtime.lanes import CarriedState, ExactLanes, Forecaster, LaneSchedule
from realtime.stepper import SessionSettings, load_stepper


def checked_mode(
    bundle: Bundle, mode: TrainMode | None, every: int | None, *, allow_untrained: bool
) -> TrainMode:
    """The kind of forecast to make.

    Args:
        bundle: The bundle.
        mode: The kind that was asked for, or None for what the bundle was trained for.
        every: The stride that was asked for, or None.
        allow_untrained: Whether stream forecasts of a window-trained model are wanted.

    Raises:
        BundleError: If a stream forecast is asked of a model that was not trained for it.
        ConfigError: If a stride is asked of a stream forecast, which has none.
    """
    trained_for = bundle.metadata.trained_for
    mode = mode or trained_for
    if mode is TrainMode.STREAM and trained_for is not mode and not allow_untrained:
        raise BundleError(
            f"the bundle {bundle.metadata.name} was trained for window forecasts, and a stream "
            "forecast of it is another function (on the published weights up to 0.08 off); use "
            "--mode window, or add --allow-untrained-stream if that is what you want."
        )
    if mode is TrainMode.STREAM and every is not None:
        raise ConfigError(
            "--every is for window forecasts, where it saves work; a stream forecast takes every "
            "frame, so leave --every away or add --mode window."
        )
    return mode


def open_forecaster(bundle: Bundle, mode: TrainMode, every: int, threads: int = 0) -> Forecaster:
    """The forecaster for frames that wait for us, so that no budget limits it.

    Args:
        bundle: The bundle.
        mode: Window or stream forecasts.
        every: Frames from one window forecast to the next.
        threads: Threads inside one operator; 0 takes one for every core of this process.

    Raises:
        BundleError: If the step graph is missing, damaged, or does not fit the metadata.
        MissingExtraError: If ONNX Runtime is not installed.
    """
    geometry = bundle.metadata.config.clip.geometry
    settings = SessionSettings(threads)
    if mode is TrainMode.STREAM:
        return CarriedState(load_stepper(bundle, 1, settings), geometry)
    schedule = LaneSchedule(geometry.steps, geometry.frames_per_step, every)
    return ExactLanes(load_stepper(bundle, schedule.lanes, settings), geometry, every)
