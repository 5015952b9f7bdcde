"""`fishrt live` from the command line: its log, its sentences, its exit codes, its end."""

import contextlib
import importlib.util
import itertools
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import yaml
from command_line import RUN, Command, Ended, quiet_opencv
from tiny_bundle import GEOMETRY, make_tiny_bundle, reseal
from tiny_footage import noise, write_video

from fishrt.bundle import Bundle
from fishrt.cli import main
from fishrt.errors import ExitCode
from realtime import session
from realtime.forecast import Forecast, Reason
from realtime.session import LiveOptions, make_sinks
from realtime.stopping import StopRequest, stop_signals

FRAMES = 25
PATIENCE_S = 60.0  # for another process on a busy machine
FIELDS = {
    "frame": int,
    "source_frame": int,
    "media_time": float,
    "capture_time": float,
    "emit_time": float,
    "latency_ms": float,
    "probability": float,
    "burst": bool,
    "valid": bool,
    "reason": str,
    "repeated": bool,
    "alarm": bool,
    "change": float,
}


Live = Callable[..., Ended]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "tank.avi", noise(FRAMES))


@pytest.fixture
def live(
    bundle: Bundle, video: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Live:
    """Runs `fishrt live` in this process on the tiny bundle and the video."""
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    command = Command(monkeypatch, capfd, "live")

    def run(
        *options: str, camera: object = video, bundle: object = bundle.folder, paced: bool = False
    ) -> Ended:
        pace = [] if paced else ["--as-fast-as-possible"]
        return command("--camera", camera, "--bundle", bundle, *options, *pace)

    with quiet_opencv():
        yield run


def in_process_of_its_own(*options: str, **kwargs: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*RUN, "live", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,  # type: ignore[call-overload]
    )


# -- the log -----------------------------------------------------------------------------------


def test_every_frame_of_a_file_is_a_valid_line(live: Live) -> None:
    ended = live()
    assert ended.code == 0
    assert ended.out.endswith("\n")
    lines = ended.lines
    assert len(lines) == FRAMES
    assert list(FIELDS) == [field.name for field in fields(Forecast)]
    for number, line in enumerate(lines):
        assert list(line) == list(FIELDS)
        for name, kind in FIELDS.items():
            nullable = name in ("probability", "burst", "reason", "change")
            assert isinstance(line[name], kind) or (nullable and line[name] is None), name
        assert (line["frame"], line["source_frame"]) == (number, number)
        assert line["media_time"] == pytest.approx(number / 30, abs=1e-3)
        filling = number < GEOMETRY.frames - 1
        assert (line["reason"], line["valid"]) == (("filling", False) if filling else (None, True))
        assert (line["probability"] is None) is filling
        assert filling or line["burst"] == (line["probability"] >= 0.5)
    assert np.ptp([line["probability"] for line in lines[GEOMETRY.frames - 1 :]]) > 0


def test_the_log_is_the_same_in_a_file_and_without_hurry_on_top(live: Live, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    ended = live("--output", str(path), paced=True)
    assert (ended.code, ended.out) == (0, "")
    said = [json.loads(line)["probability"] for line in path.read_text().splitlines()]
    assert said == [line["probability"] for line in live().lines]
    assert len(said) == FRAMES


def test_several_logs_and_a_peer_hold_the_same(live: Live, tmp_path: Path) -> None:
    log, table, events = (tmp_path / name for name in ("a.jsonl", "a.csv", "e.jsonl"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(PATIENCE_S)
        to = f"udp://127.0.0.1:{listener.getsockname()[1]}"
        ended = live(
            "-o", str(log), "-o", str(table), "--events", str(events), "--to", to,
            "--threshold", "0",
        )  # fmt: skip
        assert (ended.code, ended.out) == (0, "")
        happened = events.read_text().splitlines()
        sent = [listener.recv(65536).decode() for _ in range(FRAMES + len(happened))]
    lines = log.read_text().splitlines()
    assert len(lines) == FRAMES
    assert [text for text in sent if text in lines] == lines
    assert [text for text in sent if text not in lines] == happened
    kinds = [json.loads(line)["event"] for line in happened]
    assert kinds[0] == "warning"  # this bundle says nothing of its training footage
    assert "alarm-start" in kinds
    rows = table.read_text().splitlines()
    assert rows[0] == ",".join(FIELDS)
    assert [row.split(",")[0] for row in rows[1:]] == [str(frame) for frame in range(FRAMES)]


def test_an_address_that_is_wrong_and_a_library_that_is_absent(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = live("--to", "fax://127.0.0.1")
    assert (ended.code, ended.out) == (ExitCode.CONFIG, "")
    assert "there is no kind of sink fax" in ended.sentence
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "fishrt.install_hints.find_spec", lambda name: None if name == "zmq" else find_spec(name)
    )
    ended = live("--to", "zmq://*:5556")
    assert (ended.code, ended.out) == (ExitCode.MISSING_EXTRA, "")
    assert ended.err == (
        "fishrt: this command needs zmq; install the extra zmq, in a checkout with: "
        "pip install -e '.[zmq]'\n"
    )


def test_the_threshold_and_the_stride_are_obeyed(live: Live) -> None:
    lines = live("--threshold", "0", "--every", "3").lines
    first = GEOMETRY.frames - 1
    due = [number >= first and (number - first) % 3 == 0 for number in range(FRAMES)]
    assert [line["valid"] for line in lines] == due
    assert [line["burst"] for line in lines] == [True if each else None for each in due]
    assert {line["reason"] for line in lines[first:]} == {None, Reason.SKIPPED.value}


def test_the_alarm_is_as_asked(live: Live) -> None:
    asked = ("--threshold", "0", "--release", "0", "--debounce", "4", "--refractory", "9")
    lines = live(*asked).lines
    first = GEOMETRY.frames - 1
    assert [line["alarm"] for line in lines] == [number >= first + 3 for number in range(FRAMES)]
    refused = live("--threshold", "0.4", "--release", "0.5")
    assert refused.code == ExitCode.CONFIG
    assert "--release 0.5 is above the threshold" in refused.sentence
    refused = live("--false-alarms", "1")
    assert "does not tell which threshold" in refused.sentence


def test_scores_are_in_their_log_and_in_the_summary(live: Live, tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    ended = live("--json", "--scores", str(path))
    assert ended.code == 0
    summary = json.loads(ended.out)["scores"]
    last = json.loads(path.read_text().splitlines()[-1])
    assert last["frame"] == FRAMES - 1
    assert {name: last[name] for name in summary} == summary
    assert summary["frames"] == FRAMES
    assert live("--scores", str(path)).code == ExitCode.OUTPUT  # it is there already
    assert live("--scores", "-", "--output", "-").code == ExitCode.USAGE


def test_frames_stops_after_so_many(live: Live) -> None:
    ended = live("--frames", "9")
    assert (ended.code, len(ended.lines)) == (0, 9)


def test_settings_of_the_camera_reach_the_model(live: Live) -> None:
    plain = [line["probability"] for line in live().lines]
    dark = [line["probability"] for line in live("--set", "preprocess.polarity=dark").lines]
    roi = [line["probability"] for line in live("--set", "preprocess.roi=[0,0,32,24]").lines]
    assert len(plain) == len(dark) == len(roi) == FRAMES
    assert plain[-1] != pytest.approx(dark[-1], abs=1e-6)
    assert plain[-1] != pytest.approx(roi[-1], abs=1e-6)


def test_the_summary_as_json(live: Live, tmp_path: Path) -> None:
    ended = live("--json", "--output", str(tmp_path / "log.jsonl"))
    assert ended.code == 0
    summary = json.loads(ended.out)
    assert summary["end"] == "source-ended"
    assert summary["interrupted"] is False
    figures = summary["figures"]
    assert (figures["frames"], figures["forecasts"]) == (FRAMES, FRAMES - GEOMETRY.frames + 1)
    assert (figures["dropped"], figures["lost"], figures["late"]) == (0, 0, 0)
    assert figures["latency"]["p50"] <= figures["latency"]["p99"] <= figures["latency"]["max"]
    assert summary["budget"]["every"] == 1
    computed_by = summary["computed_by"]
    assert re.fullmatch(r"ONNX Runtime .* on the CPU in FP32 .* a phase, a .* frame", computed_by)
    # at the start and in the summary: with `--backend` and `--precision` one wants to be sure
    assert ended.err.count(f"computed by {computed_by}") == 2
    for said in (f"{FRAMES} frames", "fps kept", "p50", "p99", "dropped 0"):
        assert said in ended.err


def test_a_stream_forecast_of_a_window_model_only_when_it_is_wanted(live: Live) -> None:
    refused = live("--mode", "stream")
    assert (refused.code, refused.out) == (ExitCode.BUNDLE, "")
    assert "--allow-untrained-stream" in refused.sentence
    allowed = live("--mode", "stream", "--allow-untrained-stream")
    assert (allowed.code, len(allowed.lines)) == (0, FRAMES)
    window = live("--mode", "window")
    first = GEOMETRY.frames - 1
    # the first stream forecast has seen no more than the first window; the last one has
    assert allowed.lines[first]["probability"] == pytest.approx(
        window.lines[first]["probability"], abs=1e-6
    )
    assert allowed.lines[-1]["probability"] != window.lines[-1]["probability"]


@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
def test_the_recording_has_every_frame_that_was_written(
    live: Live, tmp_path: Path, size: tuple[int, int]
) -> None:
    path = tmp_path / "o.mp4"
    camera = write_video(tmp_path / "tank.avi", noise(12, size[::-1]))
    ended = live("--record", str(path), camera=camera)
    assert (ended.code, len(ended.lines)) == (0, 12)
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(30)
    pictures = []
    while (read := capture.read())[0]:
        pictures.append(read[1])
    assert len(pictures) == 12
    # noise stays noise, and the footer stays darker than the picture above it
    picture, footer = pictures[-1][:-132], pictures[-1][-132:]
    assert picture.std() > 20 > footer.mean() - 40
    assert picture.mean() > footer.mean() + 40


def test_help_in_short_and_long(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    said = []
    for option in ("-h", "--help"):
        monkeypatch.setattr(sys, "argv", ["fishrt", "live", option])
        monkeypatch.setenv("COLUMNS", "160")  # else long names are cut off
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        said.append(capfd.readouterr().out)
    assert said[0] == said[1]
    for option in (
        "--camera",
        "--bundle",
        "--record-raw",
        "--events",
        "--to",
        "--as-fast-as-possible",
        "--json",
    ):
        assert option in said[0]


# -- what can be wrong -------------------------------------------------------------------------


def damaged(folder: Path, damage: Callable[[Path], None]) -> Path:
    make_tiny_bundle(folder, GEOMETRY)
    damage(folder)
    return folder


def other_version(folder: Path) -> None:
    path = folder / "bundle.yaml"
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**content, "format_version": 9}))


def truncate(folder: Path) -> None:
    path = folder / "step.onnx"
    path.write_bytes(path.read_bytes()[:-100])


def truncate_and_reseal(folder: Path) -> None:
    truncate(folder)
    reseal(folder)


def other_graph_and_reseal(folder: Path) -> None:
    model = onnx.load(folder / "step.onnx")
    del model.graph.output[-1]
    onnx.save(model, folder / "step.onnx")
    reseal(folder)


BAD_SOURCES = {
    "missing": (lambda path: None, "there is no file or folder"),
    "text": (lambda path: path.write_text("only a text\n" * 50), "not a video"),
    "empty": (lambda path: path.write_bytes(b""), "is empty (0 bytes)"),
    "folder": (lambda path: path.mkdir(), "holds no numbered pictures"),
}
BAD_BUNDLES = {
    "other version": (other_version, "has format version 9, but this fishrt reads version 2"),
    "truncated": (truncate, "is damaged (its bytes are not those that were exported)"),
    "truncated and resealed": (truncate_and_reseal, "damaged or no ONNX graph"),
    "graph lacks an output": (other_graph_and_reseal, "is missing; export the bundle again"),
    "no graph": (lambda folder: (folder / "step.onnx").unlink(), "lacks step.onnx"),
    "no metadata": (lambda folder: (folder / "bundle.yaml").unlink(), "is not a bundle"),
    "no yaml": (lambda folder: (folder / "bundle.yaml").write_text("a: ["), "not valid YAML"),
}
BAD_SETTINGS = {
    "train.batch_size=8": "train.batch_size belongs to the model and cannot be changed live",
    "clip.steps=3": "clip.steps belongs to the model",
    "preprocess.polarity=purple": "polarity",
    "preprocess.colour=red": "colour",
    "preprocess.roi=[0,0,900,900]": "",
    "polarity=dark": "polarity belongs to the model",
}


@pytest.mark.parametrize("case", BAD_SOURCES)
def test_a_source_that_cannot_be_read(live: Live, tmp_path: Path, case: str) -> None:
    make, sentence = BAD_SOURCES[case]
    path = tmp_path / "tank.mp4"
    make(path)
    ended = live(camera=path)
    assert (ended.code, ended.out) == (3, "")
    assert sentence in ended.sentence


@pytest.mark.parametrize("case", BAD_BUNDLES)
def test_a_bundle_that_cannot_be_used(live: Live, tmp_path: Path, case: str) -> None:
    damage, sentence = BAD_BUNDLES[case]
    ended = live(bundle=damaged(tmp_path / "odd", damage))
    assert (ended.code, ended.out) == (5, "")
    assert sentence in ended.sentence


def test_a_bundle_that_is_not_there(live: Live, tmp_path: Path) -> None:
    ended = live(bundle=tmp_path / "nowhere")
    assert ended.code == 5
    assert "there is no bundle folder" in ended.sentence


@pytest.mark.parametrize("setting", BAD_SETTINGS)
def test_a_setting_that_is_wrong(live: Live, setting: str) -> None:
    ended = live("--set", setting)
    # a region that no camera of this size has is about the picture, not about the word
    assert ended.code == (3 if "roi" in setting else 4)
    assert ended.out == ""
    assert BAD_SETTINGS[setting] in ended.sentence


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
def test_a_setting_that_does_not_fit_the_picture_leaves_logs_alone(
    live: Live, tmp_path: Path, overwrite: tuple[str, ...]
) -> None:
    kept, new = tmp_path / "kept.jsonl", tmp_path / "new.jsonl"
    kept.write_text("precious")
    log = kept if overwrite else new
    ended = live("--set", "preprocess.roi=[0,0,9999,10]", "-o", str(log), *overwrite)
    assert ended.code == ExitCode.SOURCE
    assert "does not lie within the picture (64x48)" in ended.sentence
    assert (kept.read_text(), new.exists()) == ("precious", False)
    background = tmp_path / "background.png"
    cv2.imwrite(str(background), np.zeros((12, 16), np.uint8))
    ended = live(
        "--set", "preprocess.background=image",
        "--set", f"preprocess.background_image={background}", "-o", str(log), *overwrite,
    )  # fmt: skip
    assert ended.code == ExitCode.CONFIG
    assert "the background image is 16x12 but the picture is 64x48" in ended.sentence
    assert (kept.read_text(), new.exists()) == ("precious", False)


@pytest.mark.parametrize("option", ["--output", "--record"])
def test_existing_files_are_kept_unless_told_otherwise(
    live: Live, tmp_path: Path, option: str
) -> None:
    path = tmp_path / "kept.mp4"
    path.write_bytes(b"precious")
    ended = live(option, str(path))
    assert (ended.code, ended.out) == (7, "")
    assert "already exists" in ended.sentence
    assert path.read_bytes() == b"precious"
    assert live(option, str(path), "--overwrite").code == 0
    assert path.read_bytes() != b"precious"


@pytest.mark.parametrize("option", ["--output", "--record"])
def test_a_folder_that_is_not_there(live: Live, tmp_path: Path, option: str) -> None:
    ended = live(option, str(tmp_path / "nowhere" / "a.mp4"))
    assert (ended.code, ended.out) == (7, "")
    assert "folder does not exist" in ended.sentence


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk(live: Live) -> None:
    ended = live("--output", "/dev/full")
    assert ended.code == 7
    assert "the disk is full" in ended.sentence


def test_a_recording_that_is_no_mp4(live: Live, tmp_path: Path) -> None:
    ended = live("--record", str(tmp_path / "a.gif"))
    assert ended.code == 7
    assert "ends with .mp4" in ended.sentence


def test_a_stride_of_a_stream_is_refused(live: Live) -> None:
    ended = live("--mode", "stream", "--allow-untrained-stream", "--every", "3")
    assert (ended.code, ended.out) == (ExitCode.CONFIG, "")
    assert "leave --every away" in ended.sentence


def test_a_window_without_a_display_is_refused(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    ended = live("--window")
    assert (ended.code, ended.out) == (ExitCode.OUTPUT, "")
    assert "run with --no-window" in ended.sentence


@pytest.mark.parametrize(
    "options",
    [
        ("--mode", "sideways"),
        ("--json", "--output", "-"),
        ("--events", "-"),
        ("--every", "0"),
        ("--what",),
    ],
)
def test_options_that_are_wrong(live: Live, options: tuple[str, ...]) -> None:
    ended = live(*options)
    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err
    assert options[0].strip("-") in ended.err


def test_footage_that_is_too_short_is_logged_and_then_complained_about(
    live: Live, tmp_path: Path
) -> None:
    ended = live(camera=write_video(tmp_path / "short.avi", noise(5)))
    assert ended.code == 3
    assert [line["reason"] for line in ended.lines] == ["filling"] * 5
    sentence = ended.sentence
    assert "ended after 5 frames, and a forecast needs 6 (0.2 s)" in sentence
    assert "5 frames, 0 forecasts" in ended.err


def test_a_camera_that_is_not_there_says_only_our_sentence(bundle: Bundle) -> None:
    process = in_process_of_its_own("--camera", "97", "--bundle", str(bundle.folder))
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (3, "")
    assert err.count("\n") == 1  # nothing of OpenCV's own either
    assert err.startswith("fishrt: camera 97 cannot be opened")


# -- the end -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_whole_log_and_a_summary(
    bundle: Bundle, tmp_path: Path, number: signal.Signals
) -> None:
    log, video = tmp_path / "log.jsonl", tmp_path / "o.mp4"
    process = in_process_of_its_own(
        "--camera", "demo", "--bundle", str(bundle.folder), "-o", str(log), "--record", str(video)
    )
    deadline = time.monotonic() + PATIENCE_S
    while not (log.exists() and log.read_bytes().count(b"\n") >= 12):
        assert time.monotonic() < deadline, process.communicate()
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "stopped on request" in err
    text = log.read_text()
    assert text.endswith("\n")
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) >= 12
    assert f"{len(lines)} frames, {sum(line['valid'] for line in lines)} forecasts" in err
    assert all(a["frame"] < b["frame"] for a, b in itertools.pairwise(lines))
    # the video was finished, not cut off
    assert cv2.VideoCapture(str(video)).get(cv2.CAP_PROP_FRAME_COUNT) >= 1


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")
def test_a_terminal_that_is_closed_ends_it_in_good_order(bundle: Bundle, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    log, table = tmp_path / "log.jsonl", tmp_path / "log.parquet"
    terminal, theirs = os.openpty()
    os.set_blocking(terminal, False)
    options = ["--camera", "demo", "--bundle", str(bundle.folder), "-o", str(log), "-o", str(table)]
    process = subprocess.Popen([*RUN, "live", "--no-window", *options], stderr=theirs)
    os.close(theirs)
    deadline = time.monotonic() + PATIENCE_S
    while not (log.exists() and log.read_bytes().count(b"\n") >= 12):
        with contextlib.suppress(BlockingIOError):
            os.read(terminal, 65536)
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.close(terminal)  # from now on nothing can be written to it
    process.send_signal(signal.SIGHUP)
    assert process.wait(PATIENCE_S) == 130
    frames = [json.loads(line)["frame"] for line in log.read_text().splitlines()]
    assert parquet.read_table(table)["frame"].to_pylist() == frames  # it is no .partial


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_what_nohup_has_us_ignore_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert signal.SIGHUP not in stop_signals()
        with StopRequest() as request:
            os.kill(os.getpid(), signal.SIGHUP)
        assert not request.received
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with StopRequest() as request:
            for _ in range(2):  # the system and the shell both tell it
                os.kill(os.getpid(), signal.SIGHUP)
        assert request.received
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", stop_signals())
@pytest.mark.parametrize("what", ["load_bundle", "open_source", "make_forecaster"])
def test_a_signal_while_it_opens_ends_it_as_one_in_the_run(
    live: Live, monkeypatch: pytest.MonkeyPatch, what: str, number: signal.Signals
) -> None:
    original = getattr(session, what)

    def signalled(*arguments: object, **options: object) -> object:
        os.kill(os.getpid(), number)
        return original(*arguments, **options)

    monkeypatch.setattr(session, what, signalled)
    before = signal.getsignal(number)
    ended = live()
    assert signal.getsignal(number) is before
    assert (ended.code, ended.out) == (130, "")
    if what == "make_forecaster":  # the log and all else is there by then
        assert "stopped on request" in ended.err
    else:
        assert ended.sentence == "interrupted."


def test_a_reader_that_leaves_ends_it_quietly(bundle: Bundle) -> None:
    process = in_process_of_its_own(
        "--camera", "demo", "--bundle", str(bundle.folder), "--as-fast-as-possible"
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())["frame"] == 0
    process.stdout.close()
    assert process.wait(PATIENCE_S) == 7
    err = process.stderr.read()
    assert "Traceback" not in err
    assert "fishrt:" not in err
    assert "Exception" not in err
    process.stderr.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_reader_that_leaves_ends_nothing_but_its_own_output(
    bundle: Bundle, tmp_path: Path
) -> None:
    fifo, log, events = tmp_path / "fifo", tmp_path / "log.jsonl", tmp_path / "events.jsonl"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    process = in_process_of_its_own(
        "--camera", "demo", "--bundle", str(bundle.folder), "--frames", "90", "-o", "-",
        "-o", str(fifo), "-o", str(log), "--events", str(events),
    )  # fmt: skip
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["frame"] == 0
    process.stdout.close()
    assert select.select([reader], [], [], PATIENCE_S)[0]
    assert os.read(reader, 1000).startswith(b'{"frame":0,')
    os.close(reader)
    assert process.wait(PATIENCE_S) == 7
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    why = "its reader has left; keep it running, or write to a file"
    assert "90 frames, " in err
    assert err.endswith(f"\nfishrt: cannot write the standard output: {why}.\n")
    assert len(log.read_text().splitlines()) == 90
    said = [json.loads(line) for line in events.read_text().splitlines()]
    failed = {line["text"] for line in said if line["event"] == "sink-failed"}
    assert failed == {f"cannot write {name}: {why}" for name in (fifo, "the standard output")}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("reader", ["comes", "does not"])
def test_the_reader_of_a_pipe_is_waited_for_until_a_signal(
    bundle: Bundle, tmp_path: Path, reader: str
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = in_process_of_its_own(
        "--camera", "demo", "--bundle", str(bundle.folder), "--frames", "9", "-o", str(fifo)
    )
    assert process.stderr is not None
    killer = threading.Timer(PATIENCE_S, process.kill)
    killer.start()
    assert process.stderr.readline() == f"waiting for a reader of {fifo}\n"
    killer.cancel()
    if reader == "comes":
        lines = fifo.read_text().splitlines()
        assert [json.loads(line)["frame"] for line in lines] == list(range(9))
    else:
        process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE_S)
    if reader == "comes":
        assert (process.returncode, "9 frames, " in err) == (0, True)
    else:
        assert (process.returncode, err) == (130, "fishrt: interrupted.\n")


def test_no_window_where_there_is_no_display(
    live: Live, monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    asked: list[LiveOptions] = []

    def watch(options: LiveOptions, *rest: object) -> list:
        asked.append(options)
        return make_sinks(options, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("realtime.session.make_sinks", watch)
    monkeypatch.setattr(cv2, "imshow", lambda *_: pytest.fail("a window was opened"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert live().code == 0
    assert [options.window for options in asked] == [False]
