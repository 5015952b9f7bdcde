"""What was asked for, checked: all that decides about the rows of any source."""

import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fishrt import __version__
from fishrt.bundle import Bundle, load_bundle
from fishrt.config import TrainMode, override_config
from fishrt.errors import BundleError
from realtime.camera_settings import check_overrides
from realtime.modes import checked_mode


@dataclass(frozen=True)
class PredictOptions:
    """What the user asked for; the command line has the same names and defaults.

    Attributes:
        sources: Files, folders of images, recordings, URLs, `demo[:SEED]`, in this order.
        bundle: Path or name of the bundle.
        output: The file to write; its ending says the format.
        mode: Window or stream forecasts, or None for what the bundle was trained for.
        allow_untrained_stream: Whether stream forecasts of a window-trained model are wanted.
        every: Frames from one forecast to the next, or None for every frame.
        frames: Frames to take of every source at most, or None.
        source_fps: Frames a second of sources that do not say it, or say it wrongly, or None.
        overrides: Settings of these cameras, such as `preprocess.polarity=dark`.
        overwrite: Whether an output that is already there may be replaced.
        restart: Whether an unfinished output is begun anew.
        ray: Address of a Ray cluster, `local` for one started here, or None for no Ray.
    """

    sources: tuple[str, ...]
    bundle: str
    output: Path
    mode: TrainMode | None = None
    allow_untrained_stream: bool = False
    every: int | None = None
    frames: int | None = None
    source_fps: float | None = None
    overrides: tuple[str, ...] = ()
    overwrite: bool = False
    restart: bool = False
    ray: str | None = None


@dataclass(frozen=True)
class Plan:
    """How every source is forecast; plain data that can be sent to another process.

    Attributes:
        bundle: Full path of the bundle.
        bundle_sha256: What the bundle holds.
        mode: Window or stream forecasts.
        every: Frames from one forecast to the next.
        frames: Frames to take of every source at most, or None.
        source_fps: Frames a second of the sources, whatever they say, or None.
        overrides: Settings of these cameras.
    """

    bundle: str
    bundle_sha256: str
    mode: TrainMode
    every: int
    frames: int | None
    source_fps: float | None
    overrides: tuple[str, ...]

    def as_data(self) -> dict[str, Any]:
        """What an unfinished output is compared with: all that decides about a row."""
        data = asdict(self)
        del data["bundle"]  # it may have moved; its hash says what it is
        return {"command": "predict", "fishrt_version": __version__, **data}

    def load_bundle(self) -> Bundle:
        """Reads the bundle, on whatever machine this is.

        Raises:
            BundleError: If it is missing, damaged, or another one than was planned with.
        """
        bundle = load_bundle(self.bundle)
        if bundle.sha256 != self.bundle_sha256:
            raise BundleError(
                f"the bundle {self.bundle} on {platform.node()} is not the one that this was "
                "begun with; copy the same bundle to the same path on every machine."
            )
        return bundle


def make_plan(options: PredictOptions, bundle: Bundle) -> Plan:
    """Checks what was asked for against the bundle.

    Raises:
        BundleError: If a stream forecast is asked of a model that was not trained for it.
        ConfigError: If a setting is wrong, or a stride is asked of a stream forecast.
    """
    mode = checked_mode(
        bundle, options.mode, options.every, allow_untrained=options.allow_untrained_stream
    )
    check_overrides(options.overrides)
    override_config(bundle.metadata.config, options.overrides)
    return Plan(
        str(bundle.folder.resolve()),
        bundle.sha256,
        mode,
        options.every or 1,
        options.frames,
        options.source_fps,
        options.overrides,
    )
