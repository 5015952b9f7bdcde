"""The configuration: published defaults, YAML, overrides, and one sentence for every mistake."""

from pathlib import Path

import pytest
import yaml

from fishrt.clip import ClipGeometry
from fishrt.config import CONFIG_FOLDERS, Config, load_config
from fishrt.errors import ConfigError
from fishrt.folder_format import write_metadata
from fishrt.motion import LabelRule

OVERRIDES = [
    "train.learning_rate=8e-4",
    "train.mode=stream",
    "model.filters=[8, 16, 4]",
    "preprocess.roi=[1, 2, 300, 200]",
    "preprocess.background=image",
    "preprocess.background_image=tank.png",
    "preprocess.polarity=dark",
    "clip.fps=25",
]


def test_defaults_are_the_published_numbers() -> None:
    config = load_config(None)
    assert config == Config()
    assert config.clip.geometry == ClipGeometry(30, 4, 120, 160)
    assert config.clip.fps == 30.0
    assert config.label.rule == LabelRule(horizon=45, depth=0.1, threshold=0.001)
    assert config.model.filters == (16, 32)
    assert (config.model.kernel_size, config.model.pool_size) == (3, 2)
    assert (config.train.batch_size, config.train.learning_rate) == (4, 8e-5)
    assert (config.train.mode, config.train.flips) == ("window", "concatenate")
    assert config.train.class_weights is True
    assert config.preprocess.region is None


def test_a_file_then_overrides(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("train: {batch_size: 8, epochs: 2}\nclip:\n  # all by default\n")
    config = load_config(path, ["train.batch_size=16", "train.learning_rate=8e-5"])
    assert config.train.batch_size == 16
    assert config.train.epochs == 2
    # YAML 1.1 reads 8e-5 as a text; it must still become the number
    assert config.train.learning_rate == 8e-5
    assert config.clip == Config().clip


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("")
    assert load_config(path) == Config()


@pytest.mark.parametrize("overrides", [[], OVERRIDES], ids=["defaults", "changed"])
def test_writing_and_loading_give_the_same_config(tmp_path: Path, overrides: list[str]) -> None:
    config = load_config(None, overrides)
    assert (config == Config()) is (not overrides)
    path = tmp_path / "dumped.yaml"
    write_metadata(path, config)
    assert load_config(path) == config


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("train: {batch_syze: 8}", "unknown setting train.batch_syze; known there: .*batch_size"),
        ("trane: {batch_size: 8}", "unknown setting trane; known there: .*train"),
        ("train: {batch_size: many}", "train.batch_size: .*integer.*not 'many'"),
        ("train: {batch_size: 1.5}", "train.batch_size: .*not 1.5"),
        ("train: {batch_size: true}", "train.batch_size: .*not be true"),
        ("train: {batch_size: 0}", "train.batch_size: .*greater than or equal to 1, not 0"),
        ("train: {learning_rate: .nan}", "train.learning_rate: .*finite.*not nan"),
        ("train: {class_weights: 7}", "train.class_weights: give true, false, or a list"),
        ("train: {flips: sideways}", "train.flips: .*'none', 'random' or 'concatenate'"),
        ("train: 5", "train: input should be a section with settings, not 5"),
        ("model: {filters: [16, x]}", "model.filters.1: .*not 'x'"),
        ("model: {filters: [1, 2, 3, 4, 5]}", "model.filters: .*too many"),
        ("model: {filters: 16}", "model.filters: input should be a list, not 16"),
        ("model: {kernel_size: 2}", "kernel_size must be odd"),
        ("model: {filters: [1, 2, 3, 4]}\nclip: {height: 8}", "too small for 4 layers"),
        ("preprocess: {background: image}", "needs background_image"),
        ("preprocess: {roi: [0, 0, 0, 5]}", "roi is .*positive size"),
        ("train: {loss_steps: 31}", "train.loss_steps .31. cannot be more than clip.steps .30."),
        ("split: {train: 0.9, validation: 0.2}", "must not be more than 1"),
        ("1: 2", "1: keys should be strings"),
        ("- train", "must be sections"),
        ("train: [", "not valid YAML .line 1"),
        ("train: !!python/object/apply:os.getcwd []", "not valid YAML"),
    ],
)
def test_a_mistake_in_a_file_is_one_sentence_naming_the_key(
    tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=sentence) as caught:
        load_config(path)
    message = str(caught.value)
    assert "mine.yaml" in message
    assert "\n" not in message
    assert message.endswith(".")
    assert "pydantic" not in message


def test_a_long_wrong_value_is_shown_shortened() -> None:
    with pytest.raises(ConfigError, match=r"train.seed") as caught:
        load_config(None, [f"train.seed={'x' * 5000}"])
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "override", ["train", "=3", "train..seed=1", "train.seed=[", "train.seed.x=1", "seed=1"]
)
def test_a_wrong_override_is_one_sentence(override: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, [override])
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_an_override_into_a_value_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("train: {seed: 3}")
    with pytest.raises(ConfigError, match="seed, which is no section"):
        load_config(path, ["train.seed.x=1"])


def test_a_missing_config_lists_the_names_that_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.yaml").write_text("train: {epochs: 3}")
    monkeypatch.setattr("fishrt.config.CONFIG_FOLDERS", (tmp_path / "no", tmp_path))
    assert load_config("tiny").train.epochs == 3
    with pytest.raises(ConfigError, match=r"no config file huge.*: tiny"):
        load_config("huge")


def test_every_committed_config_loads() -> None:
    files = [file for folder in CONFIG_FOLDERS for file in folder.glob("*.yaml")]
    assert "visionary-serenity" in {file.stem for file in files}
    for file in files:
        assert yaml.safe_load(file.read_text()), file
        assert load_config(file) == load_config(file.stem)
    assert load_config("visionary-serenity") == Config()
