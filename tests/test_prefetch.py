"""Decoding ahead: order, errors in their place, bounds, and a clean end whatever happens."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from fishrt.errors import SourceError
from fishrt.video import (
    DamagedPictureError,
    SourceFrame,
    SourceInfo,
    SourceKind,
    open_recorded,
    prefetch,
)
from fishrt.video.prefetch import DecodedAhead, decoded_ahead, pictures_ahead

SOON_S = 20.0  # of threads that are to come to something; far more than that takes


class _Script:
    """A source that gives, or raises, what it was told to, and watches how it is treated."""

    def __init__(self, *steps: int | Exception | None, gate: threading.Semaphore | None = None):
        self.info = SourceInfo(SourceKind.FILE, "script", 4, 3, 30.0, None)
        self.ended_early = None
        self._steps = list(steps)
        self._gate = gate
        self.reads = 0
        self.reading = threading.Event()
        self.done = threading.Semaphore(0)  # counts the reads that have ended
        self.threads: set[str] = set()
        self.closed_under_a_read = False

    def read(self) -> SourceFrame | None:
        self.threads.add(threading.current_thread().name)
        self.reading.set()
        if self._gate is not None:
            assert self._gate.acquire(timeout=SOON_S)
        step = self._steps[self.reads] if self.reads < len(self._steps) else None
        self.reads += 1
        self.reading.clear()
        self.done.release()
        if isinstance(step, Exception):
            raise step
        return None if step is None else frame(step)

    def close(self) -> None:
        self.closed_under_a_read |= self.reading.is_set()


def frame(number: int) -> SourceFrame:
    return SourceFrame(np.full((3, 4), number, np.uint8), number, number / 30)


def itself(picture: SourceFrame) -> SourceFrame:
    return picture


def numbers(pictures: Iterable[SourceFrame]) -> list[int]:
    return [picture.index for picture in pictures]


def decoding_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "fishrt-decode"]


@pytest.mark.parametrize("capacity", [1, 2, 7, None])
def test_every_picture_in_order(capacity: int | None) -> None:
    source = _Script(*range(100))
    with decoded_ahead(source, itself, capacity=capacity) as pictures:
        assert numbers(pictures) == list(range(100))
        assert next(pictures, None) is None
    assert source.threads == {"fishrt-decode"}
    assert source.reads == 101
    assert not decoding_threads()


def test_a_real_folder(tmp_path: Path) -> None:
    for number in range(40):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((9, 12), number, np.uint8))
    (tmp_path / "17.png").write_bytes(b"")
    source, seen = open_recorded(str(tmp_path)), []
    with decoded_ahead(source, itself) as pictures:
        for _ in range(17):
            seen.append(next(pictures))
        with pytest.raises(DamagedPictureError, match=r"17\.png"):
            next(pictures)
        seen.extend(pictures)
    source.close()
    assert numbers(seen) == [int(picture.image[0, 0]) for picture in seen]
    assert numbers(seen) == [number for number in range(40) if number != 17]


def test_it_goes_on_behind_damaged_pictures_only() -> None:
    damaged = DamagedPictureError("damaged.")
    source = _Script(damaged, 1, damaged, damaged, 4, SourceError("gone."), 6)
    told: list[int | str] = []
    with decoded_ahead(source, itself, capacity=2) as pictures:
        while True:
            try:
                picture = next(pictures, None)
            except SourceError as error:
                told.append(str(error))
                continue
            if picture is None:
                break
            told.append(picture.index)
    assert told == ["damaged.", 1, "damaged.", "damaged.", 4, "gone."]
    assert source.reads == 6


@pytest.mark.parametrize("capacity", [1, 2, 7, None])
def test_whole_blocks_hold_the_same(capacity: int | None) -> None:
    damaged = DamagedPictureError("damaged.")
    source = _Script(0, 1, damaged, 3, damaged, SourceError("gone."), 6)
    told: list[int | str] = []
    with decoded_ahead(source, itself, capacity=capacity) as pictures:
        while block := pictures.next_block():
            told += [str(item) if isinstance(item, SourceError) else item.index for item in block]
        assert not pictures.next_block()
    assert told == [0, 1, "damaged.", 3, "damaged.", "gone."]
    assert source.reads == 6


def test_whatever_a_driver_throws_is_one_sentence_in_its_place() -> None:
    cause = RuntimeError("odd bits")
    with decoded_ahead(_Script(0, 1, cause), itself) as pictures:
        assert numbers([next(pictures), next(pictures)]) == [0, 1]
        with pytest.raises(SourceError) as caught:
            next(pictures)
        assert next(pictures, None) is None
    assert str(caught.value) == "reading script failed (RuntimeError: odd bits)."
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize("capacity", [1, 3])
def test_no_more_than_so_many_wait(capacity: int) -> None:
    source = _Script(*range(20))
    with decoded_ahead(source, itself, capacity=capacity) as pictures:
        for _ in range(capacity):
            assert source.done.acquire(timeout=SOON_S)
        for taken in range(15):
            assert source.reads == taken + capacity
            assert next(pictures).index == taken
            assert source.done.acquire(timeout=SOON_S)


def test_nothing_is_read_once_nobody_listens() -> None:
    source = _Script(*range(50))
    with decoded_ahead(source, itself, capacity=2) as pictures:
        next(pictures)
    reads = source.reads
    assert reads <= 3
    assert next(pictures, None) is None
    assert source.reads == reads
    assert not decoding_threads()


class _Enough(BaseException):
    pass


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt, _Enough])
@pytest.mark.parametrize("taken", [0, 1, 5])
def test_leaving_early_ends_the_thread(error: type[BaseException] | None, taken: int) -> None:
    source = _Script(*range(1000))

    def consume() -> None:
        with decoded_ahead(source, itself, capacity=3) as pictures:
            for _ in range(taken):
                next(pictures)
            if error is not None:
                raise error

    if error is None:
        consume()
    else:
        with pytest.raises(error):
            consume()
    source.close()
    assert not decoding_threads()
    assert not source.closed_under_a_read
    assert source.reads <= taken + 3


def leave_during_a_read(source: _Script, gate: threading.Semaphore) -> None:
    """Leaves the block while the thread is in `read`, which ends when the leaving has begun."""
    leaving = threading.Event()

    def let_it_end() -> None:
        leaving.wait(SOON_S)
        gate.release()

    helper = threading.Thread(target=let_it_end)
    helper.start()
    try:
        with decoded_ahead(source, itself, capacity=1):
            assert source.reading.wait(SOON_S)
            leaving.set()
    finally:
        source.close()
        helper.join()


def test_leaving_waits_for_the_read_that_runs() -> None:
    gate = threading.Semaphore(0)
    source = _Script(0, 1, gate=gate)
    leave_during_a_read(source, gate)
    assert not source.closed_under_a_read
    assert source.reads == 1


def test_ctrl_c_while_leaving_waits_for_the_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    join: Callable[..., None] = threading.Thread.join
    interrupts = [KeyboardInterrupt(), KeyboardInterrupt()]

    def impatient(thread: threading.Thread, timeout: float | None = None) -> None:
        if thread.name == "fishrt-decode" and interrupts:
            raise interrupts.pop()
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", impatient)
    gate = threading.Semaphore(0)
    source = _Script(0, 1, gate=gate)
    with pytest.raises(KeyboardInterrupt):
        leave_during_a_read(source, gate)
    assert not interrupts
    assert not source.closed_under_a_read
    assert not decoding_threads()


def test_one_that_was_never_started_can_be_stopped() -> None:
    pictures = DecodedAhead(_Script(0), itself, 1)
    pictures.stop()
    pictures.stop()
    assert next(pictures, None) is None


@pytest.mark.parametrize(
    ("width", "height", "ahead"), [(320, 240, 36), (1024, 1024, 4), (3840, 2160, 4), (9**5, 99, 4)]
)
def test_large_pictures_do_not_fill_the_memory(width: int, height: int, ahead: int) -> None:
    info = SourceInfo(SourceKind.FILE, "a", width, height, None, None)
    assert pictures_ahead(info) == ahead
    huge = SourceInfo(SourceKind.FILE, "a", 10**5, 10**5, None, None)
    assert pictures_ahead(huge) == 2
    assert pictures_ahead(huge, in_pool=True) == prefetch.WORKERS
