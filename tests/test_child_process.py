"""Children run this very fishrt, and what they say last is the reason."""

import signal
import subprocess

import pytest

from fishrt.child_process import REASON_LENGTH, ROOT, last_words, python_path, run_module

MODULE = """
import os, signal, sys
import fishrt
order = sys.stdin.read()
print(fishrt.__file__, order, sys.argv[1:], os.environ.get("EXTRA"))
if order == "die":
    os.kill(os.getpid(), signal.SIGKILL)
if order == "fail":
    print("a note", file=sys.stderr)
    raise SystemExit("why" * 200)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "a_child.py").write_text(MODULE)
    (tmp_path / "fishrt.py").write_text("raise ImportError('another fishrt')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "a_child"


def test_a_child_runs_this_fishrt_with_what_it_is_given(module, tmp_path):
    done = run_module(module, "a", "b", limit_s=60, given="go", settings={"EXTRA": "yes"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(ROOT / "fishrt/__init__.py"), "go", "['a',", "'b']", "yes"]
    assert python_path().endswith(str(tmp_path))


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("fail", ("why" * 200)[:REASON_LENGTH]),
        ("die", f"the process ended with signal {int(signal.SIGKILL)}"),
    ],
)
def test_the_last_words_of_a_child_are_one_line(module, order, words):
    assert last_words(run_module(module, limit_s=60, given=order)) == words


def test_a_child_without_a_word_is_told_by_its_code():
    ended = subprocess.CompletedProcess([], 3, "", " \n")
    assert last_words(ended) == "the process ended with code 3"


def test_a_child_that_hangs_is_killed():
    with pytest.raises(subprocess.TimeoutExpired):
        run_module("timeit", "-n", "1", "-r", "1", "import time; time.sleep(60)", limit_s=0.5)
