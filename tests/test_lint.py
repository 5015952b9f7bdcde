"""The lint finds what TensorRT would not take."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the export extra is not installed")

from onnx import TensorProto, helper, numpy_helper

from export.lint import lint, require_clean, tensorrt_operators
from fishrt.errors import BundleError

FLOAT, HALF, UINT8 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8
KERNEL = numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "kernel")


def model(nodes=None, inputs=None, outputs=None, constants=(KERNEL,), opset=17, ir=8, domains=()):
    nodes = nodes or [
        helper.make_node("Cast", ["frame"], ["x"], to=FLOAT),
        helper.make_node("Conv", ["x", "kernel"], ["y"]),
    ]
    inputs = inputs or [("frame", UINT8, [1, 1, 8, 8])]
    outputs = outputs or [("y", FLOAT, [1, 2, 6, 6])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        list(constants),
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir)


def test_a_fit_graph_has_no_findings():
    assert lint(model()) == []
    require_clean(model(), "g")


def node(*arguments, **attributes):
    return helper.make_node(*arguments, **attributes)


AXES = numpy_helper.from_array(np.array([0]), "axes")
FLOATS = [("frame", FLOAT, [1, 1, 8, 8])]


@pytest.mark.parametrize(
    ("graph", "finding"),
    [
        (model(opset=16), "operator sets are"),
        (model(domains=["ai.onnx.ml"]), "operator sets are"),
        (model(ir=9), "IR version is 9"),
        (
            model([node("Det", ["a"], ["y"])], [("a", FLOAT, [2, 2])], [("y", FLOAT, [])], ()),
            "no operator of TensorRT",
        ),
        (
            model(
                [node("Squeeze", ["frame", "axes"], ["s"]), node("Cast", ["s"], ["y"], to=FLOAT)],
                outputs=[("y", FLOAT, [1, 8, 8])],
                constants=[AXES],
            ),
            "takes or gives frame, which is UINT8",
        ),
        (
            model(
                [
                    node("Cast", ["frame"], ["d"], to=TensorProto.DOUBLE),
                    node("Cast", ["d"], ["y"], to=FLOAT),
                ],
                outputs=[("y", FLOAT, [1, 1, 8, 8])],
                constants=(),
            ),
            "which is FP64",
        ),
        (
            model(
                [
                    node("Cast", ["frame"], ["u"], to=UINT8),
                    node("Cast", ["u"], ["y"], to=FLOAT),
                ],
                FLOATS,
                [("y", FLOAT, [1, 1, 8, 8])],
                (),
            ),
            "u is UINT8 within the network",
        ),
        (
            model(
                [node("Relu", ["a"], ["y"])],
                [("a", TensorProto.DOUBLE, [1])],
                [("y", TensorProto.DOUBLE, [1])],
                (),
            ),
            "a is FP64, which TensorRT takes at no border",
        ),
        (
            model(
                [node("Conv", ["frame", "kernel"], ["y"])],
                [*FLOATS, ("kernel", FLOAT, [2, 1, 3, 3])],
                constants=(),
            ),
            "needs a constant, and kernel is none",
        ),
        (
            model(
                [node("Relu", ["a"], ["y"])],
                [("a", FLOAT, ["lanes", "n"])],
                [("y", FLOAT, ["lanes", "n"])],
                (),
            ),
            "dimension 1 of a is not fixed",
        ),
        (
            model(
                [node("MaxPool", ["frame"], ["y", "at"], kernel_shape=[2, 2])],
                FLOATS,
                [("y", FLOAT, [1, 1, 7, 7])],
                (),
            ),
            "gives indices",
        ),
        (model([node("Conv", ["x", "kernel"], ["y"])]), "onnx.checker refuses it"),
    ],
)
def test_what_is_not_fit_is_found(graph, finding):
    findings = lint(graph)
    assert any(finding in each for each in findings), findings
    with pytest.raises(BundleError, match="no graph that TensorRT takes"):
        require_clean(graph, "g.onnx")


def test_control_flow_is_found():
    branch = helper.make_graph(
        [node("Identity", ["frame"], ["z"])], "b", [], [helper.make_tensor_value_info(
            "z", FLOAT, [1, 1, 8, 8])]
    )  # fmt: skip
    choice = numpy_helper.from_array(np.array(True), "choice")
    graph = model(
        [node("If", ["choice"], ["y"], then_branch=branch, else_branch=branch)],
        FLOATS,
        [("y", FLOAT, [1, 1, 8, 8])],
        [choice],
    )
    assert any("is control flow" in finding for finding in lint(graph))


def test_the_committed_list_is_that_of_the_documentation():
    operators = tensorrt_operators()
    assert operators.version == "10.15"
    assert len(operators.types) == 158
    assert {"FP32", "FP16"} <= operators.types["HardSigmoid"]
    assert "UINT8" in operators.types["Cast"]
    assert "UINT8" not in operators.types["Slice"]
    assert not {"Det", "NonMax", "SequenceAt", "BitShift"} & set(operators.types)
