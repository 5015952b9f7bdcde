"""The configuration: pydantic models with the published defaults, YAML files, overrides.

A config is data: it is read with a safe YAML loader and nothing in it is ever run.
"""

import enum
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from fishrt.choices import Background, Polarity
from fishrt.choices import TrainMode as TrainMode
from fishrt.clip import ClipGeometry
from fishrt.errors import ConfigError
from fishrt.motion import LabelRule
from fishrt.region import RegionOfInterest
from fishrt.settings import apply_override, read_settings, sentence_of

MOTION_PAST = 900
"""Motion energies that a motion model looks back on: thirty seconds at 30 fps."""

CONFIG_FOLDERS = (Path(__file__).parent / "configs", Path(__file__).parent.parent / "configs")


class Flips(enum.StrEnum):
    """How mirrored clips are added to training."""

    NONE = "none"
    RANDOM = "random"
    CONCATENATE = "concatenate"


class ModelKind(enum.StrEnum):
    """What the network looks at: the pictures, or their motion energy alone."""

    CONVLSTM = "convlstm"
    MOTION = "motion"


class Head(enum.StrEnum):
    """How the last layer's picture becomes features: what its channels hold, or all of it."""

    MAX_POOL = "max-pool"
    AVERAGE_POOL = "average-pool"
    FLATTEN = "flatten"


class Precision(enum.StrEnum):
    """What training computes in; weights, states and losses stay float32."""

    FLOAT32 = "float32"
    MIXED_FLOAT16 = "mixed_float16"
    MIXED_BFLOAT16 = "mixed_bfloat16"


class Compiler(enum.StrEnum):
    """Whether XLA compiles the training step: `auto` measures on a GPU, and is off on a CPU."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class FramesOn(enum.StrEnum):
    """Where training keeps the frames: `auto` takes the GPU where they fill less than half."""

    AUTO = "auto"
    HOST = "host"
    DEVICE = "device"


class LearningRateDecay(enum.StrEnum):
    """How the learning rate falls over the whole training."""

    NONE = "none"
    COSINE = "cosine"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        # pydantic would take `true` for 1
        field = cls.model_fields[str(info.field_name)]
        takes_switch = field.annotation is bool or bool in get_args(field.annotation)
        if isinstance(value, bool) and not takes_switch:
            raise ValueError(f"input should not be {str(value).lower()}")
        return value


class ClipConfig(_Section):
    """Shape and rate of the model's input."""

    steps: int = Field(default=30, ge=1)
    frames_per_step: int = Field(default=4, ge=1)
    height: int = Field(default=120, ge=8)
    width: int = Field(default=160, ge=8)
    fps: float = Field(default=30.0, gt=0, le=1000)

    @property
    def geometry(self) -> ClipGeometry:
        """The clip geometry of these settings."""
        return ClipGeometry(self.steps, self.frames_per_step, self.height, self.width)


class PreprocessConfig(_Section):
    """From camera image to frame; see `fishrt.preprocess`."""

    roi: tuple[int, int, int, int] | None = None
    background: Background = Background.NONE
    background_image: Path | None = None
    median_images: int = Field(default=101, ge=3)
    polarity: Polarity = Polarity.BRIGHT
    deflicker: bool = False

    @model_validator(mode="after")
    def _check(self) -> "PreprocessConfig":
        if self.background is Background.IMAGE and self.background_image is None:
            raise ValueError("background 'image' needs background_image, the path of a picture")
        if self.roi and (min(self.roi[:2]) < 0 or min(self.roi[2:]) < 1):
            raise ValueError("roi is [x, y, width, height] with x, y >= 0 and a positive size")
        return self

    @property
    def region(self) -> RegionOfInterest | None:
        """The region of interest, or None for the whole picture."""
        return RegionOfInterest(*self.roi) if self.roi else None


class LabelConfig(_Section):
    """The burst label rule; see `fishrt.motion`."""

    horizon: int = Field(default=45, ge=1)
    depth: float = Field(default=0.1, ge=0, le=1)
    threshold: float = Field(default=0.001, ge=0)

    @property
    def rule(self) -> LabelRule:
        """The label rule of these settings."""
        return LabelRule(self.horizon, self.depth, self.threshold)


class ModelConfig(_Section):
    """The network: one ConvLSTM layer for each number of filters, then a head.

    A network of kind `motion` has no ConvLSTM: dense layers over features of the past motion
    energy, `members` times over. Of the rest it takes `dense` and `l2`.

    Attributes:
        kind: What the network looks at.
        filters: Channels of every ConvLSTM layer.
        kernel_size: Side of their kernels, odd.
        pool_size: Side of the max pool between two of them.
        head: How the last layer's picture becomes features.
        dense: Units of the dense layers (ReLU) before the last one.
        dropout: Share of channels (between layers) and features (before dense layers) that
            training sets to zero.
        l1: Weight of the sum of absolute kernel values in the loss.
        l2: Weight of the sum of squared kernel values in the loss.
        motion_units: Units of the motion branch; 0 for none.
        members: Networks whose log odds are averaged; for kind `motion`.
    """

    kind: ModelKind = ModelKind.CONVLSTM
    filters: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(16, 32), min_length=1, max_length=4
    )
    kernel_size: int = Field(default=3, ge=1)
    pool_size: int = Field(default=2, ge=1)
    head: Head = Head.MAX_POOL
    dense: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(), max_length=4)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    l1: float = Field(default=0.0, ge=0)
    l2: float = Field(default=0.0, ge=0)
    motion_units: int = Field(default=0, ge=0, le=1024)
    members: int = Field(default=1, ge=1, le=32)

    @model_validator(mode="after")
    def _check(self) -> "ModelConfig":
        if self.kernel_size % 2 == 0:
            raise ValueError("kernel_size must be odd")
        return self


ClassWeight = Annotated[float, Field(gt=0)]


class TrainConfig(_Section):
    """How the network is fitted.

    Attributes:
        mode: `window` (one label a clip) or `stream` (a label at every step, carried state).
        batch_size: Clips in a batch; in stream mode, streams side by side.
        learning_rate: Adam's.
        decay: How the learning rate falls over the whole training.
        epochs: At most so many.
        patience: Stop after so many epochs without a better validation loss; None never.
        clips_per_epoch: Draw so many clips an epoch; None takes all. In stream mode it counts
            chunks.
        clip_stride: Take every so-manyth clip only.
        loss_steps: In window mode, labels of a clip's last so many steps enter the loss.
        chunk_steps: In stream mode, the steps that one update looks back on.
        reset_probability: In stream mode, how likely a stream restarts from zero state at a chunk.
        warm_up_steps: In stream mode, steps after a restart without loss; None takes
            `clip.steps - 1`, which is what `fishrt live` withholds.
        flips: How mirrored clips are added.
        class_weights: True makes both classes count the same, false takes none; or the weights
            of calm and burst.
        precision: What the convolutions compute in.
        xla: Whether XLA compiles the step.
        frames_on: Where the frames are kept.
        seed: Of weights, order, flips and dropout.
    """

    mode: TrainMode = TrainMode.WINDOW
    batch_size: int = Field(default=4, ge=1)
    learning_rate: float = Field(default=8e-5, gt=0)
    decay: LearningRateDecay = LearningRateDecay.NONE
    epochs: int = Field(default=9, ge=1)
    patience: int | None = Field(default=None, ge=1)
    clips_per_epoch: int | None = Field(default=None, ge=1)
    clip_stride: int = Field(default=1, ge=1)
    loss_steps: int = Field(default=1, ge=1)
    chunk_steps: int = Field(default=30, ge=1)
    reset_probability: float = Field(default=0.05, ge=0, le=1)
    warm_up_steps: int | None = Field(default=None, ge=0)
    flips: Flips = Flips.CONCATENATE
    class_weights: bool | tuple[ClassWeight, ClassWeight] = True
    precision: Precision = Precision.FLOAT32
    xla: Compiler = Compiler.AUTO
    frames_on: FramesOn = FramesOn.AUTO
    seed: int = Field(default=0, ge=0)

    @field_validator("class_weights", mode="before")
    @classmethod
    def _one_wording_for_either_type(cls, value: object) -> object:
        pair = isinstance(value, list | tuple) and len(value) == 2
        if not pair and not isinstance(value, bool):
            raise ValueError("give true, false, or a list with the weights of calm and burst")
        return value


class SplitConfig(_Section):
    """Shares of a recording, in time order: train, validation, test; and what parts them."""

    train: float = Field(default=0.8338, gt=0, lt=1)
    validation: float = Field(default=0.0666, ge=0, lt=1)
    guard: int = Field(default=120, ge=0)

    @model_validator(mode="after")
    def _check(self) -> "SplitConfig":
        if self.train + self.validation > 1:
            raise ValueError("train and validation together must not be more than 1")
        return self


class Config(_Section):
    """Everything that a run needs to know, with the published study's defaults."""

    clip: ClipConfig = ClipConfig()
    preprocess: PreprocessConfig = PreprocessConfig()
    label: LabelConfig = LabelConfig()
    split: SplitConfig = SplitConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()

    @model_validator(mode="after")
    def _check(self) -> "Config":
        if self.train.loss_steps > self.clip.steps:
            raise ValueError(
                f"train.loss_steps ({self.train.loss_steps}) cannot be more than clip.steps "
                f"({self.clip.steps})"
            )
        if self.model.kind is ModelKind.MOTION:
            if self.clip.frames_per_step != 1 or self.clip.steps != MOTION_PAST + 1:
                raise ValueError(
                    "a motion model needs clip.frames_per_step=1 and "
                    f"clip.steps={MOTION_PAST + 1}: it takes one motion energy after the other"
                )
            return self
        height, width = self.clip.height, self.clip.width
        for layer, _ in enumerate(self.model.filters):
            if layer:
                height, width = height // self.model.pool_size, width // self.model.pool_size
            height -= self.model.kernel_size - 1
            width -= self.model.kernel_size - 1
            if min(height, width) < 1:
                raise ValueError(
                    f"frames of {self.clip.width}x{self.clip.height} are too small for "
                    f"{len(self.model.filters)} layers: nothing is left after layer {layer + 1}"
                )
        return self


def load_config(source: Path | str | None, overrides: Iterable[str] = ()) -> Config:
    """Reads a config: the published defaults, then a YAML file, then overrides.

    Args:
        source: Path of a YAML file, or the name of a config that ships with fishrt
            (`demo`, `visionary-serenity`, ...), or None for the published defaults.
        overrides: Dotted settings such as `train.batch_size=8`; the values are YAML.

    Returns:
        The checked config.

    Raises:
        ConfigError: If a file is missing or not YAML, a key unknown, or a value wrong.
    """
    settings = read_settings(find_config(source)) if source is not None else {}
    overrides = tuple(overrides)
    for override in overrides:
        apply_override(settings, override)
    origin = "the settings" if source is None else str(source)
    return parse_config(settings, f"{origin} with --set" if source and overrides else origin)


def override_config(config: Config, overrides: Iterable[str]) -> Config:
    """A config with some settings changed.

    Args:
        config: The config to start from.
        overrides: Dotted settings such as `preprocess.polarity=dark`.

    Raises:
        ConfigError: If a key is unknown or a value wrong.
    """
    settings = config.model_dump(mode="json")
    for override in overrides:
        apply_override(settings, override)
    return parse_config(settings, "the settings")


def parse_config(settings: Mapping[str, Any], origin: str) -> Config:
    """Checks settings that were read as data.

    Args:
        settings: Nested mapping, as YAML gives it.
        origin: Where they come from, for the error sentence.

    Raises:
        ConfigError: If a key is unknown or a value wrong.
    """
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {sentence_of(error, Config)}") from error


def find_config(source: Path | str) -> Path:
    """Path of a config file, given its path or the name of one that ships with fishrt.

    Raises:
        ConfigError: If there is no such file; the sentence lists the names that exist.
    """
    path = Path(source)
    if path.is_file():
        return path
    for folder in CONFIG_FOLDERS:
        named = folder / f"{source}.yaml"
        if named.is_file():
            return named
    names = sorted({file.stem for folder in CONFIG_FOLDERS for file in folder.glob("*.yaml")})
    raise ConfigError(
        f"there is no config file {source}; give the path of a YAML file or one of these names: "
        f"{', '.join(names)}."
    )
