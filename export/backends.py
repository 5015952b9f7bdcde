"""What a bundle's graphs can be run on, to compare: every runtime as the same two functions."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fishrt.bundle import Bundle, GraphKind, GraphPrecision, StateSpec
from fishrt.errors import BundleError
from fishrt.graph_names import LANES, NEXT_PREFIX

SILENT_LOG_LEVEL = 4  # ONNX Runtime: fatal only; our own sentence says the rest

States = dict[str, NDArray[Any]]
StepFunction = Callable[[NDArray[np.uint8], States], tuple[NDArray[np.float32], States]]
"""Takes a time step uint8 `(1, frames_per_step, H, W)` and states; gives probabilities float32
`(lanes,)` and the new states under the same names."""
ClipFunction = Callable[[NDArray[np.uint8]], float]
"""Takes a clip uint8 `(1, steps, frames_per_step, H, W)`; gives its probability."""


class Backend(enum.StrEnum):
    """Runtimes that can be compared with Keras."""

    ORT_CPU = "onnxruntime-cpu"
    ORT_CUDA = "onnxruntime-cuda"
    ORT_TENSORRT = "onnxruntime-tensorrt"


class BackendAbsentError(Exception):
    """A backend cannot be used here; the message is the reason."""


@dataclass(frozen=True)
class Runner:
    """Graphs of one precision on one backend; whatever else runs them can be one as well.

    Attributes:
        backend: Name of the backend.
        precision: Precision of the graphs.
        version: Version of what runs them.
        clip: Runs the clip graph.
        step: Opens the step graph for so many lanes.
    """

    backend: str
    precision: GraphPrecision
    version: str
    clip: ClipFunction
    step: Callable[[int], StepFunction]


# What is computed must be float32 where float32 is compared, so TF32 is off.
PROVIDERS: Mapping[Backend, tuple[str, dict[str, str]]] = {
    Backend.ORT_CPU: ("CPUExecutionProvider", {}),
    Backend.ORT_CUDA: ("CUDAExecutionProvider", {"use_tf32": "0"}),
    Backend.ORT_TENSORRT: ("TensorrtExecutionProvider", {}),
}


def why_absent(backend: Backend) -> str | None:
    """Why a backend cannot be used here, as far as can be told without trying; else None."""
    provider, _ = PROVIDERS[backend]
    if provider in onnxruntime.get_available_providers():
        return None
    return f"onnxruntime {onnxruntime.__version__} as installed has no {provider}"


def graphs_of(bundle: Bundle, precision: GraphPrecision) -> dict[GraphKind, bytes]:
    """The bundle's graphs of one precision, their hashes checked.

    Raises:
        BundleError: If one is missing or damaged.
    """
    return {kind: bundle.graph(kind, precision).read_bytes() for kind in GraphKind}


def open_runner(
    graphs: Mapping[GraphKind, bytes], precision: GraphPrecision, backend: Backend
) -> Runner:
    """Makes graphs runnable on a backend.

    Args:
        graphs: Both ONNX files.
        precision: Their precision.
        backend: What is to run them.

    Raises:
        BackendAbsentError: If the backend cannot be used here.
        BundleError: If a graph cannot be run.
    """
    reason = why_absent(backend)
    if reason is not None:
        raise BackendAbsentError(reason)
    session = _open(graphs[GraphKind.CLIP], backend, None)
    return Runner(
        backend,
        precision,
        onnxruntime.__version__,
        lambda clip: float(session.run(["probability"], {"clip": clip})[0][0]),
        lambda lanes: step_function(_open(graphs[GraphKind.STEP], backend, lanes)),
    )


def zero_states(states: tuple[StateSpec, ...], lanes: int, precision: GraphPrecision) -> States:
    """States of zeros, in the types of graphs of that precision."""
    return {s.name: np.zeros((lanes, *s.shape), s.dtype(precision)) for s in states}


def step_function(session: Any) -> StepFunction:
    """The step of an open session."""
    names = [output.name for output in session.get_outputs()]

    def step(time_step: NDArray[np.uint8], states: States) -> tuple[NDArray[np.float32], States]:
        values = dict(
            zip(names, session.run(names, {"time_step": time_step, **states}), strict=True)
        )
        probability = values.pop("probability")
        return probability, {name.removeprefix(NEXT_PREFIX): v for name, v in values.items()}

    return step


def _open(graph: bytes, backend: Backend, lanes: int | None) -> Any:
    provider, options = PROVIDERS[backend]
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = SILENT_LOG_LEVEL
    if lanes is not None:
        settings.add_free_dimension_override_by_name(LANES, lanes)
    try:
        session = onnxruntime.InferenceSession(graph, settings, providers=[(provider, options)])
    except Exception as error:  # ONNX Runtime has a dozen error classes without a common base
        if backend is not Backend.ORT_CPU:
            raise BackendAbsentError(f"{provider} does not start: {_first_line(error)}") from error
        raise BundleError(
            f"a graph cannot be run by ONNX Runtime {onnxruntime.__version__} "
            f"({_first_line(error)}); export the bundle again."
        ) from error
    # a provider whose libraries are missing is left out without an error
    if session.get_providers()[0] != provider:
        raise BackendAbsentError(f"{provider} is installed but its libraries cannot be loaded")
    return session


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
