"""The page of a whole live session."""

import json
import os
import socket
import threading
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from rich.console import Console
from tiny_bundle import make_tiny_bundle
from typer.testing import CliRunner

from fishrt import install_hints
from fishrt.bundle import Bundle
from fishrt.cli import app
from fishrt.clip import ClipGeometry
from fishrt.errors import ExitCode, MissingExtraError, OutputError
from realtime.options import LiveOptions
from realtime.session import run_live
from realtime.summary import LiveSummary
from realtime.web.address import WebAddress

GEOMETRY = ClipGeometry(steps=2, frames_per_step=2, height=12, width=16)
PATIENCE_S = 20.0


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_tiny_bundle(tmp_path / "tiny", GEOMETRY)


def run(bundle: Bundle, said: list[str], **options: object) -> LiveSummary:
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        return run_live(
            LiveOptions(camera="demo", bundle=str(bundle.folder), **options),  # type: ignore[arg-type]
            said.append,
            Console(file=nowhere, force_terminal=False),
            lambda _: None,
        )


def test_a_run_says_where_its_page_is_and_serves_it(bundle: Bundle) -> None:
    said: list[str] = []
    statuses: list[dict[str, object]] = []

    def look() -> None:
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up:
            if said and (status := status_at(said[0].split()[4].rstrip(","))):
                statuses.append(status)
                return
            time.sleep(0.02)

    looking = threading.Thread(target=look)
    looking.start()
    summary = run(bundle, said, frames=60, web=WebAddress(port=0))
    looking.join()
    assert said[0].endswith("for this machine alone")
    assert summary.figures.frames == 60
    assert statuses[0]["bundle"] == "tiny"
    assert statuses[0]["probability"] is not None


def status_at(url: str) -> dict[str, object] | None:
    """The status once there is a forecast."""
    try:
        with urlopen(f"{url}api/status", timeout=PATIENCE_S) as answer:
            status = json.load(answer)
    except (HTTPError, OSError):
        return None
    return status if status["probability"] is not None else None


def test_a_port_in_use_ends_it_before_anything_is_written(bundle: Bundle, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        web = f"--web=127.0.0.1:{taken.getsockname()[1]}"
        options = ["--camera", "demo", "--bundle", str(bundle.folder), "-o", str(log), web]
        result = CliRunner().invoke(app, ["live", *options])
    assert isinstance(result.exception, OutputError)
    assert "another program uses that port" in str(result.exception)
    assert not log.exists()


def test_without_its_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    there = install_hints.find_spec
    monkeypatch.setattr(
        install_hints, "find_spec", lambda name: (name != "aiohttp" and there(name)) or None
    )
    result = CliRunner().invoke(app, ["live", "--camera", "demo", "--web"])
    assert isinstance(result.exception, MissingExtraError)
    assert "pip install -e '.[web]'" in str(result.exception)


def test_a_wrong_address_is_a_wrong_option() -> None:
    result = CliRunner().invoke(app, ["live", "--camera", "demo", "--web", "127.0.0.1:http"])
    assert result.exit_code == ExitCode.USAGE
    assert "is no port" in result.output
