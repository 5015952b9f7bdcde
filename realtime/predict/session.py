"""Predicting whole files: everything put together, gone on with, and summed up."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fishrt import __version__
from fishrt.bundle import Bundle, load_bundle
from fishrt.errors import ExitCode, UsageError
from fishrt.video.factory import absolute_source, path_of
from fishrt.video.live import without_password
from realtime.footage_guard import refuse_source
from realtime.predict.formats import format_of, metadata_path
from realtime.predict.job import Job
from realtime.predict.part import PartState, Status, read_rows, read_state
from realtime.predict.plan import Plan, PredictOptions, make_plan
from realtime.predict.reading import open_whole
from realtime.predict.rows import Rows, Table, tables
from realtime.predict.summary import PredictSummary, SourceSummary
from realtime.predict.unfinished import UnfinishedOutput, unfinished_output
from realtime.predict.work import (
    SOURCE_FAILURES,
    SourceAwayError,
    checked_fingerprint,
    forecast_source,
)
from realtime.replay import fitting_recording, is_recording
from realtime.stopping import StopRequest

Progress = Callable[[str, int, int | None], None]
"""Is told the source, the frames done of all, and how many those are, if known."""


def run_predict(
    options: PredictOptions, progress: Progress, say: Callable[[str], None]
) -> PredictSummary:
    """Forecasts every frame of every source; must be called on the main thread.

    A source that fails does not keep the others from being forecast; its rows up to there are
    written. Stopped or killed at any moment, the same call goes on where this one was.

    Args:
        options: What the user asked for.
        progress: Told how far it is.
        say: Takes the sentences for the user at the start.

    Returns:
        How it went; sources that failed are in it.

    Raises:
        BundleError: If the bundle cannot be used.
        ConfigError: If a setting is wrong.
        UsageError: If a source is given twice, or the output is of no known format.
        OutputError: If the output cannot be written; what was computed is kept.
        MissingExtraError: If the format or Ray needs what is not installed.
    """
    format_of(options.output)
    _refuse_twice(options.sources)
    for source in options.sources:
        for target in (options.output, metadata_path(options.output)):
            refuse_source(target, source)
    bundle = load_bundle(options.bundle)
    plan = make_plan(options, bundle)
    began = time.monotonic()
    with unfinished_output(
        options.output, plan.as_data(), overwrite=options.overwrite, restart=options.restart
    ) as output:
        jobs = [_job(source, output) for source in options.sources]
        before = sum(_rows_so_far(job, say) for job in jobs)
        if before:
            say(f"going on behind the {before} frames that are there already.")
        stopped, away = _forecast_all(jobs, plan, bundle, options.ray, progress)
        seconds = time.monotonic() - began
        states = [_state_now(job, away) for job in jobs]
        unfinished = any(state.status is Status.UNFINISHED for state in states)
        sources = tuple(
            _sum_up(job, state, bundle) for job, state in zip(jobs, states, strict=True)
        )
        written = not unfinished and any(source.frames for source in sources)
        if written:
            whole = all(state.status is Status.WHOLE for state in states)
            output.publish(_all_tables(jobs), _metadata(plan, bundle, sources), whole=whole)
        else:
            output.discard_if_empty()
    failures = [state.exit_code for state in states if state.status is Status.FAILED]
    total = sum(source.frames for source in sources)
    return PredictSummary(
        output=str(options.output),
        written=written,
        sources=sources,
        computed=max(total - before, 0),
        seconds=seconds,
        interrupted=stopped and unfinished,
        exit_code=int(ExitCode.INTERRUPTED)
        if stopped and unfinished
        else next(iter(failures), int(ExitCode.OK)),
    )


def _refuse_twice(sources: Sequence[str]) -> None:
    seen: set[str] = set()
    for source in sources:
        name = absolute_source(source)
        if name in seen:
            raise UsageError(f"{source} is given twice; give every source once.")
        seen.add(name)


def _job(source: str, output: UnfinishedOutput) -> Job:
    label = without_password(source)
    name = absolute_source(source)
    path = path_of(source)  # the same while the file is away
    part = output.part(name if path is None else str(path))
    return Job(label, source if "://" in source else name, part)


def _rows_so_far(job: Job, say: Callable[[str], None]) -> int:
    """Rows that need not be made again; says so where some must be."""
    state = read_state(job.part)
    try:
        same = state.fingerprint == checked_fingerprint(job.source, job.part)
    except SourceAwayError:
        return state.rows
    if state.rows and not same:
        say(f"{job.label} was changed since; it is begun anew.")
    return state.rows if same and (state.anchor or state.status is Status.WHOLE) else 0


def _state_now(job: Job, away: Mapping[Job, SourceAwayError]) -> PartState:
    """What is known of a source; of one that is away the part itself stays as it is."""
    state, error = read_state(job.part), away.get(job)
    if error is None:
        return state
    code = int(error.exit_code)
    return replace(state, status=Status.FAILED, error=str(error), exit_code=code)


def _forecast_all(
    jobs: Sequence[Job], plan: Plan, bundle: Bundle, ray: str | None, progress: Progress
) -> tuple[bool, Mapping[Job, SourceAwayError]]:
    """Forecasts what is not whole; returns whether it was asked to stop, and what is away."""
    todo, away = _to_do(jobs)
    done = sum(read_state(job.part).rows for job in jobs if job not in todo)
    total = _expected(todo, plan, bundle)
    total = None if total is None else total + done
    if ray is not None and todo:
        from realtime.predict.on_ray import forecast_on_ray

        stopped = forecast_on_ray(
            ray, todo, plan, lambda name, rows: progress(name, done + rows, total)
        )
        return stopped, away
    with StopRequest() as request:
        for job in todo:
            if request.received:
                break

            def tell(rows: int, label: str = job.label, before: int = done) -> None:
                progress(label, before + rows, total)

            try:
                forecast_source(job.source, job.part, plan, bundle, lambda: request.received, tell)
            except SourceAwayError as error:
                away[job] = error
            done += read_state(job.part).rows
        return request.received, away


def _to_do(jobs: Sequence[Job]) -> tuple[list[Job], dict[Job, SourceAwayError]]:
    """The sources that are not whole, and what is to be said of those that are away."""
    todo: list[Job] = []
    away: dict[Job, SourceAwayError] = {}
    for job in jobs:
        try:
            now = checked_fingerprint(job.source, job.part)
        except SourceAwayError as error:
            away[job] = error
            continue
        state = read_state(job.part)
        if state.status is not Status.WHOLE or state.fingerprint != now:
            todo.append(job)
    return todo, away


def _expected(jobs: Sequence[Job], plan: Plan, bundle: Bundle) -> int | None:
    """How many frames there will be, about; None where that is not known."""
    clip = bundle.metadata.config.clip
    total = 0
    for job in jobs:
        if "://" in job.source:  # it would be connected to twice
            return None
        frames: int | None = None
        with contextlib.suppress(*SOURCE_FAILURES):  # it will fail when it is its turn
            if is_recording(job.source):
                frames = len(fitting_recording(job.source, bundle).frames)
            else:
                with contextlib.closing(open_whole(job.source, plan, clip.fps)) as source:
                    rate = plan.source_fps or source.info.declared_fps
                    if source.info.frame_count is not None and rate is not None:
                        frames = round(source.info.frame_count * clip.fps / rate)
                    elif plan.frames is None:
                        return None
            frames = plan.frames if frames is None else min(frames, plan.frames or frames)
        total += frames or 0
    return total


def _sum_up(job: Job, state: PartState, bundle: Bundle) -> SourceSummary:
    rows = read_rows(job.part)
    needed = bundle.metadata.config.clip.geometry.frames
    note = state.note
    if state.status is Status.WHOLE and len(rows) < needed:
        note = (
            f"it has {len(rows)} frames, and a forecast needs {needed}, so there is none"
            if note is None
            else note
        )
    return SourceSummary(
        source=job.label,
        status=state.status,
        frames=len(rows),
        forecasts=int(np.count_nonzero(rows["reason"] < 0)),
        lost=_lost(rows),
        repeated=int(np.count_nonzero(rows["repeated"])),
        note=note,
        error=state.error,
    )


def _lost(rows: Rows) -> int:
    return int(rows["frame"][-1]) + 1 - len(rows) if len(rows) else 0


def _all_tables(jobs: Sequence[Job]) -> Iterator[Table]:
    for job in jobs:
        yield from tables(job.label, read_rows(job.part))


def _metadata(plan: Plan, bundle: Bundle, sources: Sequence[SourceSummary]) -> dict[str, Any]:
    """How the rows were made; nothing in it changes from run to run."""
    metadata = bundle.metadata
    clip = metadata.config.clip
    return {
        "fishrt_version": __version__,
        "bundle": metadata.name,
        "bundle_sha256": plan.bundle_sha256,
        "mode": plan.mode.value,
        "every": plan.every,
        "threshold": metadata.threshold,
        "fps": clip.fps,
        "clip_frames": clip.geometry.frames,
        "horizon_frames": metadata.config.label.horizon,
        "frames": plan.frames,
        "source_fps": plan.source_fps,
        "overrides": list(plan.overrides),
        "sources": [
            {
                "source": each.source,
                "status": each.status.value,
                "frames": each.frames,
                "forecasts": each.forecasts,
                "lost": each.lost,
                "repeated": each.repeated,
                "note": each.note,
                "error": each.error,
            }
            for each in sources
        ],
    }
