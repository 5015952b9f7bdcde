"""The bundle's file format, on synthetic graphs."""

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from fishrt.bundle import (
    FORMAT_VERSION,
    METADATA_FILE,
    BundleMetadata,
    GraphFile,
    GraphKind,
    GraphPrecision,
    StateSpec,
    find_bundle,
    load_bundle,
    save_metadata,
)
from fishrt.choices import Polarity
from fishrt.config import TrainMode, load_config
from fishrt.errors import BundleError, OutputError
from fishrt.preprocess import Preprocessor
from fishrt.region import RegionOfInterest
from fishrt.storage import sha256_of
from fishrt.stored_background import save_background

CONFIG = load_config(
    None,
    [
        "clip.height=12",
        "clip.width=16",
        "preprocess.roi=[1, 2, 30, 20]",
        "preprocess.polarity=dark",
        "train.mode=stream",
    ],
)
BACKGROUND = np.random.default_rng(0).integers(0, 256, (20, 30), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "clip.onnx").write_bytes(b"a clip graph")
    metadata = BundleMetadata(
        format_version=FORMAT_VERSION,
        fishrt_version="0.1.0",
        name="tank",
        config=CONFIG,
        graphs=(
            GraphFile(
                kind=GraphKind.CLIP, file="clip.onnx", sha256=sha256_of(folder / "clip.onnx")
            ),
        ),
        states=(StateSpec(name="hidden_0", shape=(8, 10, 14)),),
        threshold=0.25,
        evaluation={"average precision": 0.5, "seeds": [1, 2]},
    )
    save_metadata(folder, metadata)
    save_background(folder, BACKGROUND)
    return folder


def test_what_was_saved_is_loaded(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle.metadata.config == CONFIG
    assert bundle.metadata.states == (StateSpec(name="hidden_0", shape=(8, 10, 14)),)
    assert bundle.metadata.threshold == 0.25
    assert bundle.metadata.evaluation == {"average precision": 0.5, "seeds": [1, 2]}
    assert bundle.metadata.trained_for is TrainMode.STREAM
    assert (bundle.metadata.hard_sigmoid.alpha, bundle.metadata.hard_sigmoid.beta) == (0.2, 0.5)
    assert bundle.graph(GraphKind.CLIP) == folder / "clip.onnx"


def test_a_full_disk_leaves_the_old_metadata(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_bundle(folder).metadata

    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="the disk is full"):
        save_metadata(folder, before.model_copy(update={"name": "another"}))
    assert load_bundle(folder).metadata == before
    assert {path.name for path in folder.iterdir()} == {
        METADATA_FILE, "clip.onnx", "background.png"
    }  # fmt: skip


def test_the_preprocessor_is_the_one_of_training(folder: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (40, 50), np.uint8)
    region = RegionOfInterest(1, 2, 30, 20)
    expected = Preprocessor(12, 16, region, Polarity.DARK, BACKGROUND)(image)
    np.testing.assert_array_equal(load_bundle(folder).preprocessor(image), expected)


def edit(**changes: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = yaml.safe_load((folder / METADATA_FILE).read_text())
        (folder / METADATA_FILE).write_text(yaml.safe_dump({**content, **changes}))

    return damage


def graph_elsewhere(folder: Path) -> None:
    edit(graphs=[{"kind": "clip", "file": "../clip.onnx", "sha256": "0"}])(folder)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / METADATA_FILE).unlink(), "is not a bundle"),
        (lambda folder: (folder / METADATA_FILE).write_text("a: ["), "not valid YAML"),
        (lambda folder: (folder / METADATA_FILE).write_text(""), "format version None"),
        (edit(format_version=FORMAT_VERSION + 1), "format version 3, but this fishrt reads"),
        (edit(threshold=1.5), "damaged: threshold: input should be .* to 1, not 1.5"),
        (edit(unheard_of=1), "damaged: unknown setting unheard_of; known there: .*config"),
        (
            edit(config={"train": {"mode": "telepathy"}}),
            "damaged: config.train.mode: .*not 'telepathy'",
        ),
        (graph_elsewhere, "damaged: graphs.0.file"),
        (edit(hard_sigmoid={"alpha": 1 / 6}), r"hard sigmoid clip\(0.166667 x \+ 0.5, 0, 1\)"),
        (lambda folder: (folder / "background.png").write_bytes(b"x"), "not a picture"),
    ],
)
def test_a_damaged_bundle_is_one_sentence(
    folder: Path, damage: Callable[[Path], None], sentence: str
) -> None:
    load_bundle(folder)
    damage(folder)
    with pytest.raises(BundleError, match=sentence) as caught:
        load_bundle(folder)
    assert "\n" not in str(caught.value)


def test_a_bundle_of_format_1_is_read(folder: Path) -> None:
    digest = sha256_of(folder / "clip.onnx")
    old = {"clip": {"file": "clip.onnx", "sha256": digest}}
    state = {"name": "hidden_0", "shape": [8, 10, 14]}
    edit(format_version=1, graphs=old, states=[state])(folder)
    bundle = load_bundle(folder)
    assert bundle.graph(GraphKind.CLIP) == folder / "clip.onnx"
    assert bundle.metadata.graphs[0].precision is GraphPrecision.FP32
    assert bundle.metadata.reference is None
    with pytest.raises(BundleError, match="no fp16 clip graph; export it again with --fp16"):
        bundle.graph(GraphKind.CLIP, GraphPrecision.FP16)


def test_a_state_is_half_in_half_precision_only() -> None:
    hidden, cell = (StateSpec(name=n, shape=(1,), half=n == "h0") for n in ("h0", "c0"))
    assert hidden.dtype(GraphPrecision.FP16) == np.float16
    for spec, precision in ((hidden, GraphPrecision.FP32), (cell, GraphPrecision.FP16)):
        assert spec.dtype(precision) == np.float32


def test_a_graph_that_is_missing_cut_short_or_never_was(folder: Path) -> None:
    bundle = load_bundle(folder)
    with pytest.raises(BundleError, match="has no fp32 step graph; export it again"):
        bundle.graph(GraphKind.STEP)
    (folder / "clip.onnx").write_bytes(b"a clip gra")
    with pytest.raises(BundleError, match=r"clip.onnx is damaged"):
        bundle.graph(GraphKind.CLIP)
    (folder / "clip.onnx").unlink()
    with pytest.raises(BundleError, match=r"lacks clip.onnx; copy it whole"):
        bundle.graph(GraphKind.CLIP)


def test_bundles_are_found_by_path_or_by_name(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fishrt.bundle.BUNDLED", tmp_path)
    assert find_bundle(folder) == find_bundle("bundle") == folder
    with pytest.raises(BundleError, match=r"no bundle folder nowhere; .* fishrt: bundle"):
        find_bundle("nowhere")


def test_a_shipped_name_wins_over_a_folder_that_happens_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_bundle("demo").metadata.name == "demo"
    assert find_bundle("./demo") == Path("demo")


def test_the_shipped_bundle_is_small_and_says_how_good_it_is() -> None:
    bundle = load_bundle("demo")
    assert sum(path.stat().st_size for path in bundle.folder.iterdir()) < 2_000_000
    scores = bundle.metadata.evaluation
    assert scores["sources"] == ["demo:200"]
    assert scores["beats_motion_baseline"] is True
    assert scores["model"]["roc_auc"]["low"] > scores["fitted_motion_baseline"]["roc_auc"]["high"]
    limits = {"fp32": 1e-5, "fp16": 1e-2}
    agreements = bundle.metadata.parity["agreements"]
    assert {a["precision"] for a in agreements} == set(limits)
    assert all(a["max"] < limits[a["precision"]] for a in agreements)
    assert bundle.metadata.reference is not None
    assert bundle.stored(bundle.metadata.reference).is_file()
    for kind in GraphKind:
        for precision in GraphPrecision:
            assert bundle.graph(kind, precision).is_file()


def test_loading_runs_no_code(folder: Path) -> None:
    (folder / METADATA_FILE).write_text("!!python/object/apply:os.getcwd []")
    with pytest.raises(BundleError, match="not valid YAML"):
        load_bundle(folder)
