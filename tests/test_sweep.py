"""Sweeps: what is drawn, resumed and shared."""

import csv
import multiprocessing

import numpy as np
import pytest

pytest.importorskip("keras", reason="the train extra is not installed")
pytest.importorskip("optuna", reason="the sweep extra is not installed")

import optuna

from fishrt.config import load_config
from fishrt.errors import ConfigError, TrainingError
from fishrt.recording import load_recording
from fishrt.simulate import TankSpec
from training.fit import FitOptions, FitResult
from training.run import load_run
from training.simulated import record_simulation
from training.sweep import load_sweep, run_sweep

QUIET = FitOptions(report=lambda _: None)
SETTINGS = (
    "clip.height=30",
    "clip.width=40",
    "clip.steps=3",
    "model.filters=[2]",
    "train.clips_per_epoch=8",
    "train.epochs=1",
)
CONFIG = load_config(None, SETTINGS)
FILE = """
trials: 3
parameters:
  train.learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}
  train.batch_size: {low: 2, high: 4, step: 2}
  model.filters: {choices: [[2], [2, 3]]}
"""


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recording") / "tank"
    split = ("split.train=0.5", "split.validation=0.2")
    config = load_config(None, ("clip.height=30", "clip.width=40", *split))
    record_simulation(TankSpec(seed=4), 2400, config, folder)
    return load_recording(folder)


@pytest.fixture
def sweep(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(FILE)
    return load_sweep(path, CONFIG)


def test_trials_are_runs_with_what_was_drawn(recording, sweep, tmp_path):
    folder = tmp_path / "sweep"
    best = run_sweep(recording, CONFIG, sweep, folder, options=QUIET)
    assert len(best) == 3
    assert best[0].value == min(trial.value for trial in best)
    for trial in best:
        config = load_run(folder / f"trial-{trial.number:04d}").config
        assert config.train.learning_rate == trial.params["train.learning_rate"]
        assert config.train.batch_size in (2, 4)
        assert str(list(config.model.filters)) == trial.params["model.filters"]
    with (folder / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["validation_loss"]) for row in rows] == [trial.value for trial in best]
    # done is done
    run_sweep(recording, CONFIG, sweep, folder, options=QUIET)
    assert len(list(folder.glob("trial-*"))) == 3


@pytest.fixture
def quick_fit(monkeypatch):
    """Stands in for training: what a sweep does with its results is tested here."""
    calls = []

    def fit(recording, config, folder, options):
        del recording
        calls.append(folder.name)
        outcome = fit.outcomes.pop(0) if fit.outcomes else 1.0 / len(calls)
        if isinstance(outcome, BaseException):
            raise outcome
        for epoch in range(1, 4):
            options.after_epoch(epoch, outcome)
        return FitResult(3, 1, outcome, 1.0, False)

    fit.outcomes = []
    fit.calls = calls
    monkeypatch.setattr("training.sweep.fit_any", fit)
    return fit


def test_ctrl_c_keeps_what_is_finished_and_the_rest_comes_later(
    recording, sweep, tmp_path, quick_fit
):
    quick_fit.outcomes = [0.5, KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        run_sweep(recording, CONFIG, sweep, tmp_path / "sweep", options=QUIET)
    best = run_sweep(recording, CONFIG, sweep, tmp_path / "sweep", options=QUIET)
    assert len(best) == 3
    assert len(quick_fit.calls) == 4  # the trial that was cut off made place for another


def test_a_trial_that_fails_does_not_end_the_sweep(recording, sweep, tmp_path, quick_fit):
    lines = []
    quick_fit.outcomes = [TrainingError("the loss is not a number"), 0.4]
    options = FitOptions(report=lines.append)
    assert len(run_sweep(recording, CONFIG, sweep, tmp_path / "sweep", options=options)) == 3
    assert any("trial-0000 failed: the loss is not a number" in line for line in lines)


def test_nothing_but_failures_ends_the_sweep(recording, sweep, tmp_path, quick_fit):
    quick_fit.outcomes = [TrainingError("no")] * 9
    with pytest.raises(TrainingError, match="last 5 trials failed"):
        run_sweep(recording, CONFIG, sweep, tmp_path / "sweep", options=QUIET)


def test_hopeless_trials_are_stopped_early(recording, tmp_path, quick_fit):
    path = tmp_path / "sweep.yaml"
    path.write_text(FILE.replace("trials: 3", "trials: 12"))
    quick_fit.outcomes = [0.1] * 8 + [0.9] * 4
    best = run_sweep(recording, CONFIG, load_sweep(path, CONFIG), tmp_path / "s", options=QUIET)
    assert len(best) == 8
    assert len(quick_fit.calls) == 12


def _share(address, recorded, folder, results):
    import training.sweep as module

    module.fit_any = lambda *_: FitResult(1, 1, float(np.random.default_rng().random()), 1.0, False)
    path = folder / "sweep.yaml"
    recording = load_recording(recorded)
    best = run_sweep(recording, CONFIG, load_sweep(path, CONFIG), folder / "shared", address, QUIET)
    results.put(len(best))


def test_two_processes_share_one_sweep(recording, tmp_path, quick_fit):
    path = tmp_path / "sweep.yaml"
    path.write_text(FILE.replace("trials: 3", "trials: 9"))
    address = f"sqlite:///{tmp_path / 'shared.db'}"
    quick_fit.outcomes = [0.5]
    one = path.with_name("one.yaml")
    one.write_text(FILE.replace("trials: 3", "trials: 1"))
    run_sweep(recording, CONFIG, load_sweep(one, CONFIG), tmp_path / "shared", address, QUIET)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    task = (address, recording.folder, tmp_path, results)
    workers = [context.Process(target=_share, args=task) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    study = optuna.load_study(study_name="shared", storage=address)
    done = [t for t in study.trials if t.state is optuna.trial.TrialState.COMPLETE]
    assert len(done) == 9


def test_a_whole_section_can_be_drawn(recording, tmp_path, monkeypatch):
    drawn = []

    def fit(recording, config, folder, options):
        drawn.append(config.model.filters)
        return FitResult(1, 1, 0.5, 1.0, False)

    monkeypatch.setattr("training.sweep.fit_any", fit)
    path = tmp_path / "sweep.yaml"
    path.write_text("trials: 2\nparameters: {model: {choices: [{filters: [3]}]}}")
    run_sweep(recording, CONFIG, load_sweep(path, CONFIG), tmp_path / "sweep", options=QUIET)
    assert drawn == [(3,), (3,)]


def test_settings_that_do_not_go_together_are_a_trial_that_failed(
    recording, sweep, tmp_path, quick_fit
):
    quick_fit.outcomes = [ConfigError("more loss steps than steps"), 0.4]
    lines = []
    options = FitOptions(report=lines.append)
    assert len(run_sweep(recording, CONFIG, sweep, tmp_path / "sweep", options=options)) == 3
    assert any("trial-0000 failed: more loss steps than steps" in line for line in lines)


@pytest.mark.parametrize(
    "drawn", ["label.depth: {low: 0.1, high: 0.3}", "split.train: {choices: [0.5, 0.6]}"]
)
def test_what_is_the_recordings_own_is_not_drawn(recording, tmp_path, quick_fit, drawn):
    path = tmp_path / "sweep.yaml"
    path.write_text(f"trials: 2\nparameters: {{{drawn}}}")
    with pytest.raises(TrainingError, match="make the recording with these settings"):
        run_sweep(recording, CONFIG, load_sweep(path, CONFIG), tmp_path / "sweep", options=QUIET)
    assert not quick_fit.calls
    assert not (tmp_path / "sweep").exists()


def test_a_sweep_goes_on_with_the_choices_that_it_was_begun_with(
    recording, sweep, tmp_path, quick_fit
):
    folder = tmp_path / "sweep"
    run_sweep(recording, CONFIG, sweep, folder, options=QUIET)
    changed = tmp_path / "changed.yaml"
    wider = FILE.replace("trials: 3", "trials: 4").replace("1.0e-2", "1.0e-1")
    for new in ("{choices: [[2], [3]]}", "{choices: [[2]]}"):
        changed.write_text(wider.replace("{choices: [[2], [2, 3]]}", new))
        with pytest.raises(ConfigError, match="begun with other choices"):
            run_sweep(recording, CONFIG, load_sweep(changed, CONFIG), folder, options=QUIET)
    changed.write_text(wider)
    assert (
        len(run_sweep(recording, CONFIG, load_sweep(changed, CONFIG), folder, options=QUIET)) == 4
    )


def test_a_sweep_goes_on_with_what_its_losses_count(recording, sweep, tmp_path, quick_fit):
    folder = tmp_path / "sweep"
    run_sweep(recording, CONFIG, sweep, folder, options=QUIET)
    other = load_config(None, (*SETTINGS, "train.class_weights=false"))
    with pytest.raises(ConfigError, match=r"train\.class_weights was another .* begun"):
        run_sweep(recording, other, sweep, folder, options=QUIET)
    alike = load_config(None, (*SETTINGS, "train.patience=3"))
    assert len(run_sweep(recording, alike, sweep, folder, options=QUIET)) == 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("trials: 2", "parameters: field required"),
        ("trials: 0\nparameters: {train.seed: {low: 1, high: 2}}", "trials: input should be"),
        ("trials: 2\nparameters: {train.sed: {low: 1, high: 2}}", "unknown setting train.sed"),
        ("trials: 2\nparameters: {train.seed: {low: 2, high: 1}}", "low must be below high"),
        ("trials: 2\nparameters: {train.seed: {low: -1, high: 1}}", "train.seed"),
        ("trials: 2\nparameters: {model.filters: {choices: [[1], 5]}}", "model.filters"),
        ("trials: 2\nparameters: {train.seed: {low: 2}}", "train.seed.high: field required"),
        ("trials: 2\nparameters: {train.seed: {choices: []}}", "train.seed.choices: the list has"),
        ("trials: 2\nparameters: {train.seed: 3}", "train.seed: input should be a section"),
        (FILE + "prun: true", "unknown setting prun; known there: trials, seed, compare_by, prune"),
        (FILE + "compare_by: acc", "compare_by: input should be 'loss' or 'auc', not 'acc'"),
        ("", "sweep.yaml: input should be a section with settings, not None"),
        ("[", "not valid YAML"),
        ("trials: !!python/object/apply:os.getcwd []", "not valid YAML"),
    ],
)
def test_a_mistake_is_one_sentence_before_the_first_trial(text, sentence, tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        load_sweep(path, CONFIG)


def test_a_database_that_cannot_be_opened_is_one_sentence(recording, sweep, tmp_path):
    with pytest.raises(TrainingError, match="cannot be opened"):
        run_sweep(recording, CONFIG, sweep, tmp_path / "sweep", "nonsense://nowhere", QUIET)
