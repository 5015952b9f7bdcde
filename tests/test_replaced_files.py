"""Files that a command writes anew: a disk that fills up leaves the older one whole."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from fishrt.errors import OutputError
from fishrt.storage import whole_file

OLD = "epoch,loss,val_loss\n" + "".join(f"{epoch},0.5,0.5\n" for epoch in range(1, 30))
ROOM = 100  # bytes a file may have on the full disk


@contextmanager
def full_disk() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def a_file(path: Path) -> None:
    with whole_file(path, path.suffix) as scratch:
        assert scratch.suffix == path.suffix
        scratch.write_text(OLD * 2)


def the_picture_of_a_benchmark(path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra report is not installed")
    from export.benchmark_picture import save_picture

    row = {"way": "clip", "backend": "cpu", "precision": "fp32"}
    times = {"p50_ms": 1.0, "p99_ms": 2.0, "max_ms": 3.0}
    machine = {"processor": "one", "cores": 1, "gpu": None}
    record = {"rows": [row | times], "frame_interval_ms": 33.0, "model": "m", "machine": machine}
    save_picture(record, path)


def the_learning_curves(path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra report is not installed")
    from training.curves import save_curves

    (path.parent / "history").write_text(OLD[:60])
    try:
        save_curves(path.parent / "history", path)
    finally:
        (path.parent / "history").unlink()


def the_table_of_a_sweep(path: Path) -> None:
    optuna = pytest.importorskip("optuna", reason="the extra sweep is not installed")
    pytest.importorskip("keras", reason="the train extra is not installed")
    from training.sweep import _write_table

    trials = [optuna.trial.create_trial(value=0.5) for _ in range(50)]
    sweep = SimpleNamespace(parameters={}, figure=SimpleNamespace(column="validation_loss"))
    _write_table(path, trials, sweep)  # type: ignore[arg-type]


def the_history_of_a_resumed_run(path: Path) -> None:
    pytest.importorskip("keras", reason="the train extra is not installed")
    from training.watcher import keep_history

    keep_history(path.parent, 20)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("some.mp4", a_file),
        ("bench.png", the_picture_of_a_benchmark),
        ("curves.png", the_learning_curves),
        ("sweep.csv", the_table_of_a_sweep),
        ("history.csv", the_history_of_a_resumed_run),
    ],
)
def test_a_full_disk_leaves_the_older_one(
    name: str, write: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(OLD)
    with full_disk(), pytest.raises(OutputError, match=rf"cannot write .*{name}: "):
        write(path)
    assert path.read_text() == OLD
    write(path)
    assert path.read_bytes() != OLD.encode()
    assert [each.name for each in tmp_path.iterdir()] == [name]
