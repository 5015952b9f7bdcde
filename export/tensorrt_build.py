"""Building a TensorRT engine from one of a bundle's ONNX graphs.

Types come from the graph alone: the network is strongly typed, so an FP16 graph gives an FP16
engine and an FP32 graph an FP32 one, in TensorRT 10.12 to 11 alike (11 knows nothing else, and no
longer has the flags by which older versions were told a precision).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from export.tensorrt_progress import Asked, PhaseBars, progress_monitor
from fishrt.errors import BundleError, MachineError
from fishrt.gpu.engine import EngineOptions
from fishrt.storage import write_bytes

if TYPE_CHECKING:
    import tensorrt

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class LaneRange:
    """How many lanes an engine takes.

    Attributes:
        most: At most; it takes every number from 1 on.
        fastest: The number that its kernels are chosen for.
    """

    most: int
    fastest: int


@dataclass(frozen=True)
class BuiltEngine:
    """An engine as TensorRT serialised it.

    Attributes:
        plan: Its bytes.
        tensors: Types of the graph's inputs and outputs, by name, as the parser understood them.
        timings: The timing cache after the build, which makes the next one faster.
    """

    plan: bytes
    tensors: dict[str, str]
    timings: bytes


class LastError:
    """Remembers what TensorRT complained of, for our own sentence."""

    def __init__(self) -> None:
        """Starts without a complaint."""
        self.text = ""

    def logger(self) -> "tensorrt.ILogger":
        """The object that TensorRT logs to."""
        import tensorrt as trt

        remember = self
        serious = (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR)

        class Logger(trt.ILogger):
            """Keeps the last error and drops the rest."""

            def __init__(self) -> None:
                trt.ILogger.__init__(self)

            def log(self, severity: "tensorrt.ILogger.Severity", msg: str) -> None:
                """Called by TensorRT for every message."""
                if severity in serious:
                    remember.text = " ".join(msg.split())

        return Logger()


def build_engine(
    graph: Path,
    options: EngineOptions,
    lanes: LaneRange | None,
    timings: bytes,
    bars: PhaseBars,
    stop: Asked,
) -> BuiltEngine:
    """Builds an engine; it takes minutes.

    Args:
        graph: The ONNX file.
        options: How to build it.
        lanes: The lanes that it is for, or None for a graph without that dimension.
        timings: A timing cache of earlier builds on this GPU, or nothing; one of another GPU or
            version is left aside.
        bars: Where progress is shown.
        stop: Whether to give up.

    Raises:
        BundleError: If TensorRT's parser does not take the graph.
        MachineError: If TensorRT has no builder here or fails to build.
        KeyboardInterrupt: If `stop` said so.
    """
    import tensorrt as trt

    complaint = LastError()
    logger = complaint.logger()
    try:
        builder = trt.Builder(logger)
    except TypeError as error:  # what the bindings raise for a builder that is null
        raise MachineError(_no_builder(complaint)) from error
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    _parse(graph, network, logger)
    config = _configure(builder, options)
    if lanes is not None:
        _add_profile(builder, config, network, lanes)
    _use_timings(config, timings)
    config.progress_monitor = progress_monitor(bars, stop)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        if stop():
            raise KeyboardInterrupt
        reason = complaint.text or "no reason given"
        raise MachineError(
            f"TensorRT cannot build an engine of {graph.name} ({reason}); free GPU memory or "
            "set --workspace, or use another --backend."
        )
    return BuiltEngine(bytes(plan), _tensors(network), bytes(config.get_timing_cache().serialize()))


def read_timings(path: Path) -> bytes:
    """The timing cache of earlier builds, or nothing where there is none."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def save_timings(path: Path, timings: bytes) -> None:
    """Keeps the timing cache for the next build.

    Raises:
        OutputError: If it cannot be written.
    """
    write_bytes(path, timings)


def _parse(graph: Path, network: "tensorrt.INetworkDefinition", logger: "tensorrt.ILogger") -> None:
    import tensorrt as trt

    parser = trt.OnnxParser(network, logger)
    if not parser.parse(graph.read_bytes()):  # bytes, so that a graph can name no other file
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        first = f"node {errors[0].node()}: {errors[0].desc()}" if errors else "no reason given"
        raise BundleError(
            f"TensorRT {trt.__version__} cannot read {graph} ({' '.join(first.split())}); export "
            "the bundle again, or use another --backend."
        )


def _configure(builder: "tensorrt.Builder", options: EngineOptions) -> "tensorrt.IBuilderConfig":
    import tensorrt as trt

    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # else no types can be read back
    if not options.tf32:  # on by default
        config.clear_flag(trt.BuilderFlag.TF32)
    if options.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if options.hardware_compatible:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    if options.workspace_mb is not None:
        pool = trt.MemoryPoolType.WORKSPACE
        config.set_memory_pool_limit(pool, options.workspace_mb * MEGABYTE)
    return config


def _add_profile(
    builder: "tensorrt.Builder",
    config: "tensorrt.IBuilderConfig",
    network: "tensorrt.INetworkDefinition",
    lanes: LaneRange,
) -> None:
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        free, *fixed = (tensor.shape[axis] for axis in range(len(tensor.shape)))
        if free == -1:
            least, best, most = ((n, *fixed) for n in (1, lanes.fastest, lanes.most))
            profile.set_shape(tensor.name, least, best, most)
    config.add_optimization_profile(profile)


def _use_timings(config: "tensorrt.IBuilderConfig", timings: bytes) -> None:
    # a cache of another GPU or version, or a damaged one, is refused: begin an empty one
    for content in (timings, b""):
        cache = config.create_timing_cache(content)
        if cache is not None and config.set_timing_cache(cache, False):
            return


def _tensors(network: "tensorrt.INetworkDefinition") -> dict[str, str]:
    inputs: Sequence[tensorrt.ITensor] = [
        network.get_input(index) for index in range(network.num_inputs)
    ]
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    return {tensor.name: tensor.dtype.name for tensor in (*inputs, *outputs)}


def _no_builder(complaint: LastError) -> str:
    reason = f" ({complaint.text})" if complaint.text else ""
    return (
        f"TensorRT makes no builder on this machine{reason}; run fishrt doctor to see what it "
        "lacks, or use another --backend."
    )
