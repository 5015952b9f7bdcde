"""Writes docs/licences.md: what an installation brings, and under which licences.

    python docs/list_licences.py > docs/licences.md

The names come from the metadata of the installed packages, extra by extra, and so do the
licences; the versions are those of constraints.txt.
"""

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageMetadata, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# extras that only who works on fishrt installs
NOT_LISTED = {"dev", "docs"}
PROPRIETARY = "NVIDIA proprietary"
# As PyPI says; these are not installed where there is no GPU, and `tensorrt-cu12` fetches its
# libraries from NVIDIA's own index.
NOT_HERE = {
    "onnxruntime-gpu": ("1.26.0", "MIT"),
    "onnxruntime-ep-nv-tensorrt-rtx-cu12": ("0.5.0", PROPRIETARY),
    "tensorrt-cu12": ("10.16.1.11", PROPRIETARY),
}
BROUGHT_BY = {
    "onnxruntime-gpu": "CUDA and cuDNN (`nvidia-*-cu12`, eight packages, NVIDIA proprietary)",
    "tensorrt-cu12": "TensorRT's libraries and bindings (NVIDIA proprietary)",
}
WORDS = {  # licence texts that stand where a name belongs
    r"BSD 3-Clause|3-Clause BSD|New BSD": "BSD-3-Clause",
    r"^Python Software Foundation": "PSF-2.0",
    r"^Apache|Apache Software License|Apache License": "Apache-2.0",
    r"^MIT": "MIT",
    r"^ISC": "ISC",
    r"^BSD License$": "BSD",
    r"MPL 2\.0": "MPL-2.0",
}


def pinned() -> dict[str, str]:
    """Names and versions of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().split()
    return {canonicalize_name(name): version for name, version in (x.split("==") for x in lines)}


def needs_of(lines: Iterable[str], extras: Iterable[str] = ()) -> set[tuple[str, frozenset[str]]]:
    """Names of those requirements that hold on this machine, with the extras asked of them."""
    found = set()
    for need in map(Requirement, lines):
        if any(need.marker is None or need.marker.evaluate({"extra": e}) for e in ("", *extras)):
            found.add((canonicalize_name(need.name), frozenset(need.extras)))
    return found


def closure(extra: str) -> set[str]:
    """Everything that `pip install fishrt[extra]` brings; `""` for no extra.

    Raises:
        PackageNotFoundError: If one of them is not installed.
    """
    seen: set[tuple[str, frozenset[str]]] = set()
    extras, waiting = PROJECT["optional-dependencies"], needs_of(PROJECT["dependencies"])
    waiting |= needs_of(extras[extra]) if extra else set()
    while waiting:
        need = waiting.pop()
        if need in seen:
            continue
        seen.add(need)
        name, asked = need
        if name == PROJECT["name"]:  # an extra that is made of others
            waiting |= needs_of(line for one in asked for line in extras[one])
        elif name not in NOT_HERE:
            waiting |= needs_of(distribution(name).requires or (), asked)
    return {name for name, _ in seen} - {PROJECT["name"]}


def licence_of(metadata: PackageMetadata) -> str:
    """A short name of the licence that a package states."""
    if expression := metadata.get("License-Expression"):
        return expression
    stated = [
        line.rsplit(" :: ", 1)[-1]
        for line in metadata.get_all("Classifier") or ()
        if line.startswith("License :: ") and not line.endswith(":: OSI Approved")
    ]
    for words in [*stated, metadata.get("License") or ""]:
        for pattern, name in WORDS.items():
            if re.search(pattern, words):
                return name
        if words and "\n" not in words and words != "UNKNOWN":
            return words
    return "not stated"


def listed_extras() -> list[str]:
    """The extras of a user's installation."""
    return [extra for extra in PROJECT["optional-dependencies"] if extra not in NOT_LISTED]


def brought_by() -> dict[str, list[str]]:
    """For every package the extras that bring it; `always` if every installation has it."""
    always = closure("")
    brought = {name: ["always"] for name in always}
    for extra in listed_extras():
        for name in closure(extra) - always:
            brought.setdefault(name, []).append(extra)
    return brought


def page() -> str:
    """The whole page."""
    versions = pinned()
    rows = []
    for name, extras in sorted(brought_by().items()):
        if name in NOT_HERE:
            version, licence = NOT_HERE[name]
        else:
            version = versions.get(name, "not pinned")
            licence = licence_of(distribution(name).metadata)
        rows.append(f"| {name} | {version} | {licence} | {', '.join(extras)} |")
    also = [f"`{name}` also brings {what}." for name, what in BROUGHT_BY.items()]
    return "\n".join(
        [
            "# Licences",
            "",
            "fishrt is under the Apache License 2.0. What an installation brings besides, on Linux,"
            " with the versions of `constraints.txt` and the licences that the packages state"
            " themselves. `make licences` writes this page.",
            "",
            "| package | version | licence | comes with the extra |",
            "|---|---|---|---|",
            *rows,
            "",
            *also,
            "The documentation site and the tests have dependencies of their own (extras `docs` and"
            " `dev`), which no user needs.",
        ]
    )


if __name__ == "__main__":
    try:
        print(page())
    except PackageNotFoundError as error:
        raise SystemExit(f"install every extra but gpu, rtx and tensorrt first: {error}") from error
