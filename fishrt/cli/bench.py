"""`fishrt bench`: how long a forecast takes on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fishrt.cli.options import SetOption

if TYPE_CHECKING:
    from rich.table import Table

    from fishrt.bundle import Bundle
    from fishrt.config import Config


def bench(
    bundle: Annotated[
        str | None, typer.Argument(help="Bundle folder, or demo. Default: see --config.")
    ] = None,
    config: Annotated[
        str,
        typer.Option(
            "--config",
            "-c",
            help="Without a bundle: time this network with random weights (needs the extras "
            "train and export).",
        ),
    ] = "visionary-serenity",
    overrides: SetOption = None,
    keras: Annotated[
        bool, typer.Option("--keras/--no-keras", help="Also time Keras' own predict.")
    ] = True,
    frames: Annotated[int, typer.Option(min=10, help="Frames to time.")] = 120,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Time every way to a forecast on this machine, beside Keras in the same run.

    Times one frame's work: a carried state, exact lanes, and running the whole clip again.
    """
    import json
    import tempfile
    from dataclasses import asdict

    from rich.console import Console

    from fishrt.bundle import load_bundle
    from fishrt.cli.extras import require
    from fishrt.config import load_config
    from realtime.benchmark import describe_machine, machine_gflops, time_bundle

    require("cpu", "onnxruntime")
    with tempfile.TemporaryDirectory() as scratch:
        if bundle is not None and overrides:
            raise typer.BadParameter("--set goes with --config, not with a bundle.")
        if bundle is None:
            model = _untrained(
                load_config(config, overrides or ()), Path(scratch) / Path(config).stem
            )
        else:
            model = load_bundle(bundle)
        before = machine_gflops()
        timings = time_bundle(model, frames)
        predict = _keras_predict(model.metadata.config) if keras else None
        after = machine_gflops()
    record: dict[str, Any] = {
        "model": model.metadata.name,
        "machine": describe_machine(),
        "matrix_product_gflops": [round(before, 1), round(after, 1)],
        "milliseconds_per_frame": [asdict(timing) for timing in timings],
        "keras_predict_ms": predict,
    }
    if as_json:
        typer.echo(json.dumps(record))
    else:
        Console(highlight=False).print(_table(record))


def _untrained(config: "Config", folder: Path) -> "Bundle":
    from fishrt.bundle import load_bundle
    from fishrt.cli.extras import prepare_export

    prepare_export()
    from export.benchmark import untrained_bundle

    untrained_bundle(config, folder)
    return load_bundle(folder)


def _keras_predict(config: "Config") -> float | None:
    from importlib.util import find_spec

    if find_spec("tensorflow") is None or find_spec("tf2onnx") is None:
        return None
    from fishrt.cli.extras import import_tensorflow_quietly

    import_tensorflow_quietly()
    from export.benchmark import keras_predict_ms

    return keras_predict_ms(config)


def _table(record: dict[str, Any]) -> "Table":
    from rich.table import Table

    machine = record["machine"]
    table = Table(
        title=f"{record['model']}: milliseconds a frame",
        caption=f"{machine['threads']} threads, ONNX Runtime {machine['onnxruntime']}; matrix "
        f"product {record['matrix_product_gflops'][0]:.0f} GFLOP/s before, "
        f"{record['matrix_product_gflops'][1]:.0f} after",
    )
    for column in ("forecast by", "p50", "p90", "p99", "max"):
        table.add_column(column, justify="left" if column == "forecast by" else "right")
    for timing in record["milliseconds_per_frame"]:
        table.add_row(
            timing["name"], *(f"{timing[key]:.1f}" for key in ("p50", "p90", "p99", "max"))
        )
    predict = record["keras_predict_ms"]
    table.add_row("Keras model.predict", f"{predict:.1f}" if predict else "not timed")
    return table
