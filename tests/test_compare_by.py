"""Which figure trials are compared by: what a loss counts, and ROC-AUC on the same frames."""

import csv
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="the train extra is not installed")
pytest.importorskip("optuna", reason="the sweep extra is not installed")

import optuna
from sklearn.metrics import roc_auc_score

from fishrt.config import ClipConfig, ModelConfig, ModelKind, TrainConfig, load_config
from fishrt.errors import ConfigError, ExitCode, RecordingError
from fishrt.recording import Split, load_recording
from fishrt.simulate import TankSpec
from training.compare_by import loss_terms
from training.dataset import class_weights_of, clip_set
from training.fit import FitOptions, FitResult, _clip_sets, _validation_batches
from training.run import load_run
from training.simulated import record_simulation
from training.sweep import load_sweep, run_sweep

QUIET = FitOptions(report=lambda _: None)
SMALL = ("clip.height=30", "clip.width=40")
TINY = (*SMALL, "clip.steps=3", "model.filters=[2]", "train.clips_per_epoch=8", "train.epochs=1")
WINDOW = (*SMALL, "clip.steps=8")
STREAM = (*WINDOW, "train.mode=stream", "train.batch_size=4", "train.chunk_steps=8")
MOTION = (
    *SMALL,
    "clip.steps=901",
    "clip.frames_per_step=1",
    "model.kind=motion",
    "train.mode=stream",
)
EITHER = (*SMALL, "clip.steps=901", "clip.frames_per_step=1", "train.mode=stream")
CHANGES = (
    (WINDOW, "train.mode=stream"),
    (WINDOW, "train.class_weights=false"),
    (WINDOW, "train.loss_steps=3"),
    (WINDOW, "train.chunk_steps=20"),
    (WINDOW, "train.warm_up_steps=3"),
    (WINDOW, "train.batch_size=7"),
    (WINDOW, "clip.steps=6"),
    (WINDOW, "clip.frames_per_step=3"),
    (WINDOW, "train.learning_rate=0.1"),
    (WINDOW, "train.decay=cosine"),
    (WINDOW, "train.epochs=2"),
    (WINDOW, "train.patience=2"),
    (WINDOW, "train.clips_per_epoch=8"),
    (WINDOW, "train.clip_stride=3"),
    ((*WINDOW, "train.class_weights=false"), "train.clip_stride=3"),
    (WINDOW, "train.reset_probability=0.9"),
    (WINDOW, "train.flips=random"),
    (WINDOW, "train.precision=mixed_bfloat16"),
    (WINDOW, 'train.xla="off"'),
    (WINDOW, "train.frames_on=host"),
    (WINDOW, "train.seed=3"),
    (WINDOW, "model.filters=[2]"),
    (WINDOW, "model.kernel_size=5"),
    (WINDOW, "model.pool_size=3"),
    (WINDOW, "model.head=flatten"),
    (WINDOW, "model.dense=[3]"),
    (WINDOW, "model.dropout=0.3"),
    (WINDOW, "model.l1=0.1"),
    (WINDOW, "model.l2=0.1"),
    (WINDOW, "model.motion_units=2"),
    (WINDOW, "model.members=3"),
    (STREAM, "train.class_weights=[1, 3]"),
    (STREAM, "train.chunk_steps=9"),
    (STREAM, "train.warm_up_steps=3"),
    (STREAM, "train.batch_size=6"),
    (STREAM, "train.loss_steps=3"),
    (STREAM, "clip.steps=6"),
    (STREAM, "clip.frames_per_step=3"),
    (STREAM, "train.reset_probability=0.9"),
    (STREAM, "train.clips_per_epoch=8"),
    (STREAM, "train.clip_stride=3"),
    (STREAM, "train.flips=none"),
    (STREAM, "train.seed=3"),
    (EITHER, "model.kind=motion"),
    (MOTION, "train.class_weights=[1, 3]"),
    (MOTION, "train.batch_size=7"),
    (MOTION, "train.chunk_steps=7"),
    (MOTION, "train.warm_up_steps=3"),
    (MOTION, "train.loss_steps=3"),
)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recording") / "tank"
    split = ("split.train=0.45", "split.validation=0.45")
    record_simulation(TankSpec(seed=4), 3000, load_config(None, (*SMALL, *split)), folder)
    return load_recording(folder)


def counted(recording, config):
    """How much every frame's label weighs in the validation loss, from what training is fed."""
    if config.model.kind is ModelKind.MOTION:
        ends = clip_set(recording, Split.VALIDATION, config.clip.geometry).ends
        return Counter(ends.tolist()), "plain"
    train, validation = _clip_sets(recording, config)
    named = replace(validation, labels=np.arange(len(validation.labels)))
    batches = _validation_batches(named, config, True)
    weights = Counter()
    for _, frames, *counts in (batches[number] for number in range(len(batches))):
        count = counts[0] if counts else np.ones_like(frames)
        weights.update(frames[count > 0].astype(int).tolist())
    return weights, class_weights_of(config, train)


@pytest.mark.parametrize(("base", "change"), CHANGES, ids=lambda value: str(value)[-40:])
def test_loss_terms_are_what_the_validation_loss_depends_on(recording, base, change):
    before, after = load_config(None, base), load_config(None, (*base, change))
    assert before != after or change.startswith("train.mode")
    same_labels = counted(recording, before) == counted(recording, after)
    assert (loss_terms(before) == loss_terms(after)) == same_labels


def test_every_setting_was_thought_of():
    sections = {"clip": ClipConfig, "model": ModelConfig, "train": TrainConfig}
    settings = {f"{name}.{key}" for name, kind in sections.items() for key in kind.model_fields}
    of_the_recording = {"clip.height", "clip.width", "clip.fps"}
    assert settings - of_the_recording == {change.partition("=")[0] for _, change in CHANGES}


def written(folder, parameters, more=""):
    path = folder / "sweep.yaml"
    path.write_text(f"trials: 2\n{more}\nparameters: {{{parameters}}}\n")
    return path


REFUSED = (
    (WINDOW, "train.class_weights: {choices: [true, false]}"),
    (WINDOW, "train.loss_steps: {low: 1, high: 3}"),
    (WINDOW, "clip.steps: {low: 4, high: 8}"),
    (STREAM, "train.batch_size: {low: 2, high: 8}"),
    (STREAM, "train.warm_up_steps: {low: 2, high: 8}"),
    (EITHER, "model.kind: {choices: [convlstm, motion]}"),
)


@pytest.mark.parametrize(("base", "parameter"), REFUSED)
def test_losses_that_count_something_else_are_not_compared(base, parameter, tmp_path):
    config = load_config(None, base)
    parameters = f"train.learning_rate: {{low: 0.1, high: 0.2}}, {parameter}"
    name = parameter.partition(":")[0]
    with pytest.raises(ConfigError, match=f"{name} changes what .* write compare_by: auc") as told:
        load_sweep(written(tmp_path, parameters), config)
    assert told.value.exit_code is ExitCode.CONFIG
    load_sweep(written(tmp_path, parameters, "compare_by: auc"), config)


@pytest.mark.parametrize(
    ("base", "parameters"),
    [
        (WINDOW, "train.batch_size: {low: 2, high: 8}"),
        (WINDOW, "train.warm_up_steps: {low: 2, high: 8}"),
        (WINDOW, "train.class_weights: {choices: [false]}"),
        (WINDOW, "train.mode: {choices: [stream]}, train.loss_steps: {low: 1, high: 3}"),
        (STREAM, "train.loss_steps: {low: 1, high: 3}"),
        (MOTION, "train.class_weights: {choices: [true, false]}"),
    ],
)
def test_losses_that_count_the_same_are_compared(base, parameters, tmp_path):
    load_sweep(written(tmp_path, parameters), load_config(None, base))


def test_a_value_that_all_trials_share_counts_as_set(tmp_path):
    parameters = "train.mode: {choices: [stream]}, train.batch_size: {low: 2, high: 8}"
    with pytest.raises(ConfigError, match=r"train\.batch_size changes what"):
        load_sweep(written(tmp_path, parameters), load_config(None, WINDOW))


def test_pruning_goes_with_the_loss(tmp_path):
    config, parameters = load_config(None, WINDOW), "train.seed: {low: 1, high: 9}"
    with pytest.raises(ConfigError, match=r"prune: true .* leave it out with compare_by: auc"):
        load_sweep(written(tmp_path, parameters, "compare_by: auc\nprune: true"), config)
    for more, prunes in (
        ("", True),
        ("prune: false", False),
        ("compare_by: auc", False),
        ("compare_by: auc\nprune: false", False),
    ):
        assert load_sweep(written(tmp_path, parameters, more), config).prunes is prunes


@pytest.mark.slow
def test_trials_of_all_kinds_are_scored_on_the_same_frames(recording, tmp_path):
    config, folder = load_config(None, TINY), tmp_path / "sweep"
    parameters = (
        "train.class_weights: {choices: [true, false]}, train.mode: {choices: [window, stream]}, "
        "clip.steps: {choices: [3, 50]}, train.chunk_steps: {choices: [6]}, "
        "train.warm_up_steps: {choices: [2]}"
    )
    path = written(tmp_path, parameters, "compare_by: auc\nseed: 11")
    best = run_sweep(recording, config, load_sweep(path, config), folder, options=QUIET)
    # 200 frames are the longest clip, 46 the label's horizon and its frame
    first, stop = recording.metadata.splits[Split.VALIDATION]
    frames = range(first + 199, stop - 46, 5)
    labels = recording.burst_label[frames]
    windows = 0
    for trial in best:
        run = load_run(folder / f"trial-{trial.number:04d}")
        geometry = run.config.clip.geometry
        said = np.full(len(recording.frames), np.nan)
        if trial.params["train.mode"] == '"window"':
            windows += 1
            clips = np.stack([geometry.cut(recording.frames, end) for end in frames])
            said[frames] = np.asarray(run.model(clips))[:, -1]
        else:
            for begin in np.arange(4) + frames[0] - geometry.frames + 1:
                steps = (stop - begin) // 4
                footage = recording.frames[begin : begin + 4 * steps]
                rows = footage.reshape(1, steps, 4, 30, 40).transpose(0, 1, 3, 4, 2)
                ends = begin + 3 + 4 * np.arange(steps)
                said[ends] = np.asarray(run.model.run(rows, run.model.zero_states(1))[0])[0]
        # measured: 6e-17; two frames that trade places would be 3e-4
        assert trial.value == pytest.approx(roc_auc_score(labels, said[frames]), abs=1e-3)
    assert windows == 1
    assert {trial.params["clip.steps"] for trial in best} == {"3", "50"}
    values = [trial.value for trial in best]
    assert values == sorted(values, reverse=True)
    with (folder / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["validation_roc_auc"]) for row in rows] == values


def test_a_validation_part_with_one_class_is_one_sentence_before_there_is_a_database(
    recording, tmp_path
):
    calm = replace(recording, burst_label=np.zeros_like(recording.burst_label))
    config = load_config(None, TINY)
    path = written(tmp_path, "train.seed: {low: 1, high: 9}", "compare_by: auc")
    with pytest.raises(RecordingError, match="same label, so there is no ROC-AUC to compare"):
        run_sweep(calm, config, load_sweep(path, config), tmp_path / "sweep", options=QUIET)
    assert not (tmp_path / "sweep").exists()


@pytest.fixture
def quick_fit(monkeypatch):
    """Stands in for training and scoring: the losses and the figures of trials, in turn."""
    outcomes = {"loss": [], "auc": []}

    def fit(recording, config, folder, options):
        loss = outcomes["loss"].pop(0)
        for epoch in range(1, 4):
            options.after_epoch(epoch, loss)
        return FitResult(3, 1, loss, 1.0, False)

    monkeypatch.setattr("training.sweep.fit_any", fit)
    monkeypatch.setattr("training.sweep.trial_auc", lambda *_: outcomes["auc"].pop(0))
    return outcomes


def test_no_trial_is_stopped_for_its_loss_where_another_figure_counts(
    recording, tmp_path, quick_fit
):
    config = load_config(None, TINY)
    path = written(tmp_path, "train.seed: {low: 1, high: 99}", "compare_by: auc")
    path.write_text(path.read_text().replace("trials: 2", "trials: 12"))
    quick_fit |= {"loss": [0.1] * 8 + [0.9] * 4, "auc": [0.5] * 8 + [0.6, 0.9, 0.8, 0.7]}
    best = run_sweep(recording, config, load_sweep(path, config), tmp_path / "s", options=QUIET)
    assert [trial.number for trial in best] == [9, 10, 11, 8, *range(8)]


def test_a_sweep_goes_on_by_the_figure_that_it_was_begun_with(recording, tmp_path, quick_fit):
    config, drawn = load_config(None, TINY), "train.seed: {low: 1, high: 99}"
    by_auc = load_sweep(written(tmp_path, drawn, "compare_by: auc"), config)
    by_loss = load_sweep(written(tmp_path, drawn, "compare_by: loss"), config)
    unsaid = load_sweep(written(tmp_path, drawn), config)
    # as sweeps of before the key made it
    address = f"sqlite:///{tmp_path / 'old.db'}"
    old = optuna.create_study(study_name="old", storage=address)
    old.add_trial(
        optuna.trial.create_trial(
            value=0.3,
            params={"train.seed": 5},
            distributions={"train.seed": optuna.distributions.IntDistribution(1, 99)},
        )
    )
    with pytest.raises(ConfigError, match="begun with compare_by: loss and cannot go on with") as e:
        run_sweep(recording, config, by_auc, tmp_path / "old", address, QUIET)
    assert e.value.exit_code is ExitCode.CONFIG
    quick_fit |= {"loss": [0.2], "auc": []}
    best = run_sweep(recording, config, by_loss, tmp_path / "old", address, QUIET)
    assert [trial.value for trial in best] == [0.2, 0.3]
    assert run_sweep(recording, config, unsaid, tmp_path / "old", address, QUIET) == best
    quick_fit |= {"loss": [0.2, 0.1], "auc": [0.6, 0.7]}
    best = run_sweep(recording, config, by_auc, tmp_path / "new", options=QUIET)
    assert [trial.value for trial in best] == [0.7, 0.6]
    with pytest.raises(ConfigError, match="begun with compare_by: auc and cannot go on with"):
        run_sweep(recording, config, unsaid, tmp_path / "new", options=QUIET)
