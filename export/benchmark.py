"""A bundle to time where there is no trained one."""

from pathlib import Path

from export.bundle import export_run
from fishrt.config import Config
from training.networks import build_network
from training.run import Run


def untrained_bundle(config: Config, folder: Path) -> None:
    """Exports a network with random weights; its speed is that of a trained one.

    Args:
        config: The network.
        folder: The bundle to make.
    """
    model = build_network(config.clip, config.model)
    export_run(Run(folder, config, model, {}, None), folder)
