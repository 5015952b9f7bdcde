"""Trying something out in a process of its own: what crashes or hangs there does no harm here."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARK = "fishrt-probe:"
"""What the answer's line starts with; libraries print to stdout as well."""

REASON_LENGTH = 300


@dataclass(frozen=True)
class Answer:
    """What a probe said.

    Attributes:
        values: The probe's figures, or None if it failed.
        reason: Why it failed, one line.
        log: All that the process printed to stderr.
    """

    values: dict[str, Any] | None
    reason: str = ""
    log: str = ""


def ask(probe: str, *arguments: str, limit_s: float) -> Answer:
    """Runs a module of `fishrt.doctor.probes` and reads its answer.

    Args:
        probe: Name of the module.
        arguments: Its arguments.
        limit_s: Seconds after which it is stopped.
    """
    root = str(Path(__file__).parents[2])  # the probe runs this fishrt, wherever we are
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", f"fishrt.doctor.probes.{probe}", *arguments]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            env={**os.environ, "PYTHONPATH": paths},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer(None, f"no answer within {limit_s:g} s")
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            answer = json.loads(line.removeprefix(MARK))
            return Answer(answer.get("values"), answer.get("reason", ""), done.stderr)
    ending = f"signal {-done.returncode}" if done.returncode < 0 else f"code {done.returncode}"
    last = (done.stderr.strip().splitlines() or [f"the process ended with {ending}"])[-1]
    return Answer(None, last[:REASON_LENGTH], done.stderr)


def answer(values: dict[str, Any] | None, reason: str = "") -> None:
    """Prints a probe's answer; called in the probe's process."""
    line = " ".join(reason.split())[:REASON_LENGTH]
    print(MARK + json.dumps({"values": values, "reason": line}), flush=True)
