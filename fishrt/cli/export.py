"""`fishrt export`: from a run to a bundle."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(help="Run folder that `fishrt train` wrote.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Bundle folder. Default: RUN/bundle."),
    ] = None,
    recording: Annotated[
        Path | None,
        typer.Option(help="Recording to compare on. Default: the simulated tank."),
    ] = None,
) -> None:
    """Convert a run to ONNX and prove that the graphs compute what Keras computed.

    Both graphs are compared with Keras before anything is written; beyond a difference of 1e-4
    in probability there is no bundle and the exit code says so.
    """
    from fishrt.cli.extras import prepare_export, require

    require("cpu", "onnxruntime")
    prepare_export()
    from rich.console import Console

    from export.bundle import export_run
    from fishrt.recording import load_recording
    from training.run import load_run

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    done = export_run(
        load_run(run), output or run / "bundle", load_recording(recording) if recording else None
    )
    for kind, nodes in done.nodes.items():
        console.print(f"{kind}.onnx: {nodes} operators")
    console.print(
        f"largest difference from Keras on {done.parity.clips} clips of "
        f"{done.parity.frames_from}: {done.parity.clip:.1e} (clip), {done.parity.step:.1e} (step)"
    )
    console.print(f"the bundle is in {done.folder} ({done.bytes / 1e6:.2f} MB); run it with:")
    console.print(f"  fishrt live --bundle {done.folder} --camera demo")
