"""Sources spread over a Ray cluster: one task each; a task whose worker dies is run again."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fishrt.child_process import python_path
from fishrt.cores import usable_cores
from fishrt.errors import ConfigError, FishrtError, SourceError
from realtime.predict.job import Job
from realtime.predict.part import ROWS_FILE, PartState, Status, read_state, store_result
from realtime.predict.plan import Plan
from realtime.predict.work import fingerprint, forecast_source
from realtime.stopping import StopRequest

LOCAL = "local"
MAX_RETRIES = 3  # of a source whose worker died
POLL_S = 0.2  # how soon a request to stop is noticed
CPUS_PER_SOURCE = 1
OBJECT_STORE_BYTES = 128 * 1024**2  # rows are small: five megabytes for an hour of footage
# Ray talks to the terminal and to its makers unless told otherwise.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}

Result = tuple[bytes, PartState]


def forecast_on_ray(
    address: str, jobs: Sequence[Job], plan: Plan, tell: Callable[[str, int], None]
) -> bool:
    """Forecasts sources on a cluster and stores their parts here as they come.

    Args:
        address: What `ray.init` takes, or `local` for a cluster of this machine's cores.
        jobs: The sources; the workers find them at the same path.
        plan: How they are forecast; the workers find the same bundle at the same path.
        tell: Told the source that came last, and the rows that came in all.

    Returns:
        Whether it was asked to stop; what had come by then is stored.

    Raises:
        ConfigError: If the cluster cannot be reached.
        BundleError: If a worker has no such bundle.
        OSError, OutputError: If a part cannot be written.
    """
    import ray

    with _cluster(address), StopRequest() as request:
        task = ray.remote(num_cpus=CPUS_PER_SOURCE, max_retries=MAX_RETRIES)(_forecast_there)
        pending = {
            task.options(name=f"fishrt {job.label}").remote(job.source, plan): job for job in jobs
        }
        rows = 0
        while pending and not request.received:
            ready, _ = ray.wait(list(pending), num_returns=1, timeout=POLL_S)
            for reference in ready:
                job = pending.pop(reference)
                content, state = _result(reference, job)
                state = replace(state, fingerprint=fingerprint(job.source))
                store_result(job.part, content, state)
                rows += state.rows
                tell(job.label, rows)
        for reference in pending:
            ray.cancel(reference, force=True)
        return request.received


def _forecast_there(source: str, plan: Plan) -> Result:
    """The task: forecasts a source on a worker and gives its rows file and state."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    with tempfile.TemporaryDirectory(prefix="fishrt-predict-") as scratch:
        folder = Path(scratch)
        bundle = plan.load_bundle()
        forecast_source(source, folder, plan, bundle, lambda: False, threads=CPUS_PER_SOURCE)
        state = read_state(folder)
        if state.states is not None:  # they stay here, so whoever goes on begins anew
            state = replace(state, states=None, anchor=None)
        return (folder / ROWS_FILE).read_bytes(), state


def _result(reference: Any, job: Job) -> Result:
    """What a task gave, or what became of it."""
    import ray

    try:
        result: Result = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, FishrtError):
            raise error.cause from error
        raise
    except ray.exceptions.RayError as error:
        failure = SourceError(
            f"the worker that read {job.label} died {MAX_RETRIES + 1} times "
            f"({type(error).__name__}); look for too little memory there, or run without --ray."
        )
        state = PartState(
            status=Status.FAILED, error=str(failure), exit_code=int(failure.exit_code)
        )
        return b"", state
    return result


@contextlib.contextmanager
def _cluster(address: str) -> Iterator[None]:
    """Connects to a cluster, or starts one of this machine's cores, for as long as the block."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if address == LOCAL:
        options |= {
            "num_cpus": usable_cores(),
            "num_gpus": 0,
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
            "runtime_env": {"env_vars": {"PYTHONPATH": python_path()}},
        }
    try:
        ray.init(address, **options)
    except Exception as error:  # Ray has no common class for what may go wrong here
        raise ConfigError(
            f"no Ray cluster can be used at {address} ({type(error).__name__}); start one with "
            "`ray start --head` and give its address or auto, or use --ray local."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()
