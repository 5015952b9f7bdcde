"""`fishrt parity`: does a bundle compute here what Keras computed?"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fishrt.choices import GraphPrecision, Runtime

if TYPE_CHECKING:
    from rich.table import Table

    from export.parity import ParityReport
    from fishrt.bundle import Bundle


TABLE_WIDTH = 136


def parity(
    bundle: Annotated[str, typer.Argument(help="Bundle folder that `fishrt export` wrote.")],
    run: Annotated[
        Path | None,
        typer.Option(
            help="Compare with this run's Keras network, here and now, instead of with what the "
            "bundle keeps of it (needs the extras train and export)."
        ),
    ] = None,
    recording: Annotated[
        Path | None,
        typer.Option(help="With --run: recording to compare on. Default: the simulated tank."),
    ] = None,
    backend: Annotated[
        list[Runtime] | None,
        typer.Option(help="What to run it on; may be repeated. Default: all that there are."),
    ] = None,
    precision: Annotated[
        list[GraphPrecision] | None,
        typer.Option(help="Which graphs; may be repeated. Default: all that the bundle has."),
    ] = None,
    trust_engine: Annotated[
        bool,
        typer.Option("--trust-engine", help="Let version-compatible engines run their own code."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Prove that a bundle computes on this machine what Keras computed.

    Runs every graph on every runtime that there is, and the TensorRT engines that are there, as a
    clip, step by step and on lanes, on real frames and on black, white, noisy, overexposed and
    flickering ones. Exit code 9 and one sentence if a difference is beyond the limit.
    """
    import json

    from rich.console import Console

    from fishrt.bundle import load_bundle
    from fishrt.errors import MachineError
    from fishrt.install_hints import require

    require("cpu", "onnxruntime")
    if recording is not None and run is None:
        raise typer.BadParameter(
            "needs --run: only Keras can say what is right on other frames than the bundle's own.",
            param_hint="--recording",
        )
    loaded = load_bundle(bundle)
    wanted = _Wanted(
        tuple(backend or Runtime),
        tuple(precision or loaded.metadata.precisions),
        trust_engine,
    )
    if run is not None:
        report = _with_run(loaded, wanted, run, recording)
    else:
        report = _with_reference(loaded, wanted)
    if not report.agreements:  # exit code 0 would say that all is well
        raise MachineError(f"nothing was compared: {'; '.join(absent_lines(report))}.")
    if as_json:
        typer.echo(json.dumps(report.record()))
        return
    # twelve columns: better a wrapped line than a column of single letters
    console = Console(highlight=False, soft_wrap=True, width=max(Console().width, TABLE_WIDTH))
    console.print(_table(loaded.metadata.name, report))
    for line in (*warning_lines(report), *absent_lines(report)):
        console.print(line, markup=False)


@dataclass(frozen=True)
class _Wanted:
    runtimes: tuple[Runtime, ...]
    precisions: tuple[GraphPrecision, ...]
    trust: bool


def _with_reference(bundle: "Bundle", wanted: _Wanted) -> "ParityReport":
    from export.bundle_parity import compare_with_reference

    return compare_with_reference(bundle, wanted.runtimes, wanted.precisions, trust=wanted.trust)


def _with_run(
    bundle: "Bundle", wanted: _Wanted, run: Path, recording: Path | None
) -> "ParityReport":
    from fishrt.cli.extras import prepare_export

    prepare_export()
    from export.backends import graphs_of
    from export.bundle import keras_reference, run_parity
    from export.engine_parity import bundle_openers
    from fishrt.errors import BundleError
    from fishrt.recording import load_recording
    from training.run import load_run

    trained = load_run(run)
    ours, theirs = bundle.metadata.config, trained.config
    if (ours.clip, ours.model) != (theirs.clip, theirs.model):
        raise BundleError(
            f"the bundle {bundle.folder} was not exported from {run}: their networks differ; name "
            "the run that it came from."
        )
    files = {precision: graphs_of(bundle, precision) for precision in wanted.precisions}
    reference = keras_reference(
        trained, load_recording(recording) if recording else None, wanted.precisions
    )
    openers = bundle_openers(bundle, runtimes=wanted.runtimes, trust=wanted.trust)
    return run_parity(trained, files, reference, openers)


def parity_lines(report: "ParityReport") -> Iterator[str]:
    """A report in a few sentences."""
    for precision in dict.fromkeys(a.precision for a in report.agreements):
        backends = dict.fromkeys(a.backend for a in report.agreements)
        flips = sum(a.flips for a in report.agreements if a.precision is precision)
        yield (
            f"{precision} on {', '.join(backends)}: at most {report.worst(precision):.1e} from "
            f"Keras on clips of {report.source} and adversarial ones, {flips} decisions changed"
        )
        flicker = [a.flicker for a in report.agreements if a.precision is precision]
        known = [value for value in flicker if value is not None]
        if known:
            yield f"{precision} on full-frame flicker: {max(known):.1e}"
    yield from warning_lines(report)
    yield from absent_lines(report)


def warning_lines(report: "ParityReport") -> Iterator[str]:
    """Why the comparison proves little, if it does."""
    for warning in report.warnings:
        yield f"warning: {warning}"


def absent_lines(report: "ParityReport") -> Iterator[str]:
    """What was not compared, and why."""
    for backend, reason in report.absent.items():
        yield f"not compared on {backend}: {reason}"


def _table(name: str, report: "ParityReport") -> "Table":
    from rich.table import Table

    table = Table(
        title=f"{name}: difference from Keras in probability",
        caption=f"real clips: {report.real} of {report.source}, probabilities spread by "
        f"{report.spread:.3f}; flips at threshold {report.threshold:.3f}",
    )
    for column in ("graph", "on", "by", "clips"):
        table.add_column(column)
    for column in ("p50", "p90", "p99", "max", "worst", "flicker", "hidden", "flips"):
        table.add_column(column, justify="right")
    table.add_column("AUC change", justify="right")
    for a in report.agreements:
        table.add_row(
            a.precision,
            a.backend,
            a.mode,
            str(a.clips),
            *(f"{value:.1e}" for value in (a.p50, a.p90, a.p99, a.max)),
            a.worst,
            "" if a.flicker is None else f"{a.flicker:.1e}",
            "" if a.hidden is None else f"{a.hidden:.1e}",
            str(a.flips),
            f"{a.auc_change:+.4f}" if a.auc_counts else "not checked",
        )
    return table
