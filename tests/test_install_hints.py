"""What is missing: the smallest extra that brings it, worded in one place and shown whole."""

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from fishrt.cli.bench import bench
from fishrt.cli.report import report_drawer
from fishrt.errors import MissingExtraError
from fishrt.install_hints import install_command

ROOT = Path(__file__).parents[1]


def test_several_extras_are_one_command():
    assert install_command("train", "export") == "pip install -e '.[train,export]'"


def test_a_recording_without_a_report_names_the_extra_for_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    said = io.StringIO()
    report_drawer(Console(file=said, width=40))(tmp_path)
    assert said.getvalue().endswith("pip install -e '.[report]'\n")  # no markup: [report] stays
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["fishrt", "training", "export", "realtime"])
def test_no_module_words_the_installation_itself(package):
    for module in (ROOT / package).rglob("*.py"):
        if module.name != "install_hints.py":
            assert "-e '.[" not in module.read_text(encoding="utf-8"), module


def test_a_benchmark_picture_needs_no_tensorflow(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"install the extra report"):
        bench(output=tmp_path / "x.png")
