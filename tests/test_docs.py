"""The documentation is true: commands run, options exist, pictures and lists are up to date."""

import ast
import importlib.util
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import typer
import yaml
from command_blocks import (
    COMMANDS,
    REASONS,
    ROOT,
    Block,
    blocks_of,
    commands_of,
    inline_commands,
    page_id,
    pages,
)
from typer.main import get_command

from fishrt.cli import app, main
from fishrt.config import Config
from realtime.event import EventKind

# programs of the system: that they exist is not for us to say
SYSTEM = {".", "cat", "cd", "cp", "ffmpeg", "mkdir", "ssh", "sudo", "tensorboard", "v4l2-ctl"}
GROUP = get_command(app)
RUNS = {page_id(page): [block for block in blocks_of(page) if block.is_run] for page in pages()}
RUN_PAGES = sorted(name for name, blocks in RUNS.items() if blocks)


def test_every_block_is_in_exactly_one_class() -> None:
    run, checked, other = [], [], []
    for page in pages():
        for block in blocks_of(page):
            reasons = block.values("not run")
            assert set(reasons) <= REASONS.keys(), f"{block}: {reasons} is no known reason"
            assert len(reasons) <= 1, f"{block}: one reason is enough"
            assert block.is_commands or not reasons, f"{block}: only commands can be left out"
            kind = run if block.is_run else checked if block.is_commands else other
            kind.append(block)
    assert len(run) >= 18, "a page that nobody tries goes stale"
    assert checked
    assert {block.language for block in other}.isdisjoint(COMMANDS | {"console", "python"})


def test_the_check_of_the_blocks_finds_what_is_wrong(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- not run: gpu -->\n```sh\nfishrt doctor | cat > a \\\n  && X=1 make\n```\n"
    )
    (block,) = blocks_of(page)
    assert block.values("not run") == ["gpu"]
    assert not block.is_run
    assert list(commands_of(block.text)) == [["fishrt", "doctor"], ["cat"], ["make"]]
    page.write_text("<!-- not run: gpu -->\ntext\n")
    with pytest.raises(ValueError, match="belongs to no block"):
        blocks_of(page)
    for wrong in ("live --camra 0", "live --frames many", "bnech", "export"):
        with pytest.raises(AssertionError):
            check_fishrt(wrong.split())
    check_fishrt(["live", "--camera", "0", "-o", "x.jsonl"])


def check_fishrt(words: list[str], *, whole: bool = True) -> None:
    """The command exists, and its own parser takes these words; nothing is run.

    Args:
        words: Behind `fishrt`.
        whole: Whether they are the whole command, so that what is required must be there.
    """
    if words == ["doctor"] or words[0] in {"-h", "--version", "--show-completion"}:
        return
    with GROUP.make_context("fishrt", [words[0]], resilient_parsing=True) as context:
        command = GROUP.get_command(context, words[0])
        assert command is not None, f"there is no command {words[0]}"
        try:
            command.make_context(
                words[0], words[1:], parent=context, resilient_parsing=not whole
            ).close()
        except Exception as error:
            raise AssertionError(f"fishrt {' '.join(words)}: {error}") from error


def check_make(words: list[str]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert {word for word in words if "=" not in word and word[0] != "-"} <= targets, words


def check_pip(words: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for word in words:
        for named in re.findall(r"^(?:\.|dist/.+|fishrt)\[(.+)\]$", word):
            assert set(named.split(",")) <= extras.keys(), word


def check_python(words: list[str]) -> None:
    if words[0] == "-c":
        ast.parse(words[1])
    elif words[0] == "-m":
        module = importlib.util.find_spec(words[1])
        assert module is not None, f"there is no module {words[1]}"
        if words[1].startswith("benchmarks."):
            origin = Path(str(module.origin))
            files = origin.parent.glob("*.py") if origin.name == "__init__.py" else [origin]
            source = "".join(file.read_text() for file in files)
            for option in words[2:]:
                assert option[0] != "-" or f'"{option}"' in source, f"{words[1]} has no {option}"
        elif words[1] == "pip":
            check_pip(words[2:])
    else:
        assert (ROOT / words[0]).is_file(), f"there is no {words[0]}"


def check_docker(words: list[str]) -> None:
    if "-f" in words:
        assert (ROOT / words[words.index("-f") + 1]).is_file(), words
    images = [index for index, word in enumerate(words) if word.startswith("fishrt-")]
    if words[0] == "run":
        check_fishrt(words[images[0] + 1 :])


def check_pytest(words: list[str]) -> None:
    for word in words:
        assert not word.startswith("tests/") or (ROOT / word).exists(), f"there is no {word}"


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "fishrt": check_fishrt,
    "make": check_make,
    "pip": check_pip,
    "python": check_python,
    "python3": check_python,
    "pytest": check_pytest,
    "docker": check_docker,
}


@pytest.mark.parametrize("page", pages(), ids=page_id)
def test_commands_and_options_exist(page: Path) -> None:
    for block in blocks_of(page):
        if not block.is_commands:
            continue
        done = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True)
        assert done.returncode == 0, f"{block}: {done.stderr}"
        for command, *words in commands_of(block.text):
            assert command in CHECKS or command in SYSTEM, f"{block}: what is {command}?"
            if command in CHECKS:
                CHECKS[command](words)
        for alternative in re.findall(r"^# (fishrt .+)$", block.text, re.M):
            check_fishrt(alternative.split()[1:])
        assert not re.search(r"\s[\w.]+=\[", block.text), f"{block}: zsh wants quotes around [ ]"
    for words in inline_commands(page):
        check_fishrt(words, whole=False)


def test_a_folder_is_made_under_one_name_on_one_page() -> None:
    """Else who follows one page after another is refused, or trains on another page's frames."""
    made: dict[str, str] = {}

    def note(where: str, words: list[str]) -> None:
        if words[0] not in {"simulate", "prepare", "train", "import-checkpoint", "export"}:
            return
        if {"--overwrite", "--resume", "--strategy", "--sweep-storage"} & {*words}:
            return
        for option, value in pairwise(words):
            if option in {"-o", "--output"}:
                assert value not in made, f"{where}: {made[value]} makes {value}, too"
                made[value] = where

    for page in pages():
        for block in blocks_of(page):
            for name, *words in commands_of(block.text) if block.is_commands else ():
                if name == "fishrt":
                    note(str(block), words)
        for words in inline_commands(page):
            note(page.name, words)
    assert "recordings/tank" in made


def test_the_versions_of_python_are_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = re.findall(r"Python :: 3\.(\d+)", " ".join(project["classifiers"]))
    said = f"Python 3.{listed[0]} to 3.{listed[-1]}"
    for name in ("README.md", "docs/first-forecast.md", "Makefile"):
        assert said in (ROOT / name).read_text(), f"{name} does not say {said}"
    assert project["requires-python"] == f">=3.{listed[0]}"
    tried = f"(3, {listed[0]}) <= sys.version_info < (3, {int(listed[-1]) + 1})"
    assert tried in (ROOT / "Makefile").read_text()


class Reader:
    """Does what the pages say, each in a folder of its own, once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done: dict[str, Path] = {}

    def follow(self, name: str) -> Path:
        """Runs the blocks of a page and gives the folder that they were run in."""
        if name not in self._done:
            folder = self._folder / name.replace("/", "-").removesuffix(".md")
            blocks = RUNS[name]
            sources = [source for block in blocks for source in block.values("with")]
            if sources:
                shutil.copytree(self.follow(sources[0]), folder)
            else:
                folder.mkdir()
            added: dict[str, str] = {}
            for block in blocks:
                for extra in block.values("add"):
                    command, options = extra.split(" ", 1)
                    added[command] = options
                run_block(block, folder, added)
            self._done[name] = folder
        return self._done[name]


def run_block(block: Block, folder: Path, added: dict[str, str]) -> None:
    """Runs a block as a shell would.

    Commands of fishrt alone are run in this process, so that TensorFlow is loaded once.
    """
    for command in block.values("before"):
        run_block(Block(block.page, block.line, "sh", command), folder, {})
    if block.language == "python":
        script = f"python - <<'THE_END'\n{block.text}\nTHE_END"
    elif "|" not in block.text and all(c[0] == "fishrt" for c in commands_of(block.text)):
        for _, *words in commands_of(block.text):
            run_here([*words, *added.get(words[0], "").split()], folder, str(block))
        return
    else:
        script = block.text
    cases = "".join(f'{name}) set -- "$@" {options};; ' for name, options in added.items())
    functions = f"""
python() {{ {sys.executable} "$@"; }}
fishrt() {{ case "$1" in {cases} *) ;; esac; {sys.executable} -m fishrt.cli "$@"; }}
"""
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", functions + script],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def run_here(words: list[str], folder: Path, where: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["fishrt", *words])
        patch.setenv("PYTHONPATH", str(ROOT))  # for what starts processes
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        assert code == 0, f"{where}: fishrt {' '.join(words)} ended with {code}"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(tmp_path_factory.mktemp("pages"))


def needs(name: str) -> None:
    """Skips a page whose commands need an extra that is not installed."""
    text = "".join(block.text for block in RUNS[name])
    if re.search(r"fishrt (train|export|evaluate runs|bench)|--run ", text):
        pytest.importorskip("tensorflow", reason="the extra train is not installed")
        pytest.importorskip("tf2onnx", reason="the extra export is not installed")


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN_PAGES)
def test_commands_run(name: str, reader: Reader) -> None:
    needs(name)
    folder = reader.follow(name)
    for block in RUNS[name]:
        for _, *words in commands_of(block.text) if block.is_commands else ():
            for option, value in pairwise(words):
                if option in {"-o", "--output", "--record"} and value != "-":
                    assert (folder / value).exists(), f"{block}: no {value} was written"


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="the extra docs is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for page in (ROOT / "docs").rglob("*.md"):
        built = tmp_path / "site" / page.relative_to(ROOT / "docs").with_suffix(".html")
        text = built.read_text()
        fetched = re.findall(r'<(?:script|img|iframe)[^>]+src="(https?:[^"]+)', text)
        fetched += re.findall(r'<link rel="stylesheet"[^>]+href="(https?:[^"]+)', text)
        assert fetched == [], f"{page.name} fetches from the network"


@pytest.mark.parametrize("page", pages(), ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    """Addresses elsewhere are looked at, not fetched; anchors are checked by the site's build."""
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if link.startswith("http"):
            assert re.fullmatch(r"https://[\w.-]+\.[a-z]+(/[^\s]*)?", link), link
        elif not link.startswith("#"):
            assert (page.parent / link.split("#")[0]).exists(), f"{page.name}: {link}"


@pytest.mark.parametrize("name", ["lanes", "burst"])
def test_the_drawn_pictures_are_those_of_the_code(name: str) -> None:
    drawn = runpy.run_path(str(ROOT / "docs" / f"draw_{name}.py"))["draw"]()
    assert (ROOT / "docs" / "images" / f"{name}.svg").read_text() == drawn + "\n"


def test_the_list_of_licences_is_complete() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "list_licences.py"))
    rows = re.findall(
        r"^\| ([a-z0-9-]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$",
        (ROOT / "docs" / "licences.md").read_text(),
        re.M,
    )
    listed = {name: (version, extras) for name, version, _, extras in rows if name != "package"}
    pinned, elsewhere = script["pinned"](), script["NOT_HERE"]
    for name, (version, _) in listed.items():
        known = elsewhere[name][0] if name in elsewhere else pinned.get(name, "not pinned")
        assert version == known, f"{name}: run make licences"
    missing = script["PackageNotFoundError"]
    for extra in script["listed_extras"]():
        try:
            brought = script["closure"](extra)
        except missing:
            continue  # not installed here, so there is nothing to compare with
        for name in brought:
            assert name in listed, f"{name} of the extra {extra}: run make licences"
            assert listed[name][1] == "always" or extra in listed[name][1].split(", ")
    assert typer.__name__ in listed


def test_every_kind_of_event_and_no_other_is_in_the_table_of_events() -> None:
    text = (ROOT / "docs" / "sinks.md").read_text()
    table = text[text.index("| event | meaning |") :].split("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    listed = [kind for cell in cells for kind in re.findall(r"`([a-z-]+)`", cell)]
    assert sorted(listed) == sorted(kind.value for kind in EventKind)


def test_the_table_of_settings_is_that_of_the_config() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    listed = [setting for cell in cells for setting in re.findall(r"`(\w+\.\w+)`", cell)]
    settings = [f"{part}.{key}" for part, keys in Config().model_dump().items() for key in keys]
    assert sorted(listed) == sorted(settings)


def test_the_config_in_extending_is_read() -> None:
    (text,) = re.findall(
        r"^cat > wide.yaml <<'END'\n(.+?)^END$",
        (ROOT / "docs" / "extending.md").read_text(),
        re.M | re.S,
    )
    assert Config.model_validate(yaml.safe_load(text)).model.dense == (16,)


# where a command's options are described, all of them
OPTIONS = {
    "prepare": ("prepare.md",),
    "simulate": ("simulate.md",),
    "train": ("training.md",),
    "import-checkpoint": ("import-checkpoint.md",),
    "evaluate": ("evaluate.md",),
    "export": ("export.md", "gpu.md"),
    "parity": ("export.md",),
    "live": ("live.md",),
    "predict": ("predict.md",),
    "bench": ("this-machine.md",),
    "doctor": ("this-machine.md",),
}


@pytest.mark.parametrize("command", sorted(OPTIONS))
def test_every_option_is_described(command: str) -> None:
    text = "".join((ROOT / "docs" / name).read_text() for name in OPTIONS[command])
    with GROUP.make_context("fishrt", [command], resilient_parsing=True) as context:
        known = GROUP.get_command(context, command)
        assert {*OPTIONS} == {*GROUP.list_commands(context)}
    assert known is not None
    for parameter in known.params:
        longest = max(parameter.opts, key=len)
        if longest.startswith("--") and longest != "--help":
            assert re.search(rf"`[^`\n]*{longest}\b(?!-)", text), f"{command} {longest}"


def test_every_module_that_a_reader_meets_is_in_the_reference() -> None:
    """Those that examples import, and those that pages on extending fishrt name or import."""
    listed = {
        module
        for page in (ROOT / "docs" / "api").glob("*.md")
        for module in re.findall(r"^::: ([\w.]+)$", page.read_text(), re.M)
    }
    ours = r"(?:fishrt|training|export|realtime)"
    met = set()
    for script in (ROOT / "examples").glob("*.py"):
        met |= {*re.findall(rf"^from ({ours}[\w.]*) import", script.read_text(), re.M)}
    for name in ("extending.md", "sinks.md"):
        text = (ROOT / "docs" / name).read_text()
        met |= {*re.findall(rf"^from ({ours}[\w.]*) import", text, re.M)}
        files = re.findall(rf"`({ours}/[\w/]+)\.py`", text)
        met |= {file.replace("/", ".") for file in files}
    assert len(met) > 20
    assert met <= listed, met - listed
