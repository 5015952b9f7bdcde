"""What is built and shipped: wheel, source archive, container files, shell completion."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from fishrt import __version__

ROOT = Path(__file__).parents[1]
PACKAGES = ("fishrt", "training", "export", "realtime")
OFFLINE = re.compile(
    r"Could not find a version|Connection|Temporary failure|No matching distribution|timed out"
)


def run(*command, **options):
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """Wheel and source archive, built as a release would, but without fetching the builder."""
    pytest.importorskip("build", reason="the extra dev is not installed")
    pytest.importorskip("hatchling", reason="the extra dev is not installed")
    folder = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "build", "--no-isolation", "-o", folder, ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def tracked(*folders):
    done = run("git", "ls-files", *folders, cwd=ROOT)
    if done.returncode:
        pytest.skip("this is no git checkout, so there is nothing to compare the archive with")
    return set(done.stdout.splitlines())


@pytest.mark.slow
def test_the_wheel_holds_all_that_runs(dist):
    (wheel,) = dist.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in tracked(*PACKAGES) if (ROOT / name).exists()} <= names
    configs = {f"fishrt/{name}" for name in tracked("configs")}
    assert configs <= names
    assert {f"{name}/py.typed" for name in PACKAGES} <= names
    others = {name.split("/")[0] for name in names} - {*PACKAGES}
    assert others == {f"fishrt-{__version__}.dist-info"}


@pytest.mark.slow
def test_the_source_archive_holds_all_that_is_needed_to_work_on_it(dist):
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        names = {name.split("/", 1)[1] for name in packed.getnames() if "/" in name}
    left_out = {name for name in tracked() if (ROOT / name).exists()} - names
    assert {name.split("/")[0] for name in left_out} <= {".ci", ".dockerignore"}, left_out


@pytest.mark.slow
def test_a_clean_environment_forecasts_with_the_wheel(dist, tmp_path):
    (wheel,) = dist.glob("*.whl")
    venv.create(tmp_path / "clean", with_pip=True)
    python = tmp_path / "clean" / "bin" / "python"
    pip = [python, "-m", "pip", "-q", "--disable-pip-version-check", "--retries", "1"]
    done = run(*pip, "install", "-c", ROOT / "constraints.txt", f"{wheel}[cpu]")
    if done.returncode and OFFLINE.search(done.stderr):
        pytest.skip("the package index cannot be reached, so nothing can be installed")
    assert done.returncode == 0, done.stderr
    if run(python, "-c", "import cv2").returncode:  # no libGL here, as the Makefile says
        headless = "opencv-python-headless"
        run(*pip, "uninstall", "-y", "opencv-python")
        done = run(*pip, "install", "--no-deps", "-c", ROOT / "constraints.txt", headless)
        assert done.returncode == 0, done.stderr
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [tmp_path / "clean" / "bin" / "fishrt"]
    assert run(*command, "--version", env=clean).stdout == f"fishrt {__version__}\n"
    live = ["live", "--camera", "demo", "--frames", "200", "--as-fast-as-possible"]
    done = run(*command, *live, "-o", "forecasts.jsonl", env=clean, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "forecasts.jsonl").read_text().splitlines()) == 200
    done = run(*command, "bench", "--config", "nowhere", env=clean, cwd=tmp_path)
    assert "visionary-serenity" in done.stderr  # configs are found by name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete_commands(shell):
    complete = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", "PYTHONPATH": str(ROOT)}
    main = "import sys; sys.argv[0] = 'fishrt'; from fishrt.cli import app; app(prog_name='fishrt')"
    script = run(sys.executable, "-c", main, "--show-completion", shell, env=os.environ | complete)
    assert script.returncode == 0, script.stderr
    assert "_FISHRT_COMPLETE" in script.stdout
    asked = complete | {
        "_FISHRT_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": "fishrt exp",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "COMP_WORDS": "fishrt exp",
        "COMP_CWORD": "1",
    }
    offered = run(sys.executable, "-c", main, env=os.environ | asked).stdout
    assert "export" in offered
    assert "train" not in offered


@pytest.mark.parametrize("name", ["Dockerfile.cpu", "Dockerfile.gpu"])
def test_container_files_are_sound(name):
    file = ROOT / "docker" / name
    copied = re.findall(r"^COPY (.+) \S+$", file.read_text(), re.M)
    assert {*PACKAGES, "configs"} <= {source for line in copied for source in line.split()}
    assert all((ROOT / source).exists() for line in copied for source in line.split())
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    done = run(hadolint, "--failure-threshold", "warning", file)
    assert done.returncode == 0, done.stdout


def test_make_install_takes_further_extras_and_mends_opencv():
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    command = ("make", "-n", "install", "VENV=nowhere")
    for asked, extras in (
        ((), "cpu,train,export"),
        (("EXTRAS=web,osc",), "cpu,train,export,web,osc"),
    ):
        said = run(*command, *asked, cwd=ROOT).stdout
        assert f"-e '.[{extras}]'" in said
        assert said.index(extras) < said.index("opencv-python-headless")
