"""Frames as a network sees them."""

from typing import Any

from keras import ops

Tensor = Any


def scale(frames: Tensor) -> Tensor:
    """Frames as the network sees them: uint8 0 .. 255 becomes float32 0 .. 1."""
    return ops.cast(frames, "float32") * (1.0 / 255.0)
