"""Footage of noise, small: pictures, videos, and recordings with whatever sources a test wants."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from fishrt.clip import ClipGeometry
from fishrt.config import LabelConfig, PreprocessConfig
from fishrt.motion import LabelRule, burst_labels, motion_energy
from fishrt.recording import METADATA_FILE, RecordingMetadata, SourceRecord, Split


def noise(count: int, size: tuple[int, int] = (48, 64), seed: int = 7) -> NDArray[np.uint8]:
    """Pictures of noise, uint8 `(count, *size)`."""
    return np.random.default_rng(seed).integers(0, 256, (count, *size)).astype(np.uint8)


def write_video(
    path: Path, pictures: Iterable[NDArray[np.uint8]], fps: float = 30.0, codec: str | None = None
) -> Path:
    """Writes a video.

    Args:
        path: Where it goes.
        pictures: uint8 `(H, W)` or `(H, W, 3)`, all of one size.
        fps: What its header declares.
        codec: Four letters; None for what is usual in a file of that name.
    """
    fourcc = cv2.VideoWriter.fourcc(*(codec or {".avi": "MJPG", ".mp4": "mp4v"}[path.suffix]))
    writer: cv2.VideoWriter | None = None
    for picture in pictures:
        if writer is None:
            writer = cv2.VideoWriter(str(path), fourcc, fps, picture.shape[1::-1])
            assert writer.isOpened()
        writer.write(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) if picture.ndim == 2 else picture)
    assert writer is not None, "a video has pictures"
    writer.release()
    return path


def write_recording(
    folder: Path,
    count: int,
    sources: tuple[SourceRecord, ...],
    geometry: ClipGeometry,
    fps: float = 30.0,
) -> Path:
    """Writes a recording of so many frames of noise, all of them for training."""
    frames = noise(count, (geometry.height, geometry.width))
    metadata = RecordingMetadata(
        fps=fps,
        height=geometry.height,
        width=geometry.width,
        preprocess=PreprocessConfig(),
        label=LabelConfig(),
        sources=sources,
        splits={
            Split.TRAIN: (0, count),
            Split.VALIDATION: (count, count),
            Split.TEST: (count,) * 2,
        },
    )
    folder.mkdir()
    energy = motion_energy(frames)
    np.save(folder / "frames.npy", frames)
    np.save(folder / "motion_energy.npy", energy)
    np.save(folder / "burst_label.npy", burst_labels(energy, LabelRule()))
    (folder / METADATA_FILE).write_text(yaml.safe_dump(metadata.model_dump(mode="json")))
    return folder
