"""Video sources: files, cameras, network streams, numbered images, and the simulated tank.

`open_source` opens any of them from what a user types; each kind has its own small module.
"""

from fishrt.video.factory import open_source
from fishrt.video.source import SourceFrame, SourceInfo, SourceKind, VideoSource

__all__ = ["SourceFrame", "SourceInfo", "SourceKind", "VideoSource", "open_source"]
