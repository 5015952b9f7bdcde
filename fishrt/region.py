"""The part of a camera picture that the model sees."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RegionOfInterest:
    """A rectangle in camera pixels: left edge `x`, top edge `y`, `width` and `height`."""

    x: int
    y: int
    width: int
    height: int
