"""Benchmarks start, and those that can be made small run: they are not measured here."""

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
ALL = sorted(
    [path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__"]
    + [f"{path.parent.name}.__main__" for path in FOLDER.glob("*/__main__.py")]
)
NEED_TRAINING = {"compare_models", "handwritten_step", "motion_blocks", "train"}


def run(name: str, *words: str) -> None:
    """Runs a benchmark in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"benchmarks.{name}", *words])
        importlib.import_module(f"benchmarks.{name}").main()


@pytest.mark.parametrize("name", ALL)
def test_every_benchmark_starts(name, capsys):
    if name in NEED_TRAINING:
        pytest.importorskip("tensorflow", reason="the extra train is not installed")
        pytest.importorskip("tf2onnx", reason="the extra export is not installed")
    with pytest.raises(SystemExit) as end:
        run(name, "--help")
    assert end.value.code == 0
    assert "usage:" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words", "row"),
    [
        ("soak", "--bundle demo --minutes 0.05", "| demo | "),
        ("ort_settings", "--bundle demo --rounds 2", "| one thread | "),
        ("ort_settings", "--bundle demo --rounds 2 --paced", "| one thread | "),
        ("web_page", "--seconds 0.2 --viewers 0 --width 64 --height 48", "| 0 | "),
    ],
)
def test_small_ones_print_their_table(name, words, row, capfd):
    if name == "web_page":
        pytest.importorskip("aiohttp", reason="the extra web is not installed")
    run(name, *words.split())
    assert row in capfd.readouterr().out
