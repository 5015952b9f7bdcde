"""Videos and tables of a run: what they hold, and what is left after a kill or on a full disk."""

import csv
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console
from sink_items import PATIENCE_S, forecast, update
from tiny_bundle import make_tiny_bundle

from fishrt.bundle import Bundle
from fishrt.clip import ClipGeometry
from fishrt.errors import OutputError
from realtime.forecast import Forecast, Reason
from realtime.options import LiveOptions
from realtime.session import run_live
from realtime.sinks import video_file
from realtime.sinks.jsonl import JsonlSink
from realtime.sinks.recording import fitted
from realtime.sinks.table import CsvSink, ParquetSink
from realtime.sinks.video import CameraRecorder
from realtime.summary import LiveSummary, summary_lines
from realtime.update import NO_PICTURE, Update

FPS = 30.0
CODE = "from fishrt.cli import main; main()"
GEOMETRY = ClipGeometry(steps=3, frames_per_step=2, height=12, width=16)

needs_pyav = pytest.mark.skipif(
    not video_file.can_fragment(), reason="PyAV is not installed (extra video)"
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny", GEOMETRY)


def pictures_of(path: Path) -> tuple[list[np.ndarray], list[float]]:
    """Pictures and the times in seconds at which OpenCV shows them."""
    capture, pictures, times = cv2.VideoCapture(str(path)), [], []
    while (read := capture.read())[0]:
        pictures.append(read[1])
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0)
    return pictures, times


def camera_update(frame: int, picture: np.ndarray, **changes: object) -> Update:
    return Update(forecast(frame, **changes), picture, picture)


def record(path: Path, updates: list[Update]) -> None:
    recorder = CameraRecorder(path, FPS, may_drop=False)
    for each in updates:
        recorder.write(each)
    recorder.close()


# -- the camera's own pictures -----------------------------------------------------------------


@needs_pyav
@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 1), (48, 64, 3), (47, 63, 3), (47, 64)])
def test_the_cameras_pictures_are_kept_with_their_times(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    """Frames 3 to 5 were lost and frame 7 repeats 6; the grey levels tell which is which."""
    path = tmp_path / "camera.mp4"
    frames = [0, 1, 2, 6, 7, 8]
    updates = [
        camera_update(frame, np.full(shape, 20 * frame + 20, np.uint8), repeated=frame == 7)
        for frame in frames
    ]
    record(path, updates)
    pictures, times = pictures_of(path)
    kept = [frame for frame in frames if frame != 7]
    assert [picture.shape for picture in pictures] == [(48, 64, 3)] * 5
    # measured: 1 grey level off at most
    assert [picture.mean() for picture in pictures] == pytest.approx(
        [20 * frame + 20 for frame in kept], abs=2
    )
    assert times == pytest.approx([frame / FPS for frame in kept], abs=1e-3)
    lines = (tmp_path / "camera.timestamps.csv").read_text().splitlines()
    assert lines[0] == "frame,source_frame,media_time,capture_time"
    assert lines[1:] == [f"{f},{f},{f / 30:.6f},{1e9:.6f}" for f in kept]


@needs_pyav
def test_odd_clocks_and_new_sizes_do_not_end_a_video(tmp_path: Path) -> None:
    """A clock that goes back, stands, and jumps by two days; a camera that changes its size."""
    path = tmp_path / "camera.mp4"
    clock = [5.0, 5.1, 1.0, 1.0, 1.1, 172_800.0, 172_800.1]
    sizes = [(48, 64)] * 4 + [(96, 128)] * 3
    record(
        path,
        [
            camera_update(i, np.full(size, 90, np.uint8), media_time=now)
            for i, (now, size) in enumerate(zip(clock, sizes, strict=True))
        ],
    )
    pictures, times = pictures_of(path)
    assert [picture.shape for picture in pictures] == [(48, 64, 3)] * 7
    expected = [0, 0.1, 0.1, 0.1, 0.2, 3600.2, 3600.3]
    assert times == pytest.approx(expected, abs=1e-3)
    assert all(after > before for before, after in itertools.pairwise(times))


def test_without_pyav_opencv_fills_gaps_and_it_is_said(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_file, "find_spec", lambda _: None)
    path = tmp_path / "camera.mp4"
    levels = {0: 40, 1: 80, 5: 160}
    record(path, [camera_update(f, np.full((48, 64), v, np.uint8)) for f, v in levels.items()])
    pictures, _ = pictures_of(path)
    assert [picture.mean() for picture in pictures] == pytest.approx(
        [40, 80, 80, 80, 80, 160], abs=4
    )
    _, said = run(bundle, record=tmp_path / "o.mp4", frames=3)
    assert "PyAV is not installed, so a video is lost" in said
    assert "pip install -e '.[video]'" in said


def test_an_odd_picture_gets_its_edge_doubled() -> None:
    picture = np.arange(15, dtype=np.uint8).reshape(3, 5)
    expected = np.pad(picture, ((0, 1), (0, 1)), mode="edge")
    np.testing.assert_array_equal(fitted(picture, (6, 4)), expected)
    assert fitted(picture, (5, 3)) is not None
    assert fitted(picture, (10, 6)).shape == (6, 10)


@pytest.mark.parametrize("existing", ["camera.mp4", "camera.timestamps.csv"])
def test_a_recording_replaces_neither_file_unasked(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).write_text("precious")
    with pytest.raises(OutputError, match=f"{existing} already exists"):
        CameraRecorder(tmp_path / "camera.mp4", FPS, may_drop=False)
    assert (tmp_path / existing).read_text() == "precious"


# -- tables ------------------------------------------------------------------------------------

ROWS = [
    forecast(0, None),
    forecast(1, 0.125, alarm=True, change=0.001, repeated=True),
    forecast(4, None, latency_ms=1.23456),
]


def columns_of(rows: list[Forecast]) -> list[dict]:
    return [json.loads(row.to_json()) for row in rows]


def test_csv_has_the_fields_of_the_log(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    sink = CsvSink(str(path))
    for number, row in enumerate(ROWS, start=1):
        sink.write(Update(row, NO_PICTURE, NO_PICTURE))
        assert path.read_bytes().count(b"\n") == number + 1  # nothing waits in a buffer
    sink.close()
    with path.open(newline="") as file:
        read = list(csv.DictReader(file))
    words = {None: "", True: "true", False: "false"}
    expected = [
        {
            name: words[v] if v is None or v is True or v is False else str(v)
            for name, v in r.items()
        }
        for r in columns_of(ROWS)
    ]
    assert read == expected


@pytest.mark.parametrize("rows", [ROWS, []])
def test_parquet_has_the_fields_of_the_log(tmp_path: Path, rows: list[Forecast]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    path = tmp_path / "log.parquet"
    sink = ParquetSink(path)
    for row in rows:
        sink.write(Update(row, NO_PICTURE, NO_PICTURE))
    assert not path.exists()
    sink.close()
    sink.close()
    assert parquet.read_table(path).to_pylist() == columns_of(rows)
    assert parquet.read_schema(path).names == list(columns_of(ROWS)[0])
    assert [each.name for each in tmp_path.iterdir()] == ["log.parquet"]


def test_row_groups_are_many_and_nothing_is_lost_between_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    monkeypatch.setattr("realtime.sinks.table.GROUP_BYTES", 2000)
    path = tmp_path / "log.parquet"
    sink = ParquetSink(path)
    for frame in range(100):
        sink.write(update(frame, None if frame < 40 else 0.5))
    sink.close()
    assert parquet.ParquetFile(path).num_row_groups > 5
    table = parquet.read_table(path)
    assert table["frame"].to_pylist() == list(range(100))
    assert table["reason"].to_pylist() == [Reason.FILLING.value] * 40 + [None] * 60


def test_parquet_of_a_run_that_was_cut_off_is_recovered_and_the_new_one_begun(
    tmp_path: Path,
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    path, folder = tmp_path / "log.parquet", tmp_path / "log.parquet.partial"
    folder.mkdir()
    whole = "".join(row.to_json() + "\n" for row in ROWS)
    (folder / "rows.jsonl").write_text(whole + ROWS[0].to_json()[:50])
    sink = ParquetSink(path)
    assert sink.recovered == tmp_path / "log.recovered.parquet"
    assert parquet.read_table(sink.recovered).to_pylist() == columns_of(ROWS)
    with pytest.raises(OutputError, match="being written by another fishrt"):
        ParquetSink(path)
    sink.write(update(9))
    sink.close()
    assert parquet.read_table(path)["frame"].to_pylist() == [9]
    assert not folder.exists()


def test_parquet_leaves_the_folder_of_others_alone(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    folder = tmp_path / "log.parquet.partial"
    folder.mkdir()
    (folder / "request.json").write_text("{}")
    with pytest.raises(OutputError, match="already holds something else"):
        ParquetSink(tmp_path / "log.parquet")
    assert (folder / "request.json").read_text() == "{}"


# -- whole runs --------------------------------------------------------------------------------


def run(bundle: Bundle, **options: object) -> tuple[LiveSummary | None, str]:
    """Runs the demo camera in real time; gives the summary and what was said."""
    console = Console(record=True, file=open(os.devnull, "w"), width=300)  # noqa: SIM115, PTH123
    summaries: list[LiveSummary] = []
    try:
        run_live(
            LiveOptions(camera="demo", bundle=str(bundle.folder), **options),  # type: ignore[arg-type]
            console.print,
            console,
            summaries.append,
        )
    except OutputError as error:
        console.print(f"ended: {error}")
    return (summaries[0] if summaries else None), console.export_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_over_a_camera_a_full_disk_costs_one_file_and_is_said_at_once_and_at_the_end(
    bundle: Bundle, tmp_path: Path
) -> None:
    log, events = tmp_path / "log.jsonl", tmp_path / "events.jsonl"
    summary, said = run(bundle, outputs=("/dev/full", str(log)), events=str(events), frames=20)
    assert summary is not None
    assert log.read_bytes().count(b"\n") == summary.figures.frames == 20
    happened = [json.loads(line) for line in events.read_text().splitlines()]
    (event,) = [one for one in happened if one["event"] == "sink-failed"]
    assert event["text"].startswith("cannot write /dev/full: the disk is full")
    assert "ended: cannot write /dev/full: the disk is full" in said
    reports = {report.name: report for report in summary.sinks}
    assert reports[str(log)].error is None
    assert reports["/dev/full"].error is not None
    assert reports["/dev/full"].dropped > 0


def test_a_disk_that_hangs_costs_the_forecasts_nothing(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = threading.Event()
    monkeypatch.setattr(JsonlSink, "write", lambda sink, update: hung.wait())
    monkeypatch.setattr("realtime.sinks.files.MANY_CLOSE_S", 0.1)
    log, table = tmp_path / "log.jsonl", tmp_path / "log.csv"
    summary, said = run(bundle, outputs=(str(log), str(table)), frames=30)
    hung.set()
    assert summary is not None
    assert summary.figures.frames == 30
    assert table.read_bytes().count(b"\n") == 31
    assert f"{log} could not be finished within" in said


@pytest.mark.parametrize("target", ["/nowhere/log.csv", "log.jsonl twice"])
def test_what_cannot_be_is_refused_before_the_run(
    bundle: Bundle, tmp_path: Path, target: str
) -> None:
    log = str(tmp_path / "log.jsonl")
    outputs = (log, log) if target.endswith("twice") else (target,)
    summary, said = run(bundle, outputs=outputs, frames=5)
    assert summary is None
    assert ("is to hold two outputs" if len(outputs) == 2 else "folder does not exist") in said
    assert not Path(log).exists()


def test_a_summary_says_what_each_sink_lacks(bundle: Bundle) -> None:
    summary, _ = run(bundle, to=("http://127.0.0.1:9/?frames=1",), frames=3)
    assert summary is not None
    (report,) = summary.sinks
    assert report.dropped == 3
    lines = "\n".join(summary_lines(summary))
    assert "http://127.0.0.1:9 lacks 3 frames" in lines
    assert "takes nothing: connection refused" in lines


LIMITED = f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
{CODE}
"""


@needs_pyav
@pytest.mark.skipif(os.name != "posix", reason="limits of file sizes are POSIX's")
def test_a_video_without_room_stops_and_can_be_played_while_the_run_goes_on(
    bundle: Bundle, tmp_path: Path
) -> None:
    """A limit of 60 kB a file stands for the full disk: writing fails within a fragment."""
    video, log = tmp_path / "o.mp4", tmp_path / "log.jsonl"
    arguments = ["--camera", "demo", "--bundle", str(bundle.folder), "-o", str(log)]
    arguments += ["--record", str(video), "--frames", "75"]
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, "live", *arguments],
        capture_output=True, text=True, timeout=3 * PATIENCE_S, check=False,
    )  # fmt: skip
    assert ended.returncode == 7, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith(f"fishrt: cannot write {video}: ")
    assert log.read_bytes().count(b"\n") == 75
    pictures, _ = pictures_of(video)
    assert 0 < len(pictures) < 75


@needs_pyav
def test_after_a_kill_the_log_is_whole_and_the_video_plays_to_its_last_fragment(
    bundle: Bundle, tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    log, video, camera = (tmp_path / name for name in ("a.jsonl", "o.mp4", "c.mp4"))
    table = tmp_path / "a.parquet"
    arguments = ["--camera", "demo", "--bundle", str(bundle.folder), "-o", str(log)]
    arguments += ["-o", str(table), "--record", str(video), "--record-raw", str(camera)]
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, "live", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 3 * PATIENCE_S
    timestamps = tmp_path / "c.timestamps.csv"
    while not (timestamps.exists() and timestamps.read_bytes().count(b"\n") > 75):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)
    text = log.read_text()
    assert text.endswith("\n")
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) >= 60
    assert [line["source_frame"] for line in lines] == sorted(
        line["source_frame"] for line in lines
    )
    for path in (video, camera):
        times = path.with_name(f"{path.stem}.timestamps.csv").read_text()
        assert times.endswith("\n")
        stamped = times.count("\n") - 1
        pictures, _ = pictures_of(path)
        # fragments are a second long, and the last one was not whole
        assert stamped - 31 <= len(pictures) <= stamped
        assert len(pictures) >= 30
    sink = ParquetSink(table)
    sink.close()
    assert sink.recovered is not None
    rows = parquet.read_table(sink.recovered).to_pylist()
    both = min(len(rows), len(lines))  # each on a thread of its own, which the kill caught anywhere
    assert both >= 60
    assert rows[:both] == lines[:both]
