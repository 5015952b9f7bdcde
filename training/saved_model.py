"""Reading Keras 2 SavedModels as data: layers, their settings and their weights.

Three files are parsed and nothing in them is run: `saved_model.pb` (the graph of objects),
`keras_metadata.pb` (settings of the layers, from TensorFlow 2.5 on; older ones have them inside
`saved_model.pb`) and the checkpoint in `variables/`, which has a graph of objects of its own. A
weight is found by the names on the way from the network to it, such as
`layer-1 / cell / recurrent_kernel`, never by its place in a list.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph
from tensorflow.python.keras.protobuf.saved_metadata_pb2 import SavedMetadata

from fishrt.errors import TrainingError

GRAPH_FILE = "saved_model.pb"
METADATA_FILE = "keras_metadata.pb"
VARIABLES = "variables/variables"
INDEX_FILE = f"{VARIABLES}.index"
ROOT = 0
# what TensorFlow's checkpoint reader raises on damage; a file cut short is an IndexError
READ_ERRORS = (tf.errors.OpError, ValueError, IndexError, RuntimeError)

Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class SavedLayer:
    """One layer of a saved network.

    Attributes:
        kind: Its Keras class, such as `ConvLSTM2D`.
        name: Its name in the network.
        settings: What its constructor was given; tuples are lists.
        per_step: Whether it stood inside `TimeDistributed`, which is left out here.
        weights: Every weight that it has, float32, by the name that the layer gives it.
    """

    kind: str
    name: str
    settings: Mapping[str, Any]
    per_step: bool
    weights: Weights


@dataclass(frozen=True)
class SavedNetwork:
    """A saved network that is one chain of layers.

    Attributes:
        input_shape: `(batch, steps, height, width, channels)` or whatever was saved, with None
            for what is open; empty if it was not saved.
        layers: First to last, without the input.
        tensorflow: Version of the TensorFlow that wrote it.
    """

    input_shape: tuple[int | None, ...]
    layers: tuple[SavedLayer, ...]
    tensorflow: str


def read_saved_model(folder: Path) -> SavedNetwork:
    """Reads a Keras 2 SavedModel whose layers are one chain.

    Args:
        folder: The folder with `saved_model.pb`.

    Returns:
        Its layers with settings and weights.

    Raises:
        TrainingError: If it is missing, damaged, no Keras 2 model, no chain, or has a weight
            that is no finite float32 number.
    """
    _require_files(folder)
    saved = _parse(folder / GRAPH_FILE, SavedModel())
    if len(saved.meta_graphs) != 1 or not saved.meta_graphs[0].object_graph_def.nodes:
        raise TrainingError(f"{folder / GRAPH_FILE} is damaged or no TensorFlow 2 SavedModel.")
    nodes = saved.meta_graphs[0].object_graph_def.nodes
    metadata = _metadata(folder, nodes)
    try:
        chain, input_shape = _chain(metadata[ROOT], folder)
        paths = {
            metadata[child.node_id]["name"]: child.local_name
            for child in nodes[ROOT].children
            if re.fullmatch(r"layer-\d+", child.local_name)
        }
        checkpoint = _Checkpoint(folder)
        layers = tuple(
            _layer(entry, checkpoint.weights(paths[entry["config"]["name"]])) for entry in chain
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise TrainingError(
            f"{folder} cannot be read: what it says about its layers is incomplete."
        ) from error
    return SavedNetwork(input_shape, layers, saved.meta_graphs[0].meta_info_def.tensorflow_version)


def _require_files(folder: Path) -> None:
    if not folder.is_dir():
        raise TrainingError(f"there is no folder {folder}; give the one with {GRAPH_FILE} in it.")
    for name in (GRAPH_FILE, INDEX_FILE):
        if not (folder / name).is_file():
            raise TrainingError(
                f"{folder} is no whole SavedModel: it has no {name}; give a folder that Keras 2 "
                "saved, with everything in it."
            )


def _parse(path: Path, message: Any) -> Any:
    try:
        message.ParseFromString(path.read_bytes())
    except (DecodeError, OSError) as error:
        raise TrainingError(f"{path} is damaged or cannot be read; copy it anew.") from error
    return message


def _metadata(folder: Path, nodes: Any) -> dict[int, Any]:
    """What Keras says about each object, by the object's number."""
    path = folder / METADATA_FILE
    if path.is_file():
        texts = {node.node_id: node.metadata for node in _parse(path, SavedMetadata()).nodes}
    else:
        texts = {number: node.user_object.metadata for number, node in enumerate(nodes)}
    try:
        metadata = {
            number: json.loads(text, object_hook=_plain) for number, text in texts.items() if text
        }
    except (ValueError, RecursionError) as error:
        raise TrainingError(f"the Keras metadata in {folder} is damaged; copy it anew.") from error
    if ROOT not in metadata:
        raise TrainingError(
            f"{folder} does not say what its layers are: it was not saved by Keras 2, or "
            f"{METADATA_FILE} was left behind; copy the whole folder."
        )
    return metadata


def _plain(value: dict[str, Any]) -> Any:
    """Tuples and shapes, which Keras writes as objects, become lists."""
    is_list = value.get("class_name") in ("__tuple__", "TensorShape")
    return value["items"] if is_list and "items" in value else value


def _chain(network: Any, folder: Path) -> tuple[list[Any], tuple[int | None, ...]]:
    """The layers' entries first to last, without the input, and the shape of the input."""
    config = network["config"]
    entries = list(config["layers"])
    kind = network["class_name"]
    if kind == "Sequential":
        is_chain = True
    elif kind in ("Functional", "Model"):
        calls = [_names(entry["inbound_nodes"]) for entry in entries]
        names = [entry["name"] for entry in entries]
        is_chain = calls == [[], *([name] for name in names[:-1])]
        is_chain = is_chain and _names(config["output_layers"]) == names[-1:]
    else:
        is_chain = False
    if not is_chain:
        raise TrainingError(
            f"{folder} is a network ({kind}) whose layers do not follow one upon the other, so "
            "it is none that fishrt can import."
        )
    shape: list[int | None] = []
    if entries and entries[0]["class_name"] == "InputLayer":
        first = entries.pop(0)["config"]
        shape = first.get("batch_input_shape") or first.get("batch_shape") or []
    return entries, tuple(shape)


def _names(calls: Any) -> list[str]:
    """Names in Keras' nested lists of `[layer name, call, output, options]`."""
    if isinstance(calls, str):
        return [calls]
    return [name for part in calls for name in _names(part)] if isinstance(calls, list) else []


def _layer(entry: Any, weights: Weights) -> SavedLayer:
    name = entry["config"]["name"]
    per_step = entry["class_name"] == "TimeDistributed"
    if per_step:
        entry = entry["config"]["layer"]
    return SavedLayer(entry["class_name"], name, entry["config"], per_step, weights)


class _Checkpoint:
    """The variables of a SavedModel, by their way through the graph of objects."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self._reader = tf.train.load_checkpoint(str(folder / VARIABLES))
            graph = self._reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
            self._nodes = TrackableObjectGraph.FromString(graph).nodes
        except (*READ_ERRORS, DecodeError) as error:
            raise self._damaged() from error

    def weights(self, layer: str) -> Weights:
        """All weights of a layer of the network, of its cell, and of what it wraps."""
        try:
            objects = [self._children(ROOT)[layer]]
        except (KeyError, IndexError) as error:
            raise self._damaged() from error
        children = self._children(objects[0])
        objects += [children[inner] for inner in ("cell", "layer") if inner in children]
        return {
            name: self._tensor(attribute.checkpoint_key)
            for number in objects
            for name, child in self._children(number).items()
            for attribute in self._nodes[child].attributes
            if attribute.name == "VARIABLE_VALUE"
        }

    def _children(self, number: int) -> dict[str, int]:
        return {child.local_name: child.node_id for child in self._nodes[number].children}

    def _tensor(self, key: str) -> NDArray[np.float32]:
        try:
            value = np.asarray(self._reader.get_tensor(key))
        except READ_ERRORS as error:
            raise self._damaged() from error
        if value.dtype != np.float32 or not np.isfinite(value).all():
            raise TrainingError(
                f"{self._folder} has a weight that is no finite float32 number ({key}); it "
                "cannot be used."
            )
        return value

    def _damaged(self) -> TrainingError:
        return TrainingError(
            f"the weights in {self._folder / VARIABLES} are damaged or incomplete; copy them anew."
        )
