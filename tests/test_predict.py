"""`fishrt predict`: the rows of whole files are those of `fishrt live`, however often it stops."""

import csv
import errno
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import Command, Ended, quiet_opencv
from tiny_bundle import GEOMETRY, make_tiny_bundle
from tiny_footage import noise, write_recording, write_video

from fishrt.bundle import Bundle, GraphKind
from fishrt.errors import ExitCode
from fishrt.recording import SourceRecord, load_recording
from realtime.predict.formats import COLUMNS, METADATA_KEY
from realtime.stepper import open_session

SAME_IN_LIVE = {
    "frame": "frame",
    "source_frame": "source_frame",
    "time_s": "media_time",
    "probability": "probability",
    "valid": "valid",
    "reason": "reason",
    "repeated": "repeated",
}
PATIENCE_S = 90.0  # for another process on a busy machine
# the tiny bundle is so fast that nobody could stop it in the middle
SLOWLY = """
import time
import realtime.predict.part as part
import realtime.predict.work as work
row_of = work.row_of
part.SAFE_EVERY_SECONDS = 0.02
work.row_of = lambda *of: time.sleep(0.003) or row_of(*of)
from fishrt.cli import main
main()
"""

Run = Callable[..., Ended]


@pytest.fixture
def fishrt(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs the command line in this process."""
    with quiet_opencv():
        yield Command(monkeypatch, capfd)


@pytest.fixture
def predict(fishrt: Run, bundle: Bundle) -> Run:
    """Runs `fishrt predict` on the tiny bundle."""

    def run(*arguments: object, bundle: object = bundle.folder) -> Ended:
        return fishrt("predict", bundle, *arguments)

    return run


def write_pictures(folder: Path, numbers: Iterator[int] | range | list[int]) -> Path:
    folder.mkdir()
    wanted = list(numbers)
    for number, picture in zip(wanted, noise(len(wanted)), strict=True):
        cv2.imwrite(str(folder / f"{number:05d}.png"), picture)
    return folder


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def in_process_of_its_own(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SLOWLY, "predict", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# -- the same as live, and as the window ---------------------------------------------------------


@pytest.mark.parametrize(
    "options", [(), ("--every", "3"), ("--mode", "stream", "--allow-untrained-stream")]
)
def test_rows_are_the_lines_of_live(
    fishrt: Run, bundle: Bundle, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """A video that is slower than the model, a folder with pictures missing, and the tank."""
    slow = write_video(tmp_path / "slow.avi", noise(20), fps=25.0)
    folder = write_pictures(tmp_path / "gaps", [*range(12), *range(15, 25), 27, 28])
    sources = [str(slow), str(folder), "demo:3"]
    out = tmp_path / "out.jsonl"
    ended = fishrt("predict", bundle.folder, *sources, "-o", out, "--frames", "24", *options)
    assert ended.code == 0, ended.err
    rows = read_lines(out)
    expected = []
    for number, source in enumerate(sources):
        log = tmp_path / f"{number}.jsonl"
        common = ("--bundle", bundle.folder, "--frames", "24", "--no-window", *options)
        live = ("live", "--camera", source, "-o", log, "--as-fast-as-possible", *common)
        assert fishrt(*live).code == 0
        expected += [
            {"source": source, **{ours: line[live] for ours, live in SAME_IN_LIVE.items()}}
            for line in read_lines(log)
        ]
    assert [{name: row[name] for name in ("source", *SAME_IN_LIVE)} for row in rows] == expected
    reasons = {row["reason"] for row in rows}
    assert {None, "filling", "gap"} <= reasons
    assert any(row["repeated"] for row in rows)
    assert not (tmp_path / "out.jsonl.partial").exists()


def test_a_recording_is_the_window_over_its_stored_frames(
    predict: Run, bundle: Bundle, tmp_path: Path
) -> None:
    """Against the clip graph, run anew for every frame that ends a whole clip of one stretch."""
    stretches = [(0, 14), (14, 25), (25, 40)]
    sources = (
        SourceRecord(name="a", first=0, stop=25, gaps=(14,)),
        SourceRecord(name="b", first=25, stop=40),
    )
    folder = write_recording(tmp_path / "recording", 40, sources, GEOMETRY)
    out = tmp_path / "out.jsonl"
    assert predict(folder, "-o", out).code == 0
    rows, recording = read_lines(out), load_recording(folder)
    session = open_session(bundle.graph(GraphKind.CLIP))
    for first, stop in stretches:
        because = "gap" if first == 14 else "filling"
        for frame in range(first, stop):
            row = rows[frame]
            assert (row["frame"], row["source_frame"]) == (frame, frame)
            assert row["time_s"] == pytest.approx(frame / 30, abs=1e-6)
            if frame < first + GEOMETRY.frames - 1:
                assert (row["probability"], row["reason"]) == (None, because)
                continue
            clip = recording.frames[frame - GEOMETRY.frames + 1 : frame + 1]
            whole = clip.reshape(1, GEOMETRY.steps, -1, GEOMETRY.height, GEOMETRY.width)
            probability = session.run(None, {"clip": whole})[0][0]
            assert row["probability"] == pytest.approx(probability, abs=1e-6)
            assert (row["valid"], row["reason"]) == (True, None)
        energy = [row["motion_energy"] for row in rows[first : stop - 1]]
        assert energy == recording.motion_energy[first : stop - 1].tolist()
        assert rows[stop - 1]["motion_energy"] is None
    assert len(rows) == 40
    assert (
        np.ptp([row["probability"] for row in rows if row["valid"]]) > 0.01
    )  # the model is random


def test_a_recording_of_another_size_is_one_sentence(predict: Run, tmp_path: Path) -> None:
    folder = write_recording(
        tmp_path / "r", 9, (SourceRecord(name="a", first=0, stop=9),), GEOMETRY, fps=25.0
    )
    ended = predict(folder, "-o", tmp_path / "out.csv")
    assert ended.code == ExitCode.RECORDING
    assert "16x12 at 25 frames/s" in ended.sentence
    assert not (tmp_path / "out.csv").exists()


# -- formats -------------------------------------------------------------------------------------


def test_all_formats_say_the_same(predict: Run, tmp_path: Path, bundle: Bundle) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra parquet is not installed")
    folder = write_pictures(tmp_path / 'a, "b"', [*range(10), *range(13, 21)])
    for ending in ("parquet", "csv", "jsonl"):
        assert predict(folder, "demo", "--frames", "15", "-o", tmp_path / f"out.{ending}").code == 0
    lines = read_lines(tmp_path / "out.jsonl")
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.to_pylist() == lines
    with (tmp_path / "out.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    kinds = dict.fromkeys(("frame", "source_frame"), int) | dict.fromkeys(
        ("time_s", "probability", "motion_energy"), float
    )
    flags = {"true": True, "false": False}
    read = [
        {
            name: None
            if cell == ""
            else flags[cell]
            if name in ("valid", "repeated")
            else kinds.get(name, str)(cell)
            for name, cell in row.items()
        }
        for row in cells
    ]
    assert read == lines
    assert list(lines[0]) == list(COLUMNS)
    inside = json.loads(table.schema.metadata[METADATA_KEY])
    for ending in ("csv", "jsonl"):
        assert json.loads((tmp_path / f"out.{ending}.metadata.json").read_text()) == inside
    assert inside["bundle_sha256"] == bundle.sha256
    assert (inside["mode"], inside["every"], inside["clip_frames"]) == ("window", 1, 6)
    assert [(each["frames"], each["lost"]) for each in inside["sources"]] == [(15, 3), (15, 0)]


def test_parquet_without_pyarrow_says_what_to_do(
    predict: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    ended = predict("demo", "--frames", "9", "-o", tmp_path / "out.parquet")
    assert ended.code == ExitCode.MISSING_EXTRA
    assert "write .csv or .jsonl" in ended.sentence


# -- stopped and gone on with ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "options", "at_least"),
    [
        (signal.SIGKILL, (), 50),
        (signal.SIGINT, ("--mode", "stream", "--allow-untrained-stream"), 350),
    ],
)
def test_stopped_it_goes_on_and_the_output_is_the_same(
    predict: Run,
    bundle: Bundle,
    tmp_path: Path,
    how: signal.Signals,
    options: tuple[str, ...],
    at_least: int,
) -> None:
    frames = 300
    sources = ("demo:1", "demo:2", "--frames", frames, *options)
    out = tmp_path / "out.csv"
    process = in_process_of_its_own(bundle.folder, *sources, "-o", out)
    deadline = time.monotonic() + PATIENCE_S
    parts = tmp_path / "out.csv.partial" / "parts"

    def rows() -> list[int]:
        found = [json.loads(path.read_text())["rows"] for path in parts.glob("*/state.json")]
        return sorted(found, reverse=True)

    while sum(rows()) < at_least:
        assert time.monotonic() < deadline, process.communicate()
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(how)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == (-how if how is signal.SIGKILL else ExitCode.INTERRUPTED)
    assert "Traceback" not in err
    kept = sum(rows())
    assert at_least <= kept < 2 * frames
    assert not out.exists()
    again = predict(*sources, "-o", out, "--json")
    assert again.code == 0
    assert json.loads(again.out)["computed"] == 2 * frames - kept
    whole = tmp_path / "whole.csv"
    assert predict(*sources, "-o", whole).code == 0
    assert out.read_bytes() == whole.read_bytes()
    assert not parts.parent.exists()


# -- what can be wrong -----------------------------------------------------------------------------


def test_one_bad_source_does_not_keep_the_others(predict: Run, tmp_path: Path) -> None:
    good = write_pictures(tmp_path / "good", range(9))
    damaged = write_pictures(tmp_path / "damaged", range(9))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    bad = damaged / "00007.png"
    picture = bad.read_bytes()
    bad.write_bytes(picture[:50])
    out = tmp_path / "out.jsonl"
    command = (broken, tmp_path / "absent.mp4", damaged, good, "-o", out)
    ended = predict(*command)
    assert ended.code == ExitCode.SOURCE
    assert "3 of 4 sources failed" in ended.sentence
    assert "there is no file or folder" in ended.err
    rows = read_lines(out)
    assert [row["source"] for row in rows] == [str(damaged)] * 7 + [str(good)] * 9
    sources = json.loads((tmp_path / "out.jsonl.metadata.json").read_text())["sources"]
    assert [each["status"] for each in sources] == ["failed", "failed", "failed", "whole"]
    # mended, the same command does only what failed, and replaces its own output
    bad.write_bytes(picture)
    write_video(broken.with_suffix(".avi"), noise(9)).rename(broken)
    (tmp_path / "absent.mp4").write_bytes(broken.read_bytes())
    again = predict(*command, "--json")
    assert again.code == 0, again.err
    # all but the whole source: the changed folder is read anew
    assert json.loads(again.out)["computed"] == 27
    assert len(read_lines(out)) == 36
    assert not (tmp_path / "out.jsonl.partial").exists()


def test_a_short_source_has_no_forecast_and_says_so(predict: Run, tmp_path: Path) -> None:
    short = write_pictures(tmp_path / "short", range(GEOMETRY.frames - 1))
    out = tmp_path / "out.jsonl"
    ended = predict(short, "-o", out)
    assert ended.code == 0
    assert "has 5 frames, and a forecast needs 6" in ended.err
    assert {row["reason"] for row in read_lines(out)} == {"filling"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("absent.mp4", "-o", "out.csv"), ExitCode.SOURCE, "no file or folder absent.mp4"),
        (("demo", "-o", "out.csv"), ExitCode.SOURCE, "--frames"),
        (("demo", "-o", "out.xlsx"), ExitCode.USAGE, "neither .parquet, .csv nor .jsonl"),
        (("demo", "demo", "-o", "out.csv"), ExitCode.USAGE, "given twice"),
        (("demo", "--frames", "9", "-o", "no/out.csv"), ExitCode.OUTPUT, "does not exist"),
        (("demo", "--mode", "stream", "-o", "out.csv"), ExitCode.BUNDLE, "allow-untrained"),
        (("demo", "--set", "clip.fps=9", "-o", "out.csv"), ExitCode.CONFIG, "belongs to the model"),
        (("demo", "--frames", "9", "-o", "taken.csv"), ExitCode.OUTPUT, "--overwrite"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    predict: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: ExitCode,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("taken.csv").write_text("mine")
    before = everything_in(tmp_path)
    ended = predict(*arguments)
    assert ended.code == code
    assert words in ended.sentence
    assert everything_in(tmp_path) == before
    assert not any(path.suffix == ".partial" for path in tmp_path.iterdir())


@pytest.mark.parametrize("folder", ["", "~/"])
def test_the_footage_itself_is_never_written_over(
    predict: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    video = write_video(tmp_path / "video.avi", noise(9))
    video.rename(tmp_path / "video.csv")
    before = everything_in(tmp_path)
    ended = predict(f"{folder}video.csv", "-o", tmp_path / "video.csv", "--overwrite")
    assert ended.code == ExitCode.OUTPUT
    assert "the footage itself" in ended.sentence
    assert everything_in(tmp_path) == before


def test_a_damaged_bundle_is_one_sentence(predict: Run, tmp_path: Path) -> None:
    damaged = make_tiny_bundle(tmp_path / "damaged", GEOMETRY)
    (damaged.folder / "step.onnx").write_bytes(b"no graph")
    ended = predict("demo", "--frames", "9", "-o", tmp_path / "out.csv", bundle=damaged.folder)
    assert ended.code == ExitCode.BUNDLE
    assert "is damaged" in ended.sentence
    assert not (tmp_path / "out.csv").exists()


def test_what_another_bundle_began_is_kept(
    predict: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.csv"
    command = ("demo:1", "absent.mp4", "--frames", "9", "-o", out)
    assert predict(*command).code == ExitCode.SOURCE
    before = everything_in(tmp_path)
    other = make_tiny_bundle(tmp_path / "other", GEOMETRY, seed=1).folder
    ended = predict(*command, "--overwrite", bundle=other)
    assert ended.code == ExitCode.OUTPUT
    assert "(bundle)" in ended.sentence
    assert "--restart" in ended.sentence
    assert {path: before[path] for path in before} == {
        path: content for path, content in everything_in(tmp_path).items() if path in before
    }
    assert predict("demo:1", "--frames", "9", "-o", out, "--every", "3").code == ExitCode.OUTPUT
    restarted = predict(
        "demo:1", "--frames", "9", "-o", out, "--restart", "--overwrite", bundle=other
    )
    assert restarted.code == 0, restarted.err
    assert out.read_bytes() != before[str(out)]


def test_what_lies_in_the_way_is_left_alone(predict: Run, tmp_path: Path) -> None:
    mine = tmp_path / "out.csv.partial"
    mine.mkdir()
    (mine / "thesis.tex").write_text("mine")
    for option in ("--overwrite", "--restart"):
        ended = predict("demo", "--frames", "9", "-o", tmp_path / "out.csv", option)
        assert ended.code == ExitCode.OUTPUT
        assert "already holds something else" in ended.sentence
        assert (mine / "thesis.tex").read_text() == "mine"


def test_a_full_disk_keeps_what_there_is(
    predict: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from realtime.predict import unfinished

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / "out.csv"
    command = ("demo:1", "--frames", "30", "-o", out)
    with monkeypatch.context() as patch:
        patch.setattr(unfinished, "write_output", full)
        ended = predict(*command)
    assert ended.code == ExitCode.OUTPUT
    assert "the disk is full" in ended.sentence
    assert not out.exists()
    again = predict(*command, "--json")
    assert (again.code, json.loads(again.out)["computed"]) == (0, 0)
    assert len(out.read_text().splitlines()) == 31


def test_numbers_that_are_none_are_null_everywhere() -> None:
    from fishrt.video import SourceFrame
    from realtime.lanes import outcome_of
    from realtime.pipeline import Evaluated
    from realtime.predict.rows import row_of, tables

    frame = np.zeros((2, 2), np.uint8)
    evaluated = Evaluated(0, SourceFrame(frame, 0, 0.0), frame, outcome_of(math.nan), False, False)
    (table,) = tables("a", np.array([row_of(evaluated, None)]))
    assert table.reasons == ["not-finite"]
    assert np.isnan(table.probability).all()
    assert not table.valid.any()
