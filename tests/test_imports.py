"""Who may import whom, and what start-up may load."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("fishrt", "training", "export", "realtime")
TENSORFLOW = {"tensorflow", "keras", "tf2onnx"}

# Packages that a package may never name, and may name only where loading does not run it. A folder
# with a line of its own is no part of the one that it lies in.
NEVER = {
    "fishrt": {"training", "export", "realtime", "fishrt.cli"},
    "fishrt.cli": set[str](),
    "training": {"export", "realtime", "fishrt.cli"},
    "export": {"realtime", "fishrt.cli"},
    "realtime": {"training", "export", "fishrt.cli"} | TENSORFLOW,
    "realtime.predict": {"training", "export", "fishrt.cli", "realtime.sinks"} | TENSORFLOW,
    "realtime.sinks": {"training", "export", "fishrt.cli", "realtime.predict"} | TENSORFLOW,
}
ONLY_DEFERRED = {
    "fishrt": TENSORFLOW,
    "fishrt.cli": {"training", "export", "realtime"} | TENSORFLOW,
}


def imports_of(node: ast.AST, deferred: bool = False) -> Iterator[tuple[str, bool]]:
    """Dotted name of all that is imported, and whether it does not run when the module is loaded.

    That is so inside functions, and after `if TYPE_CHECKING:`.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield alias.name, deferred
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "relative imports are not used here"
            for alias in child.names:
                yield f"{child.module}.{alias.name}", deferred
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for_types = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        yield from imports_of(child, deferred or inside or for_types)


def forbidden(package: str, source: str) -> list[str]:
    """Packages that `source`, a module of `package`, imports against the rules."""
    return [
        other
        for name, deferred in imports_of(ast.parse(source))
        for other in NEVER[package] | (set() if deferred else ONLY_DEFERRED.get(package, set()))
        if name == other or name.startswith(f"{other}.")
    ]


def modules_of(package: str) -> list[Path]:
    """The modules of a package, without those of the packages in it that have their own rules."""
    folders = {name: ROOT.joinpath(*name.split(".")) for name in NEVER}
    inner = [folders[name] for name in NEVER if name.startswith(f"{package}.")]
    modules = sorted(folders[package].rglob("*.py"))
    return [path for path in modules if not any(folder in path.parents for folder in inner)]


@pytest.mark.parametrize("package", sorted(NEVER))
def test_every_module_keeps_the_borders(package: str) -> None:
    modules = modules_of(package)
    assert modules, f"there is no module in {package}"
    for module in modules:
        assert forbidden(package, module.read_text()) == [], module


@pytest.mark.parametrize(
    ("package", "source", "wrong"),
    [
        ("fishrt", "import training.fit", ["training"]),
        ("fishrt", "def f():\n    from training import fit", ["training"]),
        ("fishrt", "from fishrt import cli", ["fishrt.cli"]),
        ("fishrt", "from fishrt import clip", []),
        ("fishrt.cli", "import training.fit", ["training"]),
        ("fishrt.cli", "def f():\n    from training import fit", []),
        ("fishrt.cli", "if TYPE_CHECKING:\n    from realtime.lanes import Lanes", []),
        ("fishrt", "class A:\n    from realtime.lanes import Lanes", ["realtime"]),
        ("fishrt", "if True:\n    import tensorflow as tf", ["tensorflow"]),
        ("fishrt", "if TYPE_CHECKING:\n    from realtime.lanes import Lanes", ["realtime"]),
        ("realtime", "def f():\n    import keras", ["keras"]),
        ("realtime", "if TYPE_CHECKING:\n    import training", ["training"]),
        ("realtime", "from fishrt.clip import ClipGeometry", []),
        ("realtime", "def f():\n    from fishrt.cli.extras import require", ["fishrt.cli"]),
        ("realtime.sinks", "from realtime.predict.formats import cell", ["realtime.predict"]),
        ("realtime.predict", "from realtime.sinks import open", ["realtime.sinks"]),
        ("export", "from training.model import build", []),
    ],
)
def test_the_check_itself_finds_what_is_wrong(package: str, source: str, wrong: list[str]) -> None:
    assert forbidden(package, source) == wrong


def module_names(node: ast.AST) -> Iterator[str]:
    """Names that loading a module may import, types among them: modules, or what is in one."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield str(child.module)
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from module_names(child)


def test_no_module_needs_itself_even_for_its_types() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in files
    }
    needs = {
        module: {name for name in module_names(ast.parse(path.read_text())) if name in modules}
        - {module}
        for module, path in modules.items()
    }
    assert "fishrt.config" in needs["fishrt.preprocess"]
    assert tuple(TopologicalSorter(needs).static_order())  # raises CycleError, which names them


def loaded_by(statement: str) -> set[str]:
    """Top-level modules in memory after a statement, in a fresh interpreter."""
    code = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_command_line_loads_nothing_heavy() -> None:
    heavy = {"numpy", "cv2", "yaml", "pydantic", "onnxruntime", "sklearn"} | TENSORFLOW
    loaded = loaded_by("import fishrt.cli")
    assert "typer" in loaded
    assert loaded & heavy == set()


def test_the_contracts_load_without_tensorflow() -> None:
    modules = ("bundle", "config", "recording", "video", "video.background", "video.resample")
    loaded = loaded_by(f"import {', '.join(f'fishrt.{name}' for name in modules)}")
    assert {"cv2", "numpy"} <= loaded
    assert loaded & (TENSORFLOW | {"training", "export", "realtime", "onnxruntime"}) == set()
