"""A real stream over loopback that is cut and restored: the run goes on without a restart."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import RUN
from tiny_bundle import make_tiny_bundle

from fishrt.clip import ClipGeometry

pytest.importorskip("av", reason="PyAV serves the stream; install the extra dev")

GEOMETRY = ClipGeometry(steps=3, frames_per_step=2, height=12, width=16)
SERVER = Path(__file__).with_name("stream_server.py")
PATIENCE_S = 60.0  # for other processes on a busy machine
AWAY_S = 0.3


class Server:
    """A network camera that can be switched off and on again."""

    def __init__(self, way: str, *arguments: object) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"tcp://127.0.0.1:{self.port}"
        if way != "tcp":
            self.url = f"http://127.0.0.1:{self.port}/live"
        self._arguments = [way, str(self.port), *map(str, arguments)]
        self._process: subprocess.Popen[bytes] | None = None

    def restore(self) -> None:
        command = [sys.executable, str(SERVER), *self._arguments]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def await_listening(self) -> None:
        """Waits until it listens, which a server that takes but one caller is not asked."""
        while not self.url.startswith("tcp"):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        time.sleep(2.0)

    def cut(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture(params=["http", pytest.param("tcp", marks=pytest.mark.slow)])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(request.param)
    server.restore()
    yield server
    server.cut()


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str], said: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert process.poll() is None, said.read_text()
        assert time.monotonic() < deadline, said.read_text()
        time.sleep(0.02)


def test_a_stream_that_is_cut_and_restored_is_recovered_without_a_restart(
    server: Server, tmp_path: Path
) -> None:
    bundle = make_tiny_bundle(tmp_path / "tiny", GEOMETRY)
    log, said = tmp_path / "log.jsonl", tmp_path / "said.txt"

    def lines() -> list[dict]:
        return [json.loads(line) for line in log.read_text().splitlines()]

    def valid_after(frame: int) -> Callable[[], bool]:
        return lambda: any(line["valid"] and line["frame"] > frame for line in lines())

    def quiet() -> bool:
        before = lines()[-1]["frame"]
        time.sleep(AWAY_S)
        return lines()[-1]["frame"] == before

    server.await_listening()
    options = ["--bundle", str(bundle.folder), "--output", str(log)]
    with said.open("w") as stderr:
        process = subprocess.Popen(
            [*RUN, "live", "--camera", server.url, "--no-window", *options],
            stderr=stderr,
            text=True,
        )
    try:
        wait_for(lambda: log.exists() and valid_after(0)(), process, said)
        server.cut()
        wait_for(lambda: "camera lost: the stream" in said.read_text(), process, said)
        # what it had taken before is forecast still; then no pictures, no lines
        wait_for(quiet, process, said)
        before = lines()[-1]["frame"]
        server.restore()
        wait_for(lambda: "the camera is back after" in said.read_text(), process, said)
        wait_for(valid_after(before), process, said)
        # cut once more, and stopped while it is away
        server.cut()
        wait_for(lambda: said.read_text().count("camera lost: ") == 2, process, said)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert process.wait(PATIENCE_S) == 130
        assert time.monotonic() - began < 10.0  # measured: 0.3 to 0.5
    finally:
        process.kill()
        process.wait()
    after = [line for line in lines() if line["frame"] > before]
    assert after[0]["frame"] > before + AWAY_S * 30  # time went on while it was away
    # what the decoder looked ahead at comes in a burst, after which frames may be missing
    withheld = [line["reason"] for line in after[: GEOMETRY.frames - 1]]
    assert withheld[0] == "camera-lost"
    assert set(withheld) <= {"camera-lost", "gap"}
    text = said.read_text()
    assert "the camera was lost 2 times" in text
    assert "Traceback" not in text
