"""The engines of a bundle: use what fits this machine, build what does not."""

import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from export.tensorrt_build import (
    BuiltEngine,
    LaneRange,
    build_engine,
    read_timings,
    save_timings,
)
from export.tensorrt_progress import interruption, phase_bars
from export.tensorrt_readback import check_types, read_back
from fishrt import __version__
from fishrt.bundle import Bundle, GraphKind, GraphPrecision
from fishrt.config import TrainMode
from fishrt.errors import output_error
from fishrt.gpu.card import Gpu, current_gpu
from fishrt.gpu.engine import (
    ENGINES_FOLDER,
    EngineFile,
    EngineMetadata,
    EngineOptions,
    engine_path,
    find_engine,
    save_engine_metadata,
)
from fishrt.gpu.tensorrt_library import tensorrt_version
from fishrt.storage import sha256_of, write_bytes

TIMINGS_FILE = "timing.cache"

Say = Callable[[str], None]


def ensure_engine(
    bundle: Bundle,
    kind: GraphKind,
    precision: GraphPrecision,
    console: Console,
    say: Say,
    options: EngineOptions | None = None,
) -> EngineFile:
    """The engine for this machine; builds it if there is none that fits, and says why.

    Args:
        bundle: The bundle; the engine is kept in its folder.
        kind: Which graph.
        precision: What it computes in.
        console: Where progress is drawn.
        say: Takes the sentences for the user.
        options: How to build it; None takes any engine that fits and builds with the defaults.

    Raises:
        MissingExtraError: If TensorRT or cuda-bindings is not installed.
        MachineError: If there is no GPU, or the engine cannot be built or is not what was asked.
        BundleError: If the graph or an engine is damaged.
        OutputError: If the bundle's folder cannot be written to.
    """
    version = tensorrt_version()
    gpu = current_gpu()
    engine, why = find_engine(bundle, kind, precision, gpu, version)
    if engine is not None and options not in (None, engine.metadata.options):
        engine, why = None, "the engine was built with other options"
    if engine is not None:
        return engine
    say(f"{why}: building it")
    wanted = options or EngineOptions()
    return build_and_keep(bundle, kind, precision, wanted, gpu, version, console)


def build_and_keep(
    bundle: Bundle,
    kind: GraphKind,
    precision: GraphPrecision,
    options: EngineOptions,
    gpu: Gpu,
    version: str,
    console: Console,
) -> EngineFile:
    """Builds an engine, reads its types back, and writes it if they are what was asked for."""
    graph = bundle.graph(kind, precision)
    path = engine_path(bundle, kind, precision, gpu, version)
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise output_error(path.parent, error) from error
    timings = bundle.folder / ENGINES_FOLDER / TIMINGS_FILE
    lanes = lane_range(bundle) if kind is GraphKind.STEP else None
    start = time.perf_counter()
    with interruption() as stop, phase_bars(console, path.stem) as bars:
        built = build_engine(graph, options, lanes, read_timings(timings), bars, stop)
    seconds = time.perf_counter() - start
    found = read_back(built.plan, trust=options.version_compatible)
    check_types(found, precision, built.tensors, path.name)
    _keep(path, timings, built)
    metadata = EngineMetadata(
        kind=kind,
        precision=precision,
        graph_sha256=sha256_of(graph),
        engine_sha256=sha256_of(path),
        gpu=gpu.name,
        compute_capability=gpu.compute_capability,
        tensorrt=version,
        lanes=lanes.most if lanes else None,
        options=options,
        tensors=found.tensors,
        layers=found.layers,
        seconds=round(seconds, 1),
        fishrt_version=__version__,
    )
    save_engine_metadata(path, metadata)
    return EngineFile(path, metadata)


def lane_range(bundle: Bundle) -> LaneRange:
    """The lanes that a bundle's step engine is for: all of a clip's, or one if it is a stream."""
    steps = bundle.metadata.config.clip.steps
    stream = bundle.metadata.trained_for is TrainMode.STREAM
    return LaneRange(most=steps, fastest=1 if stream else steps)


def _keep(path: Path, timings: Path, built: BuiltEngine) -> None:
    write_bytes(path, built.plan)
    save_timings(timings, built.timings)
