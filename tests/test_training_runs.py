"""Training as it is run: resumed, stopped, spread, in other precisions, from every config."""

import csv
import errno
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from command_line import MAIN, RUN
from free_port import free_port

pytest.importorskip("keras", reason="the train extra is not installed")

from fishrt.choices import Strategy
from fishrt.config import find_config, load_config
from fishrt.errors import OutputError, TrainingError
from fishrt.recording import load_recording
from fishrt.simulate import TankSpec
from training.devices import make_strategy, step_seconds
from training.evaluation import run_candidate
from training.fit import FitOptions, fit
from training.forecaster import Forecaster
from training.run import load_run, save_weights
from training.scoring.evaluate import Wanted, evaluate
from training.scoring.rivals import QUICK
from training.simulated import record_simulation
from training.watcher import Watcher

QUIET = FitOptions(report=lambda _: None)
RESUMED = FitOptions(resume=True, report=lambda _: None)
SMALL = (
    "clip.height=30",
    "clip.width=40",
    "clip.steps=4",
    "model.filters=[3, 2]",
    "model.dropout=0.2",
    "train.clips_per_epoch=24",
    "train.batch_size=8",
    "train.epochs=3",
    "train.learning_rate=0.003",
    "train.decay=cosine",
    "train.flips=random",
)
SPLIT = ("split.train=0.5", "split.validation=0.2")
LIKENESS = 0.99
"""Of what training does to the weights; measured: 0.998."""
STREAM = ("train.mode=stream", "train.chunk_steps=6", "train.batch_size=2", "train.flips=random")


def recording_config():
    return load_config(None, ("clip.height=30", "clip.width=40", *SPLIT))


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recording") / "tank"
    record_simulation(TankSpec(seed=4), 2400, recording_config(), folder)
    return load_recording(folder)


def config(*changes):
    return load_config(None, (*SMALL, *changes))


ONE_EPOCH = ("train.epochs=1", "train.decay=none")


@pytest.fixture(scope="module")
def trained(recording, tmp_path_factory):
    """The run of a single epoch, not to be changed."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    fit(recording, config(*ONE_EPOCH), folder, QUIET)
    return folder


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of it, to go on with."""
    return shutil.copytree(trained, tmp_path / "copied")


def weights_of(folder):
    return load_run(folder).model.get_weights()


def history(folder):
    with (folder / "history.csv").open() as file:
        return [
            {k: v for k, v in row.items() if k != "clips_per_second"}
            for row in csv.DictReader(file)
        ]


def assert_same_run(one, two):
    """To the bit: the same history and the same best weights."""
    assert history(one) == history(two)
    for a, b in zip(weights_of(one), weights_of(two), strict=True):
        np.testing.assert_array_equal(a, b)


MODES = {"window": (), "fused stream": (*STREAM, "model.motion_units=3")}


@pytest.fixture(scope="module")
def whole_run(recording, tmp_path_factory):
    """Gives the run of all epochs at once in a mode, made when it is first asked for."""

    @functools.cache
    def run(mode):
        folder = tmp_path_factory.mktemp("whole") / "run"
        fit(recording, config(*mode), folder, QUIET)
        return folder

    return run


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_a_resumed_training_ends_with_the_same_weights(mode, recording, whole_run, tmp_path):
    whole, parts = whole_run(mode), tmp_path / "parts"

    def stop(line):
        if line.startswith("epoch 2/3"):
            raise KeyboardInterrupt

    assert fit(recording, config(*mode), parts, FitOptions(report=stop)).interrupted
    result = fit(recording, config(*mode), parts, RESUMED)
    assert (result.epochs, result.interrupted) == (3, False)
    assert_same_run(whole, parts)
    with np.load(whole / "checkpoint.npz") as a, np.load(parts / "checkpoint.npz") as b:
        for name in set(a.files) - {"progress"}:
            np.testing.assert_array_equal(a[name], b[name])


WAITS_IN_EPOCH_2 = f"""
import time
from training.watcher import Watcher
begin = Watcher.on_epoch_begin
def wait(self, epoch, logs=None):
    if epoch == 1:
        time.sleep(600)
    begin(self, epoch, logs)
Watcher.on_epoch_begin = wait
{MAIN}
"""


def command_line(recording, folder, changes, *more):
    sets = [part for change in (*SMALL, *changes) for part in ("--set", change)]
    return ["train", str(recording.folder), "-o", str(folder), *sets, *more]


@pytest.mark.slow
def test_kill_9_and_resume_on_the_command_line(recording, whole_run, tmp_path):
    parts = tmp_path / "parts"
    arguments = command_line(recording, parts, MODES["window"])
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS_IN_EPOCH_2, *arguments], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (parts / "checkpoint.npz").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(history(parts)) == 1
    done = subprocess.run(
        [*RUN, *arguments, "--resume"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert_same_run(whole_run(MODES["window"]), parts)


def test_more_epochs_can_be_asked_for_on_resuming(recording, copied):
    longer = load_config(None, ["train.epochs=2"])
    assert fit(recording, longer, copied, RESUMED).epochs == 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [("train.learning_rate=0.1", "another train.learning_rate"), ("clip.steps=5", "another clip")],
)
def test_resuming_with_other_settings_is_refused(change, sentence, recording, copied):
    with pytest.raises(TrainingError, match=sentence):
        fit(recording, load_config(None, [change]), copied, RESUMED)


def test_resuming_nothing_and_damage_are_sentences(recording, copied, tmp_path):
    with pytest.raises(TrainingError, match="no run to resume"):
        fit(recording, config(), tmp_path / "none", RESUMED)
    (copied / "checkpoint.npz").write_bytes(b"PK nothing")
    with pytest.raises(TrainingError, match="damaged"):
        fit(recording, load_config(None, []), copied, RESUMED)


def test_killed_before_the_first_checkpoint_it_begins_again(recording, trained, copied):
    (copied / "checkpoint.npz").unlink()  # as between the first weights and the first checkpoint
    assert fit(recording, load_config(None, []), copied, RESUMED).epochs == 1
    assert (copied / "checkpoint.npz").exists()
    assert_same_run(trained, copied)


def test_a_loss_of_nan_keeps_the_last_good_epoch(recording, trained, tmp_path, monkeypatch):
    begin = Watcher.on_epoch_begin

    def poison(self, epoch, logs=None):
        begin(self, epoch, logs)
        if epoch == 1:
            self.model.forecaster.head.bias.assign([np.nan])

    monkeypatch.setattr(Watcher, "on_epoch_begin", poison)
    spoilt = tmp_path / "spoilt"
    with pytest.raises(TrainingError, match="not a number in epoch 2; epoch 1 is kept"):
        fit(recording, config("train.epochs=3", "train.decay=none"), spoilt, QUIET)
    assert_same_run(trained, spoilt)
    monkeypatch.setattr(Watcher, "on_epoch_begin", begin)
    assert fit(recording, load_config(None, []), spoilt, RESUMED).epochs == 3  # it can go on


def test_a_full_disk_leaves_the_old_weights(tmp_path):
    class Network:
        def save_weights(self, path, overwrite):
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "best.weights.h5").write_bytes(b"whole")
    with pytest.raises(OutputError, match=r"best\.weights\.h5: the disk is full"):
        save_weights(tmp_path, Network())
    assert [path.name for path in tmp_path.iterdir()] == ["best.weights.h5"]
    assert (tmp_path / "best.weights.h5").read_bytes() == b"whole"


def test_resuming_with_other_labels_is_refused(recording, copied, tmp_path):
    other = tmp_path / "tank"
    shutil.copytree(recording.folder, other)
    np.save(other / "burst_label.npy", 1 - recording.burst_label)
    with pytest.raises(TrainingError, match="other labels"):
        fit(load_recording(other), load_config(None, []), copied, RESUMED)


def test_a_run_leaves_curves_and_logs_and_says_where_it_ran(recording, tmp_path):
    lines = []
    told = []
    options = FitOptions(report=lines.append, tell=lambda *what: told.append(what))
    fit(recording, config("train.epochs=2"), tmp_path, options)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert list((tmp_path / "tensorboard").glob("events.out.*"))
    assert "computed_on: the CPU" in (tmp_path / "run.yaml").read_text()
    assert "clips/s" in lines[-1]
    assert told[-1][0].startswith("epoch 2/2")
    assert told[-1][1:] == (3, 3)


def test_training_stops_early_when_nothing_improves(recording, tmp_path):
    lines = []
    settings = config("train.epochs=30", "train.patience=2", "train.learning_rate=0.3")
    result = fit(recording, settings, tmp_path, FitOptions(report=lines.append))
    assert result.epochs < 30
    assert result.epochs == result.best_epoch + 2
    assert "stopped early" in lines[-1]
    again = FitOptions(resume=True, report=lines.append)
    assert fit(recording, load_config(None, []), tmp_path, again).epochs == result.epochs
    assert "stopped early already" in lines[-1]


def test_a_validation_part_within_the_warm_up_is_refused(recording, tmp_path):
    settings = config(*STREAM, "train.warm_up_steps=500")
    with pytest.raises(TrainingError, match="over before the warm-up"):
        fit(recording, settings, tmp_path, QUIET)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_and_leaves_float32_weights(precision, recording, tmp_path):
    fit(recording, config(f"train.precision={precision}", "train.epochs=1"), tmp_path, QUIET)
    assert {weight.dtype for weight in weights_of(tmp_path)} == {np.dtype(np.float32)}
    assert np.isfinite(float(history(tmp_path)[0]["val_loss"]))


def test_frames_on_the_device_train_the_same(recording, tmp_path):
    for where in ("host", "device"):
        settings = config(f"train.frames_on={where}", *ONE_EPOCH)
        fit(recording, settings, tmp_path / where, QUIET)
    for one, two in zip(
        weights_of(tmp_path / "host"), weights_of(tmp_path / "device"), strict=True
    ):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_given_class_weights_are_taken(recording, tmp_path):
    fit(recording, config("train.class_weights=[1, 3]", "train.epochs=1"), tmp_path, QUIET)
    assert "burst: 3.0" in (tmp_path / "run.yaml").read_text()


def test_a_stride_takes_fewer_clips(recording, tmp_path):
    lines = []
    options = FitOptions(report=lines.append, tell=lambda _, done, total: lines.append(total))
    wide = config("train.clip_stride=100", "train.clips_per_epoch=null", "train.epochs=1")
    fit(recording, wide, tmp_path, options)
    assert lines[1] == 2  # 1140 clips, a hundred apart: 12 of them, 8 a batch


def test_timing_xla_leaves_the_training_as_it_was(recording, trained, tmp_path, monkeypatch):
    timed = tmp_path / "timed"

    def time_it(wanted, model, batch, strategy):
        assert step_seconds(model, batch, False) > 0
        return False

    monkeypatch.setattr("training.fit.use_xla", time_it)
    fit(recording, config(*ONE_EPOCH, "model.dropout=0.2"), timed, QUIET)
    assert_same_run(trained, timed)


def test_a_stream_run_is_scored_with_its_state_carried_on(recording, tmp_path):
    fit(recording, config(*STREAM, "train.epochs=1"), tmp_path, QUIET)
    run = load_run(tmp_path)
    result = evaluate(run_candidate(run), recording, None, recording, Wanted(rivals=QUICK))
    assert 0 <= result.model.scores.roc_auc <= 1


def test_stream_training_needs_footage_for_two_chunks(recording, tmp_path):
    with pytest.raises(TrainingError, match="frames in a row"):
        fit(recording, config(*STREAM, "train.chunk_steps=100"), tmp_path, QUIET)


SMALLER = {
    "visionary-serenity": (),
    "upbeat-snowflake": (),
    "single-channel": (),
    "four-layer": ("clip.height=76", "clip.width=78"),
    "stream": ("train.chunk_steps=4", "train.batch_size=2"),
    "fused": (),
    "demo": ("train.loss_steps=2",),
}


@pytest.mark.parametrize("name", SMALLER)
def test_every_config_that_ships_trains(name, recording, tmp_path):
    small = ("clip.height=30", "clip.width=40", "clip.steps=4", "train.clips_per_epoch=4")
    settings = load_config(name, (*small, "train.epochs=1", "train.batch_size=2", *SMALLER[name]))
    footage = recording
    if settings.clip.height != 30:
        settings = settings.model_copy(update={"split": recording_config().split})
        record_simulation(TankSpec(seed=4), 1200, settings, tmp_path / "tank")
        footage = load_recording(tmp_path / "tank")
    result = fit(footage, settings, tmp_path / "run", QUIET)
    assert result.epochs == 1
    assert np.isfinite(result.validation_loss)


def test_a_smoke_test_for_every_config():
    # the motion config has tests/test_motion_forecaster.py
    assert {*SMALLER, "motion"} == {path.stem for path in find_config("demo").parent.glob("*.yaml")}


TWO_DEVICES = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from fishrt.cli.__main__ import main
main()
"""


SPREAD = ("model.dropout=0", "train.epochs=2", "train.flips=none")


@pytest.fixture(scope="module")
def alone(recording, tmp_path_factory):
    """The run of one device."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    fit(recording, config(*SPREAD), folder, QUIET)
    return folder


def assert_moved_alike(one, two):
    """Training moved the weights of both runs, the same way.

    Not to the same place: batch norm takes the statistics of each half of a batch.
    """
    import keras

    settings = load_run(one).config
    keras.utils.set_random_seed(settings.train.seed)
    start = Forecaster(settings.clip, settings.model).get_weights()
    moves = [
        np.concatenate([(end - begin).ravel() for begin, end in zip(start, run, strict=True)])
        for run in (weights_of(one), weights_of(two))
    ]
    assert np.median(np.abs(moves[0])) > 0.002
    assert np.corrcoef(moves)[0, 1] > LIKENESS


@pytest.mark.slow
def test_two_devices_train_to_the_weights_of_one(recording, alone, tmp_path):
    script = tmp_path / "two.py"
    script.write_text(TWO_DEVICES)
    two = tmp_path / "two"
    both = [
        sys.executable,
        str(script),
        *command_line(recording, two, SPREAD, "--strategy", "mirrored"),
    ]
    done = subprocess.run(both, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 copies of the network in step" in done.stderr
    assert_moved_alike(alone, two)


@pytest.mark.slow
def test_two_processes_train_together_and_one_writes(recording, alone, tmp_path):
    addresses = [f"localhost:{free_port()}" for _ in range(2)]
    folder = tmp_path / "run"
    command = [
        *RUN,
        *command_line(recording, folder, SPREAD, "--strategy", "multi-worker"),
    ]
    workers = []
    for index in range(2):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        workers.append(
            subprocess.Popen(
                command,
                env={**os.environ, "TF_CONFIG": json.dumps(task)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    outputs = [worker.communicate(timeout=300)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    assert "2 copies of the network in step" in outputs[0]
    assert len(history(folder)) == 2
    assert not list(tmp_path.glob("run-*"))
    assert_moved_alike(alone, folder)


def test_a_strategy_that_cannot_be_is_one_sentence(recording, tmp_path, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(TrainingError, match="TF_CONFIG"):
        make_strategy(Strategy.MULTI_WORKER)
    one = make_strategy(Strategy.MIRRORED)
    with pytest.raises(TrainingError, match="one device"):
        fit(recording, config(*STREAM), tmp_path, FitOptions(strategy=one))


def test_no_strategy_is_none():
    assert make_strategy(Strategy.NONE) is None
