"""TensorRT for real, as far as it goes without a GPU: TensorRT-RTX parses our graphs and builds.

TensorRT-RTX is NVIDIA's TensorRT for GeForce RTX. Its Python API is that of TensorRT, its libraries
come in wheels on PyPI, and it can build for a GPU that is not there. What it built cannot be loaded
without a GPU.

    pip install tensorrt-rtx-cu12-bindings==1.7.1.116 onnxruntime-ep-nv-tensorrt-rtx-cu12==0.5.0
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fishrt.bundle import BUNDLED, load_bundle

PROGRAM = """
import json, sys
import tensorrt_rtx_bindings as rtx

sys.modules["tensorrt"] = rtx
make_config = rtx.Builder.create_builder_config

def for_a_gpu_that_is_not_here(builder):
    config = make_config(builder)
    config.num_compute_capabilities = 1
    config.set_compute_capability(rtx.ComputeCapability.SM86, 0)
    return config

rtx.Builder.create_builder_config = for_a_gpu_that_is_not_here

from pathlib import Path
from export.tensorrt_build import LaneRange, build_engine
from export.tensorrt_readback import read_back
from fishrt.errors import FishrtError
from fishrt.gpu.engine import EngineOptions

class Phases:
    def __init__(self):
        self.seen = []
    def start(self, phase, parent, steps):
        self.seen.append(phase)
    def advance(self, phase, step):
        pass
    def finish(self, phase):
        pass

path, lanes, stop = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "stop"
phases, answer = Phases(), {}
try:
    built = build_engine(
        path, EngineOptions(workspace_mb=2048), LaneRange(lanes, lanes) if lanes else None, b"x",
        phases, lambda: stop,
    )
    answer = {"bytes": len(built.plan), "tensors": built.tensors}
    read_back(built.plan, trust=False)
except KeyboardInterrupt:
    answer["error"] = "KeyboardInterrupt"
except FishrtError as error:
    answer["error"] = f"{type(error).__name__}: {error}"
print(json.dumps({**answer, "phases": phases.seen}))
"""
ROOT = Path(__file__).parents[1]
PLUGIN = "onnxruntime_ep_nv_tensorrt_rtx"

pytestmark = pytest.mark.tensorrt


@pytest.fixture(scope="module")
def libraries():
    """Folder of the libraries of TensorRT-RTX."""
    found = {name: importlib.util.find_spec(name) for name in (PLUGIN, "tensorrt_rtx_bindings")}
    absent = [name for name, spec in found.items() if spec is None]
    if absent:
        pytest.skip(
            f"{' and '.join(absent)} not installed (the head of this file says what brings them)"
        )
    # importing the plugin's package makes the links under which its libraries look for each other
    subprocess.run([sys.executable, "-c", f"import {PLUGIN}"], check=False, capture_output=True)
    return Path(str(found[PLUGIN].origin)).parent


def build(libraries, graph, lanes=0, *, stop=False):
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(libraries),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, graph, str(lanes), "stop" if stop else "go"],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_step_graph_builds_with_its_types(libraries):
    answer = build(libraries, BUNDLED / "demo" / "step.onnx", 30)
    assert answer["bytes"] > 100_000, answer
    assert answer["tensors"]["time_step"] == "UINT8"
    assert answer["tensors"]["next_c1"] == "FLOAT"
    assert len(answer["phases"]) > 3  # TensorRT told our monitor what it was doing
    # and what cannot be loaded, here for want of a GPU, is one sentence
    assert "MachineError: TensorRT cannot load the engine" in answer["error"]


def test_the_clip_graph_builds(libraries):
    if load_bundle("demo").metadata.format_version == 1:
        pytest.skip("the demo bundle is of format 1, whose clip graph TensorRT does not read")
    answer = build(libraries, BUNDLED / "demo" / "clip.onnx")
    assert answer.get("bytes", 0) > 100_000, answer


def test_a_build_is_given_up_between_two_steps(libraries):
    answer = build(libraries, BUNDLED / "demo" / "step.onnx", 30, stop=True)
    assert answer["error"] == "KeyboardInterrupt"


def test_what_is_no_graph_is_one_sentence(libraries, tmp_path):
    (tmp_path / "step.onnx").write_bytes(b"no graph")
    answer = build(libraries, tmp_path / "step.onnx")
    assert answer["error"].startswith("BundleError: TensorRT 1.7.1.116 cannot read")
