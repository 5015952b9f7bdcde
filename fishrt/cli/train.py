"""`fishrt train`: fit a forecaster to a recording."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fishrt.choices import Strategy
from fishrt.cli.options import ConfigOption, SetOption

if TYPE_CHECKING:
    from rich.console import Console

    from fishrt.config import Config
    from fishrt.recording import Recording
    from training.fit import FitOptions


def train(
    recording: Annotated[Path, typer.Argument(help="Recording folder to train on.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Run folder to make.")] = Path(
        "runs/latest"
    ),
    test: Annotated[
        Path | None,
        typer.Option(help="Recording to score the result on. Default: the test part of RECORDING."),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option("--init", help="Run to take the starting weights from (same network)."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training that the run folder holds.")
    ] = False,
    strategy: Annotated[
        Strategy,
        typer.Option(
            help="Spread window training: 'mirrored' over this machine's GPUs, 'multi-worker' "
            "over the processes in TF_CONFIG."
        ),
    ] = Strategy.NONE,
    sweep: Annotated[
        Path | None,
        typer.Option(help="Sweep file: settings to draw, one run for each trial; needs Optuna."),
    ] = None,
    sweep_storage: Annotated[
        str | None,
        typer.Option(help="Address of a database that several processes share for the sweep."),
    ] = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Fit a ConvLSTM to a recording and score it on footage that it did not see.

    The run folder holds the config, the best weights, the state to resume from, the history of
    every epoch, its curves and the evaluation. Ctrl-C keeps the best epoch so far.
    """
    from fishrt.cli.extras import import_tensorflow_quietly
    from fishrt.install_hints import require

    require("train", "tensorflow", "sklearn")
    from rich.console import Console

    from fishrt.cli.progress import frame_progress
    from fishrt.config import load_config
    from fishrt.errors import ExitCode
    from fishrt.recording import load_recording

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if sweep is None and sweep_storage is not None:
        raise typer.BadParameter("--sweep-storage belongs to --sweep")
    if sweep is not None and (resume or start or test or strategy is not Strategy.NONE):
        raise typer.BadParameter(
            "--sweep goes with --config and --set alone; the same command goes on with a sweep"
        )
    # before the seconds that TensorFlow takes
    settings = load_config(config, overrides or ())
    footage = load_recording(recording)
    unseen = load_recording(test) if test else None
    import_tensorflow_quietly()
    from training.devices import is_chief, make_strategy
    from training.fit import FitOptions
    from training.fit_any import fit_any
    from training.run import load_run

    spread = make_strategy(strategy)
    with frame_progress(console) as tell:
        options = FitOptions(
            load_run(start) if start else None, resume, spread, console.print, tell
        )
        if sweep is not None:
            _sweep(footage, settings, output, sweep, sweep_storage, options, console)
            return
        result = fit_any(footage, settings, output, options)
    if result.interrupted:
        console.print(
            f"interrupted; epoch {result.best_epoch} of {result.epochs} is kept in {output}; "
            "go on with the same command and --resume."
        )
        raise typer.Exit(ExitCode.INTERRUPTED)
    if is_chief(spread):
        _score(output, footage, unseen, console)


def _sweep(
    footage: "Recording",
    config: "Config",
    folder: Path,
    file: Path,
    storage: str | None,
    options: "FitOptions",
    console: "Console",
) -> None:
    """Runs a sweep and shows the best trials."""
    from fishrt.install_hints import require

    require("sweep", "optuna")
    from rich.table import Table

    from training.sweep import load_sweep, run_sweep, trial_name

    wanted = load_sweep(file, config)
    best = run_sweep(footage, config, wanted, folder, storage, options)
    figure = wanted.figure.words
    table = Table(title=f"best of {len(best)} finished trials by {figure}")
    for column in ("run", figure, *wanted.parameters):
        table.add_column(column)
    for trial in best[:10]:
        values = [str(trial.params.get(name)) for name in wanted.parameters]
        table.add_row(trial_name(trial.number), f"{trial.value:.4f}", *values)
    console.print(table)
    run = folder / trial_name(best[0].number)
    console.print(f"all are in {folder / 'sweep.csv'}; make a bundle with: fishrt export {run}")


def _score(
    output: Path, footage: "Recording", unseen: "Recording | None", console: "Console"
) -> None:
    """Scores the best epoch on footage that it did not see, and says where the run is."""
    from fishrt.errors import RecordingError
    from fishrt.recording import Split
    from training.evaluation import run_candidate
    from training.run import EVALUATION_FILE, load_run, write_record
    from training.scoring.evaluate import Wanted, evaluate
    from training.scoring.record import evaluation_record
    from training.scoring.rivals import QUICK
    from training.scoring.table import for_terminal

    run = load_run(output)
    scored = unseen or footage
    console.print(f"scoring the best epoch on {scored.folder} ...")
    try:
        result = evaluate(
            run_candidate(run),
            scored,
            None if unseen else Split.TEST,
            footage,
            Wanted(rivals=QUICK),
        )
    except RecordingError as error:  # the run itself is good; only the footage cannot score it
        console.print(f"not scored: {error}")
    else:
        write_record(output / EVALUATION_FILE, evaluation_record(result))
        console.print(for_terminal(result))
    console.print(f"the run is in {output}; look closer with: fishrt evaluate {output} RECORDING")
    console.print(f"make a bundle with: fishrt export {output}")
