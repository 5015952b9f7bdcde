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
    fp16: Annotated[
        bool, typer.Option("--fp16", help="Also write graphs in half precision, for GPUs.")
    ] = False,
) -> None:
    """Convert a run to ONNX and prove that the graphs compute what Keras computed.

    All graphs are compared with Keras on every runtime of this machine before anything is
    written; beyond a difference of 1e-4 in probability (FP16: 1e-2) there is no bundle, and the
    exit code and a sentence say so.
    """
    from fishrt.cli.extras import prepare_export, require

    require("cpu", "onnxruntime")
    prepare_export()
    from rich.console import Console

    from export.bundle import export_run
    from fishrt.bundle import GraphPrecision
    from fishrt.cli.parity import parity_lines
    from fishrt.recording import load_recording
    from training.run import load_run

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    done = export_run(
        load_run(run),
        output or run / "bundle",
        load_recording(recording) if recording else None,
        tuple(GraphPrecision) if fp16 else (GraphPrecision.FP32,),
    )
    for name, nodes in done.nodes.items():
        console.print(f"{name}: {nodes} operators")
    for line in parity_lines(done.parity):
        console.print(line)
    console.print(f"the bundle is in {done.folder} ({done.bytes / 1e6:.2f} MB); run it with:")
    console.print(f"  fishrt live --bundle {done.folder} --camera demo")
