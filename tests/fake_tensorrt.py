"""A TensorRT made of ONNX Runtime, to exercise what fishrt does around the real one.

It is strict: every class has the methods of typings/tensorrt (which is checked against the real
bindings) and no others, and a call with other arguments fails. An "engine" is the ONNX file; a run
reads and writes the addresses that were set, as the real one does.
"""

import enum
import functools
import inspect
import json
import sys
import types

import numpy as np
import onnx
import onnxruntime
from host_device import view
from tensorrt_signatures import own_api

PYTHON = {"int": int, "str": str, "bool": bool, "Buffer": (bytes, bytearray)}
TYPES = {"tensor(float)": "FLOAT", "tensor(float16)": "HALF", "tensor(uint8)": "UINT8"}
NUMPY = {"FLOAT": np.float32, "HALF": np.float16, "UINT8": np.uint8}


def strict(cls):
    """Holds a class to the stub: its names, and the arguments of its methods."""
    api = own_api()[cls.__name__]
    public = {name for name in vars(cls) if not name.startswith("_")}
    known = {*api["methods"], *api["properties"], *api["classes"], *api["members"]}
    assert public <= known, public - known
    for name, method in api["methods"].items():
        if name in vars(cls) and (name == "__init__" or not name.startswith("__")):
            setattr(cls, name, _held(getattr(cls, name), method["parameters"]))
    return cls


def _held(function, parameters):
    signature = inspect.Signature(
        [
            inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=None if optional else inspect.Parameter.empty,
            )
            for name, _, optional in parameters
        ]
    )

    @functools.wraps(function)
    def call(self, *arguments, **named):
        bound = signature.bind(*arguments, **named)
        for name, kind, _ in parameters:
            value = bound.arguments.get(name)
            if kind in PYTHON and value is not None:
                assert isinstance(value, PYTHON[kind]), (function.__name__, name, value)
        return function(self, *bound.args, **bound.kwargs)

    return call


def make_tensorrt(
    version="10.16.1.11",
    *,
    layer_type=None,
    loads=True,
    builds=True,
    builder=True,
    gpu="a",
    inspects=True,
):
    """Makes the module.

    Args:
        version: What it says it is.
        layer_type: The type that the inspector gives every layer; None for the graph's own.
        loads: Whether engines can be loaded.
        builds: Whether engines can be built.
        builder: Whether there is a builder (there is none without a GPU).
        gpu: Timing caches of another one are refused.
        inspects: Whether the inspector tells about layers.
    """
    trt = types.ModuleType("tensorrt")
    trt.__version__ = version
    trt.log = []  # what happened, for the tests
    for name, api in own_api().items():
        if api["members"]:
            setattr(trt, name, enum.IntEnum(name, api["members"], start=0))

    @strict
    class ILogger:
        Severity = enum.IntEnum("Severity", own_api()["ILogger"]["classes"]["Severity"]["members"])

        def __init__(self):
            pass

        def log(self, severity, msg):
            pass

    class Logger(ILogger):
        def __init__(self, min_severity=None):
            super().__init__()

    @strict
    class IProgressMonitor:
        def __init__(self):
            pass

    @strict
    class ITensor:
        def __init__(self, name, shape, kind):
            self.name, self.shape, self.dtype = name, shape, getattr(trt.DataType, kind)

    @functools.cache
    def session_of(graph):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def tensors(graph, values):
        return [
            ITensor(t.name, [d if isinstance(d, int) else -1 for d in t.shape], TYPES[t.type])
            for t in getattr(session_of(graph), f"get_{values}")()
        ]

    class INetworkDefinition:
        _graph = b""
        num_inputs = property(lambda self: len(tensors(self._graph, "inputs")))
        num_outputs = property(lambda self: len(tensors(self._graph, "outputs")))

        def get_input(self, index):
            return tensors(self._graph, "inputs")[index]

        def get_output(self, index):
            return tensors(self._graph, "outputs")[index]

    class ParserError:
        def __init__(self, text):
            self._text = text

        def desc(self):
            return self._text

        def node(self):
            return 3

    @strict
    class OnnxParser:
        def __init__(self, network, logger):
            self._network, self._errors = network, []

        num_errors = property(lambda self: len(self._errors))

        def parse(self, model, path=None):
            try:
                onnx.load_from_string(model)
            except Exception:
                self._errors.append(ParserError("Failed to parse\nthe ONNX model"))
                return False
            self._network._graph = model
            return True

        def get_error(self, index):
            return self._errors[index]

    class ITimingCache:
        def __init__(self, content):
            self._content = content

        def serialize(self):
            return self._content + b"+"

    @strict
    class IOptimizationProfile:
        def __init__(self):
            self._shapes = {}

        def set_shape(self, input, min, opt, max):
            self._shapes[input] = (tuple(min), tuple(opt), tuple(max))

    @strict
    class IBuilderConfig:
        profiling_verbosity = hardware_compatibility_level = progress_monitor = None

        def __init__(self):
            self._flags, self._cache, self._profiles = {trt.BuilderFlag.TF32}, None, []
            self._limits = {}

        def set_flag(self, flag):
            self._flags.add(flag)

        def clear_flag(self, flag):
            self._flags.discard(flag)

        def set_memory_pool_limit(self, pool, pool_size):
            self._limits[pool] = pool_size

        def create_timing_cache(self, serialized_timing_cache):
            return ITimingCache(serialized_timing_cache)

        def set_timing_cache(self, cache, ignore_mismatch):
            assert ignore_mismatch is False
            if cache._content and not cache._content.startswith(gpu.encode()):
                return False
            self._cache = ITimingCache(cache._content or gpu.encode())
            return True

        def get_timing_cache(self):
            return self._cache

        def add_optimization_profile(self, profile):
            self._profiles.append(profile._shapes)
            return 0

    @strict
    class Builder:
        def __init__(self, logger):
            assert isinstance(logger, ILogger)
            self._logger = logger
            if not builder:
                logger.log(ILogger.Severity.ERROR, "CUDA initialization failure\nwith error: 35")
                raise TypeError("factory function returned nullptr")

        def create_network(self, flags=0):
            assert flags == 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
            return INetworkDefinition()

        def create_builder_config(self):
            return IBuilderConfig()

        def create_optimization_profile(self):
            return IOptimizationProfile()

        def build_serialized_network(self, network, config):
            monitor = config.progress_monitor
            monitor.phase_start("Building engine", None, 2)
            monitor.phase_start("Timing tactics", "Building engine", 2)
            steps = [monitor.step_complete("Timing tactics", step) for step in (0, 1)]
            monitor.phase_finish("Timing tactics")
            monitor.phase_finish("Building engine")
            trt.log.append(config)
            if not builds:
                self._logger.log(ILogger.Severity.ERROR, "out of memory")
            return network._graph if builds and all(steps) else None

    class IExecutionContext:
        def __init__(self, graph):
            self._graph, self._shapes, self._addresses = graph, {}, {}

        def set_input_shape(self, name, shape):
            self._shapes[name] = shape
            return True

        def infer_shapes(self):
            return sorted({t.name for t in tensors(self._graph, "inputs")} - set(self._shapes))

        def set_tensor_address(self, name, memory):
            assert isinstance(memory, int)
            self._addresses[name] = memory
            return True

        def execute_async_v3(self, stream_handle):
            assert isinstance(stream_handle, int)
            inputs, outputs = (tensors(self._graph, which) for which in ("inputs", "outputs"))
            reads = {self._addresses[t.name] for t in inputs}
            writes = {self._addresses[t.name] for t in outputs}  # every output has an address
            assert not reads & writes, "an input and an output share memory"
            given = {
                t.name: view(self._addresses[t.name], self._shapes[t.name], NUMPY[t.dtype.name])
                for t in inputs
            }
            results = session_of(self._graph).run(None, given)
            for tensor, result in zip(outputs, results, strict=True):
                view(self._addresses[tensor.name], result.shape, result.dtype)[...] = result
            trt.log.append("run")
            return True

    class EngineInspector:
        def __init__(self, graph):
            self._graph = graph

        def get_engine_information(self, format):
            words = {"FLOAT": "Row major linear FP32", "HALF": "Row major linear FP16 format"}
            own = onnx.load_from_string(self._graph).graph
            half = any(i.data_type == onnx.TensorProto.FLOAT16 for i in own.initializer)
            kind = words[layer_type or ("HALF" if half else "FLOAT")]
            layer = {
                "Name": "Conv_0", "LayerType": "CaskConvolution",
                "Inputs": [{"Name": "a", "Format/Datatype": kind}],
                "Outputs": [{"Name": "b", "Format/Datatype": kind}],
            }  # fmt: skip
            return json.dumps({"Layers": [layer] if inspects else ["Conv_0"]})

    class ICudaEngine:
        def __init__(self, graph):
            self._graph = graph
            self._tensors = {
                t.name: (t, mode)
                for which, mode in (("inputs", "INPUT"), ("outputs", "OUTPUT"))
                for t in tensors(graph, which)
            }

        num_io_tensors = property(lambda self: len(self._tensors))

        def get_tensor_name(self, index):
            return list(self._tensors)[index]

        def get_tensor_mode(self, name):
            return getattr(trt.TensorIOMode, self._tensors[name][1])

        def get_tensor_dtype(self, name):
            return self._tensors[name][0].dtype

        def get_tensor_shape(self, name):
            return self._tensors[name][0].shape

        def create_engine_inspector(self):
            return EngineInspector(self._graph)

        def create_execution_context(self):
            return IExecutionContext(self._graph)

    @strict
    class Runtime:
        engine_host_code_allowed = False

        def __init__(self, logger):
            assert isinstance(logger, ILogger)

        def deserialize_cuda_engine(self, serialized_engine):
            trt.log.append(("load", self.engine_host_code_allowed))
            return ICudaEngine(serialized_engine) if loads else None

    for cls in (INetworkDefinition, ParserError, ITimingCache, IExecutionContext, EngineInspector,
                ICudaEngine):  # fmt: skip
        strict(cls)
    for name, value in list(locals().items()):
        if isinstance(value, type):
            setattr(trt, name, value)
    return trt


def install(monkeypatch, **settings):
    """Puts the fake in the place of TensorRT."""
    trt = make_tensorrt(**settings)
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    return trt
