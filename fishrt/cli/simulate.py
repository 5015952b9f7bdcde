"""`fishrt simulate`: footage of the simulated tank."""

from pathlib import Path
from typing import Annotated

import typer

from fishrt.cli.options import ConfigOption, OverwriteOption, RestartOption, SetOption


def simulate(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Recording folder, or a .mp4 file.")
    ] = Path("recordings/simulated"),
    minutes: Annotated[
        float | None, typer.Option(min=0.01, max=6000, help="Length of the footage; default 10.")
    ] = None,
    hours: Annotated[
        float | None, typer.Option(min=0.001, max=100, help="Length of the footage in hours.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same footage.")] = 0,
    overwrite: OverwriteOption = False,
    restart: RestartOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Simulate a tank of six fish and write it as a recording or a video.

    Either comes with the true state of every fish at every frame (truth/*.npy in the recording,
    NAME.truth.npz beside the video). Stopped, the same command goes on with a recording where it
    was; a video ends there.
    """
    from rich.console import Console

    from fishrt.cli.kept import telling_what_is_kept
    from fishrt.cli.progress import frame_progress
    from fishrt.cli.report import report_drawer, tell_findings
    from fishrt.config import load_config
    from fishrt.simulate import TankSpec

    settings = load_config(config, overrides or ())
    spec = TankSpec(seed=seed, fps=settings.clip.fps)
    if minutes is not None and hours is not None:
        raise typer.BadParameter("give --minutes or --hours, not both")
    length = 60 * hours if hours is not None else 10.0 if minutes is None else minutes
    frames = max(2, round(length * 60 * spec.fps))
    console = Console(stderr=True)
    with frame_progress(console) as progress:

        def done(count: int) -> None:
            progress("simulating", count, frames)

        if output.suffix.lower() == ".mp4":
            from fishrt.simulate.video import write_video

            write_video(spec, frames, output, done)
        else:
            from fishrt.recording_writer import Existing, Unfinished
            from training.simulated import record_simulation

            with telling_what_is_kept(output, restart=restart):
                metadata = record_simulation(
                    spec,
                    frames,
                    settings,
                    output,
                    unfinished=Unfinished.RESTART if restart else Unfinished.RESUME,
                    existing=Existing.REPLACE if overwrite else Existing.KEEP,
                    progress=done,
                    draw=report_drawer(console),
                )
            tell_findings(metadata, console)
    console.print(f"{frames} frames of the simulated tank (seed {seed}) are in {output}.")
