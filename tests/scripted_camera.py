"""A camera that does what a script says: pictures, failures, reads that hang, new connections."""

import threading
import time as clock
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fishrt.errors import SourceError
from fishrt.video import SourceFrame, SourceInfo, SourceKind, VideoSource

FPS = 30.0
HEIGHT, WIDTH = 4, 6
PATIENCE_S = 20.0

Image = NDArray[np.uint8]


def at(*frames: float) -> list[float]:
    """Times of frames at the model's rate, in seconds."""
    return [frame / FPS for frame in frames]


def grey(level: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Image:
    return np.full(size, level % 250, np.uint8)  # never a probability of 1


def moving(times: Sequence[float]) -> list[tuple[float, Image]]:
    """A picture for each time, none like the one before."""
    return [(time, grey(number)) for number, time in enumerate(times)]


@dataclass
class Connection:
    """What one opening of the camera gives.

    Attributes:
        pictures: Time and picture, one after another.
        then: What follows: `fails`, `ends` (the footage is over), or `hangs` until `release`.
        late: A picture that a read gives that hung, once it is released.
        endless: Whether it then goes on with that picture for ever.
        fps: What the driver declares.
        ages: How old each picture is when it comes; of the others nothing is known.
    """

    pictures: Sequence[tuple[float, Image]]
    then: str = "fails"
    late: tuple[float, Image] | None = None
    endless: bool = False
    fps: float | None = FPS
    ages: Sequence[float] = ()
    release: threading.Event = field(default_factory=threading.Event)
    hanging: threading.Event = field(default_factory=threading.Event)
    closed: int = 0


class ScriptedSource:
    """One connection as a video source."""

    def __init__(self, connection: Connection, kind: SourceKind) -> None:
        height, width = connection.pictures[0][1].shape[:2]
        self.info = SourceInfo(kind, "scripted", width, height, connection.fps, None)
        self.ended_early: str | None = None
        self._connection = connection
        self._steps = self._play()

    def read(self) -> SourceFrame | None:
        return next(self._steps)

    def close(self) -> None:
        self._connection.closed += 1

    def _play(self) -> Iterator[SourceFrame | None]:
        script, index = self._connection, 0
        for time, image in script.pictures:
            if index < len(script.ages):
                arrived, age_s = clock.monotonic(), script.ages[index]
                yield SourceFrame(image, index, time, arrived=arrived, age_s=age_s)
            else:
                yield SourceFrame(image, index, time)
            index += 1
        if script.then == "hangs":
            script.hanging.set()
            assert script.release.wait(PATIENCE_S)
            if script.late is not None:
                yield SourceFrame(script.late[1], index, script.late[0])
                while script.endless:
                    yield SourceFrame(script.late[1], index, script.late[0])
        if script.then == "fails":
            raise SourceError("the scripted camera stopped giving pictures; check its cable.")
        while True:
            yield None


class ScriptedCamera:
    """Opens one connection after another; None among them is an attempt that fails.

    Attributes:
        attempts: How often it was opened.
    """

    def __init__(
        self, *connections: Connection | None, kind: SourceKind = SourceKind.CAMERA
    ) -> None:
        self.attempts = 0
        self._connections = list(connections)
        self._kind = kind

    def open(self) -> VideoSource:
        self.attempts += 1
        connection = self._connections.pop(0) if self._connections else None
        if connection is None:
            raise SourceError("the scripted camera cannot be opened; plug it in.")
        return ScriptedSource(connection, self._kind)
