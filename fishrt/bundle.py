"""The bundle: the deployable folder with graphs, model metadata and figures.

    bundle.yaml      format version, config, graphs with sha256, states, decision, evaluation,
                     parity
    clip.onnx        clip -> probability
    step.onnx        time step + states -> probability + new states
    clip-fp16.onnx   the same in half precision, if it was exported
    step-fp16.onnx
    reference.npz    frames and what Keras computed of them, so that any machine can compare
    background.png   the background that preprocessing subtracts, if it has one

A bundle is data: loading one reads YAML, ONNX and PNG and never runs code in it.
"""

import enum
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from fishrt.choices import GraphPrecision as GraphPrecision
from fishrt.config import Config, TrainMode
from fishrt.decision import Decision
from fishrt.errors import BundleError, OutputError, output_error
from fishrt.folder_format import FolderFormat, read_metadata, write_metadata
from fishrt.footage_reference import FootageReference
from fishrt.preprocess import Preprocessor, make_preprocessor
from fishrt.storage import require_replaceable, sha256_of
from fishrt.stored_background import BACKGROUND_FILE, stored_background

FORMAT_VERSION = 2
METADATA_FILE = "bundle.yaml"
FORMAT = FolderFormat(
    name="bundle",
    whole="a bundle",
    metadata_file=METADATA_FILE,
    version=FORMAT_VERSION,
    older=(1,),  # without precisions: both graphs are FP32
    failure=BundleError,
    if_absent="",
    if_outdated="export it again with this fishrt, or install the one it came from",
)
BUNDLED = Path(__file__).parent / "bundles"

SHIPPED_NAME = re.compile(r"[A-Za-z0-9_-]+")
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$")]


class GraphKind(enum.StrEnum):
    """The two graphs of a bundle."""

    CLIP = "clip"
    STEP = "step"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoredFile(_Section):
    """A file in the bundle folder and the hash of its bytes."""

    file: FileName
    sha256: str


class GraphFile(StoredFile):
    """One graph: which of the two it is, what it computes in, and its file."""

    kind: GraphKind
    precision: GraphPrecision = GraphPrecision.FP32


class StateSpec(_Section):
    """One entry of the state that a step takes and gives, `(lanes, *shape)`.

    Attributes:
        name: `h0`, `c0`, ...; the step gives it back as `next_h0`, ....
        shape: Without the lanes.
        half: Whether FP16 graphs keep it as float16; FP32 graphs keep every state as float32.
    """

    name: str
    shape: tuple[int, ...]
    half: bool = False

    def dtype(self, precision: GraphPrecision) -> np.dtype[Any]:
        """Type of this state in a graph of that precision: float16 or float32."""
        halved = self.half and precision is GraphPrecision.FP16
        return np.dtype(np.float16 if halved else np.float32)


class HardSigmoid(_Section):
    """The recurrent activation: clip(alpha * x + beta, 0, 1); 2021's Keras has 0.2 and 0.5."""

    alpha: float = 0.2
    beta: float = 0.5


class TrainedOn(_Section):
    """The recording that a model learned from.

    Attributes:
        recording: Path of its folder; in a bundle the name alone.
        motion_energy_sha256: Hash of its motion energy, by which it is known again.
        burst_share: Share of burst labels in its training part: the climatology.
    """

    recording: str
    motion_energy_sha256: str
    burst_share: float | None = Field(default=None, ge=0, le=1)

    @property
    def by_name(self) -> "TrainedOn":
        """The same without the path: a bundle goes to other machines."""
        return self.model_copy(update={"recording": Path(self.recording).name})


class BundleMetadata(_Section):
    """What `bundle.yaml` holds.

    Attributes:
        format_version: Of the folder.
        fishrt_version: Of the software that wrote it.
        name: What the bundle is called.
        config: The whole config, preprocessing and label rule among it.
        hard_sigmoid: The recurrent activation.
        graphs: The ONNX files.
        states: The state that a step takes and gives.
        threshold: Probability from which on a burst is forecast; that of `decision`, if there
            is one.
        decision: When an alarm starts and ends, and how that was chosen; None in bundles that
            were made before there was such a thing, and where nothing could be chosen.
        trained_on: The recording that the model learned from, if that is known.
        footage: What that recording looked like, and a motion baseline for it, so that the live
            loop can tell drift and skill; None in bundles that were made before there was such a
            thing.
        evaluation: Scores on footage that training did not see.
        parity: How well the graphs agree with Keras.
    """

    format_version: int
    fishrt_version: str
    name: str
    config: Config
    hard_sigmoid: HardSigmoid = HardSigmoid()
    graphs: tuple[GraphFile, ...]
    reference: StoredFile | None = None
    states: tuple[StateSpec, ...]
    threshold: float = Field(default=0.5, ge=0, le=1)
    decision: Decision | None = None
    trained_on: TrainedOn | None = None
    footage: FootageReference | None = None
    evaluation: dict[str, Any] = Field(default_factory=dict)
    parity: dict[str, Any] = Field(default_factory=dict)

    @field_validator("graphs", mode="before")
    @classmethod
    def _without_precisions(cls, value: object) -> object:
        """The graphs of format 1, a mapping from kind to file."""
        if isinstance(value, dict):
            return [
                {"kind": kind, **file} if isinstance(file, dict) else file
                for kind, file in value.items()
            ]
        return value

    @property
    def precisions(self) -> tuple[GraphPrecision, ...]:
        """What the bundle has step graphs of."""
        return tuple(g.precision for g in self.graphs if g.kind is GraphKind.STEP)

    @property
    def trained_for(self) -> TrainMode:
        """Whether the model was trained on windows from zero state or on carried state."""
        return self.config.train.mode


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read and checked.

    Attributes:
        folder: Where it lies.
        metadata: What `bundle.yaml` holds.
        background: uint8 `(H, W)` that preprocessing subtracts, or None.
    """

    folder: Path
    metadata: BundleMetadata
    background: NDArray[np.uint8] | None

    def graph(self, kind: GraphKind, precision: GraphPrecision = GraphPrecision.FP32) -> Path:
        """Path of one of the bundle's ONNX files.

        Raises:
            BundleError: If there is no such graph, or its file is missing or its bytes are not
                those that were exported.
        """
        for graph in self.metadata.graphs:
            if (graph.kind, graph.precision) == (kind, precision):
                return self.stored(graph)
        how = " with --fp16" if precision is GraphPrecision.FP16 else ""
        raise BundleError(
            f"the bundle {self.folder} has no {precision} {kind} graph; export it again{how}."
        )

    def stored(self, stored: StoredFile) -> Path:
        """Path of a file of the bundle whose bytes are those that were exported.

        Raises:
            BundleError: If it is missing or damaged.
        """
        path = self.folder / stored.file
        if not path.is_file():
            raise BundleError(f"the bundle {self.folder} lacks {stored.file}; copy it whole.")
        if sha256_of(path) != stored.sha256:
            raise BundleError(
                f"{path} is damaged (its bytes are not those that were exported); copy the bundle "
                "again or export it again."
            )
        return path

    @property
    def sha256(self) -> str:
        """Of all that its forecasts follow from: `bundle.yaml` and the files it speaks of.

        Raises:
            BundleError: If a file cannot be read.
        """
        names = [METADATA_FILE, *(graph.file for graph in self.metadata.graphs)]
        if self.background is not None:
            names.append(BACKGROUND_FILE)
        try:
            parts = [f"{name} {sha256_of(self.folder / name)}\n" for name in sorted(names)]
        except OSError as error:
            raise BundleError(
                f"the bundle {self.folder} lacks {error.filename}, or it cannot be read; copy it "
                "whole."
            ) from error
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    @property
    def preprocessor(self) -> Preprocessor:
        """The preprocessing that the model was trained with."""
        config = self.metadata.config
        return make_preprocessor(config.clip, config.preprocess, self.background)


def find_bundle(source: str | Path) -> Path:
    """Folder of a bundle, given its path or the name of one that ships with fishrt (`demo`).

    Raises:
        BundleError: If there is no such folder.
    """
    # a shipped name wins, as in `open_source`; a folder that is called demo is reached as ./demo
    named = [BUNDLED / str(source)] if SHIPPED_NAME.fullmatch(str(source)) else []
    for folder in (*named, Path(source)):
        if folder.is_dir():
            return folder
    names = ", ".join(sorted(path.name for path in BUNDLED.glob("*/")))
    raise BundleError(
        f"there is no bundle folder {source}; give the path of one that `fishrt export` wrote, "
        f"or one that ships with fishrt: {names}."
    )


def load_bundle(source: str | Path) -> Bundle:
    """Reads and checks a bundle.

    Args:
        source: Path of a bundle folder, or the name of a bundle that ships with fishrt.

    Raises:
        BundleError: If it is missing, damaged, of another format version, or its network has a
            recurrent activation that this fishrt does not know.
    """
    folder = find_bundle(source)
    metadata = read_metadata(folder, FORMAT, BundleMetadata)
    _require_known(metadata.hard_sigmoid, folder)
    return Bundle(folder, metadata, stored_background(folder, "the bundle", BundleError))


def _require_known(found: HardSigmoid, folder: Path) -> None:
    known = HardSigmoid()
    if found != known:
        raise BundleError(
            f"the bundle {folder} has the hard sigmoid clip({found.alpha:g} x + {found.beta:g}, 0, "
            f"1), but this fishrt knows clip({known.alpha:g} x + {known.beta:g}, 0, 1) alone; "
            f"{FORMAT.if_outdated}."
        )


def require_place(folder: Path, *, overwrite: bool) -> None:
    """Checks that a bundle may be written to a folder, before there is work that would be in vain.

    Raises:
        OutputError: If there is a bundle that may not be replaced, or something else, or the folder
            cannot be read.
    """
    if not overwrite and (folder / METADATA_FILE).exists():
        raise OutputError(
            f"{folder} holds a bundle already; add --overwrite to replace it, or name another "
            "folder with -o."
        )
    try:
        require_replaceable(folder, METADATA_FILE)
    except OSError as error:
        raise output_error(folder, error) from error


def save_metadata(folder: Path, metadata: BundleMetadata) -> None:
    """Writes `bundle.yaml` into a folder that already holds the graphs.

    Raises:
        OutputError: If it cannot be written; the old one is as it was then.
    """
    write_metadata(folder / METADATA_FILE, metadata)
