"""`fishrt train`: fit a forecaster to a recording."""

from pathlib import Path
from typing import Annotated

import typer

from fishrt.cli.options import ConfigOption, SetOption


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
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Fit a ConvLSTM to a recording and score it on footage that it did not see.

    The run folder holds the config, the best weights, the history of every epoch and the
    evaluation. Ctrl-C keeps the best epoch so far.
    """
    from fishrt.cli.extras import import_tensorflow_quietly, require

    require("train", "tensorflow", "sklearn")
    import_tensorflow_quietly()
    from rich.console import Console

    from fishrt.config import load_config
    from fishrt.errors import ExitCode, TrainingError
    from fishrt.recording import Split, load_recording
    from training.evaluation import evaluate
    from training.fit import fit
    from training.report import evaluation_table
    from training.run import EVALUATION_FILE, load_run, write_record

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    settings = load_config(config, overrides or ())
    footage = load_recording(recording)
    unseen = load_recording(test) if test else footage
    result = fit(footage, settings, output, load_run(start) if start else None, console.print)
    if result.interrupted:
        console.print(
            f"interrupted; epoch {result.best_epoch} of {result.epochs} is kept in {output}."
        )
        raise typer.Exit(ExitCode.INTERRUPTED)
    run = load_run(output)
    console.print(f"scoring epoch {result.best_epoch} on {unseen.folder} ...")
    try:
        scores = evaluate(run.model, run.config, unseen, footage, None if test else Split.TEST)
    except TrainingError as error:  # the run itself is good; only the footage cannot score it
        console.print(f"not scored: {error}")
    else:
        write_record(output / EVALUATION_FILE, scores)
        console.print(evaluation_table(scores))
    console.print(f"the run is in {output}; make a bundle with: fishrt export {output}")
