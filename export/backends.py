"""What a bundle's graphs can be run on, to compare: every runtime as the same two functions."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fishrt.bundle import Bundle, GraphKind, GraphPrecision, StateSpec
from fishrt.choices import Runtime
from fishrt.errors import BundleError, MachineError, MissingExtraError
from fishrt.gpu.rtx_plugin import rtx_devices
from fishrt.graph_names import CLIP, LANES, NEXT_PREFIX, PROBABILITY, TIME_STEP
from fishrt.onnx_settings import NO_FALLBACK, SILENT_LOG_LEVEL

States = dict[str, NDArray[Any]]
StepFunction = Callable[[NDArray[np.uint8], States], tuple[NDArray[np.float32], States]]
"""Takes a time step uint8 `(1, frames_per_step, H, W)` and states; gives probabilities float32
`(lanes,)` and the new states under the same names."""
ClipFunction = Callable[[NDArray[np.uint8]], float]
"""Takes a clip uint8 `(1, steps, frames_per_step, H, W)`; gives its probability."""


class BackendAbsentError(Exception):
    """A backend cannot be used here; the message is the reason."""


StepMaker = Callable[[int], StepFunction]
"""Opens the step graph for so many lanes."""


@dataclass(frozen=True)
class Runner:
    """Graphs of one precision on one backend; whatever else runs them can be one as well.

    Attributes:
        backend: Name of the backend.
        precision: Precision of the graphs.
        version: Version of what runs them.
        clip: Runs the clip graph, or None where there is none to run.
        step: Opens the step graph for so many lanes, or None where there is none to run.
        most_lanes: Lanes that the step takes at most, or None if there is no such limit.
    """

    backend: str
    precision: GraphPrecision
    version: str
    clip: ClipFunction | None
    step: StepMaker | None
    most_lanes: int | None = None


Opener = Callable[[Mapping[GraphKind, bytes], GraphPrecision], Runner]
"""Makes both ONNX files of a precision runnable; raises `BackendAbsentError` where it cannot."""


# What is computed must be float32 where float32 is compared, so TF32 is off.
PROVIDERS: Mapping[Runtime, tuple[str, dict[str, str]]] = {
    Runtime.ORT_CPU: ("CPUExecutionProvider", {}),
    Runtime.ORT_CUDA: ("CUDAExecutionProvider", {"use_tf32": "0"}),
    Runtime.ORT_TENSORRT: ("TensorrtExecutionProvider", {}),
}
ONNX_RUNTIMES = (*PROVIDERS, Runtime.ORT_TENSORRT_RTX)


def why_absent(runtime: Runtime) -> str | None:
    """Why a runtime cannot be used here, as far as can be told without trying; else None."""
    if runtime is Runtime.ORT_TENSORRT_RTX:
        try:
            rtx_devices(onnxruntime)
        except (MissingExtraError, MachineError) as error:
            return str(error).removesuffix(".")
        return None
    provider, _ = PROVIDERS[runtime]
    if provider in onnxruntime.get_available_providers():
        return None
    return f"onnxruntime {onnxruntime.__version__} as installed has no {provider}"


def graphs_of(bundle: Bundle, precision: GraphPrecision) -> dict[GraphKind, bytes]:
    """The bundle's graphs of one precision, their hashes checked.

    Raises:
        BundleError: If one is missing or damaged.
    """
    return {kind: bundle.graph(kind, precision).read_bytes() for kind in GraphKind}


def onnx_openers(runtimes: Iterable[Runtime] = ONNX_RUNTIMES) -> dict[str, Opener]:
    """Openers of ONNX Runtime with its providers, by name."""
    return {runtime.value: partial(open_runner, runtime=runtime) for runtime in runtimes}


def open_runner(
    graphs: Mapping[GraphKind, bytes], precision: GraphPrecision, runtime: Runtime
) -> Runner:
    """Makes graphs runnable by ONNX Runtime.

    Args:
        graphs: Both ONNX files.
        precision: Their precision.
        runtime: One of `ONNX_RUNTIMES`.

    Raises:
        BackendAbsentError: If the runtime cannot be used here.
        BundleError: If a graph cannot be run.
    """
    reason = why_absent(runtime)
    if reason is not None:
        raise BackendAbsentError(reason)
    session = _open(graphs[GraphKind.CLIP], runtime, None)
    return Runner(
        runtime,
        precision,
        onnxruntime.__version__,
        lambda clip: float(_run(session, [PROBABILITY], {CLIP: clip})[0][0]),
        lambda lanes: step_function(_open(graphs[GraphKind.STEP], runtime, lanes)),
    )


def zero_states(states: tuple[StateSpec, ...], lanes: int, precision: GraphPrecision) -> States:
    """States of zeros, in the types of graphs of that precision."""
    return {s.name: np.zeros((lanes, *s.shape), s.dtype(precision)) for s in states}


def step_function(session: Any) -> StepFunction:
    """The step of an open session."""
    names = [output.name for output in session.get_outputs()]

    def step(time_step: NDArray[np.uint8], states: States) -> tuple[NDArray[np.float32], States]:
        results = _run(session, names, {TIME_STEP: time_step, **states})
        values = dict(zip(names, results, strict=True))
        probability = values.pop(PROBABILITY)
        return probability, {name.removeprefix(NEXT_PREFIX): v for name, v in values.items()}

    return step


def _open(graph: bytes, runtime: Runtime, lanes: int | None) -> Any:
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = SILENT_LOG_LEVEL
    if lanes is not None:
        settings.add_free_dimension_override_by_name(LANES, lanes)
    providers: list[tuple[str, dict[str, str]]] | None = None
    if runtime is not Runtime.ORT_CPU:  # as live: what the CPU computes proves nothing of a GPU
        settings.add_session_config_entry(NO_FALLBACK, "1")
    if runtime is Runtime.ORT_TENSORRT_RTX:
        settings.add_provider_for_devices(rtx_devices(onnxruntime)[:1], {})
    else:
        providers = [PROVIDERS[runtime]]
    if runtime in (Runtime.ORT_CUDA, Runtime.ORT_TENSORRT):
        onnxruntime.preload_dlls()  # CUDA libraries that pip installed lie where nobody looks
    if runtime is Runtime.ORT_TENSORRT:
        # its provider has no option for that, only the libraries have (ONNX Runtime issue 26029)
        os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
    try:
        session = onnxruntime.InferenceSession(
            graph, settings, providers=providers, enable_fallback=0
        )
    except Exception as error:  # ONNX Runtime has a dozen error classes without a common base
        if runtime is not Runtime.ORT_CPU:
            raise BackendAbsentError(f"{runtime} does not start: {_first_line(error)}") from error
        raise _not_runnable(error) from error
    # a provider whose libraries are missing is left out without an error
    if providers and session.get_providers()[0] != providers[0][0]:
        raise BackendAbsentError(
            f"{providers[0][0]} is installed but its libraries cannot be loaded"
        )
    return session


def _run(session: Any, names: list[str], arrays: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """Runs a session; a graph of another kind or network takes other inputs than it is given."""
    try:
        results: list[NDArray[Any]] = session.run(names, dict(arrays))
    except Exception as error:  # see above
        raise _not_runnable(error) from error
    return results


def _not_runnable(error: Exception) -> BundleError:
    return BundleError(
        f"a graph cannot be run by ONNX Runtime {onnxruntime.__version__} "
        f"({_first_line(error)}); export the bundle again."
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
