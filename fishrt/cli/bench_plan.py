"""What `fishrt bench` does once it knows what to measure."""

from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from fishrt.bundle import Bundle
from fishrt.errors import BundleError, FishrtError
from fishrt.install_hints import install_hint
from fishrt.timing import matrix_gflops

if TYPE_CHECKING:
    from realtime.benchmark import Row, Skipped, Way

KERAS = "keras predict"


@dataclass(frozen=True)
class BenchPlan:
    """What to measure.

    Attributes:
        bundle: The bundle.
        ways: Every way to a forecast.
        frames: NumPy file of uint8 `(T, H, W)`.
        count: Frames to time.
        keras: Whether to time Keras as well.
        trust_engine: Whether TensorRT engines may run code on the host.
    """

    bundle: Bundle
    ways: "list[Way]"
    frames: Path
    count: int
    keras: bool
    trust_engine: bool


def run_plan(plan: BenchPlan, console: Console) -> dict[str, Any]:
    """Measures one way after another.

    Args:
        plan: What to measure.
        console: Where progress goes.

    Returns:
        What `fishrt bench --json` prints, but for where the frames came from.
    """
    from realtime.benchmark import Row, describe_machine, measure

    before = matrix_gflops()
    results: list[Row | Skipped] = []
    with console.status("getting ready ...") as status:
        for way in plan.ways:
            status.update(f"{way.backend} {way.precision}: {way.name} ...")
            results.append(
                _unready(plan, way, console)
                or measure(
                    plan.bundle.folder,
                    way,
                    plan.frames,
                    plan.count,
                    trust_engine=plan.trust_engine,
                )
            )
        if plan.keras:
            status.update(f"{KERAS} ...")
            results.append(_keras(plan))
    after = matrix_gflops()
    return {
        "model": plan.bundle.metadata.name,
        "machine": describe_machine(),
        "frame_interval_ms": 1000.0 / plan.bundle.metadata.config.clip.fps,
        "matrix_product_gflops": [round(before, 1), round(after, 1)],
        "rows": [asdict(result) for result in results if isinstance(result, Row)],
        "skipped": [asdict(result) for result in results if not isinstance(result, Row)],
    }


def _unready(plan: BenchPlan, way: "Way", console: Console) -> "Skipped | None":
    """Why a way cannot be measured here; builds the engine that it needs, if it needs one."""
    from fishrt.bundle import GraphKind
    from realtime.backends import Backend
    from realtime.benchmark import BenchMode, Skipped, missing

    if way.precision not in plan.bundle.metadata.precisions:
        return Skipped(
            way.name,
            way.backend,
            way.precision,
            f"the bundle has no {way.precision} graphs (fishrt export RUN --fp16 writes both)",
            bundle_at_fault=True,
        )
    reason, bundle_at_fault = missing(way.backend), False
    if reason is None and way.backend is Backend.TENSORRT:
        from export.engines import ensure_engine

        kind = GraphKind.CLIP if way.mode is BenchMode.CLIP else GraphKind.STEP
        try:
            trust = plan.trust_engine
            ensure_engine(plan.bundle, kind, way.precision, console, console.print, trust=trust)
        except FishrtError as error:
            reason, bundle_at_fault = str(error), isinstance(error, BundleError)
    if reason is None:
        return None
    return Skipped(way.name, way.backend, way.precision, reason, bundle_at_fault)


def _keras(plan: BenchPlan) -> "Row | Skipped":
    from realtime.benchmark import Row, Skipped, run_worker

    config = plan.bundle.metadata.config
    if find_spec("tensorflow") is None:
        reason = f"TensorFlow is not installed; {install_hint('train')}"
        return Skipped("predict", "keras", "fp32", reason)
    order = {"config": config.model_dump(mode="json"), "frames": str(plan.frames)}
    answer = run_worker("export.keras_worker", order)
    if "reason" in answer:
        return Skipped("predict", "keras", "fp32", answer["reason"])
    return Row(way="predict", backend="keras", precision="fp32", **answer)
