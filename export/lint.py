"""What an ONNX graph must be for TensorRT and ONNX Runtime to take it: checked, not hoped for.

The operators and their element types are those of TensorRT's own documentation, kept as data in
`tensorrt_operators.yaml` with source and version.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import onnx
import yaml
from onnx import TensorProto

from fishrt.errors import BundleError
from fishrt.graph_names import LANES

OPERATORS_FILE = Path(__file__).with_name("tensorrt_operators.yaml")
OPSET = 17
IR_VERSION = 8
"""Of ONNX 1.12, the release of opset 17; whatever reads that opset reads this version."""
CONTROL_FLOW = frozenset({"If", "Loop", "Scan"})

TYPE_NAMES = {
    TensorProto.FLOAT: "FP32",
    TensorProto.FLOAT16: "FP16",
    TensorProto.BFLOAT16: "BF16",
    TensorProto.DOUBLE: "FP64",
    TensorProto.INT8: "INT8",
    TensorProto.INT32: "INT32",
    TensorProto.INT64: "INT64",
    TensorProto.UINT8: "UINT8",
    TensorProto.BOOL: "BOOL",
}


@dataclass(frozen=True)
class TensorRTOperators:
    """What TensorRT's documentation says.

    Attributes:
        version: Of TensorRT.
        types: Element types of every supported operator.
        border: Element types of network inputs and outputs.
        border_only: Those of them that exist nowhere else, but in Cast.
    """

    version: str
    types: Mapping[str, frozenset[str]]
    border: frozenset[str]
    border_only: frozenset[str]


@cache
def tensorrt_operators() -> TensorRTOperators:
    """Reads the committed list."""
    content = yaml.safe_load(OPERATORS_FILE.read_text(encoding="utf-8"))
    return TensorRTOperators(
        content["tensorrt"],
        {name: frozenset(types) for name, types in content["operators"].items()},
        frozenset(content["border"]),
        frozenset(content["border_only"]),
    )


def lint(model: onnx.ModelProto) -> list[str]:
    """What is wrong with a graph, each finding in a few words; nothing, if it is fit.

    Args:
        model: The graph, with or without inferred shapes.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        return [f"onnx.checker refuses it: {str(error).splitlines()[0]}"]
    graph = inferred.graph
    types = _types(graph)
    return [
        *_versions(model),
        *_borders(graph),
        *(finding for node in graph.node for finding in _node(node, types, graph)),
    ]


def require_clean(model: onnx.ModelProto, name: str) -> None:
    """Refuses a graph with findings.

    Raises:
        BundleError: With the first finding.
    """
    findings = lint(model)
    if findings:
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        raise BundleError(
            f"{name} is no graph that TensorRT takes: {findings[0]}{more}; export a network of "
            "supported layers, or report this."
        )


def _versions(model: onnx.ModelProto) -> Iterator[str]:
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if opsets != {"": OPSET}:
        yield f"its operator sets are {opsets}, not {OPSET} of ONNX alone"
    if model.ir_version != IR_VERSION:
        yield f"its IR version is {model.ir_version}, not {IR_VERSION}"
    if model.functions:
        yield "it has functions of its own"
    for constant in model.graph.initializer:
        if constant.external_data:
            yield f"the constant {constant.name} lies in another file"


def _borders(graph: onnx.GraphProto) -> Iterator[str]:
    allowed = tensorrt_operators().border
    constants = {item.name for item in graph.initializer}
    for value in [*graph.input, *graph.output]:
        tensor = value.type.tensor_type
        kind = TYPE_NAMES.get(tensor.elem_type, str(tensor.elem_type))
        if kind not in allowed:
            yield f"{value.name} is {kind}, which TensorRT takes at no border"
        if value.name in constants:
            yield f"the constant {value.name} is a graph input"
        for place, dimension in enumerate(tensor.shape.dim):
            free = place == 0 and dimension.dim_param == LANES
            if not free and not dimension.dim_value:
                yield f"dimension {place} of {value.name} is not fixed"


def _node(node: onnx.NodeProto, types: Mapping[str, str], graph: onnx.GraphProto) -> Iterator[str]:
    known = tensorrt_operators()
    what = f"{node.op_type} ({node.name})"
    if node.op_type in CONTROL_FLOW or any(
        attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
        for attribute in node.attribute
    ):
        yield f"{what} is control flow"
    if node.domain or node.op_type not in known.types:
        yield f"{what} is no operator of TensorRT {known.version}"
        return
    for name in filter(None, [*node.input, *node.output]):
        kind = types.get(name, "of unknown type")
        if kind not in known.types[node.op_type]:
            yield f"{what} takes or gives {name}, which is {kind}"
    inputs = {value.name for value in graph.input}
    outputs = {value.name for value in graph.output}
    for names, border in ((node.input, inputs), (node.output, outputs)):
        for name in names:
            if types.get(name) in known.border_only and name not in border:
                yield f"{name} is {types[name]} within the network"
    check = RESTRICTIONS.get(node.op_type)
    if check is not None:
        yield from (f"{what} {finding}" for finding in check(node, graph))


def _types(graph: onnx.GraphProto) -> dict[str, str]:
    types = {item.name: item.data_type for item in graph.initializer}
    for value in [*graph.value_info, *graph.input, *graph.output]:
        types[value.name] = value.type.tensor_type.elem_type
    return {name: TYPE_NAMES.get(kind, str(kind)) for name, kind in types.items()}


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}


def _constant_inputs(first: int) -> Callable[[onnx.NodeProto, onnx.GraphProto], Iterator[str]]:
    def check(node: onnx.NodeProto, graph: onnx.GraphProto) -> Iterator[str]:
        constants = {item.name for item in graph.initializer}
        for name in list(node.input)[first:]:
            if name and name not in constants:
                yield f"needs a constant, and {name} is none"

    return check


def _pool(node: onnx.NodeProto, graph: onnx.GraphProto) -> Iterator[str]:
    del graph
    attributes = _attributes(node)
    if len(attributes["kernel_shape"]) not in (2, 3):
        yield "does not pool over 2 or 3 dimensions"
    if set(attributes.get("dilations", [1])) != {1}:
        yield "is dilated"
    if len(node.output) > 1:
        yield "gives indices"


RESTRICTIONS: Mapping[str, Callable[[onnx.NodeProto, onnx.GraphProto], Iterator[str]]] = {
    # constant kernels are our own rule: TensorRT lays them out when it builds
    "Conv": _constant_inputs(1),
    "MaxPool": _pool,
    "AveragePool": _pool,
    "CumSum": _constant_inputs(1),
    "Reshape": _constant_inputs(1),
    "Slice": _constant_inputs(1),
    "Split": _constant_inputs(1),
    "Squeeze": _constant_inputs(1),
    "Unsqueeze": _constant_inputs(1),
    **{f"Reduce{name}": _constant_inputs(1) for name in ("Max", "Mean", "Min", "Sum")},
}
