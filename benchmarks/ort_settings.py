"""ONNX Runtime's settings on this machine's CPU, one changed at a time from those we use.

    python -m benchmarks.ort_settings                    published size, one lane
    python -m benchmarks.ort_settings --lanes 30 --rounds 15
    python -m benchmarks.ort_settings --bundle demo --lanes 30
    python -m benchmarks.ort_settings --paced --rounds 30        one step a frame, as live does

All settings take turns within each round, in one process, because the machine may be shared; the
ratios are medians of pairs with our settings. Processor time tells what spinning costs others.
With --paced a turn is half a second of steps at 30 a second, so that what is measured is a step of
a session that was left alone for the rest of a frame's time and is followed by its own.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fishrt.bundle import GraphKind, GraphPrecision, load_bundle
from fishrt.cores import usable_cores

WARM_UP = 3
CALM_SECONDS = 0.03
"""Between two runs: threads of a session that spins go on for a while, at the next one's cost."""
FRAME_SECONDS = 1 / 30
PACED_STEPS, PACED_WARM_UP = 15, 3
PACED = ("ours", "one thread", "spinning")
LEVELS = {
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


@dataclass(frozen=True)
class Settings:
    """What is varied; the defaults are what `realtime/stepper.py` uses.

    Attributes:
        threads: Within one operator.
        spinning: Whether idle threads spin.
        bound: Whether inputs and outputs are bound to memory of ours.
        memory_pattern: Whether allocations of a run are planned ahead.
        arena: Whether ONNX Runtime keeps memory that it freed.
        level: Graph optimisation.
    """

    threads: int = usable_cores()
    spinning: bool = False
    bound: bool = True
    memory_pattern: bool = True
    arena: bool = True
    level: str = "all"


def variants() -> dict[str, Settings]:
    """Our settings, and each with one thing changed."""
    ours = Settings()
    return {
        "ours": ours,
        "one thread": replace(ours, threads=1),
        "spinning": replace(ours, spinning=True),
        "no binding": replace(ours, bound=False),
        "no memory pattern": replace(ours, memory_pattern=False),
        "no arena": replace(ours, arena=False),
        "optimisation extended": replace(ours, level="extended"),
        "optimisation basic": replace(ours, level="basic"),
    }


def make_step(graph: bytes, lanes: int, settings: Settings) -> Callable[[], None]:
    """One step of all lanes on random states, as a function."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.enable_mem_pattern = settings.memory_pattern
    options.enable_cpu_mem_arena = settings.arena
    options.graph_optimization_level = LEVELS[settings.level]
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "1" if settings.spinning else "0"
    )
    options.add_free_dimension_override_by_name("lanes", lanes)
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    inputs = _inputs(session, lanes)
    if not settings.bound:

        def run_unbound() -> None:
            session.run(None, inputs)

        return run_unbound
    binding = session.io_binding()
    outputs = {}
    for name, value in inputs.items():
        binding.bind_input(name, "cpu", 0, value.dtype.type, value.shape, value.ctypes.data)
    for value in session.get_outputs():
        like = inputs.get(value.name.removeprefix("next_"))
        array = np.zeros(lanes, np.float32) if like is None else np.zeros_like(like)
        outputs[value.name] = array
        binding.bind_output(value.name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)

    def run_bound(kept: Any = (inputs, outputs)) -> None:
        del kept  # the binding holds addresses only
        session.run_with_iobinding(binding)

    return run_bound


def _inputs(session: Any, lanes: int) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(0)
    found: dict[str, NDArray[Any]] = {}
    for value in session.get_inputs():
        if value.type == "tensor(uint8)":
            found[value.name] = rng.integers(0, 256, value.shape).astype(np.uint8)
        else:
            dtype = np.float16 if value.type == "tensor(float16)" else np.float32
            found[value.name] = rng.normal(0, 0.3, (lanes, *value.shape[1:])).astype(dtype)
    return found


def measure(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, NDArray[np.float64]]:
    """Milliseconds of every variant, wall and processor, `(rounds, 2)`."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for number in range(rounds + WARM_UP):
        names = list(steps)  # begun with another one each round: none is always first
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            step = steps[name]
            time.sleep(CALM_SECONDS)
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            taken = (1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu))
            if number >= WARM_UP:
                times[name].append(taken)
    return {name: np.array(values) for name, values in times.items()}


def measure_paced(
    steps: dict[str, Callable[[], None]], rounds: int
) -> dict[str, NDArray[np.float64]]:
    """Milliseconds of every variant, wall and processor, medians of a turn, `(rounds, 2)`.

    Processor time is that of the whole turn for each step: threads that spin do so after it.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for number in range(rounds):
        names = list(steps)
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            walls, busy, tick = [], time.process_time(), time.perf_counter()
            for count in range(PACED_STEPS):
                if count == PACED_WARM_UP:
                    busy = time.process_time()
                tick += FRAME_SECONDS
                time.sleep(max(tick - time.perf_counter(), 0.0))
                start = time.perf_counter()
                steps[name]()
                walls.append(1e3 * (time.perf_counter() - start))
            each = 1e3 * (time.process_time() - busy) / (PACED_STEPS - PACED_WARM_UP)
            times[name].append((float(np.median(walls[PACED_WARM_UP:])), each))
    return {name: np.array(values) for name, values in times.items()}


def published_step() -> dict[GraphPrecision, bytes]:
    """Step graphs of the published size with random weights."""
    from export.graphs import freeze_network, step_graph
    from fishrt.config import load_config
    from training.forecaster import Forecaster

    config = load_config("visionary-serenity")
    model = Forecaster(config.clip, config.model)
    network = freeze_network(model)
    return {
        precision: step_graph(
            network, config.clip.geometry, model.state_specs, precision
        ).SerializeToString()
        for precision in GraphPrecision
    }


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", help="Default: random weights of the published size.")
    parser.add_argument("--lanes", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=150)
    parser.add_argument("--paced", action="store_true", help="Steps at 30 a second, in turns.")
    options = parser.parse_args()
    if options.bundle:
        bundle = load_bundle(options.bundle)
        graphs = {
            p: bundle.graph(GraphKind.STEP, p).read_bytes() for p in bundle.metadata.precisions
        }
    else:
        graphs = published_step()
    steps = {
        name: make_step(graphs[GraphPrecision.FP32], options.lanes, settings)
        for name, settings in variants().items()
        if name in PACED or not options.paced
    }
    if GraphPrecision.FP16 in graphs and not options.paced:
        steps["FP16 graph"] = make_step(graphs[GraphPrecision.FP16], options.lanes, Settings())
    times = (measure_paced if options.paced else measure)(steps, options.rounds)
    print(f"onnxruntime {onnxruntime.__version__}, {usable_cores()} cores, {options.lanes} lanes")
    print("| settings | wall p50 | wall p90 | ratio to ours | processor | ratio to ours |")
    print("|---|---|---|---|---|---|")
    for name, values in times.items():
        p50, p90 = np.quantile(values[:, 0], [0.5, 0.9])
        wall, cpu = np.median(values / times["ours"], axis=0)
        busy = np.median(values[:, 1])
        print(f"| {name} | {p50:.2f} | {p90:.2f} | {wall:.2f} | {busy:.2f} | {cpu:.2f} |")


if __name__ == "__main__":
    main()
