"""The doctor: it tries things for real, knows the conflicts, and says what mends them."""

import importlib.metadata
import json
import os
import stat
import subprocess
from email.message import Message
from types import SimpleNamespace

import pytest
from command_line import RUN, fishrt

from fishrt.doctor import CHECKS, Level, cameras, examine, gpu, providers, video, worst
from fishrt.doctor.packages import check_packages, numbers
from fishrt.doctor.probe import Answer, ask
from fishrt.errors import ExitCode


@pytest.fixture
def install(monkeypatch):
    """Makes it look as if exactly these distributions were installed."""

    def pretend(**versions):
        distributions = []
        for name, version in versions.items():
            metadata = Message()
            metadata["Name"] = name.replace("__", "-")
            distributions.append(SimpleNamespace(metadata=metadata, version=version))
        monkeypatch.setattr(importlib.metadata, "distributions", lambda: distributions)

    return pretend


def conflicts():
    return [finding for finding in check_packages() if finding.level is not Level.OK]


@pytest.mark.parametrize(
    ("versions", "level", "words", "cure"),
    [
        ({"numpy": "2.4"}, Level.PROBLEM, "ONNX Runtime is not installed", "[cpu]"),
        (
            {"onnxruntime": "1.26.0", "onnxruntime__gpu": "1.26.0"},
            Level.WARNING,
            "overwrite each other",
            "pip uninstall -y onnxruntime onnxruntime-gpu && "
            "pip install 'onnxruntime-gpu[cuda,cudnn]==1.26.0'",
        ),
        (
            {"onnxruntime_gpu": "1.27.1", "nvidia_cudnn_cu12": "9.1"},
            Level.WARNING,
            "built for CUDA 13",
            "==1.26.0",
        ),
        (
            {"onnxruntime_gpu": "1.26.0", "tensorrt_cu13": "11.4"},
            Level.WARNING,
            "CUDA 13 packages (tensorrt-cu13) beside a CUDA 12 stack (onnxruntime-gpu 1.26.0)",
            "pip uninstall -y tensorrt-cu13",
        ),
        (
            {"onnxruntime": "1.26", "nvidia_cuda_runtime": "13.0.1", "nvidia_cublas_cu12": "12.9"},
            Level.WARNING,
            "CUDA 13 packages (nvidia-cuda-runtime)",
            "pip uninstall -y nvidia-cuda-runtime",
        ),
        (
            {"onnxruntime": "1", "opencv_python": "5.0", "opencv__contrib__python": "4.9"},
            Level.WARNING,
            "overwrite each other",
            "pip uninstall -y opencv-contrib-python opencv-python && pip install opencv-python",
        ),
    ],
)
def test_every_conflict_is_found_and_mended(install, versions, level, words, cure):
    install(**versions)
    (finding,) = conflicts()
    assert finding.level is level
    assert words in finding.what
    assert cure in finding.cure


@pytest.mark.parametrize(
    "versions",
    [
        {"onnxruntime": "1.26.0", "opencv__python": "5.0"},
        {"onnxruntime_gpu": "1.26.0", "nvidia_cudnn_cu12": "9", "tensorrt_cu12": "10.16.1.11"},
        {"onnxruntime_gpu": "1.27.0", "nvidia_cudnn_cu13": "9", "nvidia_cuda_runtime": "13.1"},
        {"onnxruntime": "1.26.0", "onnxruntime_ep_nv_tensorrt_rtx_cu12": "0.5.0"},
    ],
)
def test_what_fits_together_is_no_conflict(install, versions):
    install(**versions)
    assert conflicts() == []


def test_version_numbers():
    assert numbers("1.27.0rc1") == (1, 27, 0) > numbers("1.26.9")
    assert numbers("unknown") == ()


def test_the_cpu_provider_runs_the_demo_model():
    pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")
    tried = ask("onnx_provider", providers.CPU, limit_s=60)
    finding = providers.provider_finding(providers.CPU, tried)
    assert finding.level is Level.OK, finding
    assert 0 < finding.values["milliseconds"] < 60_000


def test_a_provider_that_does_not_load_is_a_warning():
    runtime = pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")
    if "CUDAExecutionProvider" in runtime.get_available_providers():
        pytest.skip("this ONNX Runtime has the CUDA provider, so it may load")
    tried = ask("onnx_provider", "CUDAExecutionProvider", limit_s=60)
    finding = providers.provider_finding("CUDAExecutionProvider", tried)
    assert finding.level is Level.WARNING
    assert "does not run the demo model" in finding.what


@pytest.mark.parametrize(
    ("library", "cure"),
    [
        ("libcublasLt.so.12", "onnxruntime-gpu[cuda,cudnn]"),
        ("libnvinfer.so.10", "pip install -e '.[tensorrt]'"),
        ("libcuda.so.1", "driver"),
    ],
)
def test_a_missing_library_names_what_brings_it(library, cure):
    log = f"Failed to load x.so with error: {library}: cannot open shared object file: No such file"
    finding = providers.provider_finding("TensorrtExecutionProvider", Answer(None, "no", log))
    assert f"{library} is missing" in finding.what
    assert cure in finding.cure


def test_a_check_of_what_is_not_installed_says_so(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    (finding,) = examine(("tensorrt-rtx",))
    assert finding.level is Level.NOTE
    assert "pip install -e '.[rtx]'" in finding.what
    absent = Answer(None, "ModuleNotFoundError: No module named 'onnxruntime'")
    monkeypatch.setattr(providers, "ask", lambda *_, **__: absent)
    (finding,) = examine(("providers",))
    assert (finding.level, finding.cure) == (Level.PROBLEM, "pip install -e '.[cpu]'")


@pytest.mark.parametrize("answer", [{"version": "1.2", "devices": 1}, None])
def test_what_is_said_of_the_rtx_plugin_is_filed_under_it(monkeypatch, answer):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: True)
    monkeypatch.setattr(providers, "ask", lambda *_, **__: Answer(answer, "no"))
    (finding,) = providers.check_rtx_plugin()
    assert finding.topic == "tensorrt-rtx"
    assert finding.level is (Level.OK if answer else Level.WARNING)


def test_a_broken_onnx_runtime_is_a_problem(monkeypatch):
    answers = {"listed_providers": Answer(None, "ImportError: undefined symbol")}
    monkeypatch.setattr(providers, "ask", lambda probe, *_, **__: answers[probe])
    (finding,) = providers.check_providers()
    assert finding.level is Level.PROBLEM
    assert "undefined symbol" in finding.what


def test_a_probe_that_hangs_or_dies_is_an_answer():
    assert "within 0.01 s" in ask("onnx_provider", providers.CPU, limit_s=0.01).reason
    assert ask("there_is_no_such_probe", limit_s=30).values is None


def fake_smi(folder, monkeypatch, text):
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncase $# in 0) echo '{text[0]}';; *) echo '{text[1]}';; esac\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize(("cuda", "level"), [("12.8", Level.OK), ("11.4", Level.WARNING)])
def test_a_gpu_with_its_driver(tmp_path, monkeypatch, install, cuda, level):
    install(onnxruntime="1.26.0")
    card = "NVIDIA RTX A4000, 570.86.10, 16376, 512, 8.6"
    fake_smi(tmp_path, monkeypatch, (f"| CUDA Version: {cuda}  |", card))
    found, unused = gpu.check_gpu()
    assert found.level is level
    assert found.values == {
        "name": "NVIDIA RTX A4000", "driver": "570.86.10", "compute_capability": "8.6"
    }  # fmt: skip
    assert "[gpu]" in unused.cure
    for runs_there in ("onnxruntime_gpu", "onnxruntime_ep_nv_tensorrt_rtx_cu12", "tensorrt_cu12"):
        install(**{runs_there: "1.26.0", "onnxruntime": "1.26.0"})
        assert len(gpu.check_gpu()) == 1, runs_there
    install(onnxruntime="1.26.0", tensorrt_rtx="1.7")  # which no backend runs on
    assert len(gpu.check_gpu()) == 2


def test_a_card_without_a_driver(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(gpu, "PCI_DEVICES", tmp_path)
    assert gpu.check_gpu()[0].level is Level.NOTE
    (tmp_path / "0000:01:00.0").mkdir()
    (tmp_path / "0000:01:00.0" / "vendor").write_text("0x10de\n")
    monkeypatch.setattr(gpu, "CONTAINER", tmp_path / "none")
    assert "driver" in gpu.check_gpu()[0].cure
    monkeypatch.setattr(gpu, "CONTAINER", tmp_path)
    assert gpu.check_gpu()[0].cure == "docker run --gpus all ..."


def test_cameras_are_listed_and_tried(tmp_path, monkeypatch):
    monkeypatch.setattr(cameras, "VIDEO4LINUX", tmp_path / "sys")
    monkeypatch.setattr(cameras, "DEVICES", tmp_path / "dev")
    assert cameras.check_cameras()[0].level is Level.NOTE
    for number, name in ((0, "Basler"), (1, "Basler"), (12, "Webcam")):
        (tmp_path / "sys" / f"video{number}").mkdir(parents=True)
        (tmp_path / "sys" / f"video{number}" / "name").write_text(f"{name}\n")
    assert cameras.list_cameras() == {0: "Basler", 1: "Basler", 12: "Webcam"}
    picture = Answer({"width": 640, "height": 480, "fps": 30.0})
    answers = {"0": picture, "1": Answer(None, "no picture"), "12": Answer(None, "busy")}
    monkeypatch.setattr(cameras, "ask", lambda _, number, limit_s: answers[number])
    basler, webcam = cameras.check_cameras()  # the Basler's second node is no camera
    assert (basler.level, webcam.level) == (Level.OK, Level.WARNING)
    assert "640x480 at 30 fps" in basler.what
    assert "busy" in webcam.what
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "video12").touch(mode=0)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "usermod -aG video" in cameras.try_camera(12, "Webcam").cure


def test_video_backends_and_windows(monkeypatch):
    good = "  Video I/O:\n    FFMPEG:      YES\n    GStreamer:   NO\n    v4l/v4l2:  YES (linux)\n"
    finding = video.check_backends(good)
    assert finding.level is Level.OK
    assert "FFMPEG, v4l/v4l2" in finding.what
    assert video.check_backends(good.replace("YES", "NO")).level is Level.WARNING
    assert video.check_round_trip().level is Level.OK
    monkeypatch.setattr(video, "display_exists", lambda: True)
    assert "opencv-python-headless" in video.check_window("  GUI:    NONE\n").cure
    monkeypatch.setattr(video, "display_exists", lambda: False)
    assert video.check_window("  GUI:    NONE\n").level is Level.NOTE


def test_a_check_that_fails_is_a_finding(monkeypatch):
    monkeypatch.setitem(CHECKS, "cameras", lambda: 1 / 0)
    (finding,) = examine(("cameras",))
    assert "ZeroDivisionError" in finding.what
    assert worst([finding]) is Level.WARNING
    assert worst([]) is Level.OK


def test_an_opencv_that_cannot_be_imported_is_a_problem(tmp_path):
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object')")
    broken = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [*RUN, "doctor", "--only", "video"], capture_output=True, text=True, env=broken, check=False
    )
    assert done.returncode == ExitCode.MACHINE, done.stderr
    assert "libGL.so.1" in done.stderr
    assert "opencv-python-headless" in done.stderr


def test_from_the_command_line(tmp_path):
    only = [
        part for name in ("machine", "packages", "video", "cameras") for part in ("--only", name)
    ]
    done = fishrt("doctor", "--json", *only)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert {finding["topic"] for finding in record["findings"]} >= {"machine", "packages", "video"}
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libnothing.so is missing')")
    broken = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [*RUN, "doctor", "--only", "providers"],
        capture_output=True,
        text=True,
        env=broken,
        check=False,
    )
    assert done.returncode == ExitCode.MACHINE
    assert done.stderr.strip().splitlines()[-1].startswith("fishrt: live forecasting cannot work")
    assert "mend it with: pip install" in " ".join(done.stdout.split())
    wrong = fishrt("doctor", "--only", "luck")
    assert wrong.returncode == ExitCode.USAGE
