"""The command line: in the test's own process, which spares it the seconds of a start, or not."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pytest

from fishrt.cli import main

MAIN = "from fishrt.cli import main; main()"
RUN = (sys.executable, "-c", MAIN)
"""`fishrt` in a process of its own."""


def fishrt(*arguments: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs `fishrt` with arguments in a process of its own, in a folder or here."""
    return subprocess.run(
        [*RUN, *map(str, arguments)], capture_output=True, text=True, cwd=folder, check=False
    )


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of JSON on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def sentence(self) -> str:
        """The only complaint, the last line of stderr, without its beginning."""
        said = self.err.splitlines()
        assert "Traceback" not in self.err
        assert [line.startswith("fishrt: ") for line in said].count(True) == 1, self.err
        assert said[-1].startswith("fishrt: "), self.err
        assert said[-1].endswith(".")
        return said[-1].removeprefix("fishrt: ")


class Command:
    """Runs `fishrt` with arguments; what it prints, also from below Python, is caught."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *first: object
    ) -> None:
        self._monkeypatch = monkeypatch
        self._capfd = capfd
        self._first = first

    def __call__(self, *arguments: object) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["fishrt", *map(str, (*self._first, *arguments))])
        self._capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = self._capfd.readouterr()
        return Ended(int(ended.value.code or 0), captured.out, captured.err)


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Silences OpenCV: the variable that `main` sets comes too late for a process that has it."""
    logging, before = cv2.utils.logging, cv2.utils.logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    yield
    logging.setLogLevel(before)
