"""Video sources: files, cameras, network streams, numbered images, and the simulated tank.

`open_source` opens any of them from what a user types, to watch it; `open_recorded` opens it to
take it all in. Each kind has its own small module.
"""

from fishrt.video.factory import open_recorded, open_source
from fishrt.video.source import (
    DamagedPictureError,
    IndexedSource,
    RecordedSource,
    SourceFrame,
    SourceInfo,
    SourceKind,
    VideoSource,
)

__all__ = [
    "DamagedPictureError",
    "IndexedSource",
    "RecordedSource",
    "SourceFrame",
    "SourceInfo",
    "SourceKind",
    "VideoSource",
    "open_recorded",
    "open_source",
]
