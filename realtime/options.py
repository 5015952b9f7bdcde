"""What the user asked for in a live session."""

from dataclasses import dataclass
from pathlib import Path

from fishrt.bundle import GraphPrecision
from fishrt.config import TrainMode
from realtime.backends import Backend
from realtime.capture import Pace
from realtime.web.address import WebAddress


@dataclass(frozen=True)
class LiveOptions:
    """What the user asked for; the command line has the same names and defaults.

    Attributes:
        camera: Where pictures come from, as `open_source` takes it.
        bundle: Path or name of the bundle.
        mode: Window or stream forecasts, or None for what the bundle was trained for.
        allow_untrained_stream: Whether stream forecasts of a window-trained model are wanted.
        every: Frames from one forecast to the next, or None to let the budget decide.
        threshold: Probability from which on a burst is forecast, or None for the bundle's.
        output: Path of the log of JSON lines, `-` for stdout, or None for no log.
        record: Path of the overlay video, or None.
        overwrite: Whether existing files may be replaced.
        window: Whether to show a window.
        frames: Frames to write at most, or None.
        precision: Which of the bundle's step graphs to run.
        backend: What computes.
        trust_engine: Whether a TensorRT engine may run code on the host.
        pace: How fast to go where the source has no pace of its own.
        overrides: Settings of this camera, such as `preprocess.polarity=dark`.
        web: Where to serve the page, or None for no page.
        web_record_dir: Folder for recordings that are begun on the page.
    """

    camera: str = "0"
    bundle: str = "demo"
    mode: TrainMode | None = None
    allow_untrained_stream: bool = False
    every: int | None = None
    threshold: float | None = None
    output: str | None = None
    record: Path | None = None
    overwrite: bool = False
    window: bool = False
    frames: int | None = None
    precision: GraphPrecision = GraphPrecision.FP32
    backend: Backend = Backend.CPU
    trust_engine: bool = False
    pace: Pace = Pace.REALTIME
    overrides: tuple[str, ...] = ()
    web: WebAddress | None = None
    web_record_dir: Path = Path()
