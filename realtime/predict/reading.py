"""The frames of one source in order, evaluated; a stopped reading can be begun again further on."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

from fishrt.bundle import Bundle
from fishrt.deflicker import REFERENCE_PICTURES
from fishrt.errors import SourceError
from fishrt.preprocess import Preprocessor
from fishrt.recording import Recording
from fishrt.video import RecordedSource, SourceFrame, SourceKind, open_recorded
from fishrt.video.prefetch import decoded_ahead
from fishrt.video.resample import Resampler
from realtime.camera_settings import camera_preprocessor
from realtime.forecast import Reason
from realtime.lanes import Forecaster
from realtime.pipeline import REASON_OF_CUT, Evaluated, FramePipeline
from realtime.predict.plan import Plan
from realtime.replay import fitting_recording, is_recording

Stop = Callable[[], bool]


@dataclass(frozen=True)
class Anchor:
    """Where a reading must begin to give later frames as if it had begun at the first one.

    Attributes:
        pictures: Pictures of the source before it.
        frames: Frames that those fill.
    """

    pictures: int = 0
    frames: int = 0


class Reading(Protocol):
    """Reads one source once."""

    @property
    def expected(self) -> int | None:
        """Frames that there will be, about; None where that is not known."""
        ...

    @property
    def note(self) -> str | None:
        """One sentence if the source ended before its declared end, once it has ended."""
        ...

    def frames(self, anchor: Anchor, stop: Stop) -> Generator[Evaluated]:
        """All frames from an anchor on; called once.

        Args:
            anchor: Where to begin; what lies before it is passed over.
            stop: Asked now and then; when it says so, the frames end.

        Raises:
            SourceError: If the source fails, or is not what it was when the anchor was made.
            ConfigError: If the preprocessing does not fit the pictures.
        """
        ...

    def anchor(self) -> Anchor | None:
        """Where to begin to go on behind the last frame; None if only all of it will do."""
        ...

    def close(self) -> None:
        """Lets go of the source; may be called more than once."""
        ...


class VideoReading:
    """Frames of a video, image folder or simulated tank: decoded ahead, as `fishrt live` has them.

    The methods are those of `Reading`.
    """

    def __init__(
        self,
        source: RecordedSource,
        preprocessor: Preprocessor,
        forecaster: Forecaster,
        fps: float,
        source_fps: float | None,
    ) -> None:
        """Takes over an open source.

        Args:
            source: The source; `close` closes it.
            preprocessor: From picture to frame; its own.
            forecaster: From frame to probability; its own.
            fps: The model's frames a second.
            source_fps: Frames a second of the source, whatever it says, or None.
        """
        rate = source_fps or source.info.declared_fps
        count = source.info.frame_count
        self.expected = None if count is None or rate is None else round(count * fps / rate)
        self._source = source
        self._resampler = Resampler(fps, rate)
        self._pipeline = FramePipeline(preprocessor, forecaster)
        self._memory = _frames_again(forecaster)
        self._look_back = REFERENCE_PICTURES if preprocessor.deflicker is not None else 0
        self._pictures = 0
        # every picture that filled a frame of its own: the last ones, as far back as is needed
        self._placed: deque[Anchor] = deque(maxlen=(self._memory or 0) + 1 + self._look_back)

    @property
    def note(self) -> str | None:
        """What the source says about its end."""
        return self._source.ended_early

    def frames(self, anchor: Anchor, stop: Stop) -> Generator[Evaluated]:
        """All frames from an anchor on; see `Reading.frames`."""
        if not self._pass_over(anchor, stop):
            return
        begun = False
        with decoded_ahead(self._source, _as_it_is) as pictures:
            for picture in pictures:
                if stop():
                    return
                for evaluated in self._take(picture):
                    if not begun and self._pipeline.frames != anchor.frames + 1:
                        raise another_source(self._source.info.name)
                    begun = True
                    yield evaluated

    def anchor(self) -> Anchor | None:
        """Where to begin to go on behind the last frame."""
        if self._memory is None:
            return None
        wanted = self._pipeline.frames - self._memory
        at = max((i for i, each in enumerate(self._placed) if each.frames <= wanted), default=0)
        at = max(at - self._look_back, 0)
        return self._placed[at] if self._placed else Anchor()

    def close(self) -> None:
        """Closes the source."""
        self._source.close()

    def _take(self, picture: SourceFrame) -> Iterator[Evaluated]:
        placement = self._resampler.push(picture.timestamp)
        before = self._pipeline.frames
        for evaluated in self._pipeline.push(picture, placement):
            if evaluated.picture is picture:
                own = before if placement.lost else before + placement.repeats
                self._placed.append(Anchor(self._pictures, own))
            yield evaluated
        self._pictures += 1

    def _pass_over(self, anchor: Anchor, stop: Stop) -> bool:
        """Counts the pictures before an anchor, without decoding more than need be."""
        while self._pictures < anchor.pictures:
            if stop():
                return False
            timestamp = self._source.skip()
            if timestamp is None:
                raise another_source(self._source.info.name)
            self._pipeline.pass_over(self._resampler.push(timestamp))
            self._pictures += 1
        return True


def _as_it_is(picture: SourceFrame) -> SourceFrame:
    return picture


class RecordingReading:
    """The stored frames of a recording, used as they are; `frame` is their index in it.

    The methods are those of `Reading`.
    """

    def __init__(self, recording: Recording, forecaster: Forecaster) -> None:
        """Takes over a recording.

        Args:
            recording: Its frames have the model's size and rate.
            forecaster: From frame to probability; its own.
        """
        self.expected: int | None = len(recording.frames)
        self.note: str | None = None
        self._recording = recording
        self._forecaster = forecaster
        self._memory = _frames_again(forecaster)
        self._repeated = recording.repeated
        self._resets = {start: REASON_OF_CUT[cut] for start, cut in recording.cuts.items()}
        self._next = 0

    def frames(self, anchor: Anchor, stop: Stop) -> Generator[Evaluated]:
        """All frames from an anchor on; see `Reading.frames`."""
        if anchor.frames:
            start = max((reset for reset in self._resets if reset <= anchor.frames), default=0)
            self._forecaster.reset(self._resets.get(start, Reason.FILLING))
            self._forecaster.pass_over(anchor.frames - start)
        self._next = anchor.frames
        for index in range(anchor.frames, len(self._recording.frames)):
            if stop():
                return
            because = self._resets.get(index)
            if because is not None:
                self._forecaster.reset(because)
            frame = self._recording.frames[index]
            outcome = self._forecaster.push(frame)
            self._next = index + 1
            picture = SourceFrame(frame, index, index / self._recording.metadata.fps)
            joined = because is None and index > anchor.frames
            yield Evaluated(index, picture, frame, outcome, index in self._repeated, joined)

    def anchor(self) -> Anchor | None:
        """Where to begin to go on behind the last frame."""
        if self._memory is None:
            return None
        frame = max(self._next - self._memory, 0)
        return Anchor(frame, frame)

    def close(self) -> None:
        """Has nothing to let go of: the frames are a memory map."""


def open_reading(text: str, plan: Plan, bundle: Bundle, forecaster: Forecaster) -> Reading:
    """Opens a source to forecast all of it.

    Args:
        text: The source, as the user or `absolute_source` named it.
        plan: How it is forecast.
        bundle: The plan's bundle.
        forecaster: A fresh one.

    Raises:
        SourceError: If it cannot be opened, or has no end and `plan.frames` gives none.
        RecordingError: If it is a recording that is damaged or does not fit the bundle.
        ConfigError: If the background picture cannot be read.
    """
    clip = bundle.metadata.config.clip
    if is_recording(text):
        return RecordingReading(fitting_recording(text, bundle), forecaster)
    source = open_whole(text, plan, clip.fps)
    try:
        preprocessor = camera_preprocessor(bundle, text, plan.overrides)
    except BaseException:
        source.close()
        raise
    return VideoReading(source, preprocessor, forecaster, clip.fps, plan.source_fps)


def open_whole(text: str, plan: Plan, fps: float) -> RecordedSource:
    """Opens a source that can be read to its end, and once more.

    Raises:
        SourceError: If it cannot be opened, or has no end.
    """
    source = open_recorded(text, fps=fps, source_fps=plan.source_fps)
    if isinstance(source, RecordedSource) and not source.info.is_live:
        endless = source.info.kind is SourceKind.DEMO
        if plan.frames is not None or not endless:
            return source
        source.close()
        raise SourceError(f"{text} has no end; say how many frames of it to take with --frames.")
    source.close()
    raise SourceError(
        f"{source.info.name} is live and cannot be read again from its beginning; forecast it "
        f"with `fishrt live`."
    )


def _frames_again(forecaster: Forecaster) -> int | None:
    """Frames to evaluate again: what the forecaster needs, and one for the motion energy."""
    return None if forecaster.memory is None else max(forecaster.memory, 1)


def another_source(name: str) -> SourceError:
    """The error for a source that was changed since a part of it was forecast."""
    return SourceError(
        f"{name} is not what it was when this output was begun; begin anew with --restart."
    )
