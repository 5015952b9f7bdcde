"""Recorded sources: passing over pictures, damaged ones, rates that are told, videos online."""

import http.server
import itertools
import re
import struct
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_footage import write_video

from fishrt.choices import Background
from fishrt.config import PreprocessConfig
from fishrt.errors import SourceError
from fishrt.video import (
    DamagedPictureError,
    IndexedSource,
    RecordedSource,
    SourceFrame,
    SourceKind,
    VideoSource,
    open_recorded,
    open_source,
)
from fishrt.video import live as live_module
from fishrt.video import opencv as opencv_module
from fishrt.video.background import learn_background
from fishrt.video.numbered_names import numbered_pictures
from fishrt.video.source import decoded

HEIGHT, WIDTH = 48, 64
COUNT = 30
SKIPPABLE = ["mjpeg.avi", "b_frames.mkv", "b_frames.ts", "uneven.mp4", "folder", "demo:5"]


def picture(number: int) -> NDArray[np.uint8]:
    """A bright square that moves, so that a codec has something to predict."""
    image = np.full((HEIGHT, WIDTH, 3), 4 * number, np.uint8)
    image[10:22, number : number + 12] = 255 - 4 * number
    return image


def moving_video(path: Path, codec: str) -> Path:
    return write_video(path, map(picture, range(COUNT)), 25.0, codec)


def make_uneven(path: Path) -> None:
    """Gives the pictures of an MP4 1, 2 and 3 intervals each, in turn."""
    data = bytearray(path.read_bytes())
    at = data.index(b"stts") - 4
    _, _, entries, _, interval = struct.unpack_from(">I4x4I", data, at)
    assert entries == 1
    times = b"".join(struct.pack(">II", 1, interval * (1 + n % 3)) for n in range(COUNT))
    box = struct.pack(">I4sII", 16 + len(times), b"stts", 0, COUNT) + times
    around = [data.index(name) - 4 for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl")]
    for start in around:  # the boxes that this one lies in
        (size,) = struct.unpack_from(">I", data, start)
        struct.pack_into(">I", data, start, size + len(box) - 24)
    data[at : at + 24] = box
    path.write_bytes(data.replace(b"edts", b"free"))  # which would cut it to the old length


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("footage")
    moving_video(place / "mjpeg.avi", "MJPG")
    for name in ("b_frames.mkv", "b_frames.ts"):
        moving_video(place / name, "mpg2")
        capture = cv2.VideoCapture(str(place / name))
        kinds = {int(capture.get(cv2.CAP_PROP_FRAME_TYPE)) for _ in range(9) if capture.grab()}
        assert ord("B") in kinds
    make_uneven(moving_video(place / "uneven.mp4", "mp4v"))
    folder = place / "folder"
    folder.mkdir()
    for number in range(COUNT):
        name = f"{number + 5 * (number > 11):05d}.png"  # 5 numbers are missing
        cv2.imwrite(str(folder / name), picture(number))
    return place


def text_of(footage: Path, name: str) -> str:
    return name if name.startswith("demo") else str(footage / name)


def open_skippable(text: str, **options: float) -> RecordedSource:
    source = open_recorded(text, **options)  # type: ignore[arg-type]
    assert isinstance(source, RecordedSource)
    return source


def read_all(source: VideoSource) -> list[SourceFrame]:
    return list(itertools.islice(iter(source.read, None), 200))  # type: ignore[arg-type]


def assert_same(a: SourceFrame | None, b: SourceFrame | None) -> None:
    assert a is not None
    assert b is not None
    assert (a.index, a.timestamp) == (b.index, b.timestamp)
    np.testing.assert_array_equal(a.image, b.image)


# -- passing over ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SKIPPABLE)
def test_skipping_and_reading_in_any_order_is_reading(footage: Path, name: str) -> None:
    text = text_of(footage, name)
    whole = open_recorded(text)
    expected = [whole.read() for _ in range(COUNT)]
    assert None not in expected

    @settings(max_examples=12, deadline=None, derandomize=True)
    @given(st.lists(st.booleans(), max_size=COUNT))
    def check(skips: list[bool]) -> None:
        source = open_skippable(text)
        for frame, skip in zip(expected, skips, strict=False):
            if skip:
                assert frame is not None
                assert source.skip() == frame.timestamp
            else:
                assert_same(source.read(), frame)
        source.close()

    check()


@pytest.mark.parametrize("name", SKIPPABLE)
@pytest.mark.parametrize("position", [1, 7, COUNT - 1])
def test_reading_goes_on_behind_what_was_skipped(footage: Path, name: str, position: int) -> None:
    read, skipped = (open_skippable(text_of(footage, name)) for _ in range(2))
    for _ in range(position):
        read.read()
        skipped.skip()
    assert_same(skipped.read(), read.read())


@pytest.mark.parametrize("name", [name for name in SKIPPABLE if "demo" not in name])
def test_skipping_ends_where_reading_ends(footage: Path, name: str) -> None:
    source = open_skippable(text_of(footage, name))
    skipped = [source.skip() for _ in range(COUNT + 1)]
    assert skipped[-1] is None
    assert skipped[:-1] == [f.timestamp for f in read_all(open_recorded(text_of(footage, name)))]
    assert source.read() is None
    assert source.ended_early is None
    source.close()
    assert source.skip() is None


def test_h264_with_b_frames(reference: Path) -> None:
    text = str(reference / "video" / "school_overhead_1024_30fps.mp4")
    read, skipped = open_skippable(text), open_skippable(text)
    for position in range(60):
        frame = read.read()
        assert frame is not None
        if position in (3, 4, 29, 59):
            assert_same(skipped.read(), frame)
        else:
            assert skipped.skip() == frame.timestamp


def test_uneven_times_are_those_of_the_file(footage: Path) -> None:
    times = [frame.timestamp for frame in read_all(open_recorded(str(footage / "uneven.mp4")))]
    steps = [0.04 * (1 + n % 3) for n in range(COUNT - 1)]
    assert np.diff(times) == pytest.approx(steps, abs=1e-6)


def test_skipping_ahead_of_a_cut_says_so_too(footage: Path, tmp_path: Path) -> None:
    whole = (footage / "mjpeg.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    source = open_skippable(str(tmp_path / "cut.avi"))
    count = sum(1 for _ in iter(source.skip, None))
    assert 3 < count < COUNT - 3
    assert source.ended_early is not None
    assert f"ended after {count} of the {COUNT}" in source.ended_early


def test_skipped_pictures_are_not_read_from_the_disk(footage: Path, tmp_path: Path) -> None:
    for path in (footage / "folder").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    source = open_skippable(str(tmp_path))
    for number in (1, 2):
        (tmp_path / f"{number:05d}.png").unlink()
    assert [source.skip() for _ in range(3)] == pytest.approx([0.0, 1 / 30, 2 / 30])
    frame = source.read()
    assert frame is not None
    np.testing.assert_array_equal(frame.image, picture(3))


def test_live_sources_cannot_be_skipped() -> None:
    for kind in (live_module.Camera, live_module.NetworkStream):
        assert not isinstance(kind.__new__(kind), RecordedSource)


# -- the rate as the user tells it -------------------------------------------------------------


@pytest.mark.parametrize("name", ["mjpeg.avi", "uneven.mp4"])
def test_the_rate_of_a_file_can_be_told(footage: Path, name: str) -> None:
    header = open_source(str(footage / name)).info.declared_fps
    source = open_skippable(str(footage / name), source_fps=7.3)
    assert source.info.declared_fps == header
    assert source.skip() == 0.0
    # to the last bit: whatever was added up would drift within hours
    assert [f.timestamp for f in read_all(source)] == [n / 7.3 for n in range(1, COUNT)]


def test_the_rate_of_a_folder_can_be_told(footage: Path) -> None:
    source = open_skippable(str(footage / "folder"), source_fps=7.3)
    numbers = [n + 5 * (n > 11) for n in range(COUNT)]
    assert [f.timestamp for f in read_all(source)] == [n / 7.3 for n in numbers]


# -- damaged pictures --------------------------------------------------------------------------


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def text(path: Path) -> None:
    path.write_text("no picture at all")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(20):
        cv2.imwrite(str(tmp_path / f"{number:05d}.png"), picture(number))
    return tmp_path


@pytest.mark.parametrize("damage", [empty, cut, text])
@pytest.mark.parametrize("position", [0, 7, 19])
def test_reading_goes_on_behind_a_damaged_picture(
    folder: Path, damage: Callable[[Path], None], position: int
) -> None:
    damage(folder / f"{position:05d}.png")
    source = open_recorded(str(folder), fps=10.0)
    assert (source.info.width, source.info.height) == (WIDTH, HEIGHT)
    before = [source.read() for _ in range(position)]
    with pytest.raises(DamagedPictureError, match=f"{position:05d}.png is damaged or cut short"):
        source.read()
    frames = [*before, *read_all(source)]
    numbers = [number for number in range(20) if number != position]
    assert [frame.index for frame in frames if frame] == numbers
    assert [frame.timestamp for frame in frames if frame] == [number / 10 for number in numbers]
    for frame, number in zip(frames, numbers, strict=True):
        assert frame is not None
        np.testing.assert_array_equal(frame.image, picture(number))
    assert source.ended_early is None


def test_a_folder_of_damaged_pictures_only(folder: Path) -> None:
    for path in folder.iterdir():
        empty(path)
    with pytest.raises(DamagedPictureError, match=r"00000\.png is damaged"):
        open_recorded(str(folder))


def test_what_is_no_damage_is_asked_for_once_more(folder: Path) -> None:
    good = (folder / "00003.png").read_bytes()
    cv2.imwrite(str(folder / "00003.png"), np.zeros((HEIGHT, WIDTH + 2), np.uint8))
    source = open_recorded(str(folder))
    for _ in range(3):
        source.read()
    for _ in range(2):
        with pytest.raises(SourceError, match="changes from 64x48 to 66x48 at picture 3") as caught:
            source.read()
        assert not isinstance(caught.value, DamagedPictureError)
    (folder / "00003.png").unlink()
    with pytest.raises(SourceError, match="cannot read the picture") as caught:
        source.read()
    assert not isinstance(caught.value, DamagedPictureError)
    (folder / "00003.png").write_bytes(good)
    assert [frame.index for frame in read_all(source)] == list(range(3, 20))


def test_the_background_is_learned_around_damaged_pictures(folder: Path) -> None:
    config = PreprocessConfig(background=Background.MEDIAN, median_images=20)
    for number in (0, 19):  # the median of the others is the same
        empty(folder / f"{number:05d}.png")
    grey = [cv2.cvtColor(picture(number), cv2.COLOR_BGR2GRAY) for number in range(1, 19)]
    expected = np.median(np.stack(grey), axis=0).astype(np.uint8)
    np.testing.assert_array_equal(learn_background(str(folder), config), expected)


@pytest.mark.parametrize(
    ("names", "numbers", "alike"),
    [
        (["a_007.png", "a_010.png", "a_003.png", "notes.txt", ".a_1.png"], [3, 7, 10], True),
        (["7.png", "10.png", "3.png"], [3, 7, 10], False),
        (["007.png", "010.PNG"], [7, 10], False),
        (["007.png", "cover.png"], [7], False),
        (["cover.png", "1.jpg"], [1], False),
        ([f"{10**20 + 5}.png", f"{10**20 + 9}.png"], [10**20 + 5, 10**20 + 9], False),
        (["12a3b.png", "12a4b.png"], [3, 4], True),
    ],
)
def test_names_in_the_order_of_their_numbers(
    tmp_path: Path, names: list[str], numbers: list[int], alike: bool
) -> None:
    for name in names:
        (tmp_path / name).touch()
    found = numbered_pictures(tmp_path)
    assert found.numbers.tolist() == numbers
    by_number = {number: name for name in names for number in numbers if str(number) in name}
    assert found.all() == [by_number[number] for number in numbers]
    assert found.name(len(numbers) - 1) == by_number[numbers[-1]]
    assert (found.pattern is not None) == alike
    pictures = sorted(n for n in names if n.lower().endswith(("png", "jpg")) and n[0] != ".")
    assert found.alphabetical == (found.all() == pictures)


def test_claimed_pictures_can_be_decoded_in_any_order(folder: Path) -> None:
    source, other = open_recorded(str(folder)), open_recorded(str(folder))
    assert isinstance(source, IndexedSource)
    parts = list(iter(partial(source.claim, 7), None))
    assert [len(part.pictures) for part in parts] == [7, 7, 6]
    assert source.read() is None
    claimed = [(part, index) for part in parts for index in part.pictures]
    for (part, index), expected in reversed(list(zip(claimed, read_all(other), strict=True))):
        picture = decoded(part, index)
        assert (picture.index, picture.timestamp) == (expected.index, expected.timestamp)
        np.testing.assert_array_equal(picture.image, expected.image)


# -- finished videos behind a URL --------------------------------------------------------------


class _Files(http.server.BaseHTTPRequestHandler):
    """Serves files, from where it is asked to; `/half/NAME` breaks off in the middle."""

    folder: Path
    asked: list[int]  # from which byte on

    def do_GET(self) -> None:
        *half, name = self.path.strip("/").split("/")
        path = self.folder / name
        if not path.exists():
            return self.send_error(404)
        data = path.read_bytes()
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        first = int(start[1]) if start else 0
        self.asked.append(first)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        middle = len(data) // 2
        try:
            self.wfile.write(data[first:middle] if half and first < middle else data[first:])
        except OSError:
            return None  # FFmpeg has hung up, to ask for another place
        return None

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(footage: Path) -> Iterator[tuple[str, list[int]]]:
    handler = type("Files", (_Files,), {"folder": footage, "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://me:secret@127.0.0.1:{server.server_port}", handler.asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["mjpeg.avi", "b_frames.mkv", "uneven.mp4"])
def test_a_video_online_is_the_file(footage: Path, site: tuple[str, list[int]], name: str) -> None:
    address, _ = site
    source, file = open_recorded(f"{address}/{name}"), open_recorded(str(footage / name))
    assert source.info.kind is SourceKind.URL
    assert not source.info.is_live
    assert source.info.name == address.replace("me:secret@", "") + f"/{name}"
    assert (source.info.frame_count, source.info.declared_fps) == (
        file.info.frame_count,
        file.info.declared_fps,
    )
    for a, b in zip(read_all(source), read_all(file), strict=True):
        assert_same(a, b)
    assert source.ended_early is None
    source.close()
    source.close()


def test_a_video_online_can_be_skipped_and_timed(site: tuple[str, list[int]]) -> None:
    address, asked = site
    source = open_skippable(f"{address}/mjpeg.avi", source_fps=10.0)
    assert [source.skip() for _ in range(3)] == [0.0, 0.1, 0.2]
    frame = source.read()
    assert frame is not None
    assert (frame.index, frame.timestamp) == (3, 0.3)
    assert asked.count(0) == 1  # opened once: some cameras take one connection only


@pytest.mark.parametrize("name", ["mjpeg.avi", "b_frames.mkv"])
def test_a_connection_that_breaks_is_no_normal_end(site: tuple[str, list[int]], name: str) -> None:
    address, _ = site
    source = open_recorded(f"{address}/half/{name}")
    count = len(read_all(source))
    assert 3 < count < COUNT - 3
    assert source.ended_early is not None
    assert f"ended after {count} of the {COUNT} pictures" in source.ended_early
    assert "the connection broke" in source.ended_early
    assert "secret" not in source.ended_early


def test_a_video_that_is_not_there_hides_the_password(site: tuple[str, list[int]]) -> None:
    address, _ = site
    with pytest.raises(SourceError, match=r"127\.0\.0\.1.*cannot be opened") as caught:
        open_recorded(f"{address}/other.avi")
    assert "secret" not in str(caught.value)


def test_a_finished_video_is_still_no_live_stream(site: tuple[str, list[int]]) -> None:
    address, _ = site
    with pytest.raises(SourceError, match="finished video, not a live stream") as caught:
        open_source(f"{address}/mjpeg.avi")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("size", "opened"), [((64, 48), [5, 1]), ((400, 330), [5])])
def test_small_videos_are_decoded_by_one_thread(
    size: tuple[int, int], opened: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(path := tmp_path / "v.mp4", [np.zeros((size[1], size[0], 3), np.uint8)] * 3, 30.0)
    monkeypatch.setattr(opencv_module, "usable_cores", lambda: 4)
    captures: list[tuple[cv2.VideoCapture, int]] = []
    real = opencv_module.open_capture

    def recorded(target: str, backend: int, parameters: tuple[int, int]) -> cv2.VideoCapture:
        name, threads = parameters
        assert name == cv2.CAP_PROP_N_THREADS
        captures.append((real(target, backend, parameters), threads))
        return captures[-1][0]

    monkeypatch.setattr(opencv_module, "open_capture", recorded)
    source = open_recorded(str(path))
    assert [threads for _, threads in captures] == opened
    assert [capture.isOpened() for capture, _ in captures] == [False] * (len(opened) - 1) + [True]
    source.close()


def test_a_backend_other_than_ffmpeg_is_told_no_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(path := tmp_path / "v.avi", [picture(0), picture(9)], 30.0)
    monkeypatch.setattr(opencv_module, "file_backend", lambda: cv2.CAP_OPENCV_MJPEG)
    source = open_recorded(str(path))  # it refuses parameters that it does not know
    assert source.read() is not None
    source.close()
