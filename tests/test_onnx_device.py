"""ONNX Runtime on a GPU as we call it: one CUDA graph for each set of addresses.

There is no GPU here. A stand-in for the CUDA provider computes on the CPU and is strict about what
the real one wants: the addresses of a graph never change, and they are known to it.
"""

import numpy as np
import onnxruntime
import pytest
from host_device import HostDevice
from tiny_bundle import make_tiny_bundle

from fishrt.bundle import GraphKind
from fishrt.clip import ClipGeometry
from realtime.device_stepper import DeviceStepper
from realtime.lanes import ExactLanes, LaneSchedule
from realtime.onnx_device import CUDA, GRAPH_ID, NO_FALLBACK, NO_GRAPH, cuda_program
from realtime.stepper import SessionSettings, load_stepper

GEOMETRY = ClipGeometry(steps=3, frames_per_step=2, height=12, width=14)


class Binding:
    """Takes addresses of the host for those of a GPU."""

    def __init__(self, binding):
        self.real = binding
        self.addresses = {}

    def _bind(self, method, name, memory, device, kind, shape, address):
        assert (memory, device) == ("cuda", 0)
        self.addresses[name] = address
        method(name, "cpu", 0, kind, shape, address)

    def bind_input(self, *arguments):
        self._bind(self.real.bind_input, *arguments)

    def bind_output(self, *arguments):
        self._bind(self.real.bind_output, *arguments)


class CudaSession:
    """Replays a graph only with the addresses it was recorded with, as the real one does."""

    can_record = True
    opened = None

    def __init__(self, graph, options, providers):
        ((name, settings),) = providers
        assert name == CUDA
        options.intra_op_num_threads = 1
        options.add_session_config_entry(NO_FALLBACK, "0")
        self._real = onnxruntime_session(graph, options)
        self.settings = settings
        self.recorded = {}
        self.plain_runs = 0
        CudaSession.opened = self

    def get_providers(self):
        return [CUDA, "CPUExecutionProvider"]

    def get_inputs(self):
        return self._real.get_inputs()

    def get_outputs(self):
        return self._real.get_outputs()

    def io_binding(self):
        return Binding(self._real.io_binding())

    def run_with_iobinding(self, binding, options):
        graph = options.get_run_config_entry(GRAPH_ID)
        if graph == NO_GRAPH:
            self.plain_runs += 1
        else:
            assert self.settings["enable_cuda_graph"] == "1"
            assert int(graph) > 0  # 0 is ONNX Runtime's own
            if not self.can_record:
                raise RuntimeError("this graph cannot be captured")
            assert self.recorded.setdefault(graph, binding.addresses) == binding.addresses
        self._real.run_with_iobinding(binding.real)


def onnxruntime_session(graph, options):
    return REAL(graph, options, providers=["CPUExecutionProvider"])


REAL = onnxruntime.InferenceSession


@pytest.fixture
def bundle(tmp_path):
    return make_tiny_bundle(tmp_path / "tiny", GEOMETRY)


@pytest.fixture
def cuda(monkeypatch):
    monkeypatch.setattr(onnxruntime, "InferenceSession", CudaSession)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr(CudaSession, "can_record", True)


def outcomes(stepper, every):
    stepper.warm_up()
    lanes = ExactLanes(stepper, GEOMETRY, every)
    frames = np.random.default_rng(0).integers(0, 256, (30, 12, 14)).astype(np.uint8)
    return [lanes.push(frame) for frame in frames]


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("can_record", [True, False])
def test_lanes_with_a_graph_for_each_pair_of_sets(bundle, cuda, monkeypatch, every, can_record):
    lanes = LaneSchedule(GEOMETRY.steps, GEOMETRY.frames_per_step, every).lanes
    monkeypatch.setattr(CudaSession, "can_record", can_record)
    device = HostDevice()
    program = cuda_program(bundle.graph(GraphKind.STEP), lanes, device)
    stepper = DeviceStepper(device, program, GEOMETRY, lanes)
    session = CudaSession.opened
    taken = len(device.arrays)
    ours = outcomes(stepper, every)
    assert len(device.arrays) == taken  # the device's memory is taken once, before the first step
    assert session.settings["user_compute_stream"] == str(device.stream)
    if can_record:
        assert len(session.recorded) == 6  # all pairs of three sets, before the first frame
        assert session.plain_runs == 0
    else:
        assert session.plain_runs > 30
    monkeypatch.setattr(onnxruntime, "InferenceSession", REAL)
    theirs = outcomes(load_stepper(bundle, lanes, SessionSettings(threads=1)), every)
    assert ours == theirs
    assert sum(outcome.probability is not None for outcome in ours) > 7
