"""The network that a config describes."""

from fishrt.config import ClipConfig, ModelConfig, ModelKind
from training.forecaster import Forecaster
from training.motion_forecaster import MotionForecaster

AnyForecaster = Forecaster | MotionForecaster


def build_network(clip: ClipConfig, model: ModelConfig) -> AnyForecaster:
    """A network with fresh weights."""
    if model.kind is ModelKind.MOTION:
        return MotionForecaster(clip, model)
    return Forecaster(clip, model)
