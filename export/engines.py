"""The engines of a bundle: use what fits this machine, build what does not."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from export.engine_parity import prove_engine
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
from fishrt.errors import ParityError, output_error
from fishrt.gpu.card import Gpu, current_gpu
from fishrt.gpu.device import CudaDevice
from fishrt.gpu.engine import (
    ENGINES_FOLDER,
    EngineFile,
    EngineMetadata,
    EngineOptions,
    delete_engine,
    engine_path,
    find_engine,
    save_engine_metadata,
)
from fishrt.gpu.tensorrt_library import tensorrt_version
from fishrt.storage import sha256_of, write_bytes

TIMINGS_FILE = "timing.cache"
UNPROVEN = ".unproven"
"""Ending of an engine that is being compared with Keras; what is left of it is never taken."""

Say = Callable[[str], None]


def ensure_engine(
    bundle: Bundle,
    kind: GraphKind,
    precision: GraphPrecision,
    console: Console,
    say: Say,
    options: EngineOptions | None = None,
    *,
    trust: bool = False,
) -> EngineFile:
    """The engine for this machine, compared with Keras; builds it if there is none that fits.

    An engine that was compared on another GPU or TensorRT is compared here before it is used. One
    that differs is deleted. In a bundle without a reference nothing can be compared, and that is
    said.

    Args:
        bundle: The bundle; the engine is kept in its folder.
        kind: Which graph.
        precision: What it computes in.
        console: Where progress is drawn.
        say: Takes the sentences for the user.
        options: How to build it; None takes any engine that fits and builds with the defaults.
        trust: Whether code for the host in an engine that is there may run.

    Raises:
        MissingExtraError: If TensorRT or cuda-bindings is not installed.
        MachineError: If there is no GPU, or the engine cannot be built or is not what was asked.
        BundleError: If the graph, the reference or an engine is damaged.
        ParityError: If the engine does not compute what Keras computed; it is not kept then.
        OutputError: If the bundle's folder cannot be written to.
    """
    version = tensorrt_version()
    gpu = current_gpu()
    engine, why = find_engine(bundle, kind, precision, gpu, version, options, trust=trust)
    if engine is None:
        say(f"{why}: building it")
        wanted = options or EngineOptions()
        engine = build_and_keep(bundle, kind, precision, wanted, gpu, version, console)
    elif not _proven_on(engine, gpu, version):
        say(f"{engine.path.name} was compared with Keras on another machine: comparing it here")
        engine = _prove_again(bundle, engine, gpu, trust=trust)
    else:
        return engine
    say(f"{engine.path.name}: {_proof_in_words(engine)}")
    return engine


def build_and_keep(
    bundle: Bundle,
    kind: GraphKind,
    precision: GraphPrecision,
    options: EngineOptions,
    gpu: Gpu,
    version: str,
    console: Console,
) -> EngineFile:
    """Builds an engine, and writes it if its types and what it computes are as they should be."""
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
    save_timings(timings, built.timings)
    metadata = EngineMetadata(
        kind=kind,
        precision=precision,
        graph_sha256=sha256_of(graph),
        engine_sha256=hashlib.sha256(built.plan).hexdigest(),
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
    return _keep_if_proven(bundle, path, built, metadata, gpu)


def _keep_if_proven(
    bundle: Bundle, path: Path, built: BuiltEngine, metadata: EngineMetadata, gpu: Gpu
) -> EngineFile:
    """Compares an engine under a name by which nobody finds it, and renames it if it is right."""
    scratch = path.with_suffix(UNPROVEN)
    write_bytes(scratch, built.plan)
    try:
        # this process built it, so code of the host in it is what TensorRT put there
        trust = metadata.options.version_compatible
        proof = prove_engine(bundle, EngineFile(scratch, metadata), gpu, CudaDevice, trust=trust)
        scratch.replace(path)
    except ParityError as error:
        raise ParityError(f"{str(error).removesuffix('.')}; the engine was not kept.") from error
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        scratch.unlink(missing_ok=True)
    proven = metadata.model_copy(update={"proof": proof})
    save_engine_metadata(path, proven)
    return EngineFile(path, proven)


def _prove_again(bundle: Bundle, engine: EngineFile, gpu: Gpu, *, trust: bool) -> EngineFile:
    try:
        proof = prove_engine(bundle, engine, gpu, CudaDevice, trust=trust)
    except ParityError as error:
        delete_engine(engine)
        raise ParityError(f"{str(error).removesuffix('.')}; the engine was deleted.") from error
    proven = engine.metadata.model_copy(update={"proof": proof})
    save_engine_metadata(engine.path, proven)
    return EngineFile(engine.path, proven)


def _proven_on(engine: EngineFile, gpu: Gpu, version: str) -> bool:
    proof = engine.metadata.proof
    return proof is not None and (proof.gpu, proof.tensorrt) == (gpu.name, version)


def _proof_in_words(engine: EngineFile) -> str:
    proof = engine.metadata.proof
    if proof is None or proof.max is None:
        return f"not compared with Keras ({proof.not_compared if proof else 'unknown why'})"
    return f"at most {proof.max:.1e} from Keras on {proof.clips} clips"


def lane_range(bundle: Bundle) -> LaneRange:
    """The lanes that a bundle's step engine is for: all of a clip's, or one if it is a stream."""
    steps = bundle.metadata.config.clip.steps
    stream = bundle.metadata.trained_for is TrainMode.STREAM
    return LaneRange(most=steps, fastest=1 if stream else steps)
