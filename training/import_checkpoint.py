"""From a published checkpoint to a run: checks that fishrt's network computes the same.

The layers must be ConvLSTM -> [max pool and batch norm -> ConvLSTM] ... -> global max pool ->
dense, or ConvLSTM -> batch norm -> global max pool -> dense, with the published settings. Whatever
would compute another function is refused. A batch norm without centre and scale rises with its
input, so it may stand before the max pool as well as behind it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fishrt.choices import Background
from fishrt.config import Config, Head, TrainMode, parse_config
from fishrt.errors import TrainingError, output_error
from fishrt.preprocess import load_background
from fishrt.storage import sha256_of
from fishrt.stored_background import save_background
from training.forecaster import Forecaster
from training.run import describe_software, refuse_existing_run, save_weights, start_run
from training.saved_model import INDEX_FILE, SavedLayer, SavedNetwork, Weights, read_saved_model

WANTED = (
    "ConvLSTM2D, max pool, batch norm, ConvLSTM2D, global max pool, Dense; or ConvLSTM2D, batch "
    "norm, global max pool, Dense"
)
IGNORED = {"Dropout", "SpatialDropout2D", "SpatialDropout3D"}  # do nothing outside of training
LETTERS = {
    "ConvLSTM2D": "C",
    "BatchNormalization": "N",
    "MaxPooling2D": "P",
    "MaxPooling3D": "P",
    "GlobalMaxPooling2D": "G",
    "Dense": "D",
}
CHAIN = re.compile(r"(C(PN|NP|N)){1,3}CGD|CNGD")
CELL = {
    "activation": "tanh",
    "recurrent_activation": "hard_sigmoid",  # in Keras 2, clip(0.2 x + 0.5, 0, 1)
    "use_bias": False,
    "padding": "valid",
    "data_format": "channels_last",
    "strides": [1, 1],
    "dilation_rate": [1, 1],
    "go_backwards": False,
    "stateful": False,
    "return_state": False,
}
NORM = {"center": False, "scale": False, "epsilon": 1e-3}
DENSE = {"units": 1, "activation": "sigmoid", "use_bias": True}


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was found to be a network that fishrt can build.

    Attributes:
        clip: Settings of the clip that it fixes, by name.
        model: Settings of the network, by name.
        cells: `kernel` and `recurrent_kernel` of every ConvLSTM layer.
        norms: `moving_mean` and `moving_variance` of every batch norm.
        head: `kernel` and `bias` of the dense layer.
    """

    clip: Mapping[str, int]
    model: Mapping[str, Any]
    cells: Sequence[Weights]
    norms: Sequence[Weights]
    head: Weights


def import_checkpoint(source: Path, config: Config, folder: Path) -> Forecaster:
    """Makes a run of a Keras 2 SavedModel of the published network.

    Args:
        source: The SavedModel's folder; nothing in it is run.
        config: Preprocessing, label rule and the like; what it sets of the clip and the network
            must agree with the checkpoint.
        folder: The run folder to make.

    Returns:
        The network with the checkpoint's weights.

    Raises:
        TrainingError: If the checkpoint is damaged or another network, or disagrees with `config`.
        ConfigError: If the background picture cannot be read.
        OutputError: If the run cannot be written.
    """
    refuse_existing_run(folder)
    saved = read_saved_model(source)
    checkpoint = check_network(saved, source)
    config = _complete(config, checkpoint)
    background = None
    if config.preprocess.background_image and config.preprocess.background is Background.IMAGE:
        background = load_background(config.preprocess.background_image)
    model = Forecaster(config.clip, config.model)
    set_weights(model, checkpoint)
    start_run(folder, config, _description(source, saved, model))
    try:
        save_background(folder, background)
    except OSError as error:
        raise output_error(folder, error) from error
    save_weights(folder, model)  # last: a run is whole once it has them
    return model


def set_weights(model: Forecaster, checkpoint: Checkpoint) -> None:
    """Gives a network the weights of a checkpoint, each by its name."""
    layers = [*model.cells, *model.norms, model.head]
    for layer, weights in zip(
        layers, [*checkpoint.cells, *checkpoint.norms, checkpoint.head], strict=True
    ):
        for name, value in weights.items():
            getattr(layer, name).assign(value)


def check_network(saved: SavedNetwork, source: Path) -> Checkpoint:
    """Checks that a saved network computes what a `Forecaster` computes.

    Args:
        saved: Its layers.
        source: Where it comes from, for the error sentences.

    Raises:
        TrainingError: If a layer, a setting or a shape is another one.
    """
    layers = [layer for layer in saved.layers if layer.kind not in IGNORED]
    if not CHAIN.fullmatch("".join(LETTERS.get(layer.kind, "?") for layer in layers)):
        kinds = ", ".join(layer.kind for layer in layers) or "none"
        raise TrainingError(f"{source} has the layers {kinds}, but fishrt can import {WANTED}.")
    cells = [layer for layer in layers if layer.kind == "ConvLSTM2D"]
    norms = [layer for layer in layers if layer.kind == "BatchNormalization"]
    pools = [layer for layer in layers if layer.kind.startswith("MaxPooling")]
    pooled, head = layers[-2:]
    for cell in cells:
        _require(cell, {**CELL, "return_sequences": cell is not cells[-1]})
    for norm in norms:
        # the 5-D sequence is normalised along axis 4, a picture along axis 3
        channels = 3 if norm.per_step or len(cells) == 1 else 4
        per_step = norm.per_step and len(cells) > 1
        _require(norm, NORM, per_step=per_step)
        if norm.settings.get("axis") not in (-1, [-1], channels, [channels]):
            raise TrainingError(f"the layer {norm.name} does not normalise each channel by itself.")
    _require(pooled, {"data_format": "channels_last"})
    _require(head, DENSE)
    if pooled.settings.get("keepdims"):
        raise TrainingError(f"the layer {pooled.name} keeps pictures, so the head is another one.")
    sizes = {_pool_size(pool) for pool in pools}
    if len(pools) < len(cells) - 1:
        sizes.add(1)
    return Checkpoint(
        _clip(saved, cells[0], source),
        {
            "filters": tuple(_filters(cells, norms, head)),
            "kernel_size": _one({cell.weights["kernel"].shape[0] for cell in cells}, "kernel"),
            **({"pool_size": _one(sizes, "max pool")} if sizes else {}),
            "head": Head.MAX_POOL,
            "dense": (),
            "motion_units": 0,
        },
        [cell.weights for cell in cells],
        [norm.weights for norm in norms],
        head.weights,
    )


def _require(layer: SavedLayer, settings: Mapping[str, Any], per_step: bool = False) -> None:
    """Refuses a layer that has another setting, or stands elsewhere in `TimeDistributed`."""
    if layer.per_step is not per_step:
        raise TrainingError(f"the layer {layer.name} must not be inside TimeDistributed.")
    for name, wanted in settings.items():
        found = layer.settings.get(name)
        if found != wanted:
            raise TrainingError(
                f"the layer {layer.name} ({layer.kind}) has {name}={found}, but fishrt's network "
                f"has {name}={wanted}, so it would give other probabilities."
            )


def _pool_size(pool: SavedLayer) -> int:
    size, strides = pool.settings.get("pool_size"), pool.settings.get("strides")
    side = size[-1] if isinstance(size, list) and size else None
    wanted = [side, side] if pool.per_step else [1, side, side]
    _require(pool, {"padding": "valid", "data_format": "channels_last"}, pool.per_step)
    dimensions = 2 if pool.per_step else 3
    if (
        not isinstance(side, int)
        or not size == strides == wanted
        or str(dimensions) not in pool.kind
    ):
        raise TrainingError(
            f"the layer {pool.name} ({pool.kind}) must pool squares of each time step that do not "
            f"overlap, but has pool_size={size} and strides={strides}."
        )
    return side


def _clip(saved: SavedNetwork, first: SavedLayer, source: Path) -> dict[str, int]:
    """What the checkpoint says of the clip: the channels always, the rest if it was saved."""
    shape = saved.input_shape or tuple(first.settings.get("batch_input_shape") or ())
    channels = int(first.weights["kernel"].shape[2])
    clip = {"frames_per_step": channels}
    if not shape:
        return clip
    if len(shape) != 5 or shape[4] != channels:
        raise TrainingError(
            f"{source} takes input of shape {shape}, but clips are (batch, steps, height, width, "
            f"{channels})."
        )
    named = zip(("steps", "height", "width"), shape[1:4], strict=True)
    return clip | {name: int(size) for name, size in named if size is not None}


def _filters(
    cells: Sequence[SavedLayer], norms: Sequence[SavedLayer], head: SavedLayer
) -> list[int]:
    """Filters of every ConvLSTM layer, once all shapes are found to fit together."""
    channels = cells[0].weights["kernel"].shape[2]
    filters = []
    for cell in cells:
        count = int(cell.settings["filters"])
        side = cell.weights["kernel"].shape[0]
        _require_shapes(
            cell,
            {
                "kernel": (side, side, channels, 4 * count),
                "recurrent_kernel": (side, side, count, 4 * count),
            },
        )
        filters.append(count)
        channels = count
    for norm, count in zip(norms, filters, strict=False):
        _require_shapes(norm, {"moving_mean": (count,), "moving_variance": (count,)})
    _require_shapes(head, {"kernel": (filters[-1], 1), "bias": (1,)})
    return filters


def _require_shapes(layer: SavedLayer, shapes: Mapping[str, tuple[int, ...]]) -> None:
    found = {name: value.shape for name, value in layer.weights.items()}
    if found != dict(shapes):
        raise TrainingError(
            f"the layer {layer.name} ({layer.kind}) has the weights {found}, but fishrt's network "
            f"has {dict(shapes)}."
        )


def _one(values: set[int], what: str) -> int:
    if len(values) != 1:
        raise TrainingError(
            f"the {what} sizes {sorted(values)} differ between layers, but fishrt has one for all."
        )
    return values.pop()


def _complete(config: Config, checkpoint: Checkpoint) -> Config:
    """The config with what the checkpoint fixes; what was set otherwise is refused."""
    sections = config.model_dump()
    for name, fixed in (("clip", checkpoint.clip), ("model", checkpoint.model)):
        asked = getattr(config, name)
        for key, value in fixed.items():
            if key in asked.model_fields_set and getattr(asked, key) != value:
                raise TrainingError(
                    f"the checkpoint has {name}.{key}={value}, but {name}.{key}="
                    f"{getattr(asked, key)} was set; leave that setting out."
                )
        sections[name] = {**sections[name], **fixed}
    sections["train"] = {**sections["train"], "mode": TrainMode.WINDOW, "loss_steps": 1}
    return parse_config(sections, "the checkpoint's settings")


def _description(source: Path, saved: SavedNetwork, model: Forecaster) -> dict[str, Any]:
    return {
        "software": describe_software(),
        "imported": {
            "folder": source.name,
            "tensorflow": saved.tensorflow,
            "weights_sha256": sha256_of(source / INDEX_FILE),
        },
        "parameters": int(model.count_params()),
    }
