"""What the doctor found."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field


class Level(enum.StrEnum):
    """How bad a finding is, best first."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing about this machine.

    Attributes:
        topic: What it is about, a word or two.
        level: `problem` where forecasting live cannot work, `warning` where something installed
            does not, `note` where something is merely absent.
        what: What was found, in a sentence.
        cure: The command (or the act) that mends it, or None if there is nothing to mend.
        values: Figures and versions, for programs.
    """

    topic: str
    level: Level
    what: str
    cure: str | None = None
    values: dict[str, object] = field(default_factory=dict)


def worst(findings: Iterable[Finding]) -> Level:
    """The worst level among findings; `ok` if there are none."""
    order = list(Level)
    return max((finding.level for finding in findings), key=order.index, default=Level.OK)
