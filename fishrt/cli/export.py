"""`fishrt export`: from a run to a bundle."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from fishrt.gpu.engine import EngineOptions


def export(
    run: Annotated[
        Path,
        typer.Argument(
            help="Run folder that `fishrt train` wrote; or, with --tensorrt or --footage, a bundle."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Bundle folder. Default: RUN/bundle."),
    ] = None,
    recording: Annotated[
        Path | None,
        typer.Option(help="Recording to compare on. Default: the simulated tank."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a bundle that is already there.")
    ] = False,
    fp16: Annotated[
        bool, typer.Option("--fp16", help="Also write graphs in half precision, for GPUs.")
    ] = False,
    footage: Annotated[
        Path | None,
        typer.Option(
            help="Recording that a bundle learned from: write into it what that looked like, where "
            "its export did not.",
        ),
    ] = None,
    tensorrt: Annotated[
        bool, typer.Option("--tensorrt", help="Build TensorRT engines for the GPU of this machine.")
    ] = False,
    hardware_compatible: Annotated[
        bool,
        typer.Option("--hardware-compatible", help="Engines for all GPUs from Ampere on; slower."),
    ] = False,
    version_compatible: Annotated[
        bool,
        typer.Option("--version-compatible", help="Engines for later TensorRT versions; slower."),
    ] = False,
    tf32: Annotated[
        bool, typer.Option("--tf32", help="Let FP32 engines multiply in TF32: faster, less exact.")
    ] = False,
    workspace: Annotated[
        int | None,
        typer.Option(min=1, metavar="MB", help="Scratch memory of a TensorRT layer at most."),
    ] = None,
) -> None:
    """Convert a run to ONNX and prove that the graphs compute what Keras computed.

    All graphs are compared with Keras on every runtime of this machine before anything is
    written; beyond a difference of 1e-4 in probability (FP16: 1e-2) there is no bundle, and the
    exit code and a sentence say so. With --tensorrt, engines for this GPU are built from the
    graphs and compared in the same way.
    """
    from rich.console import Console

    from fishrt.bundle import METADATA_FILE, require_place

    # without markup: square brackets in a path or in the name of an extra are no style
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    if (hardware_compatible or version_compatible or tf32 or workspace) and not tensorrt:
        raise typer.BadParameter("options of TensorRT go with --tensorrt.")
    if (run / METADATA_FILE).exists():
        idle = {"--fp16": fp16, "-o": output, "--recording": recording, "--overwrite": overwrite}
        _refuse_for_bundle(run, [name for name, value in idle.items() if value])
        if not tensorrt and footage is None:
            raise typer.BadParameter(
                f"{run} is a bundle already; add --tensorrt for its engines, or name a run."
            )
        folder = run
        if tensorrt:
            _require_tensorrt()
        if footage is not None:
            _add_footage(folder, footage, console)
    elif footage is not None:
        raise typer.BadParameter(
            "--footage is for a bundle; the export of a run says what it learned from by itself."
        )
    else:
        folder = output or run / "bundle"
        _require_run(run)
        require_place(folder, overwrite=overwrite)
        if tensorrt:
            _require_tensorrt()
        _export_run(run, folder, recording, console, fp16=fp16, overwrite=overwrite)
    if tensorrt:
        from fishrt.gpu.engine import EngineOptions

        options = EngineOptions(
            tf32=tf32,
            hardware_compatible=hardware_compatible,
            version_compatible=version_compatible,
            workspace_mb=workspace,
        )
        _build_engines(folder, options, console)
    console.print(f"run it with: fishrt live --bundle {folder} --camera demo")


def _refuse_for_bundle(bundle: Path, idle: list[str]) -> None:
    """Refuses options that would do nothing, because there is a bundle already."""
    if idle:
        raise typer.BadParameter(
            f"{bundle} is a bundle already, and {', '.join(idle)} would do nothing for it; name "
            "the run that it came from to export that again."
        )


def _require_run(folder: Path) -> None:
    """Tells a name that is wrong from a run that is damaged, before anything is imported.

    Raises:
        UsageError: If it is no run folder.
    """
    from fishrt.errors import UsageError

    if not folder.is_dir():
        raise UsageError(
            f"there is no folder {folder}; give the run that `fishrt train` wrote, or, with "
            "--tensorrt or --footage, a bundle."
        )
    if not (folder / "config.yaml").is_file():
        raise UsageError(
            f"{folder} is neither a run nor a bundle (there is no config.yaml and no bundle.yaml "
            "in it); give the run that `fishrt train` wrote."
        )


def _require_tensorrt() -> None:
    """Checks that engines can be built here, before minutes are spent on graphs.

    Raises:
        MissingExtraError: If TensorRT or cuda-bindings is not installed.
        MachineError: If TensorRT does not load, or there is no GPU.
    """
    from fishrt.errors import MachineError, MissingExtraError
    from fishrt.gpu.card import current_gpu
    from fishrt.gpu.tensorrt_library import tensorrt_version

    try:
        tensorrt_version()
        current_gpu()
    except (MissingExtraError, MachineError) as error:
        # another backend is no way out here
        reason = str(error).partition(", or use ")[0].removesuffix(".")
        raise type(error)(
            f"{reason}; or leave --tensorrt away: graphs need none of it (nothing was written)."
        ) from error


def _export_run(
    run: Path,
    folder: Path,
    recording: Path | None,
    console: "Console",
    *,
    fp16: bool,
    overwrite: bool,
) -> None:
    from fishrt.cli.extras import prepare_export
    from fishrt.install_hints import require

    require("cpu", "onnxruntime")
    prepare_export()
    from export.bundle import export_run
    from fishrt.bundle import GraphPrecision
    from fishrt.cli.parity import parity_lines
    from fishrt.recording import load_recording
    from training.run import load_run

    done = export_run(
        load_run(run),
        folder,
        load_recording(recording) if recording else None,
        tuple(GraphPrecision) if fp16 else (GraphPrecision.FP32,),
        overwrite=overwrite,
    )
    for name, nodes in done.nodes.items():
        console.print(f"{name}: {nodes} operators")
    for line in parity_lines(done.parity):
        console.print(line, markup=False)
    console.print(f"the bundle is in {done.folder} ({done.bytes / 1e6:.2f} MB)")


def _add_footage(folder: Path, recording: Path, console: "Console") -> None:
    from export.footage import add_footage
    from fishrt.recording import load_recording

    footage = add_footage(folder, load_recording(recording))
    console.print(f"the bundle knows what its training footage looked like ({footage.minutes} min)")


def _build_engines(folder: Path, options: "EngineOptions", console: "Console") -> None:
    from export.engines import ensure_engine
    from fishrt.bundle import GraphKind, load_bundle

    bundle = load_bundle(folder)
    for precision in bundle.metadata.precisions:
        for kind in GraphKind:
            engine = ensure_engine(
                bundle,
                kind,
                precision,
                console,
                console.print,
                options,
                trust=options.version_compatible,
            )
            layers = ", ".join(f"{n} in {kind}" for kind, n in engine.metadata.layers.items())
            console.print(f"{engine.path.name}: layers read back: {layers}")
