"""Export: from a run to a bundle whose graphs are proven before they are written."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from export.graphs import clip_graph, freeze_network, step_graph
from export.parity import Parity, check_parity, measure_parity, tank_frames
from fishrt import __version__
from fishrt.bundle import (
    FORMAT_VERSION,
    METADATA_FILE,
    BundleMetadata,
    GraphFile,
    GraphKind,
    TrainedOn,
    save_metadata,
)
from fishrt.errors import ParityError
from fishrt.recording import Recording
from fishrt.storage import sha256_of, whole_folder
from fishrt.stored_background import save_background
from training.run import Run

PARITY_FRAMES = 3600
"""Frames of a recording that the graphs are compared on, from its end (unseen in training)."""


@dataclass(frozen=True)
class Export:
    """What was exported.

    Attributes:
        folder: The bundle.
        parity: How well its graphs agree with Keras.
        nodes: Number of operators in each graph.
        bytes: Size of the whole bundle.
    """

    folder: Path
    parity: Parity
    nodes: dict[GraphKind, int]
    bytes: int


def export_run(run: Run, folder: Path, recording: Recording | None = None) -> Export:
    """Writes a bundle: both graphs, metadata, evaluation and parity.

    Args:
        run: The trained run.
        folder: The bundle to make; an older bundle there is replaced.
        recording: Frames to compare on, or None for the simulated tank.

    Returns:
        What was exported.

    Raises:
        ParityError: If a graph differs from Keras; nothing is written then.
        OutputError: If the bundle cannot be written.
    """
    geometry = run.config.clip.geometry
    network = freeze_network(run.model)
    graphs = {
        GraphKind.CLIP: clip_graph(network, geometry),
        GraphKind.STEP: step_graph(network, geometry, run.model.state_specs),
    }
    frames, source = _frames(run, recording)
    parity = measure_parity(
        run.model, graphs[GraphKind.CLIP], graphs[GraphKind.STEP], frames, source
    )
    check_parity(parity)
    with whole_folder(folder, METADATA_FILE) as scratch:
        files = {kind: _save(model, scratch / f"{kind}.onnx") for kind, model in graphs.items()}
        save_background(scratch, run.background)
        save_metadata(
            scratch,
            BundleMetadata(
                format_version=FORMAT_VERSION,
                fishrt_version=__version__,
                name=folder.name,
                config=run.config,
                graphs=files,
                states=run.model.state_specs,
                threshold=run.evaluation.get("threshold", 0.5),
                decision=run.decision,
                trained_on=_named_only(run.trained_on),
                # the decision is told once
                evaluation={k: v for k, v in run.evaluation.items() if k != "decision"},
                parity={"onnxruntime_cpu_fp32": asdict(parity)},
            ),
        )
    size = sum(path.stat().st_size for path in folder.iterdir())
    nodes = {kind: len(model.graph.node) for kind, model in graphs.items()}
    return Export(folder, parity, nodes, size)


def _named_only(trained_on: TrainedOn | None) -> TrainedOn | None:
    """Without the path: the bundle goes to other machines."""
    if trained_on is None:
        return None
    return trained_on.model_copy(update={"recording": Path(trained_on.recording).name})


def _frames(run: Run, recording: Recording | None) -> tuple[NDArray[np.uint8], str]:
    clip = run.config.clip
    if recording is None:
        return tank_frames(clip.geometry), "the simulated tank"
    frames = recording.frames[-PARITY_FRAMES:]
    if frames.shape[1:] != (clip.height, clip.width) or len(frames) < clip.geometry.frames:
        raise ParityError(
            f"the recording {recording.folder} cannot be compared on: {clip.geometry.frames} "
            f"frames of {clip.width}x{clip.height} are needed."
        )
    return frames, f"the recording {recording.folder.name}"


def _save(model: onnx.ModelProto, path: Path) -> GraphFile:
    path.write_bytes(model.SerializeToString())
    return GraphFile(file=path.name, sha256=sha256_of(path))
