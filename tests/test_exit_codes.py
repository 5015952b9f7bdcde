"""docs/exit-codes.md and the code agree on the exit codes."""

import re
from pathlib import Path

from fishrt import errors
from fishrt.errors import ExitCode, FishrtError

PAGE = Path(__file__).parents[1] / "docs" / "exit-codes.md"


def test_the_page_lists_every_code_once_with_meaning_and_example() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \| ([^|]+) \| ([^|]*) ?\|$", PAGE.read_text(), re.M)
    assert [(int(code), name) for code, name, _, _ in rows] == [(c.value, c.name) for c in ExitCode]
    for code, _, meaning, example in rows:
        assert meaning.endswith("."), meaning
        assert example.strip() or int(code) == 0


def test_every_error_class_has_its_own_code() -> None:
    classes = [
        item
        for item in vars(errors).values()
        if isinstance(item, type) and issubclass(item, FishrtError) and item is not FishrtError
    ]
    codes = {item.exit_code for item in classes}
    assert len(codes) == len(classes) >= 8
    not_errors = {ExitCode.OK, ExitCode.INTERNAL, ExitCode.INTERRUPTED}
    assert codes == set(ExitCode) - not_errors
