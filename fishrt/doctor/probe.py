"""Trying something out in a process of its own: what crashes or hangs there does no harm here."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from fishrt.child_process import REASON_LENGTH, last_words, run_module

MARK = "fishrt-probe:"
"""What the answer's line starts with; libraries print to stdout as well."""


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
    try:
        done = run_module(f"fishrt.doctor.probes.{probe}", *arguments, limit_s=limit_s)
    except subprocess.TimeoutExpired:
        return Answer(None, f"no answer within {limit_s:g} s")
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            answer = json.loads(line.removeprefix(MARK))
            return Answer(answer.get("values"), answer.get("reason", ""), done.stderr)
    return Answer(None, last_words(done), done.stderr)


def answer(values: dict[str, Any] | None, reason: str = "") -> None:
    """Prints a probe's answer; called in the probe's process."""
    line = " ".join(reason.split())[:REASON_LENGTH]
    print(MARK + json.dumps({"values": values, "reason": line}), flush=True)
