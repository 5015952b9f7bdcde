"""`fishrt predict --ray`: sources spread over workers; one that is killed costs nothing."""

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_bundle import make_tiny_bundle

from fishrt.clip import ClipGeometry

ray = pytest.importorskip("ray", reason="the extra ray is not installed")

from realtime.predict.plan import PredictOptions  # noqa: E402
from realtime.predict.session import run_predict  # noqa: E402

GEOMETRY = ClipGeometry(steps=3, frames_per_step=2, height=12, width=16)
PATIENCE_S = 240.0  # Ray starts half a dozen processes
TITLE = "ray::fishrt "  # how a worker calls itself while it has a source


def is_ours(process: int) -> bool:
    """Whether a process descends from this one."""
    while process > 1:
        if process == os.getpid():
            return True
        try:
            stat = Path(f"/proc/{process}/stat").read_text()
        except OSError:
            return False
        process = int(stat.rpartition(")")[2].split()[1])
    return False


def workers() -> dict[int, str]:
    """Our workers that have a source just now, with its name."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue
        if title.startswith(TITLE) and is_ours(int(folder.name)):
            found[int(folder.name)] = title.removeprefix(TITLE)
    return found


class Killer(threading.Thread):
    """Kills the first worker that has a source, and looks who takes that source after it."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.killed: tuple[int, str] | None = None
        self.after: set[int] = set()
        self.over = threading.Event()

    def run(self) -> None:
        began = time.monotonic()
        while not self.over.is_set() and time.monotonic() - began < PATIENCE_S:
            for process, source in workers().items():
                if self.killed is None:
                    os.kill(process, signal.SIGKILL)
                    self.killed = (process, source)
                elif source == self.killed[1] and process != self.killed[0]:
                    self.after.add(process)
            self.over.wait(0.01)


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE_S)
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="workers are found in /proc")
def test_a_killed_worker_costs_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bundle = make_tiny_bundle(tmp_path / "tiny", GEOMETRY)
    # two workers at a time, and a source that cannot be read among them
    sources = ("demo:1", "demo:2", str(tmp_path / "absent.mp4"), "demo:3")
    alone = PredictOptions(sources, str(bundle.folder), tmp_path / "alone.csv", frames=400)
    assert run_predict(alone, lambda *_: None, lambda _: None).frames == 1200
    told: list[int] = []
    killer = Killer()
    killer.start()
    try:
        summary = run_predict(
            replace(alone, output=tmp_path / "spread.csv", ray="local"),
            lambda name, done, total: told.append(done),
            lambda _: None,
        )
    finally:
        killer.over.set()
        killer.join()
    assert killer.killed is not None, "no worker was seen at work"
    assert killer.after, "nobody took the source of the killed worker"
    assert (tmp_path / "spread.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()
    assert [source.status.value for source in summary.sources] == [
        "whole", "whole", "failed", "whole",
    ]  # fmt: skip
    assert told[-1] == 1200
    assert not ray.is_initialized()
    assert capfd.readouterr().err == ""  # Ray keeps quiet


def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    from fishrt.errors import ConfigError

    bundle = make_tiny_bundle(tmp_path / "tiny", GEOMETRY)
    options = PredictOptions(
        ("demo:1",), str(bundle.folder), tmp_path / "out.csv", frames=9, ray="not an address"
    )
    with pytest.raises(ConfigError, match="no Ray cluster can be used at not an address"):
        run_predict(options, lambda *_: None, lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
