"""The scripts in examples/ run, one after the other, with even less footage."""

import runpy
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="the train extra is not installed")
pytest.importorskip("tf2onnx", reason="the export extra is not installed")

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name, *arguments):
    runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](*arguments)


@pytest.mark.slow
def test_the_examples_run_in_order(tmp_path, capsys):
    run("train_on_simulated_footage", 2.0, 1, tmp_path)
    assert "epoch 1 of 1 was best" in capsys.readouterr().out
    run("compare_with_baselines", tmp_path)
    assert "motion, gradient boosting" in capsys.readouterr().out
    run("export_and_prove", tmp_path)
    said = capsys.readouterr().out
    assert "a clip at once" in said
    run("replay_live", tmp_path, tmp_path / "bundle")
    said = capsys.readouterr().out
    assert "forecasts came true or did not" in said
    assert len(said.splitlines()) == 13  # one line every ten seconds, one for the scores


def test_every_example_is_tested_and_listed():
    listed, tested = (EXAMPLES / "README.md").read_text(), Path(__file__).read_text()
    names = [path.stem for path in EXAMPLES.glob("*.py")]
    assert len(names) == 4
    for name in names:
        assert f"python examples/{name}.py" in listed
        assert f'run("{name}"' in tested
