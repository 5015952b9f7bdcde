"""Command blocks of Markdown pages: where they stand, what is to be done with them, their commands.

A comment directly above a block says what its reader need not know:

    <!-- not run: camera -->                  checked for syntax only; REASONS lists the reasons
    <!-- with: README.md -->                  begins in a copy of what that page's blocks left
    <!-- before: fishrt simulate ... -->      runs this first
    <!-- add: live --frames 60 -->            adds options to every `fishrt live` from here on

A block without `not run` is run as it stands, in the order of the page, in one folder a page.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
REASONS = {
    "camera": "needs a camera",
    "gpu": "needs an NVIDIA GPU",
    "board": "belongs to another kind of computer",
    "docker": "needs Docker",
    "install": "changes the Python environment",
    "network": "needs something from the network",
    "cluster": "needs several machines",
    "data": "needs files that no clone of this repository has",
    "slow": "takes long; other pages or tests run the commands with less, and of benchmarks a part",
}
COMMANDS = {"sh", "bash", "shell"}
KEYS = {"not run", "with", "before", "add"}
FENCE = re.compile(r"^ *```(\w*)")
COMMENT = re.compile(r"^<!-- ([a-z ]+): (.+) -->$")
SEPARATORS = {"|", "||", "&&", ";", "&"}
REDIRECTS = {">", ">>", "<", "2>", ">&"}


@dataclass
class Block:
    """One fenced block.

    Attributes:
        page: Its page.
        line: Line number of its fence.
        language: What stands behind the fence's backticks.
        text: What is in it.
        marks: Keys and values of the comments above it, in order.
    """

    page: Path
    line: int
    language: str
    text: str
    marks: list[tuple[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    def values(self, key: str) -> list[str]:
        """Values of all comments with this key."""
        return [value for name, value in self.marks if name == key]

    @property
    def is_commands(self) -> bool:
        """Whether it is for a shell."""
        return self.language in COMMANDS

    @property
    def is_run(self) -> bool:
        """Whether it can be run, and is: Python is, as commands are."""
        return (self.is_commands or self.language == "python") and not self.values("not run")


def pages() -> list[Path]:
    """All pages with commands for a reader."""
    beside = ("README.md", "CONTRIBUTING.md", "examples/README.md")
    return [*(ROOT / name for name in beside), *sorted((ROOT / "docs").rglob("*.md"))]


def page_id(page: Path) -> str:
    """Path of a page from the root."""
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order.

    Raises:
        ValueError: If a comment for a block stands above none, or a block does not end.
    """
    blocks: list[Block] = []
    marks: list[tuple[str, str]] = []
    open_block: Block | None = None
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        if open_block is not None:
            if line.strip() == "```":
                blocks.append(open_block)
                open_block = None
            else:
                open_block.text += f"{line}\n"
        elif found := FENCE.match(line):
            open_block = Block(page, number, found[1], "", marks)
            marks = []
        elif (found := COMMENT.match(line)) and found[1] in KEYS:
            marks.append((found[1], found[2]))
        elif marks and line.strip():
            raise ValueError(f"{page.name}:{number}: the comment above belongs to no block")
    if open_block is not None or marks:
        raise ValueError(f"{page.name}: a block does not end, or a comment belongs to none")
    return blocks


def commands_of(text: str) -> Iterator[list[str]]:
    """The words of every simple command in shell text, without redirections and here-documents."""
    waiting, lines = "", iter(text.splitlines())
    for line in lines:
        waiting = f"{waiting}{line}"
        if waiting.endswith("\\"):
            waiting = waiting[:-1]
            continue
        lexer = shlex.shlex(waiting, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:  # a quotation goes on in the next line
            waiting += "\n"
            continue
        waiting = ""
        if "<<" in words:
            end = words[words.index("<<") + 1]
            while next(lines) != end:
                pass
        yield from _simple_commands(words)
    if waiting:
        raise ValueError(f"a quotation does not end: {waiting}")


def _simple_commands(words: list[str]) -> Iterator[list[str]]:
    command: list[str] = []
    skip = False
    for word in [*words, ";"]:
        if skip:
            skip = False
        elif word in SEPARATORS:
            while command and re.match(r"^\w+=", command[0]):  # VARIABLE=value
                command = command[1:]
            if command:
                yield command
            command = []
        elif word in REDIRECTS or word == "<<":
            skip = True
        else:
            command.append(word)


def inline_commands(page: Path) -> Iterator[list[str]]:
    """`fishrt ...` in running text: the words of each."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.S | re.M)
    for code in re.findall(r"`(fishrt [a-z][^`]*)`", text):
        yield shlex.split(code.replace(r"\|", "|"))[1:]
