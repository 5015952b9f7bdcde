"""What the user asked for in a live session."""

from dataclasses import dataclass, field
from pathlib import Path

from fishrt.bundle import GraphPrecision
from fishrt.config import TrainMode
from fishrt.video.request import NOTHING_ASKED, CameraRequest
from realtime.alarm import AlarmWishes
from realtime.backends import Backend
from realtime.capture import Pace
from realtime.web.address import WebAddress


@dataclass(frozen=True)
class LiveOptions:
    """What the user asked for; the command line has the same names and defaults.

    Attributes:
        camera: Where pictures come from, as `open_source` takes it.
        replay: Folder of a recording whose frames are played instead, or None.
        bundle: Path or name of the bundle.
        mode: Window or stream forecasts, or None for what the bundle was trained for.
        allow_untrained_stream: Whether stream forecasts of a window-trained model are wanted.
        every: Frames from one forecast to the next, or None to let the budget decide.
        alarm: What the user wants of the decision rule.
        outputs: Paths of logs; `.csv` and `.parquet` are tables, all else JSON lines, `-` stdout.
        events: Path of the log of events as JSON lines, or None.
        scores: Path of the log of scores, or None.
        to: Addresses of programs, brokers and devices that are told live.
        record: Path of the overlay video, or None.
        record_raw: Path of the video of the camera's own picture, or None.
        overwrite: Whether existing files may be replaced.
        window: Whether to show a window.
        frames: Frames to write at most, or None.
        precision: Which of the bundle's step graphs to run.
        backend: What computes.
        trust_engine: Whether a TensorRT engine may run code on the host.
        pace: How fast to go where the source has no pace of its own.
        request: What to ask of the camera.
        frozen_after_s: Seconds of the same picture that mean a frozen camera; 0 for never; None
            for what is usual for the kind of source.
        overrides: Settings of this camera, such as `preprocess.polarity=dark`.
        web: Where to serve the page, or None for no page.
        web_record_dir: Folder for recordings that are begun on the page.
    """

    camera: str = "0"
    replay: str | None = None
    bundle: str = "demo"
    mode: TrainMode | None = None
    allow_untrained_stream: bool = False
    every: int | None = None
    alarm: AlarmWishes = field(default_factory=AlarmWishes)
    outputs: tuple[str, ...] = ()
    events: str | None = None
    scores: str | None = None
    to: tuple[str, ...] = ()
    record: Path | None = None
    record_raw: Path | None = None
    overwrite: bool = False
    window: bool = False
    frames: int | None = None
    precision: GraphPrecision = GraphPrecision.FP32
    backend: Backend = Backend.CPU
    trust_engine: bool = False
    pace: Pace = Pace.REALTIME
    request: CameraRequest = NOTHING_ASKED
    frozen_after_s: float | None = None
    overrides: tuple[str, ...] = ()
    web: WebAddress | None = None
    web_record_dir: Path = Path()

    @property
    def line_files(self) -> tuple[str, ...]:
        """What lines are written to, one after another, but the standard output."""
        logs = (*self.outputs, self.events, self.scores)
        return tuple(log for log in logs if log is not None and log != "-")

    @property
    def only_to_stdout(self) -> bool:
        """Whether forecasts go to the standard output and nowhere else but to a window."""
        others = (self.events, self.scores, self.record, self.record_raw, self.web)
        return self.outputs == ("-",) and not self.to and all(each is None for each in others)

    @property
    def footage(self) -> str:
        """Where pictures come from, for a person."""
        return self.camera if self.replay is None else self.replay
