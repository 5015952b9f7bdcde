"""`fishrt simulate`: footage of the simulated tank."""

from pathlib import Path
from typing import Annotated

import typer

from fishrt.cli.options import ConfigOption, SetOption


def simulate(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Recording folder, or a .mp4 file.")
    ] = Path("recordings/simulated"),
    minutes: Annotated[
        float, typer.Option(min=0.01, max=6000, help="Length of the footage.")
    ] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same footage.")] = 0,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Simulate a tank of six fish and write it as a recording or a video.

    Either comes with the true state of every fish at every frame (truth.npz in the recording,
    NAME.truth.npz beside the video).
    """
    from rich.console import Console
    from rich.progress import Progress

    from fishrt.config import load_config
    from fishrt.simulate import TankSpec

    settings = load_config(config, overrides or ())
    spec = TankSpec(seed=seed, fps=settings.clip.fps)
    frames = max(2, round(minutes * 60 * spec.fps))
    console = Console(stderr=True)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("simulating", total=frames)
        if output.suffix.lower() == ".mp4":
            from fishrt.simulate.video import write_video

            write_video(spec, frames, output, lambda done: bar.update(task, completed=done))
        else:
            from training.simulated import record_simulation

            record_simulation(
                spec, frames, settings, output, lambda done: bar.update(task, completed=done)
            )
    console.print(f"{frames} frames of the simulated tank (seed {seed}) are in {output}.")
