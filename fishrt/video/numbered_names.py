"""The pictures of a folder by name and number, in little memory: an hour has 108 000."""

import itertools
import os
import re
from array import array
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fishrt.errors import SourceError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
_PICTURE = re.compile(r"[^.].*(?:" + "|".join(map(re.escape, IMAGE_SUFFIXES)) + ")", re.IGNORECASE)
_LAST_NUMBER = re.compile(r"(\d+)\D*$")
MOST_DIGITS = 18  # that surely fit into 64 bits
NAMES_TOGETHER = 4096


class Pattern(NamedTuple):
    """Names that differ in their number only: what is before it, its digits, what is behind it."""

    before: str
    digits: int
    behind: str


@dataclass(frozen=True)
class NumberedNames:
    """Names of numbered pictures, in the order of the numbers.

    Attributes:
        numbers: `(N,)`, ascending; int64, or Python's own where they are larger.
        pattern: What the names are alike in, or None where they are not.
        names: The names themselves, where they are not alike.
        alphabetical: Whether these are all pictures of the folder, in the order of their names.
    """

    numbers: NDArray[Any]
    pattern: Pattern | None
    names: tuple[str, ...]
    alphabetical: bool

    def __len__(self) -> int:
        return len(self.numbers)

    def name(self, index: int) -> str:
        """Name of a picture, without its folder."""
        return self.part(range(index, index + 1)).all()[0]

    def all(self) -> list[str]:
        """All names."""
        if self.pattern is None:
            return list(self.names)
        before, digits, behind = self.pattern
        return [f"{before}{number:0{digits}d}{behind}" for number in self.numbers.tolist()]

    def part(self, pictures: range) -> "NumberedNames":
        """Those of some consecutive pictures."""
        own = slice(pictures.start, pictures.stop)
        return replace(self, numbers=self.numbers[own], names=self.names[own])


def picture_names(folder: Path) -> list[str]:
    """Names of all pictures of a folder, numbered or not, in alphabetical order.

    Raises:
        OSError: If the folder cannot be listed.
    """
    # names, not paths: making a Path of each takes longer than decoding a small picture
    return sorted(name for name in os.listdir(folder) if _PICTURE.fullmatch(name))  # noqa: PTH208


def numbered_pictures(folder: Path) -> NumberedNames:
    """All numbered pictures of a folder.

    Raises:
        SourceError: If there are none, two with the same number, or the folder cannot be listed.
    """
    try:
        alike = _alike(folder)
        names = picture_names(folder) if alike is None else []
    except OSError as error:
        raise SourceError(
            f"cannot list the folder {folder}: {error.strerror}; check its permissions."
        ) from error
    return _of_any_kind(folder, names) if alike is None else alike


def _alike(folder: Path) -> NumberedNames | None:
    """All pictures of a folder, if their names differ in the number only, as most do."""
    pattern: Pattern | None = None
    numbers = array("q")
    with os.scandir(folder) as entries:
        names = (entry.name for entry in entries)
        # not all at once, so that memory grows with the numbers alone
        while few := list(itertools.islice(names, NAMES_TOGETHER)):
            if pattern is None:
                first = next(filter(_PICTURE.fullmatch, few), None)
                if first is None:
                    continue
                pattern = _pattern(first)
            alike = pattern and _numbers(few, pattern)
            if alike is None:
                return None
            numbers.extend(alike)
    if pattern is None:
        return None
    ascending = np.array(numbers, np.int64)
    ascending.sort()
    return NumberedNames(ascending, pattern, (), alphabetical=True)


def _numbers(names: list[str], pattern: Pattern) -> list[int] | None:
    """Numbers of all pictures among some names, or None if one is not like the pattern."""
    before, digits, behind = pattern
    number = slice(len(before), len(before) + digits)
    length = len(before) + digits + len(behind)

    def fits(name: str) -> bool:
        return len(name) == length and name.startswith(before) and name.endswith(behind)

    found = [name[number] for name in names if fits(name)]
    together = "".join(found)
    if len(found) == len(names) and together.isdigit() and together.isascii():
        return list(map(int, found))  # nothing else lies in most folders
    found = []
    for name in names:
        if fits(name) and name[number].isdigit() and name[number].isascii():
            found.append(name[number])
        elif _PICTURE.fullmatch(name):
            return None
    return list(map(int, found))


def _pattern(name: str) -> Pattern | None:
    found = _LAST_NUMBER.search(name[: name.rindex(".")])
    if found is None or not found[1].isascii() or len(found[1]) > MOST_DIGITS:
        return None
    return Pattern(name[: found.start(1)], len(found[1]), name[found.end(1) :])


def _of_any_kind(folder: Path, names: list[str]) -> NumberedNames:
    numbered: dict[int, str] = {}
    for name in names:
        number = _LAST_NUMBER.search(name[: name.rindex(".")])
        if number is None:
            continue
        other = numbered.setdefault(int(number[1]), name)
        if other is not name:
            raise SourceError(
                f"the folder {folder} has two pictures with number {int(number[1])} "
                f"({other} and {name}); leave only one series in it."
            )
    if not numbered:
        raise SourceError(
            f"the folder {folder} holds no numbered pictures (00000.png, 00001.png, ...; also jpg, "
            "tif or bmp); give a folder that does, or a video file."
        )
    numbers = sorted(numbered)
    in_order = [numbered[number] for number in numbers]
    small = numbers[-1] < 10**MOST_DIGITS
    return NumberedNames(
        np.array(numbers, np.int64 if small else object),
        None,
        tuple(in_order),
        alphabetical=in_order == names,
    )
