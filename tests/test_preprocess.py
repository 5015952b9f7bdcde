"""Preprocessing against independent references."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fishrt.choices import Polarity
from fishrt.config import ClipConfig, PreprocessConfig
from fishrt.errors import ConfigError, SourceError
from fishrt.preprocess import (
    MEDIAN_ROWS,
    Preprocessor,
    load_background,
    make_preprocessor,
    median_background,
    to_grey,
)
from fishrt.region import RegionOfInterest


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def area_mean(image: NDArray[np.uint8], factor: int) -> NDArray[np.float64]:
    """Mean of every `factor` x `factor` block, in float64."""
    height, width = image.shape
    blocks = image.astype(np.float64).reshape(height // factor, factor, width // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float64)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_resize_is_the_area_mean(factor: int) -> None:
    image = noise(12 * factor, 16 * factor)
    frame = Preprocessor(12, 16)(image)
    assert frame.shape == (12, 16)
    assert frame.dtype == np.uint8
    # rounding to a grey level is at most half a level off
    assert np.abs(frame - area_mean(image, factor)).max() <= 0.5 + 1e-9


def test_published_frames_halve_to_the_model_size(reference: Path) -> None:
    image = cv2.imread(str(reference / "published_frames" / "00000.png"), cv2.IMREAD_UNCHANGED)
    frame = Preprocessor()(image)
    assert frame.shape == (120, 160)
    assert np.abs(frame - area_mean(to_grey(image), 2)).max() <= 0.5 + 1e-9


def test_a_picture_of_the_model_size_is_not_touched() -> None:
    image = noise(12, 16)
    np.testing.assert_array_equal(Preprocessor(12, 16)(image), image)


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
@pytest.mark.parametrize("roi", [None, RegionOfInterest(x=4, y=6, width=32, height=24)])
@pytest.mark.parametrize("polarity", list(Polarity))
@pytest.mark.parametrize("background", [False, True])
def test_many_pictures_are_as_one_by_one(
    channels: tuple[int, ...], roi: RegionOfInterest | None, polarity: Polarity, background: bool
) -> None:
    images = noise(5, 72, 80, *channels)  # 6 x 5 pixels for every one of the frame
    size = (24, 32) if roi else (72, 80)
    preprocess = Preprocessor(
        12, 16, roi, polarity, background=noise(*size, seed=1) // 3 if background else None
    )
    views = preprocess.views(list(images))
    frames = np.empty((5, 12, 16), np.uint8)
    preprocess.frames(views, frames)
    np.testing.assert_array_equal(views, [preprocess.view(image) for image in images])
    np.testing.assert_array_equal(frames, [preprocess(image) for image in images])


def test_pictures_of_different_sizes_are_refused() -> None:
    images = [noise(20, 30, 3), noise(21, 30, 3)]
    with pytest.raises(SourceError, match="a picture is 30x21, but 30x20 before"):
        Preprocessor().views(images)


def test_grey_weights_are_those_of_rec_601() -> None:
    image = noise(20, 30, 3)
    blue, green, red = np.moveaxis(image.astype(np.float64), -1, 0)
    expected = 0.299 * red + 0.587 * green + 0.114 * blue
    assert np.abs(to_grey(image) - expected).max() <= 0.51  # measured: 0.501
    np.testing.assert_array_equal(to_grey(np.dstack([image, noise(20, 30)])), to_grey(image))
    np.testing.assert_array_equal(to_grey(image[:, :, :1]), image[:, :, 0])


def test_region_of_interest_is_x_y_width_height() -> None:
    image = noise(20, 30)
    frame = Preprocessor(5, 7, RegionOfInterest(x=11, y=3, width=7, height=5))(image)
    np.testing.assert_array_equal(frame, image[3:8, 11:18])


@pytest.mark.parametrize("polarity", list(Polarity))
def test_background_is_subtracted_and_saturates(polarity: Polarity) -> None:
    image, background = noise(12, 16), noise(12, 16, seed=1)
    difference = image.astype(int) - background
    if polarity is Polarity.DARK:
        difference = -difference
    assert (difference < 0).any()  # else saturation would not be looked at
    frame = Preprocessor(12, 16, None, polarity, background)(image)
    np.testing.assert_array_equal(frame, difference.clip(min=0))


def test_dark_animals_without_a_background_are_inverted() -> None:
    image = noise(12, 16)
    np.testing.assert_array_equal(Preprocessor(12, 16, polarity=Polarity.DARK)(image), 255 - image)


def test_background_comes_before_the_resize() -> None:
    image, background = noise(24, 32), noise(24, 32, seed=1)
    expected = area_mean(np.maximum(image, background) - background, 2)
    frame = Preprocessor(12, 16, background=background)(image)
    assert np.abs(frame - expected).max() <= 0.5 + 1e-9
    late = area_mean(image, 2) - area_mean(background, 2)
    assert np.abs(frame - late.clip(min=0)).max() > 10


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.zeros((12, 16), np.uint16), "uint16 pixels"),
        (np.zeros((12, 16, 2), np.uint8), "shape"),
        (np.zeros((6, 5), np.uint8), r"does not lie within the picture \(5x6\)"),
        (np.zeros((5, 6), np.uint8), r"does not lie within the picture \(6x5\)"),
    ],
)
def test_pictures_that_do_not_fit_are_source_errors(
    image: NDArray[np.uint8], sentence: str
) -> None:
    with pytest.raises(SourceError, match=sentence):
        Preprocessor(2, 2, RegionOfInterest(0, 0, 6, 6))(image)


def test_a_background_of_another_size_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="is 8x6 but the picture is 16x12"):
        Preprocessor(12, 16, background=noise(6, 8))(noise(12, 16))
    # the size of the region counts, not that of the picture
    preprocessor = Preprocessor(6, 8, RegionOfInterest(1, 2, 8, 6), background=noise(6, 8))
    assert preprocessor(noise(12, 16)).shape == (6, 8)


def test_median_background_is_the_median_of_every_pixel() -> None:
    height = MEDIAN_ROWS + 7  # more than one band of rows
    images = noise(5, height, 9)
    expected = np.sort(images, axis=0)[2]
    np.testing.assert_array_equal(median_background(images, None), expected)
    region = RegionOfInterest(2, 3, 4, 5)
    np.testing.assert_array_equal(median_background(images, region), expected[3:8, 2:6])


def test_median_background_of_nothing_is_refused() -> None:
    with pytest.raises(SourceError, match="no picture"):
        median_background([], None)


def test_load_background(tmp_path: Path) -> None:
    image = noise(6, 8)
    path = tmp_path / "background.png"
    cv2.imwrite(str(path), image)
    np.testing.assert_array_equal(load_background(path), image)
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match="not a picture"):
        load_background(path)
    path.write_bytes(b"no picture at all")
    with pytest.raises(ConfigError, match="not a picture"):
        load_background(path)
    with pytest.raises(ConfigError, match="No such file"):
        load_background(tmp_path / "missing.png")


def test_make_preprocessor_takes_everything_from_the_config() -> None:
    background = noise(6, 8)
    preprocessor = make_preprocessor(
        ClipConfig(height=9, width=10),
        PreprocessConfig(roi=(1, 2, 8, 6), polarity=Polarity.DARK),
        background,
    )
    expected = Preprocessor(9, 10, RegionOfInterest(1, 2, 8, 6), Polarity.DARK, background)
    assert preprocessor == expected
