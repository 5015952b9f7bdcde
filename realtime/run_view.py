"""What sinks and the page know of a run, beside what they are told frame by frame."""

from collections.abc import Callable
from dataclasses import dataclass

from fishrt.config import Config
from realtime.capture import Policy
from realtime.scoreboard.snapshot import ScoreSnapshot
from realtime.sinks.outbox import Outbox
from realtime.stats import StatsSnapshot


@dataclass(frozen=True)
class RunView:
    """A run as those see it who keep or show it.

    Attributes:
        camera: What the user named as camera or recording; a password may stand in it.
        bundle: Name of the bundle that forecasts.
        config: The model's config.
        threshold: Probability from which on a burst is forecast.
        policy: What gives way when the machine is too slow.
        figures: Gives the figures of the run, on any thread.
        scores: Gives the scoreboard, on any thread.
        outbox: Where they leave what goes wrong.
    """

    camera: str
    bundle: str
    config: Config
    threshold: float
    policy: Policy
    figures: Callable[[], StatsSnapshot]
    scores: Callable[[], ScoreSnapshot]
    outbox: Outbox

    @property
    def fps(self) -> float:
        """The model's frames a second."""
        return self.config.clip.fps

    @property
    def horizon(self) -> int:
        """How far a forecast looks ahead, in frames."""
        return self.config.label.horizon

    @property
    def horizon_s(self) -> float:
        """How far a forecast looks ahead, in seconds."""
        return self.horizon / self.fps
