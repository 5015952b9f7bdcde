"""Export: from a run to a bundle whose graphs are proven before they are written."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from export.backends import Opener
from export.graphs import clip_graph, describe_graph, freeze_network, step_graph
from export.keras_reference import (
    Footage,
    KerasReference,
    compute_reference,
    recorded_footage,
    tank_footage,
)
from export.lint import require_clean
from export.parity import ParityReport, measure_parity
from export.reference import REFERENCE_FILE, save_reference
from fishrt import __version__
from fishrt.bundle import (
    FORMAT_VERSION,
    METADATA_FILE,
    BundleMetadata,
    GraphFile,
    GraphKind,
    GraphPrecision,
    HardSigmoid,
    StoredFile,
    require_place,
    save_metadata,
)
from fishrt.errors import ParityError
from fishrt.recording import Recording
from fishrt.storage import sha256_of, whole_folder
from fishrt.stored_background import BACKGROUND_FILE, save_background
from training.convlstm import HARD_SIGMOID_ALPHA, HARD_SIGMOID_BETA
from training.run import Run, describe_software

FP32_ONLY = (GraphPrecision.FP32,)
CLIPS = {GraphPrecision.FP32: 12, GraphPrecision.FP16: 72}
"""Real clips to compare on besides those of the stretch; enough for three digits of AUC where
there are FP16 graphs, which could change them."""

Graphs = dict[GraphPrecision, dict[GraphKind, onnx.ModelProto]]


@dataclass(frozen=True)
class Export:
    """What was exported.

    Attributes:
        folder: The bundle.
        parity: How well its graphs agree with Keras.
        nodes: Number of operators in each graph, by file name.
        bytes: Size of the bundle, without engines.
    """

    folder: Path
    parity: ParityReport
    nodes: dict[str, int]
    bytes: int


def export_run(
    run: Run,
    folder: Path,
    recording: Recording | None = None,
    precisions: tuple[GraphPrecision, ...] = FP32_ONLY,
    *,
    overwrite: bool = False,
) -> Export:
    """Writes a bundle: graphs, metadata, evaluation, parity and the reference.

    Args:
        run: The trained run.
        folder: The bundle to make.
        recording: Frames to compare on, or None for the simulated tank.
        precisions: What to write graphs in; FP32 is written in any case.
        overwrite: Whether a bundle that is already there may be replaced; TensorRT engines, and
            files in its folder that are not of the bundle, are carried over.

    Returns:
        What was exported.

    Raises:
        RecordingError: If the recording does not fit the network.
        ParityError: If a graph differs from Keras; nothing is written then.
        BundleError: If a graph is not fit for TensorRT.
        OutputError: If there is a bundle already, or it cannot be written.
    """
    require_place(folder, overwrite=overwrite)
    precisions = tuple(dict.fromkeys((GraphPrecision.FP32, *precisions)))
    graphs = make_graphs(run, precisions)
    reference = keras_reference(run, recording, precisions)
    files = {
        precision: {kind: model.SerializeToString() for kind, model in kinds.items()}
        for precision, kinds in graphs.items()
    }
    try:
        parity = run_parity(run, files, reference)
    except ParityError as error:
        raise ParityError(f"{str(error).removesuffix('.')}; no bundle was written.") from error
    with whole_folder(folder, METADATA_FILE, OWN_FILES) as scratch:
        stored = tuple(
            _save(content, kind, precision, scratch)
            for precision, kinds in files.items()
            for kind, content in kinds.items()
        )
        kept = save_reference(scratch, reference.stretch, reference.kept)
        save_background(scratch, run.background)
        save_metadata(scratch, _metadata(run, folder.name, stored, kept, parity))
        size = sum(path.stat().st_size for path in scratch.iterdir())
    nodes = {
        graph_file(kind, precision): len(model.graph.node)
        for precision, kinds in graphs.items()
        for kind, model in kinds.items()
    }
    return Export(folder, parity, nodes, size)


def _metadata(
    run: Run, name: str, graphs: tuple[GraphFile, ...], reference: Path, parity: ParityReport
) -> BundleMetadata:
    return BundleMetadata(
        format_version=FORMAT_VERSION,
        fishrt_version=__version__,
        name=name,
        config=run.config,
        hard_sigmoid=HardSigmoid(alpha=HARD_SIGMOID_ALPHA, beta=HARD_SIGMOID_BETA),
        graphs=graphs,
        reference=StoredFile(file=reference.name, sha256=sha256_of(reference)),
        states=run.model.state_specs,
        threshold=operating_threshold(run),
        decision=run.decision,
        trained_on=run.trained_on.by_name if run.trained_on else None,
        footage=run.footage,
        # the decision is told once
        evaluation={k: v for k, v in run.evaluation.items() if k != "decision"},
        parity={**parity.record(), "computed_by": describe_software()},
    )


def make_graphs(run: Run, precisions: tuple[GraphPrecision, ...]) -> Graphs:
    """Traces a run's network to graphs that are fit for TensorRT and say what they are.

    Raises:
        BundleError: If one is not fit.
    """
    geometry, states = run.config.clip.geometry, run.model.state_specs
    network = freeze_network(run.model)
    graphs: Graphs = {}
    for precision in precisions:
        graphs[precision] = {
            GraphKind.CLIP: clip_graph(network, geometry, precision),
            GraphKind.STEP: step_graph(network, geometry, states, precision),
        }
        for kind, model in graphs[precision].items():
            require_clean(model, graph_file(kind, precision))
            describe_graph(model, kind, precision, geometry, run.config.train.mode, states)
    return graphs


def keras_reference(
    run: Run, recording: Recording | None, precisions: tuple[GraphPrecision, ...]
) -> KerasReference:
    """What Keras makes of the end of a recording, or of the simulated tank.

    Raises:
        RecordingError: If the recording does not fit the network.
    """
    footage: Footage = (
        tank_footage(run.config)
        if recording is None
        else recorded_footage(recording, run.config.clip.geometry)
    )
    return compute_reference(run.model, footage, max(CLIPS[p] for p in precisions))


def run_parity(
    run: Run,
    files: Mapping[GraphPrecision, Mapping[GraphKind, bytes]],
    reference: KerasReference,
    openers: Mapping[str, Opener] | None = None,
) -> ParityReport:
    """Compares graphs with what Keras computed; see `measure_parity`."""
    return measure_parity(
        files,
        reference.stretch,
        reference.cases,
        run.model.state_specs,
        operating_threshold(run),
        reference.source,
        openers,
    )


def operating_threshold(run: Run) -> float:
    """The threshold that a run's evaluation chose, or 0.5."""
    return float(run.evaluation.get("threshold", 0.5))


def graph_file(kind: GraphKind, precision: GraphPrecision) -> str:
    """Name of a graph's file in the bundle."""
    return f"{kind}.onnx" if precision is GraphPrecision.FP32 else f"{kind}-{precision}.onnx"


OWN_FILES = frozenset(
    {
        METADATA_FILE,
        REFERENCE_FILE,
        BACKGROUND_FILE,
        *(graph_file(kind, precision) for kind in GraphKind for precision in GraphPrecision),
    }
)
"""All that an export can write, whatever the bundle that it replaces has of it. Engines stay: they
carry the hash of their graph, so one of another graph is never loaded."""


def _save(content: bytes, kind: GraphKind, precision: GraphPrecision, folder: Path) -> GraphFile:
    path = folder / graph_file(kind, precision)
    path.write_bytes(content)
    return GraphFile(kind=kind, precision=precision, file=path.name, sha256=sha256_of(path))
