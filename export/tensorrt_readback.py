"""What an engine really computes in: read back from it after the build.

An engine is called FP16 when its convolutions are, not because FP16 was asked for.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from export.tensorrt_build import LastError
from fishrt.bundle import GraphPrecision
from fishrt.errors import MachineError

TYPES = {
    "FP16": re.compile(r"\b(half|fp16|float16)\b", re.I),
    "FP32": re.compile(r"\b(float|fp32|float32)\b", re.I),
    "UINT8": re.compile(r"\buint8\b", re.I),
    "INT32": re.compile(r"\bint32\b", re.I),
}
"""Types by the words of the engine inspector, which vary with the version."""

CONVOLUTION = re.compile(r"conv", re.I)


@dataclass(frozen=True)
class ReadBack:
    """Types in an engine.

    Attributes:
        tensors: Types of its inputs and outputs, by name.
        layers: Number of layers by the type of their first output.
        convolutions: For each layer with a convolution in it, its name and the types that it reads.
    """

    tensors: dict[str, str]
    layers: dict[str, int]
    convolutions: tuple[tuple[str, tuple[str, ...]], ...]


def read_back(plan: bytes, *, trust: bool) -> ReadBack:
    """Loads an engine and reads its types.

    Args:
        plan: The engine's bytes.
        trust: Whether code for the host in it may run (version-compatible engines have some).

    Raises:
        MachineError: If the engine does not load, or tells nothing about its layers.
    """
    import tensorrt as trt

    complaint = LastError()
    runtime = trt.Runtime(complaint.logger())
    runtime.engine_host_code_allowed = trust
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise MachineError(
            f"TensorRT cannot load the engine that it just built ({complaint.text}); run fishrt "
            "doctor, or use another --backend."
        )
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    tensors = {name: engine.get_tensor_dtype(name).name for name in names}
    inspector = engine.create_engine_inspector()
    text = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
    layers, convolutions = layer_types(text)
    return ReadBack(tensors, layers, convolutions)


def layer_types(
    information: str,
) -> tuple[dict[str, int], tuple[tuple[str, tuple[str, ...]], ...]]:
    """Types of layers, from what the engine inspector says.

    Args:
        information: Its JSON, of an engine built with detailed verbosity.

    Returns:
        Number of layers by the type of their first output; and each layer with a convolution in
        it with the floating-point types that it reads.

    Raises:
        MachineError: If it holds no layers with types.
    """
    try:
        layers = json.loads(information)["Layers"]
    except (ValueError, KeyError, TypeError):
        layers = []
    described = [layer for layer in layers if isinstance(layer, dict)]
    counts = Counter(_type(layer["Outputs"][0]) for layer in described if layer.get("Outputs"))
    if not counts:
        raise MachineError(
            "TensorRT tells nothing about the layers of the engine, so that its precision cannot "
            "be checked; use a TensorRT from 10.12 to 11."
        )
    convolutions = tuple(
        (str(layer.get("Name")), tuple(sorted({_type(each) for each in layer.get("Inputs", [])})))
        for layer in described
        if CONVOLUTION.search(
            f"{layer.get('Name')} {layer.get('LayerType')} {layer.get('Metadata')}"
        )
    )
    return dict(sorted(counts.items())), convolutions


def check_types(found: ReadBack, asked: GraphPrecision, tensors: dict[str, str], name: str) -> None:
    """Refuses an engine that is not what was asked for.

    Args:
        found: What was read back.
        asked: What the graph computes in.
        tensors: Types of the graph's inputs and outputs.
        name: What the engine is called.

    Raises:
        MachineError: With the first tensor or layer that is of another type.
    """
    for tensor, kind in tensors.items():
        if found.tensors.get(tensor) != kind:
            _refuse(name, f"its tensor {tensor} is {found.tensors.get(tensor)} and not {kind}")
    wanted = asked.value.upper()
    other = "FP32" if wanted == "FP16" else "FP16"
    for layer, types in found.convolutions:
        if other in types and wanted not in types:
            _refuse(name, f"its layer {layer} computes in {other} and not in {wanted}")
    if found.convolutions and not any(wanted in types for _, types in found.convolutions):
        _refuse(name, f"none of its convolutions computes in {wanted}")


def _refuse(name: str, what: str) -> None:
    raise MachineError(
        f"the engine {name} is not what was asked for: {what}; it was thrown away. Please report "
        "it with the TensorRT version and the GPU, and use another --backend."
    )


def _type(tensor: dict[str, Any]) -> str:
    words = str(tensor.get("Format/Datatype", ""))
    for name, pattern in TYPES.items():
        if pattern.search(words):
            return name
    return words or "unknown"
