"""The picture for the page: small, as JPEG, encoded only when somebody asks for it."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.web.feed import Latest

MAX_WIDTH, MAX_HEIGHT = 960, 720  # in pixels: sharp on a phone, light on a network
QUALITY = 80  # of 100


class Pictures:
    """Encodes the newest picture once, however many ask for it; used by one thread."""

    def __init__(self, latest: Callable[[], Latest]) -> None:
        """Starts without a picture.

        Args:
            latest: Gives the newest update.
        """
        self._latest = latest
        self._number = 0
        self._encoded: bytes | None = None

    def newest(self) -> tuple[int, bytes | None]:
        """The newest picture.

        Returns:
            A number that grows with every picture, and the picture as JPEG; 0 and None before the
            first.
        """
        latest = self._latest()
        if latest.update is not None and latest.number != self._number:
            self._encoded = jpeg(latest.update.picture)
            self._number = latest.number
        return self._number, self._encoded

    def is_newer(self, number: int) -> bool:
        """Whether there is a newer picture than this one."""
        return self._latest().number > number


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """A picture as JPEG, made smaller if need be, never larger.

    Args:
        picture: uint8 `(H, W)` grey or `(H, W, 3)` BGR; left as it is.
    """
    height, width = picture.shape[:2]
    scale = min(MAX_WIDTH / width, MAX_HEIGHT / height, 1.0)
    if scale < 1.0:
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    done, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise ValueError(f"OpenCV cannot write a picture of shape {picture.shape} as JPEG.")
    return bytes(encoded)
