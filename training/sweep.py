"""Sweeps: many runs with settings drawn by Optuna, the best of them by loss or by ROC-AUC.

Every trial is a normal run in a folder of its own. The sweep's memory is a database: a file in
the sweep's folder, or any address that Optuna takes, which processes and machines can share.
"""

import csv
import enum
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import optuna
import yaml
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from fishrt.config import Config, override_config
from fishrt.errors import ConfigError, TrainingError
from fishrt.recording import Recording
from fishrt.settings import sentence_of
from fishrt.storage import whole_file
from training.compare_by import FIGURES, CompareBy, Figure, loss_terms
from training.fit import FitOptions
from training.fit_any import fit_any
from training.run_config import adopted_config
from training.scoring.frames import ScoredFrames
from training.trial_auc import frames_to_compare_on, trial_auc

DATABASE_FILE = "sweep.db"
TABLE_FILE = "sweep.csv"
TERMS_ATTRIBUTE = "loss_terms"
HEARTBEAT_S = 30
GRACE_S = 120
COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


class Running(enum.Enum):
    """What trials that the database calls running are."""

    LEFT_OVER = "left over"  # of a process that was killed: the folder belongs to one process
    SHARED = "shared"  # perhaps another machine's; only those without a heartbeat are dead


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Span(_Section):
    """Numbers between two bounds; whole ones where both bounds are."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check(self) -> "Span":
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError("low must be below high, and above 0 where log is true")
        if self.log and self.step is not None:
            raise ValueError("give log or step, not both")
        return self

    @property
    def extremes(self) -> list[Any]:
        """Values to check before the first trial."""
        return [self.low, self.high]

    def draw(self, trial: optuna.Trial, name: str) -> Any:
        """One value for a trial."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            step = 1 if self.step is None else int(self.step)
            return trial.suggest_int(name, self.low, self.high, step=step, log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)


class Choice(_Section):
    """One of some values; lists too."""

    choices: Annotated[list[Any], Field(min_length=1)]

    @property
    def extremes(self) -> list[Any]:
        """Values to check before the first trial."""
        return self.choices

    def draw(self, trial: optuna.Trial, name: str) -> Any:
        """One value for a trial."""
        # Optuna takes no lists, so the choices are their texts
        return json.loads(
            str(trial.suggest_categorical(name, [json.dumps(choice) for choice in self.choices]))
        )


def _kind(source: Any) -> str:
    listed = isinstance(source, Choice) or (isinstance(source, dict) and "choices" in source)
    return "(choice)" if listed else "(span)"


Source = Annotated[
    Annotated[Span, Tag("(span)")] | Annotated[Choice, Tag("(choice)")], Discriminator(_kind)
]
"""What a setting is drawn from; the kind is told by its keys, so that a mistake is named in it."""


class Sweep(_Section):
    """What a sweep file holds.

    Attributes:
        trials: How many trials in all.
        seed: Of the first settings that are drawn.
        compare_by: The figure that tells which trial is best.
        prune: Whether trials whose validation loss is worse than the median after an epoch are
            stopped; None stops them where the loss is what trials are compared by.
        parameters: For each setting, such as `train.learning_rate`, what it is drawn from.
    """

    trials: int = Field(ge=1)
    seed: int = Field(default=0, ge=0)
    compare_by: CompareBy = CompareBy.LOSS
    prune: bool | None = None
    parameters: Annotated[dict[str, Source], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> "Sweep":
        if self.prune and self.compare_by is not CompareBy.LOSS:
            raise ValueError(
                "prune: true stops trials by their validation loss, so it goes with compare_by: "
                f"loss alone; leave it out with compare_by: {self.compare_by}"
            )
        return self

    @property
    def prunes(self) -> bool:
        """Whether trials are stopped by their loss after an epoch."""
        return self.compare_by is CompareBy.LOSS if self.prune is None else self.prune

    @property
    def figure(self) -> Figure:
        """The figure that trials are compared by."""
        return FIGURES[self.compare_by]


def load_sweep(path: Path, config: Config) -> Sweep:
    """Reads a sweep file and checks every bound and choice against the config's limits.

    Raises:
        ConfigError: If it cannot be read, a value in it is not one that the config takes, or
            trials are compared by losses that do not count the same.
    """
    try:
        sweep = Sweep.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"cannot read the sweep {path}: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"the sweep {path} is not valid YAML.") from error
    except ValidationError as error:
        raise ConfigError(f"the sweep {path}: {sentence_of(error, Sweep)}") from error
    for name, configs in _variants(config, sweep).items():
        first, *others = map(loss_terms, configs)
        if sweep.compare_by is CompareBy.LOSS and any(terms != first for terms in others):
            raise ConfigError(
                f"the sweep {path}: {name} changes what the validation loss counts, so the losses "
                "of its trials cannot be compared; write compare_by: auc."
            )
    return sweep


def _variants(config: Config, sweep: Sweep) -> dict[str, list[Config]]:
    """For each setting that is drawn, the config with its extreme values."""
    texts = {
        name: [f"{name}={json.dumps(value)}" for value in source.extremes]
        for name, source in sweep.parameters.items()
    }
    # what is drawn from a single value is as good as set
    shared = override_config(config, [each[0] for each in texts.values() if len(each) == 1])
    return {
        name: [override_config(shared, [text]) for text in each] for name, each in texts.items()
    }


def run_sweep(
    recording: Recording,
    config: Config,
    sweep: Sweep,
    folder: Path,
    storage: str | None = None,
    options: FitOptions | None = None,
) -> list[FrozenTrial]:
    """Runs the trials that are missing; the same call goes on with a sweep that was stopped.

    Args:
        recording: What to train on.
        config: What all trials share.
        sweep: What is drawn, and how often.
        folder: Where the runs go, `trial-0000` and so on.
        storage: Address of a database that others share, or None for a file in the folder.
        options: Who is told; None tells standard error.

    Returns:
        The trials that were finished, best first.

    Raises:
        ConfigError: If the database holds a sweep that is compared by another figure, by losses
            that count something else, or that draws from other choices.
        RecordingError: If trials are compared by ROC-AUC and the validation part has none.
        TrainingError: If a setting of the recording's own is drawn, the database cannot be
            reached, or no trial came to an end.
    """
    told = options or FitOptions()
    for name, source in sweep.parameters.items():  # no trial could learn what is not recorded
        for value in source.extremes:
            adopted_config(_with(config, [f"{name}={json.dumps(value)}"]), recording)
    frames = None
    if sweep.compare_by is CompareBy.AUC:  # before there is a database that is bound to it
        variants = [one for each in _variants(config, sweep).values() for one in each]
        frames = frames_to_compare_on(recording, [one.clip.geometry for one in variants])
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = _open_study(sweep, folder, storage)
    if sweep.compare_by is CompareBy.LOSS:
        _require_same_terms(study, config, sweep, folder)
    _bury(study, Running.LEFT_OVER if storage is None else Running.SHARED)

    def objective(trial: optuna.Trial) -> float:
        before = [t for t in study.get_trials(deepcopy=False) if t.number < trial.number]
        if sum(t.state in COUNTED for t in before) >= sweep.trials:
            raise _EnoughError
        return _run_trial(trial, recording, config, sweep, folder, frames, told)

    while sum(t.state in COUNTED for t in study.get_trials(deepcopy=False)) < sweep.trials:
        try:
            study.optimize(objective, n_trials=1, catch=(TrainingError,))
        except _EnoughError:  # another process took the last one
            break
        _stop_after_failures(study)
    done = [t for t in study.get_trials() if t.state is TrialState.COMPLETE]
    if not done:
        raise TrainingError(f"no trial of the sweep in {folder} came to an end.")
    done.sort(key=lambda t: t.value, reverse=study.direction is StudyDirection.MAXIMIZE)
    _write_table(folder / TABLE_FILE, done, sweep)
    return done


class _EnoughError(Exception):
    """There are as many trials as were asked for."""


def _run_trial(
    trial: optuna.Trial,
    recording: Recording,
    config: Config,
    sweep: Sweep,
    folder: Path,
    frames: ScoredFrames | None,
    options: FitOptions,
) -> float:
    texts = [f"{name}={json.dumps(value)}" for name, value in _drawn(trial, sweep, folder).items()]
    run = folder / trial_name(trial.number)
    options.report(f"{run.name}: {', '.join(texts)}")

    def watch(epoch: int, loss: float) -> None:
        trial.report(loss, epoch)
        if sweep.prunes and trial.should_prune():
            raise optuna.TrialPruned

    try:
        result = fit_any(recording, _with(config, texts), run, replace(options, after_epoch=watch))
        if result.interrupted:
            raise KeyboardInterrupt
        if frames is None:
            return result.validation_loss
        value = trial_auc(run, frames)
    except (TrainingError, ConfigError) as error:  # settings may only not go together
        options.report(f"{run.name} failed: {error}")
        raise TrainingError(str(error)) from error
    options.report(f"{run.name}: {sweep.figure.words} {value:.4f}")
    return value


def _drawn(trial: optuna.Trial, sweep: Sweep, folder: Path) -> dict[str, Any]:
    try:
        return {name: source.draw(trial, name) for name, source in sweep.parameters.items()}
    except ValueError as error:  # Optuna takes other bounds, but no other choices
        raise ConfigError(
            f"the sweep in {folder} was begun with other choices, or with bounds where there are "
            "choices now; change them back, or begin anew in another folder."
        ) from error


def _with(config: Config, texts: list[str]) -> Config:
    # sections that nobody set stay unset: what the recording was made with is taken over then
    changed = override_config(config, texts)
    sections = {
        text.partition("=")[0].partition(".")[0] for text in texts
    } | config.model_fields_set
    return Config.model_validate({name: getattr(changed, name) for name in sections})


def trial_name(number: int) -> str:
    """Name of a trial's run folder."""
    return f"trial-{number:04d}"


def _open_study(sweep: Sweep, folder: Path, storage: str | None) -> optuna.Study:
    address = storage or f"sqlite:///{(folder / DATABASE_FILE).resolve()}"
    try:
        database = optuna.storages.RDBStorage(
            address, heartbeat_interval=HEARTBEAT_S, grace_period=GRACE_S
        )
        study = optuna.create_study(
            study_name=folder.name,
            storage=database,
            direction=sweep.figure.direction,
            sampler=optuna.samplers.TPESampler(seed=sweep.seed),
            pruner=optuna.pruners.MedianPruner(),
            load_if_exists=True,
        )
    except KeyboardInterrupt:
        raise
    except Exception as error:  # SQLAlchemy and every database driver have classes of their own
        raise TrainingError(
            f"the sweep's database {storage or folder / DATABASE_FILE} cannot be opened; check "
            "the address and that its driver is installed."
        ) from error
    # one that is there already keeps its direction, which sweeps of before this key have, too
    begun = next(by for by, f in FIGURES.items() if f.direction == study.direction.name.lower())
    if begun is not sweep.compare_by:
        raise ConfigError(
            f"the sweep in {folder} was begun with compare_by: {begun} and cannot go on with "
            f"compare_by: {sweep.compare_by}; change it back, or begin anew in another folder."
        )
    return study


def _require_same_terms(study: optuna.Study, config: Config, sweep: Sweep, folder: Path) -> None:
    """Refuses to go on where the losses would count something else than those so far."""
    some = next(iter(_variants(config, sweep).values()))[0]
    terms = {name: str(value) for name, value in loss_terms(some).items()}
    before = study.user_attrs.get(TERMS_ATTRIBUTE, terms)  # earlier versions did not say
    study.set_user_attr(TERMS_ATTRIBUTE, before)
    if terms != before:
        # the first that differs is enough to say: it may decide which others there are
        changed = next(name for name in terms | before if terms.get(name) != before.get(name))
        raise ConfigError(
            f"{changed} was another when the sweep in {folder} was begun, so the losses "
            "of its trials could not be compared; change it back, or begin anew in another folder."
        )


def _bury(study: optuna.Study, running: Running) -> None:
    """Marks trials that nobody works on any more as failed."""
    if running is Running.SHARED:
        optuna.storages.fail_stale_trials(study)
        return
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _stop_after_failures(study: optuna.Study, limit: int = 5) -> None:
    """Ends a sweep whose last trials all failed: something else is wrong."""
    last = study.get_trials(deepcopy=False)[-limit:]
    if len(last) == limit and all(t.state is TrialState.FAIL for t in last):
        raise TrainingError(
            f"the last {limit} trials failed; look at the settings of the sweep, and begin anew "
            "in another folder."
        )


def _write_table(path: Path, trials: list[FrozenTrial], sweep: Sweep) -> None:
    names = list(sweep.parameters)
    with whole_file(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["run", sweep.figure.column, *names])
        for trial in trials:
            values = [trial.params.get(name) for name in names]
            writer.writerow([trial_name(trial.number), trial.value, *values])
