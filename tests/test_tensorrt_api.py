"""What fishrt believes about TensorRT's Python API is what the real bindings say.

mypy checks every call of ours against typings/tensorrt; here that file is checked against the
bindings: those that are installed, and those in the folders of FISHRT_TENSORRT_BINDINGS (unpacked
wheels, for other versions).
"""

import ast
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from tensorrt_signatures import compile_stubs, own_api

from fishrt.errors import MachineError
from fishrt.gpu.card import check_cuda, current_gpu

ROOT = Path(__file__).parents[1]
READER = Path(__file__).with_name("tensorrt_signatures.py")


def bindings() -> dict[str, Path]:
    """Folders to import `tensorrt_bindings` from, by a name."""
    found = {}
    for package in ("tensorrt-cu12-bindings", "tensorrt-cu13-bindings"):
        try:
            found[package] = Path(str(distribution(package).locate_file("")))
        except PackageNotFoundError:
            continue
    folder = os.environ.get("FISHRT_TENSORRT_BINDINGS")
    for path in sorted(Path(folder).glob("*/tensorrt_bindings")) if folder else []:
        found[path.parent.name] = path.parent
    return found


FOUND = bindings()


@pytest.fixture(params=sorted(FOUND) or ["none"])
def real(request, tmp_path):
    """The API of real bindings, read in a process of its own."""
    if not FOUND:
        pytest.skip("no TensorRT bindings; pip install tensorrt-cu12-bindings==10.16.1.11")
    if shutil.which("gcc") is None:
        pytest.skip("gcc is needed for the libraries that the bindings are linked to")
    for major in ("10", "11"):
        compile_stubs(tmp_path, major)
    environment = {
        **os.environ, "LD_LIBRARY_PATH": str(tmp_path), "PYTHONPATH": str(FOUND[request.param]),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, READER], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def differences(ours, theirs, path):
    """What of our description is not in the real one."""
    for member in set(ours["members"]) - set(theirs["members"]):
        yield f"{path}.{member} is no member"
    for name, kind in ours["properties"].items():
        if theirs["properties"].get(name, [None])[0] != kind:
            yield f"{path}.{name} is {theirs['properties'].get(name)} and not {kind}"
    for name, method in ours["methods"].items():
        if not (name.startswith("__") and name != "__init__") and not any(
            fits(method, overload) for overload in theirs["methods"].get(name, [])
        ):
            yield f"{path}.{name} is {theirs['methods'].get(name)} and not {method}"
    for name, inner in ours["classes"].items():
        yield from differences(inner, theirs["classes"][name], f"{path}.{name}")


def fits(ours, theirs):
    """Whether a call that our signature allows is one that theirs allows."""
    known = len(ours["parameters"])
    further = theirs["parameters"][known:]  # we may leave away what has a default
    return (
        ours["parameters"] == theirs["parameters"][:known]
        and all(has_default for _, _, has_default in further)
        and ours["returns"] == theirs["returns"]
    )


def test_every_signature_is_that_of_the_bindings(real):
    for name, ours in own_api().items():
        assert list(differences(ours, real["api"][name], name)) == [], real["version"]


def test_a_builder_that_cannot_be_had_is_a_type_error(real):
    assert real["no_builder"] == "TypeError"  # which export/tensorrt_build.py waits for


@pytest.mark.parametrize(
    "change",
    [
        lambda api: api["Builder"]["methods"]["create_network"]["parameters"][0].__setitem__(
            0, "f"
        ),
        lambda api: api["IBuilderConfig"]["properties"].__setitem__("tf32", "bool"),
        lambda api: api["BuilderFlag"]["members"].append("FP15"),
        lambda api: api["OnnxParser"]["methods"]["parse"].__setitem__("returns", "int"),
    ],
)
def test_the_check_itself_finds_what_is_wrong(real, change):
    ours = own_api()
    change(ours)
    found = [d for name, api in ours.items() for d in differences(api, real["api"][name], name)]
    assert len(found) == 1


def test_the_code_names_nothing_else():
    known = set(own_api()) | {"__version__"}
    modules = [m for p in ("fishrt", "export", "realtime") for m in (ROOT / p).rglob("*.py")]
    for module in modules:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("trt", "tensorrt"):
                assert node.attr in known, f"{module}: {node.attr}"


def test_no_call_that_tensorrt_11_lost():
    gone = {"FP16", "BF16", "INT8", "EXPLICIT_BATCH", "device_memory_size"}
    text = (ROOT / "typings" / "tensorrt" / "__init__.pyi").read_text()
    assert {name for name in gone if f" {name} " in text or f"def {name}(" in text} == set()


def test_cuda_calls_exist_and_say_what_is_wrong():
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")
    source = (ROOT / "fishrt/gpu/device.py").read_text() + (ROOT / "fishrt/gpu/card.py").read_text()
    names = {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and node.attr.startswith("cuda")
    }
    own = {"cuda_runtime"}
    kinds = (runtime, runtime.cudaMemcpyKind, runtime.cudaStreamCaptureMode, runtime.cudaError_t)
    assert len(names) > 20
    assert [name for name in names - own if not any(hasattr(k, name) for k in kinds)] == []
    error, count = runtime.cudaGetDeviceCount()
    if count:
        assert current_gpu().compute_capability
        return
    with pytest.raises(MachineError, match=r"no NVIDIA GPU.*--backend cpu"):
        current_gpu()
    with pytest.raises(MachineError, match=r"CUDA says cudaError\w+"):
        check_cuda(runtime, (error, count))
