"""Preprocessing: from a camera image to a frame, the same for prepare, predict and live.

A frame is uint8, grey, with bright animals on a dark background. The steps, in order: grey,
region of interest, flicker removal if asked for, background removal with polarity, resize to
area means. They are part of the model's input contract and travel in the recording and in the
bundle.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.area_mean import area_mean, area_means
from fishrt.choices import Polarity
from fishrt.config import ClipConfig, PreprocessConfig
from fishrt.deflicker import Deflicker
from fishrt.errors import ConfigError, SourceError
from fishrt.region import RegionOfInterest

# Rows of the background that are sorted at a time, so that memory does not double.
MEDIAN_ROWS = 64


@dataclass(frozen=True)
class Preprocessor:
    """All that turns one camera image into one frame.

    Attributes:
        height: Frame height in pixels.
        width: Frame width in pixels.
        roi: Region of interest in camera pixels, or None for the whole picture.
        polarity: Whether the animals are bright or dark in the camera image.
        background: uint8 `(roi height, roi width)` that is subtracted, or None.
        deflicker: What takes lamp flicker out, or None. It remembers the last second, so a
            preprocessor that has one belongs to one source.
    """

    height: int = 120
    width: int = 160
    roi: RegionOfInterest | None = None
    polarity: Polarity = Polarity.BRIGHT
    background: NDArray[np.uint8] | None = None
    deflicker: Deflicker | None = None

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turns a camera image into a frame.

        Args:
            image: uint8 `(H, W)` grey, `(H, W, 3)` BGR or `(H, W, 4)` BGRA.

        Returns:
            uint8 `(height, width)`, bright animals on a dark background.

        Raises:
            SourceError: If the image is not uint8, or is smaller than the region of interest.
            ConfigError: If the background has another size than the region of interest.
        """
        return self.frame(self.view(image))

    @property
    def only_shrinks(self) -> bool:
        """Whether a frame is nothing but the area means of its view."""
        changed = self.deflicker or self.background is not None or self.polarity is Polarity.DARK
        return not changed

    def require_fit(self, height: int, width: int) -> None:
        """Checks, before the first picture, that pictures of a size can be taken.

        Args:
            height: Height of a camera image in pixels.
            width: Its width.

        Raises:
            SourceError: If it is smaller than the region of interest.
            ConfigError: If the background has another size than the region of interest.
        """
        # no memory behind it: one pixel, repeated
        blank = np.broadcast_to(np.zeros((), np.uint8), (height, width))
        self._require_background_fits(crop(blank, self.roi))

    def view(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The first half: the grey camera picture within the region of interest.

        Args:
            image: uint8 `(H, W)` grey, `(H, W, 3)` BGR or `(H, W, 4)` BGRA.

        Returns:
            uint8 `(roi height, roi width)`.

        Raises:
            SourceError: If the image is not uint8, or is smaller than the region of interest.
        """
        return crop(to_grey(image), self.roi)

    def frame(
        self, view: NDArray[np.uint8], out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """The second half: from what `view` gives to a frame.

        Args:
            view: uint8 `(roi height, roi width)`.
            out: Where the frame goes, uint8 `(height, width)` without gaps in memory; None for a
                new array.

        Returns:
            uint8 `(height, width)`, bright animals on a dark background.

        Raises:
            ConfigError: If the background has another size.
        """
        view = self._animals(view)
        if view.shape != (self.height, self.width):
            return area_mean(view, self.height, self.width, out)
        if out is None:
            return np.ascontiguousarray(view)
        out[...] = view
        return out

    def views(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """`view` of many pictures, in one array.

        Args:
            images: At least one, all of one shape; each as `view` takes it.

        Returns:
            uint8 `(N, roi height, roi width)`.

        Raises:
            SourceError: As `view` does.
        """
        first = crop(images[0], self.roi)
        views = np.empty((len(images), *first.shape[:2]), np.uint8)
        for image, place in zip(images, views, strict=True):
            to_grey(crop(image, self.roi), place)
        return views

    def frames(self, views: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """`frame` of many pictures, in fewer calls.

        Args:
            views: uint8 `(N, roi height, roi width)`, in the order of time.
            out: Where the frames go, uint8 `(N, height, width)` without gaps in memory.

        Raises:
            ConfigError: If the background has another size.
        """
        bright = views if self.only_shrinks else np.stack([self._animals(view) for view in views])
        area_means(bright, self.height, self.width, out)

    def _animals(self, view: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bright animals on a dark background, uint8 `(roi height, roi width)`."""
        if self.deflicker is not None:
            view = self.deflicker(view)
        if self.background is not None:
            self._require_background_fits(view)
            if self.polarity is Polarity.BRIGHT:
                view = cv2.subtract(view, self.background)  # saturates at 0, as wanted
            else:
                view = cv2.subtract(self.background, view)
        elif self.polarity is Polarity.DARK:
            view = cv2.bitwise_not(view)
        return view

    def _require_background_fits(self, view: NDArray[np.uint8]) -> None:
        if self.background is not None and self.background.shape != view.shape:
            raise ConfigError(
                f"the background image is {size_text(self.background)} but the picture "
                f"{'in the region of interest ' if self.roi else ''}is {size_text(view)}; "
                "make the background from this camera at this size, or use "
                "`preprocess.background=median`."
            )


def make_preprocessor(
    clip: ClipConfig, preprocess: PreprocessConfig, background: NDArray[np.uint8] | None
) -> Preprocessor:
    """The preprocessing that a config describes.

    Args:
        clip: Frame size.
        preprocess: Region of interest and polarity.
        background: uint8 `(roi height, roi width)` that is subtracted, or None; see
            `fishrt.video.background.learn_background`.
    """
    return Preprocessor(
        clip.height,
        clip.width,
        preprocess.region,
        preprocess.polarity,
        background,
        Deflicker() if preprocess.deflicker else None,
    )


def to_grey(image: NDArray[np.uint8], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Grey version of a uint8 grey, BGR or BGRA image.

    Args:
        image: uint8 `(H, W)`, or `(H, W, C)` with 1, 3 or 4 channels.
        out: Where it goes, uint8 `(H, W)`; None for a new array, or the image itself if it is grey.

    Raises:
        SourceError: If the image is not uint8 with 1, 3 or 4 channels, or has another size.
    """
    if image.dtype != np.uint8:
        raise SourceError(
            f"the picture has {image.dtype} pixels, but 8-bit ones (uint8) are needed; "
            "convert the footage to 8 bits first."
        )
    if out is not None and out.shape != image.shape[:2]:  # OpenCV would leave it as it is
        raise SourceError(f"a picture is {size_text(image)}, but {size_text(out)} before.")
    if image.ndim == 3 and image.shape[2] in (3, 4):
        code = cv2.COLOR_BGR2GRAY if image.shape[2] == 3 else cv2.COLOR_BGRA2GRAY
        return np.asarray(cv2.cvtColor(image, code, out), np.uint8)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim != 2:
        raise SourceError(f"the picture has shape {image.shape}; grey, BGR or BGRA is needed.")
    if out is None:
        return image
    out[...] = image
    return out


def crop(image: NDArray[np.uint8], roi: RegionOfInterest | None) -> NDArray[np.uint8]:
    """The part of an image, grey or in colour, inside the region of interest.

    Raises:
        SourceError: If the region does not lie within the image.
    """
    if roi is None:
        return image
    height, width = image.shape[:2]
    if roi.x + roi.width > width or roi.y + roi.height > height:
        raise SourceError(
            f"the region of interest (x={roi.x}, y={roi.y}, {roi.width}x{roi.height}) does not "
            f"lie within the picture ({width}x{height}); correct `preprocess.roi`."
        )
    return image[roi.y : roi.y + roi.height, roi.x : roi.x + roi.width]


def size_text(image: NDArray[np.uint8]) -> str:
    """Size of a picture as people write it: width x height."""
    return f"{image.shape[1]}x{image.shape[0]}"


def load_background(path: Path) -> NDArray[np.uint8]:
    """Reads a background picture as uint8 grey `(H, W)`.

    Raises:
        ConfigError: If there is no readable picture at `path`.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if len(data) else None
    except OSError as error:
        raise ConfigError(f"cannot read the background image {path}: {error.strerror}.") from error
    except cv2.error:
        image = None
    if image is None:
        raise ConfigError(f"the background image {path} is not a picture that can be read.")
    return np.asarray(image, np.uint8)


def median_background(
    images: Iterable[NDArray[np.uint8]], roi: RegionOfInterest | None
) -> NDArray[np.uint8]:
    """Median over time of every pixel: what stays when the animals swim away.

    Args:
        images: Camera images of one size, best spread over minutes of footage.
        roi: Region of interest in camera pixels, or None.

    Returns:
        uint8 `(roi height, roi width)`; half grey levels are rounded down.

    Raises:
        SourceError: If there is no image at all.
    """
    # copies, so that the camera images that the regions were cut from can go
    views = [crop(to_grey(image), roi).copy() for image in images]
    if not views:
        raise SourceError("the background cannot be learned: the source gave no picture.")
    background = np.empty_like(views[0])
    for top in range(0, len(background), MEDIAN_ROWS):
        rows = slice(top, top + MEDIAN_ROWS)
        band = np.stack([view[rows] for view in views])
        background[rows] = np.median(band, axis=0, overwrite_input=True).astype(np.uint8)
    return background
