"""`fishrt evaluate`: how good a model is on a recording, beside its baselines."""

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from fishrt.bundle import Bundle, TrainedOn
    from training.scoring.evaluate import Candidate


class ScoredPart(enum.StrEnum):
    """Which part of a recording is scored."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    ALL = "all"


class Baselines(enum.StrEnum):
    """Which baselines a model is scored beside."""

    ALL = "all"
    QUICK = "quick"


@dataclass(frozen=True)
class _Subject:
    """What is scored, and what it says about its origin."""

    candidate: "Candidate"
    trained_on: "TrainedOn | None"
    history: Path | None
    carries_state: bool


def evaluate(
    model: Annotated[str, typer.Argument(help="Run folder, bundle folder, or demo.")],
    recording: Annotated[Path, typer.Argument(help="Recording folder to score on.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder for the report. Default: evaluations/MODEL-RECORDING."
        ),
    ] = None,
    split: Annotated[
        ScoredPart | None,
        typer.Option(
            help="Part of the recording. Default: test of the recording that the model learned "
            "from, all of any other."
        ),
    ] = None,
    every: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Forecast every so many frames. Default: 1 for a carried state, 5 for windows.",
        ),
    ] = None,
    false_alarms: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="False alarms a minute that are bearable; the threshold is chosen for them on "
            "the validation part. Default: 1, or what the bundle was made with.",
        ),
    ] = None,
    training: Annotated[
        Path | None,
        typer.Option(help="Recording that the model learned from, if it has moved."),
    ] = None,
    baselines: Annotated[
        Baselines,
        typer.Option(help="'quick' leaves out those that are networks and take a minute or two."),
    ] = Baselines.ALL,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Score a run or a bundle on a recording, beside its baselines, with uncertainty.

    Prints the tables and writes evaluation.json, the pictures, and report.html, one page that
    needs nothing beside it.
    """
    import json
    from importlib.util import find_spec

    from rich.console import Console

    from fishrt.cli.extras import import_tensorflow_quietly
    from fishrt.cli.progress import frame_progress
    from fishrt.install_hints import require
    from fishrt.recording import Split, load_recording
    from fishrt.storage import whole_folder

    require("report", "matplotlib")
    from training.evaluation_report import RECORD_FILE, write_report
    from training.scoring.evaluate import Wanted
    from training.scoring.evaluate import evaluate as score
    from training.scoring.footage import find_training
    from training.scoring.record import evaluation_record
    from training.scoring.rivals import QUICK, Rival
    from training.scoring.table import for_terminal

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    footage = load_recording(recording)
    with frame_progress(console) as tell:
        subject = _subject(model, tell)
        learned = find_training(subject.trained_on, training, footage)
        if learned is not None and baselines is Baselines.ALL and find_spec("tensorflow"):
            import_tensorflow_quietly()  # two baselines are networks
        own = learned is not None and learned.folder.resolve() == footage.folder.resolve()
        part = split or (ScoredPart.TEST if own else ScoredPart.ALL)
        wanted = Wanted(
            every=every or (1 if subject.carries_state else 5),
            false_alarms=false_alarms,
            rivals=QUICK if baselines is Baselines.QUICK else tuple(Rival),
            say=console.print,
        )
        target = output or Path("evaluations") / f"{subject.candidate.name}-{footage.folder.name}"
        with whole_folder(target, RECORD_FILE) as scratch:
            chosen: Split | None = None if part is ScoredPart.ALL else Split(part.value)
            result = score(subject.candidate, footage, chosen, learned, wanted)
            console.print("drawing ...")
            write_report(scratch, result, subject.history)
    if as_json:
        typer.echo(json.dumps(evaluation_record(result), allow_nan=False))
    else:
        Console(highlight=False).print(for_terminal(result))
    console.print(f"the report is {target / 'report.html'}")


def _subject(model: str, tell: "Callable[[str, int, int | None], None]") -> _Subject:
    """A run or a bundle, whichever the name is."""
    from fishrt.bundle import METADATA_FILE, find_bundle, load_bundle
    from fishrt.config import TrainMode
    from fishrt.errors import BundleError

    folder = Path(model)
    if (folder / "config.yaml").is_file() and not (folder / METADATA_FILE).is_file():
        return _run(folder)
    try:
        find_bundle(model)
    except BundleError as error:
        raise BundleError(
            f"there is no run and no bundle {model}; give the folder of one that `fishrt train` "
            "or `fishrt export` wrote, or demo."
        ) from error
    bundle = load_bundle(model)
    return _Subject(
        _bundle_candidate(bundle, tell),
        bundle.metadata.trained_on,
        None,
        bundle.metadata.trained_for is TrainMode.STREAM,
    )


def _run(folder: Path) -> _Subject:
    from fishrt.cli.extras import import_tensorflow_quietly
    from fishrt.config import TrainMode
    from fishrt.install_hints import require

    require("train", "tensorflow", "sklearn")
    import_tensorflow_quietly()
    from training.evaluation import run_candidate
    from training.run import HISTORY_FILE, load_run

    run = load_run(folder)
    return _Subject(
        run_candidate(run),
        run.trained_on,
        folder / HISTORY_FILE,
        run.config.train.mode is TrainMode.STREAM,
    )


def _bundle_candidate(
    bundle: "Bundle", tell: "Callable[[str, int, int | None], None]"
) -> "Candidate":
    """A bundle, to be scored by ONNX Runtime in the mode that it was trained for."""
    from fishrt.install_hints import require

    require("cpu", "onnxruntime")
    import onnxruntime

    from fishrt.errors import BundleError
    from realtime.recorded import forecast_frames
    from training.scoring.evaluate import Candidate

    def at(frames: Any) -> Any:
        import numpy as np

        said = forecast_frames(
            bundle, frames.recording.frames, frames.stretches, frames.every, tell
        )[frames.ends]
        if not np.isfinite(said).all():
            raise BundleError(
                f"the bundle {bundle.folder} gives forecasts that are no numbers; export it again."
            )
        return said

    metadata = bundle.metadata
    return Candidate(
        name=metadata.name,
        computed_by=f"ONNX Runtime {onnxruntime.__version__} on the CPU",
        config=metadata.config,
        forecast=at,
        decision=metadata.decision,
        threshold=metadata.threshold,
        burst_share=metadata.trained_on.burst_share if metadata.trained_on else None,
    )
