"""Steppers: they hold the recurrent states of many lanes and advance them by one time step.

A lane is one sequence of time steps with a state of its own. Lanes of one phase advance
together, in one batch, because they all see the same time step.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fishrt.bundle import Bundle, GraphKind, GraphPrecision, StateSpec
from fishrt.clip import ClipGeometry
from fishrt.cores import usable_cores
from fishrt.errors import BundleError, MissingExtraError
from fishrt.graph_names import LANES, NEXT_PREFIX, PROBABILITY, TIME_STEP
from fishrt.install_hints import install_hint
from fishrt.onnx_settings import SILENT_LOG_LEVEL
from realtime.wording import count

WARM_UP_RUNS = 3

States = dict[str, NDArray[Any]]
TENSOR_TYPES = {np.dtype(np.float32): "tensor(float)", np.dtype(np.float16): "tensor(float16)"}


class Stepper(Protocol):
    """Advances the lanes of a phase by one time step; the states are its own.

    Attributes:
        lanes: Lanes in every phase.
    """

    lanes: int

    def step(self, time_step: NDArray[np.uint8], phase: int) -> NDArray[np.float32]:
        """Advances all lanes of a phase by one time step.

        Args:
            time_step: uint8 `(frames_per_step, height, width)`, oldest frame first.
            phase: Whose lanes to advance, 0 .. frames_per_step - 1.

        Returns:
            float32 `(lanes,)`: the probability after this step in every lane.
        """
        ...

    def reset(self, phase: int | None = None, lane: int | None = None) -> None:
        """Puts states back to zero: of one lane, of one phase, or of all."""
        ...

    def warm_up(self) -> None:
        """Runs a few steps, so that the first real one is as fast as the others."""
        ...

    def describe(self) -> str:
        """What computes the steps, in a few words for a person."""
        ...


StepperMaker = Callable[[int], Stepper]
"""Makes a stepper with so many lanes in every phase."""


@runtime_checkable
class KeepsStates(Protocol):
    """A stepper whose states can be taken out and put back, to go on with after a stop."""

    def states(self) -> States:
        """Copies of all states, by name."""
        ...

    def restore(self, states: States) -> None:
        """Puts states back.

        Raises:
            KeyError: If one is missing.
            ValueError: If one has another shape.
        """
        ...


@dataclass(frozen=True)
class SessionSettings:
    """How ONNX Runtime computes on the CPU.

    Attributes:
        threads: Threads inside one operator; 0 takes one for every core of this process.
        spinning: Whether idle threads spin instead of sleeping. Off: spinning saves little here
            and takes the cores from the capture thread (figures in docs/live.md, docs/export.md).
    """

    threads: int = 0
    spinning: bool = False

    @property
    def thread_count(self) -> int:
        """The number of threads that is asked of ONNX Runtime."""
        return self.threads or usable_cores()


STREAM_SETTINGS = SessionSettings(threads=1)
"""For a single lane, once a frame: after the pause between two frames a second thread costs more
than it saves (figures in docs/export.md)."""


class OnnxStepper:
    """Steps computed by ONNX Runtime, with the states in preallocated memory.

    Every phase has one set of states, and one more set is scratch: a step reads the phase's set,
    writes the scratch set, and the two change places. No array is both read and written, none is
    copied, and nothing of a state's size is allocated after construction.
    """

    def __init__(
        self,
        session: Any,
        specs: tuple[StateSpec, ...],
        geometry: ClipGeometry,
        lanes: int,
        precision: GraphPrecision = GraphPrecision.FP32,
    ) -> None:
        """Allocates states and buffers; `load_stepper` makes the session.

        Args:
            session: An `onnxruntime.InferenceSession` whose inputs were checked.
            specs: Names, shapes and types of the states.
            geometry: The clip geometry.
            lanes: Lanes in every phase.
            precision: Precision of the session's graph.
        """
        self.lanes = lanes
        self._precision = precision
        self._session = session
        self._phases = geometry.frames_per_step
        self._time_step = np.zeros(_time_step_shape(geometry), np.uint8)
        self._probability = np.zeros(lanes, np.float32)
        self._sets: list[States] = [
            {spec.name: np.zeros((lanes, *spec.shape), spec.dtype(precision)) for spec in specs}
            for _ in range(self._phases + 1)
        ]
        self._set_of_phase = list(range(self._phases))
        self._scratch = self._phases
        self._bindings: dict[tuple[int, int], Any] = {}

    def step(self, time_step: NDArray[np.uint8], phase: int) -> NDArray[np.float32]:
        """Advances all lanes of a phase by one time step; see `Stepper.step`."""
        np.copyto(self._time_step[0], time_step)
        source, target = self._set_of_phase[phase], self._scratch
        self._session.run_with_iobinding(self._binding(source, target))
        self._set_of_phase[phase], self._scratch = target, source
        return self._probability.copy()

    def reset(self, phase: int | None = None, lane: int | None = None) -> None:
        """Puts states back to zero: of one lane, of one phase, or of all."""
        for each in range(self._phases) if phase is None else (phase,):
            for state in self._sets[self._set_of_phase[each]].values():
                state[slice(None) if lane is None else lane] = 0

    def states(self) -> States:
        """Copies of all states, float32 `(lanes, *shape)`, named `PHASE/NAME`."""
        return {
            f"{phase}/{name}": state.copy()
            for phase in range(self._phases)
            for name, state in self._sets[self._set_of_phase[phase]].items()
        }

    def restore(self, states: States) -> None:
        """Puts states back; see `KeepsStates.restore`."""
        for phase in range(self._phases):
            for name, state in self._sets[self._set_of_phase[phase]].items():
                np.copyto(state, states[f"{phase}/{name}"])

    def warm_up(self) -> None:
        """Binds all that will be bound, runs every phase a few times, then zeroes all states."""
        for source, target in itertools.permutations(range(len(self._sets)), 2):
            self._binding(source, target)
        black = np.zeros(self._time_step.shape[1:], np.uint8)
        for _ in range(WARM_UP_RUNS):
            for phase in range(self._phases):
                self.step(black, phase)
        self.reset()

    def describe(self) -> str:
        """What computes the steps, in a few words for a person."""
        import onnxruntime

        threads = self._session.get_session_options().intra_op_num_threads
        return (
            f"ONNX Runtime {onnxruntime.__version__} on the CPU in {self._precision.upper()} with "
            f"{count(threads, 'thread')}, {count(self.lanes, 'lane')} a phase"
        )

    def _binding(self, source: int, target: int) -> Any:
        """The binding that reads one set of states and writes another, made once for each pair."""
        if (source, target) not in self._bindings:
            binding = self._session.io_binding()
            _bind(binding.bind_input, TIME_STEP, self._time_step)
            _bind(binding.bind_output, PROBABILITY, self._probability)
            for name, state in self._sets[source].items():
                _bind(binding.bind_input, name, state)
            for name, state in self._sets[target].items():
                _bind(binding.bind_output, NEXT_PREFIX + name, state)
            self._bindings[source, target] = binding
        return self._bindings[source, target]


def load_stepper(
    bundle: Bundle,
    lanes: int,
    settings: SessionSettings = SessionSettings(),
    precision: GraphPrecision = GraphPrecision.FP32,
) -> OnnxStepper:
    """Opens a bundle's step graph in ONNX Runtime for a fixed number of lanes.

    Args:
        bundle: The bundle; the hash of its graph is checked.
        lanes: Lanes in every phase, at least 1.
        settings: Threads and spinning.
        precision: Which of the bundle's step graphs.

    Raises:
        BundleError: If the graph is missing, damaged, or does not fit the bundle's metadata.
        MissingExtraError: If ONNX Runtime is not installed.
    """
    path = bundle.graph(GraphKind.STEP, precision)
    geometry = bundle.metadata.config.clip.geometry
    session = open_session(path, settings, lanes)
    check_step_graph(session, bundle.metadata.states, geometry, lanes, path, precision)
    return OnnxStepper(session, bundle.metadata.states, geometry, lanes, precision)


def open_session(
    path: Path, settings: SessionSettings = SessionSettings(), lanes: int | None = None
) -> Any:
    """Opens an ONNX file on the CPU.

    Args:
        path: The ONNX file.
        settings: Threads and spinning.
        lanes: Value of the symbolic dimension `lanes`, or None where there is none.

    Returns:
        An `onnxruntime.InferenceSession`.

    Raises:
        BundleError: If the file is not an ONNX graph that ONNX Runtime can run.
        MissingExtraError: If ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(
            f"live forecasting needs ONNX Runtime, which is not installed; {install_hint('cpu')}"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.thread_count
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "1" if settings.spinning else "0"
    )
    options.log_severity_level = SILENT_LOG_LEVEL
    if lanes is not None:
        options.add_free_dimension_override_by_name(LANES, lanes)
    try:
        # from bytes, not from the path: a graph cannot then name other files to be read
        return onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime has a dozen error classes without a common base
        raise BundleError(
            f"{path} is damaged or no ONNX graph that ONNX Runtime {onnxruntime.__version__} can "
            "run; export the bundle again, or copy it anew."
        ) from error


def check_step_graph(
    session: Any,
    specs: tuple[StateSpec, ...],
    geometry: ClipGeometry,
    lanes: int,
    path: Path,
    precision: GraphPrecision = GraphPrecision.FP32,
) -> None:
    """Makes sure that a step graph takes and gives what the bundle's metadata says.

    Raises:
        BundleError: With the first input or output that does not fit.
    """
    states = {
        spec.name: (TENSOR_TYPES[spec.dtype(precision)], [lanes, *spec.shape]) for spec in specs
    }
    _check_tensors(
        session.get_inputs(),
        {TIME_STEP: ("tensor(uint8)", list(_time_step_shape(geometry))), **states},
        f"{path} does not fit its {path.parent.name}/bundle.yaml: the input",
    )
    _check_tensors(
        session.get_outputs(),
        {
            PROBABILITY: ("tensor(float)", [lanes]),
            **{NEXT_PREFIX + name: kind for name, kind in states.items()},
        },
        f"{path} does not fit its {path.parent.name}/bundle.yaml: the output",
    )


def _check_tensors(found: Any, wanted: dict[str, tuple[str, list[int]]], start: str) -> None:
    tensors = {tensor.name: (tensor.type, list(tensor.shape)) for tensor in found}
    for name in sorted(set(wanted) - set(tensors)):
        raise BundleError(f"{start} {name} is missing; export the bundle again.")
    for name in sorted(set(tensors) - set(wanted)):
        raise BundleError(f"{start} {name} is unknown; export the bundle again.")
    for name, kind in wanted.items():
        if tensors[name] != kind and not _same_but_symbolic(tensors[name], kind):
            raise BundleError(
                f"{start} {name} is {tensors[name][0]} {tensors[name][1]} instead of {kind[0]} "
                f"{kind[1]}; export the bundle again."
            )


def _same_but_symbolic(found: tuple[str, list[Any]], wanted: tuple[str, list[int]]) -> bool:
    """Whether shapes agree where the graph names a number; outputs may have unnamed sizes."""
    return (
        found[0] == wanted[0]
        and len(found[1]) == len(wanted[1])
        and all(not isinstance(f, int) or f == w for f, w in zip(found[1], wanted[1], strict=True))
    )


def _time_step_shape(geometry: ClipGeometry) -> tuple[int, int, int, int]:
    return (1, geometry.frames_per_step, geometry.height, geometry.width)


def _bind(method: Any, name: str, array: NDArray[Any]) -> None:
    method(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
