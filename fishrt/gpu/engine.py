"""TensorRT engines of a bundle: files with what they were built from, on and for.

    BUNDLE/engines/step-fp16-nvidia-rtx-a4000-trt-10.16.1.11.engine
    BUNDLE/engines/step-fp16-nvidia-rtx-a4000-trt-10.16.1.11.engine.yaml

An engine is machine code for one kind of GPU and one TensorRT. The yaml beside it says which, and
what was read back from the engine after it was built; an engine that does not fit is never loaded.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fishrt.bundle import Bundle, GraphKind, GraphPrecision
from fishrt.errors import BundleError, output_error
from fishrt.folder_format import write_metadata
from fishrt.gpu.card import Gpu
from fishrt.settings import sentence_of
from fishrt.storage import sha256_of

FORMAT_VERSION = 1
ENGINES_FOLDER = "engines"
AMPERE = 8.0
"""Compute capability from which on hardware-compatible engines run."""


class EngineOptions(BaseModel):
    """How an engine is to be built.

    Attributes:
        tf32: Let FP32 convolutions multiply in TF32 (10-bit mantissas); off, as for every other
            backend, so that FP32 means FP32.
        hardware_compatible: Make it run on every GPU from Ampere on; slower.
        version_compatible: Make it run on later TensorRT versions too; slower, and it carries code
            for the host, so that loading it takes trust.
        workspace_mb: Scratch memory that a layer may take at most, or None for all there is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tf32: bool = False
    hardware_compatible: bool = False
    version_compatible: bool = False
    workspace_mb: int | None = Field(default=None, ge=1)


class EngineProof(BaseModel):
    """What came out when an engine was compared with Keras' figures, and where that was.

    Attributes:
        gpu: Name of the GPU that it ran on.
        tensorrt: The TensorRT version that ran it.
        clips: How many clips it was compared on.
        max: Largest difference in probability, flicker left out; None if it was not compared.
        flicker: The same on full-frame flicker.
        hidden: Root mean square difference of the last hidden state, where an engine gives it.
        not_compared: Why it was not compared, or None.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpu: str
    tensorrt: str
    clips: int = 0
    max: float | None = None
    flicker: float | None = None
    hidden: float | None = None
    not_compared: str | None = None


class EngineMetadata(BaseModel):
    """What the file beside an engine holds.

    Attributes:
        format_version: Of this file.
        kind: Which graph it computes.
        precision: What it computes in, as read back from its layers.
        graph_sha256: Of the ONNX file that it was built from.
        engine_sha256: Of the engine file.
        gpu: Name of the GPU that it was built on.
        compute_capability: Of that GPU.
        tensorrt: The TensorRT version that built it.
        lanes: Most lanes that it takes; None for a clip.
        options: How it was built.
        tensors: Types of its inputs and outputs, as read back.
        layers: Number of layers by the type of their first output, as read back.
        proof: How it was compared with Keras; None in files of before there was such a thing, and
            while it is being compared.
        seconds: How long the build took.
        fishrt_version: What built it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: int = FORMAT_VERSION
    kind: GraphKind
    precision: GraphPrecision
    graph_sha256: str
    engine_sha256: str
    gpu: str
    compute_capability: str
    tensorrt: str
    lanes: int | None
    options: EngineOptions
    tensors: dict[str, str]
    layers: dict[str, int]
    proof: EngineProof | None = None
    seconds: float
    fishrt_version: str


@dataclass(frozen=True)
class EngineFile:
    """An engine and what is known about it."""

    path: Path
    metadata: EngineMetadata

    def read(self) -> bytes:
        """The engine's bytes.

        Raises:
            BundleError: If they are not those that were built.
        """
        if not self.path.is_file() or sha256_of(self.path) != self.metadata.engine_sha256:
            raise BundleError(
                f"the engine {self.path} is damaged or missing; delete it and build it again "
                f"with: fishrt export --tensorrt {self.path.parent.parent}"
            )
        return self.path.read_bytes()


def engine_path(
    bundle: Bundle, kind: GraphKind, precision: GraphPrecision, gpu: Gpu, tensorrt: str
) -> Path:
    """Where the engine for this GPU and TensorRT lies, whether it exists or not."""
    slug = re.sub(r"[^a-z0-9]+", "-", gpu.name.lower()).strip("-")
    name = f"{kind}-{precision}-{slug}-trt-{tensorrt}.engine"
    return bundle.folder / ENGINES_FOLDER / name


def save_engine_metadata(path: Path, metadata: EngineMetadata) -> None:
    """Writes the file beside the engine `path`."""
    write_metadata(path.with_suffix(path.suffix + ".yaml"), metadata)


def delete_engine(engine: EngineFile) -> None:
    """Removes an engine that is wrong, the file beside it first, by which it would be found.

    Raises:
        OutputError: If it cannot be removed.
    """
    for path in (engine.path.with_suffix(engine.path.suffix + ".yaml"), engine.path):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise output_error(path, error) from error


def engines_of(bundle: Bundle) -> list[EngineFile]:
    """All engines of a bundle, for whatever GPU.

    Raises:
        BundleError: If a file beside an engine is damaged, or of another format version.
    """
    found = []
    for path in sorted((bundle.folder / ENGINES_FOLDER).glob("*.engine.yaml")):
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            _require_version(path, content, bundle.folder)
            metadata = EngineMetadata.model_validate(content)
        except (OSError, yaml.YAMLError, UnicodeDecodeError, ValidationError) as error:
            wrong = ""
            if isinstance(error, ValidationError):
                wrong = f" ({sentence_of(error, EngineMetadata).removesuffix('.')})"
            raise BundleError(f"{path} is damaged{wrong}; {_anew(bundle.folder)}") from error
        found.append(EngineFile(path.with_suffix(""), metadata))
    return found


def _require_version(path: Path, content: object, bundle: Path) -> None:
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{path} has format version {version}, but this fishrt reads version "
            f"{FORMAT_VERSION}; {_anew(bundle)}"
        )


def _anew(bundle: Path) -> str:
    return f"delete it and build the engine again with: fishrt export --tensorrt {bundle}"


def find_engine(
    bundle: Bundle,
    kind: GraphKind,
    precision: GraphPrecision,
    gpu: Gpu,
    tensorrt: str,
    options: EngineOptions | None = None,
    *,
    trust: bool = False,
) -> tuple[EngineFile | None, str]:
    """The engine that runs best here, or None; whoever builds and whoever loads gets the same.

    Of several that fit, one that may not be loaded comes last; then the GPU's own comes first, then
    this TensorRT version's own, then one that needs no trust.

    Args:
        bundle: The bundle.
        kind: Which graph.
        precision: What it computes in.
        gpu: The GPU of this machine.
        tensorrt: The TensorRT version of this machine.
        options: How it must have been built; None takes any.
        trust: Whether code for the host in it may run.

    Returns:
        The engine and why; or None and why none fits, as the end of a sentence.
    """
    graph = sha256_of(bundle.graph(kind, precision))
    fitting, reasons = [], []
    for engine in engines_of(bundle):
        if (engine.metadata.kind, engine.metadata.precision) == (kind, precision):
            reason = misfit(engine.metadata, graph, gpu, tensorrt)
            if reason is None:
                fitting.append(engine)
            else:
                reasons.append(reason)
    taken = [e for e in fitting if options is None or e.metadata.options == options]
    if taken:
        return min(taken, key=lambda e: _rank(e.metadata, gpu, tensorrt, trust=trust)), "it fits"
    if fitting:
        return None, "the engine was built with other options"
    return None, reasons[0] if reasons else f"there is no {precision} {kind} engine yet"


def _rank(
    metadata: EngineMetadata, gpu: Gpu, tensorrt: str, *, trust: bool
) -> tuple[bool, bool, bool, bool]:
    """Sorts engines that fit, the best first; those that are alike stay in order of their names."""
    needs_trust = metadata.options.version_compatible
    return (
        needs_trust and not trust,
        not _built_on(metadata, gpu),
        metadata.tensorrt != tensorrt,
        needs_trust,
    )


def misfit(metadata: EngineMetadata, graph: str, gpu: Gpu, tensorrt: str) -> str | None:
    """Why an engine is not taken here, or None if it is.

    Args:
        metadata: Of the engine.
        graph: SHA-256 of the bundle's graph.
        gpu: The GPU of this machine.
        tensorrt: The TensorRT version of this machine.
    """
    if metadata.graph_sha256 != graph:
        return "the engine was built from another graph than the bundle has now"
    if metadata.proof is None:
        return "the engine was never compared with Keras"
    if not _fits_version(metadata, tensorrt):
        return f"the engine was built by TensorRT {metadata.tensorrt}, and this is {tensorrt}"
    if not _fits_gpu(metadata, gpu):
        return (
            f"the engine was built on {metadata.gpu} (compute capability "
            f"{metadata.compute_capability}), and this is {gpu.name} ({gpu.compute_capability})"
        )
    return None


def _fits_version(metadata: EngineMetadata, tensorrt: str) -> bool:
    if metadata.tensorrt == tensorrt:
        return True
    return metadata.options.version_compatible and _numbers(tensorrt) > _numbers(metadata.tensorrt)


def _fits_gpu(metadata: EngineMetadata, gpu: Gpu) -> bool:
    if _built_on(metadata, gpu):
        return True
    return metadata.options.hardware_compatible and float(gpu.compute_capability) >= AMPERE


def _built_on(metadata: EngineMetadata, gpu: Gpu) -> bool:
    return (metadata.gpu, metadata.compute_capability) == (gpu.name, gpu.compute_capability)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
