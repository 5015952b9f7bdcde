"""Runs the bundled demo model on one provider of ONNX Runtime, all of it, and times it.

The name of the provider is the argument. A provider that leaves operators to the CPU fails, and so
does one whose probabilities are not the CPU's.
"""

import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fishrt.bundle import BUNDLED
from fishrt.doctor.probe import answer
from fishrt.graph_names import LANES, PROBABILITY
from fishrt.onnx_settings import NO_FALLBACK, SILENT_LOG_LEVEL

CPU = "CPUExecutionProvider"
LANE_COUNT = 30
RUNS = 20
LIMIT = 1e-2  # GPUs multiply in TF32 unless told otherwise, which is no fault of theirs


def demo_session(providers: list[str]) -> Any:
    """Opens the demo model's step graph on these providers alone."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT_LOG_LEVEL
    options.add_free_dimension_override_by_name(LANES, LANE_COUNT)
    if providers != [CPU]:
        options.add_session_config_entry(NO_FALLBACK, "1")
    graph = (BUNDLED / "demo" / "step.onnx").read_bytes()
    session = onnxruntime.InferenceSession(graph, options, providers=providers)
    if session.get_providers()[0] != providers[0]:  # ONNX Runtime goes on without one that fails
        raise RuntimeError(f"{providers[0]} is listed but does not load")
    return session


def demo_inputs(session: Any) -> dict[str, NDArray[Any]]:
    """The demo model's inputs: a random picture and states of zeros."""
    rng = np.random.default_rng(0)
    first, *states = session.get_inputs()
    picture = rng.integers(0, 256, first.shape).astype(np.uint8)
    return {first.name: picture} | {
        state.name: np.zeros(state.shape, np.float32) for state in states
    }


def try_provider(name: str) -> dict[str, Any]:
    """Runs the demo model on a provider.

    Raises:
        RuntimeError: If it does not load or computes something else than the CPU.
    """
    import onnxruntime

    if name != CPU and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # CUDA libraries that pip installed lie where nobody looks
    session = demo_session([name])
    inputs = demo_inputs(session)
    found = session.run([PROBABILITY], inputs)[0]
    expected = found if name == CPU else demo_session([CPU]).run([PROBABILITY], inputs)[0]
    difference = float(np.abs(found - expected).max())
    if not difference <= LIMIT:
        raise RuntimeError(f"its probabilities are {difference:.2g} off the CPU's")
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        session.run([PROBABILITY], inputs)
        times.append((time.perf_counter() - start) * 1000.0)
    return {"milliseconds": float(np.median(times)), "difference_from_cpu": difference}


if __name__ == "__main__":
    try:
        answer(try_provider(sys.argv[1]))
    except Exception as error:
        answer(None, f"{type(error).__name__}: {error}")
