"""The cut: a place in a row of frames that nothing may be carried across."""

import enum


class Cut(enum.StrEnum):
    """Why a frame does not follow the one before it."""

    SOURCE = "source"
    """Another source begins with it."""

    GAP = "gap"
    """Time was lost before it."""
