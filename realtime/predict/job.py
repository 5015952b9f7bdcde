"""One source to forecast, and where its rows go."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """One source to forecast.

    Attributes:
        label: As it is written in the column `source`.
        source: As `absolute_source` names it, but with a password if it has one.
        part: The folder of its part.
    """

    label: str
    source: str
    part: Path
