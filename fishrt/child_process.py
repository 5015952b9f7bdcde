"""A Python of its own for what may crash or hang, which runs this very fishrt wherever we are."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REASON_LENGTH = 300
"""Characters of a reason that are shown; libraries put whole paths and flags into one line."""


def python_path() -> str:
    """`PYTHONPATH` by which a child finds this fishrt before any other."""
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def run_module(
    module: str,
    *arguments: str,
    limit_s: float,
    given: str = "",
    settings: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a module as `python -m` and waits for it.

    Args:
        module: Its name.
        arguments: Its arguments.
        limit_s: Seconds after which it is killed.
        given: What it reads on stdin.
        settings: Environment variables beside our own.

    Raises:
        subprocess.TimeoutExpired: If it has not ended by then.
    """
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        input=given,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=limit_s,
        env={**os.environ, "PYTHONPATH": python_path(), **(settings or {})},
        check=False,
    )


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """Why a child failed, one line: the last one that it said, or else how it ended."""
    said = done.stderr.strip().splitlines()
    if said:
        return said[-1][:REASON_LENGTH]
    code = done.returncode
    return f"the process ended with {f'signal {-code}' if code < 0 else f'code {code}'}"
