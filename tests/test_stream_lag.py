"""A real stream over loopback that falls behind, or is not taken for a while."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_stream_restored import CODE, GEOMETRY, PATIENCE_S, Server
from tiny_bundle import make_tiny_bundle

LATE_S = 1.6
LATE_FROM = 300  # after ten seconds: the sender's stamps are trusted after six, on a quiet machine
FRAMES = 480


@pytest.fixture
def late_server() -> Iterator[Server]:
    server = Server("ts", LATE_FROM, LATE_S)
    server.restore()
    yield server
    server.cut()


@pytest.mark.slow
def test_a_stream_that_falls_behind_for_good_is_late_and_says_so(
    late_server: Server, tmp_path: Path
) -> None:
    bundle = make_tiny_bundle(tmp_path / "tiny", GEOMETRY)
    log, said = tmp_path / "log.jsonl", tmp_path / "said.txt"
    late_server.await_listening()
    options = ["--bundle", str(bundle.folder), "--output", str(log), "--frames", str(FRAMES)]
    command = ["live", "--camera", late_server.url, "--no-window", *options]
    with said.open("w") as stderr:
        ran = subprocess.run(
            [sys.executable, "-c", CODE, *command],
            stderr=stderr,
            timeout=PATIENCE_S,
            check=False,
        )
    text = said.read_text()
    assert ran.returncode == 0, text
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    before = [line for line in lines if line["source_frame"] < LATE_FROM]
    after = [line for line in lines if line["source_frame"] >= LATE_FROM + 30]
    assert any(line["valid"] for line in before)
    assert not any(line["valid"] for line in after)
    reasons = [line["reason"] for line in after]
    assert set(reasons) <= {"gap", "late"}  # a busy machine may lose a frame of its own
    assert "late" in reasons
    assert all(line["latency_ms"] > 1000 * (LATE_S - 0.1) for line in after)  # was 3 to 20
    assert text.count(" s late: forecasts from them are too old to act on") == 1
