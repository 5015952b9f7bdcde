"""Published checkpoints: saved by Keras 2, read as data, the same probabilities."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from command_line import Command

pytest.importorskip("keras", reason="the train extra is not installed")
pytest.importorskip("tf_keras", reason="tf_keras is not installed: it writes the old checkpoints")

from fishrt.config import load_config
from fishrt.errors import TrainingError
from training.import_checkpoint import import_checkpoint
from training.run import load_run

# in a process of its own: Keras 2 and Keras 3 share TensorFlow's registries
WRITER = """
import json, sys
import numpy as np
import tf_keras as keras

L = keras.layers


def save(folder, which, options):
    rng = np.random.default_rng(3)
    cell = {"activation": "tanh", "recurrent_activation": "hard_sigmoid", "use_bias": False}
    cell |= options.get("cell", {})
    norm = {"center": False, "scale": False} | options.get("norm", {})
    names = options.get("names", {})
    i = x = keras.Input((4, 22, 26, 3))
    x = L.ConvLSTM2D(3, 3, return_sequences=which != "one", name=names.get("first"), **cell)(x)
    if which == "one":
        x = L.BatchNormalization(**norm)(x)
    elif which == "distributed":
        x = L.TimeDistributed(L.MaxPooling2D(2))(x)
        x = L.TimeDistributed(L.BatchNormalization(**norm))(x)
    else:
        x = L.MaxPooling3D((1, 2, 2))(x)
        x = L.BatchNormalization(**norm)(x)
    if which != "one":
        x = L.ConvLSTM2D(5, 3, name=names.get("second"), **cell)(x)
    x = L.GlobalMaxPooling2D()(x)
    if options.get("dense"):
        x = L.Dense(options["dense"])(x)
    x = L.Dense(1, activation=options.get("activation", "sigmoid"))(x)
    model = keras.Model(i, x)
    for w in model.weights:
        value = rng.normal(0, 0.5, w.shape)
        w.assign(np.abs(value) + 0.1 if "variance" in w.name else value)
    if options.get("nan"):
        model.weights[0].assign(np.full(model.weights[0].shape, np.nan))
    model.compile("adam", "binary_crossentropy")
    clips = np.random.default_rng(0).integers(0, 256, (5, 4, 22, 26, 3)).astype(np.uint8)
    # the functions that Keras 2 traces beside the weights, most of the time it takes, are not read
    model.save(folder, save_format="tf", save_traces=options.get("traces", False))
    np.save(folder + "/expected.npy", model.predict(clips / np.float32(255), verbose=0)[:, 0])


for folder, which, options in json.loads(sys.argv[1]):
    save(folder, which, options)
dense = keras.Sequential([keras.Input((4,)), L.Dense(1)])
dense.save(sys.argv[2], save_format="tf")
"""
CONFIG = load_config(None)


GOOD = {
    "two layers": ("plain", {"traces": True}),  # as they were published
    # names in another order than the layers
    "named": ("plain", {"names": {"first": "zebra", "second": "ant"}}),
    "TimeDistributed": ("distributed", {}),
    "one layer": ("one", {}),
}
OTHER = {
    "use_bias=True": {"cell": {"use_bias": True}},
    "recurrent_activation=sigmoid": {"cell": {"recurrent_activation": "sigmoid"}},
    "activation=relu": {"cell": {"activation": "relu"}},
    "scale=True": {"norm": {"scale": True}},
    "fishrt can import": {"dense": 4},
    "activation=linear": {"activation": "linear"},
    "no finite float32 number": {"nan": True},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a SavedModel of every kind, by its name here."""
    folder = tmp_path_factory.mktemp("saved")
    jobs = [(str(folder / name), *job) for name, job in GOOD.items()]
    jobs += [(str(folder / name), "plain", options) for name, options in OTHER.items()]
    done = subprocess.run(
        [sys.executable, "-c", WRITER, json.dumps(jobs), str(folder / "dense")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture
def saved(folder):
    return folder / "two layers"


@pytest.mark.parametrize("name", GOOD)
def test_the_run_gives_the_checkpoints_probabilities(name, folder, tmp_path):
    import_checkpoint(folder / name, CONFIG, tmp_path / "run")
    run = load_run(tmp_path / "run")
    assert run.config.model.filters == ((3,) if name == "one layer" else (3, 5))
    clip = run.config.clip
    assert (clip.steps, clip.height, clip.width, clip.frames_per_step) == (4, 22, 26, 3)
    clips = np.random.default_rng(0).integers(0, 256, (5, 4, 22, 26, 3)).astype(np.uint8)
    expected = np.load(folder / name / "expected.npy")
    assert expected.std() > 1e-3
    # measured: 1e-7
    np.testing.assert_allclose(np.asarray(run.model(clips))[:, 0], expected, atol=1e-5)


@pytest.mark.parametrize("sentence", OTHER)
def test_what_computes_something_else_is_refused(sentence, folder, tmp_path):
    with pytest.raises(TrainingError, match=sentence):
        import_checkpoint(folder / sentence, CONFIG, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_another_kind_of_model_is_refused(folder, tmp_path):
    with pytest.raises(TrainingError, match="has the layers Dense, but fishrt can import"):
        import_checkpoint(folder / "dense", CONFIG, tmp_path / "run")


def test_a_setting_that_disagrees_is_refused(saved, tmp_path):
    with pytest.raises(TrainingError, match=r"clip\.height=22, but clip\.height=120 was set"):
        import_checkpoint(saved, load_config(None, ["clip.height=120"]), tmp_path / "run")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: shutil.rmtree(folder), "there is no folder"),
        (lambda folder: (folder / "saved_model.pb").unlink(), "no whole SavedModel"),
        (lambda folder: shutil.rmtree(folder / "variables"), "no whole SavedModel"),
        (lambda folder: (folder / "saved_model.pb").write_bytes(b"\xff" * 99), "damaged"),
        (lambda folder: (folder / "saved_model.pb").write_bytes(b""), "damaged"),
        (lambda folder: (folder / "keras_metadata.pb").write_bytes(b"\xff" * 99), "damaged"),
        (lambda folder: (folder / "keras_metadata.pb").unlink(), "left behind"),
        (
            lambda folder: (folder / "variables" / "variables.index").write_bytes(b"no"),
            "damaged or incomplete",
        ),
        (
            lambda folder: next(folder.glob("variables/*.data*")).write_bytes(b"short"),
            "damaged or incomplete",
        ),
        (lambda folder: next(folder.glob("variables/*.data*")).unlink(), "damaged or incomplete"),
    ],
)
def test_damage_is_one_sentence(damage, sentence, saved, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(saved, folder)
    damage(folder)
    with pytest.raises(TrainingError, match=sentence):
        import_checkpoint(folder, CONFIG, tmp_path / "run")


def test_the_command_line_makes_a_run_that_can_be_exported(saved, tmp_path, monkeypatch, capfd):
    run = tmp_path / "run"
    command = ["import-checkpoint", str(saved), "-o", str(run)]
    # once in a process of its own, where nothing has loaded Keras yet
    done = subprocess.run(
        [sys.executable, "-m", "fishrt.cli", *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    here = Command(monkeypatch, capfd)
    assert here("export", run).code == 0
    assert (run / "bundle" / "bundle.yaml").is_file()
    again = here(*command)
    assert again.code == 10
    assert "already holds a run" in again.sentence
