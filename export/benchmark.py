"""What the Keras side costs, and a bundle to time where there is no trained one."""

from pathlib import Path

import numpy as np

from export.bundle import export_run
from fishrt.config import Config
from fishrt.timing import elapsed_ms
from training.forecaster import Forecaster
from training.run import Run

ROUNDS = 7


def untrained_bundle(config: Config, folder: Path) -> None:
    """Exports a network with random weights; its speed is that of a trained one.

    Args:
        config: The network.
        folder: The bundle to make.
    """
    model = Forecaster(config.clip, config.model)
    export_run(Run(folder, config, model, {}, None), folder)


def keras_predict_ms(config: Config) -> float:
    """Median time of `model.predict` on one clip, in milliseconds: one forecast without fishrt.

    Args:
        config: The network; its weights are random.
    """
    model = Forecaster(config.clip, config.model)
    geometry = config.clip.geometry
    clip = np.random.default_rng(0).integers(0, 256, (1, *geometry.clip_shape)).astype(np.uint8)
    model.predict(clip, verbose=0)  # builds the graph, which is not counted
    return float(
        np.median([elapsed_ms(lambda: model.predict(clip, verbose=0)) for _ in range(ROUNDS)])
    )
