"""Video sources: files, folders of pictures, cameras, streams and the simulated tank."""

import errno
import functools
import http.server
import itertools
import math
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_footage import write_video

from fishrt.choices import Background
from fishrt.config import PreprocessConfig
from fishrt.errors import SourceError
from fishrt.simulate import SimulatedTank, TankSpec
from fishrt.video import SourceFrame, SourceKind, VideoSource, open_source
from fishrt.video import live as live_module
from fishrt.video import opencv as opencv_module
from fishrt.video.background import learn_background
from fishrt.video.images import spread_positions
from fishrt.video.live import without_password
from fishrt.video.source import plausible_fps

HEIGHT, WIDTH = 48, 64


def picture(number: int, shape: tuple[int, ...] = (HEIGHT, WIDTH)) -> NDArray[np.uint8]:
    """A flat picture whose grey level is its number, so that a lossy codec keeps it apart."""
    return np.full(shape, number, np.uint8)


def flat_video(
    path: Path, count: int, fps: float = 25.0, codec: str = "MJPG", step: int = 4
) -> Path:
    return write_video(path, [picture(step * n % 256) for n in range(count)], fps, codec)


def write_pictures(folder: Path, numbers: Sequence[int], pattern: str = "{:05d}.png") -> Path:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        assert cv2.imwrite(str(folder / pattern.format(number)), picture(number))
    return folder


def read_all(source: VideoSource) -> list[SourceFrame]:
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    return frames


def assert_one_sentence(error: BaseException, *parts: str) -> None:
    message = str(error)
    for part in parts:
        assert part in message, message
    assert "\n" not in message
    assert message.endswith(".")


# -- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "MJPG"), ("a.mp4", "mp4v")])
def test_a_file_gives_every_picture_with_media_time(tmp_path: Path, name: str, codec: str) -> None:
    source = open_source(str(flat_video(tmp_path / name, 20, 25.0, codec, step=12)))
    assert (source.info.kind, source.info.width, source.info.height) == ("file", WIDTH, HEIGHT)
    assert (source.info.declared_fps, source.info.frame_count) == (25.0, 20)
    assert not source.info.is_live
    frames = read_all(source)
    assert len(frames) == 20
    assert [frame.timestamp for frame in frames] == pytest.approx([i / 25 for i in range(20)])
    for number, frame in enumerate(frames):
        assert frame.image.shape == (HEIGHT, WIDTH, 3)
        assert frame.image.mean() == pytest.approx(12 * number, abs=5)  # measured: 3.7
    assert source.ended_early is None
    assert source.read() is None
    source.close()
    source.close()


def test_the_reference_video_starts_at_zero_and_steps_by_a_thirtieth(reference: Path) -> None:
    path = reference / "video" / "school_overhead_1024_30fps.mp4"
    source = open_source(str(path))
    assert source.info.frame_count == 900
    assert source.info.declared_fps == pytest.approx(30, abs=0.001)
    times = [frame.timestamp for frame in itertools.islice(iter(source.read, None), 60)]
    source.close()
    assert times[0] == 0.0
    # the file counts whole microseconds, 33333 a frame
    assert np.diff(times) == pytest.approx(1 / 30, abs=2e-6)


def test_a_file_that_ends_early_says_so(tmp_path: Path) -> None:
    path = flat_video(tmp_path / "a.avi", 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    source = open_source(str(path))
    assert source.info.frame_count == 40
    frames = read_all(source)
    assert 5 < len(frames) < 38
    assert source.ended_early is not None
    assert f"ended after {len(frames)} of the 40 pictures" in source.ended_early


def test_a_file_that_is_closed_half_way_did_not_end_early(tmp_path: Path) -> None:
    source = open_source(str(flat_video(tmp_path / "a.avi", 20)))
    source.read()
    source.close()
    assert source.read() is None
    assert source.ended_early is None


def bytes_of(data: bytes) -> Any:
    return lambda path: path.write_bytes(data)


def truncated_mp4(path: Path) -> None:
    whole = flat_video(path.with_name("whole.mp4"), 20, codec="mp4v").read_bytes()
    assert b"moov" in whole[len(whole) // 2 :]  # the index is at the end, and is cut off
    path.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda _: None, "there is no file or folder"),
        (bytes_of(b""), "is empty (0 bytes); copy or record it again"),
        (bytes_of(b"only a text\n" * 50), "not a video that can be decoded; convert it"),
        (truncated_mp4, "cut short or still being written"),
        (os.mkfifo, "is not a video file"),
    ],
    ids=["missing", "empty", "text", "no moov", "pipe"],
)
def test_a_file_that_is_no_video_is_one_sentence(tmp_path: Path, make: Any, sentence: str) -> None:
    path = tmp_path / "tank.mp4"
    make(path)
    with pytest.raises(SourceError) as caught:
        open_source(str(path))
    assert_one_sentence(caught.value, str(path), sentence)


def test_a_file_without_permission_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(self: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    path = flat_video(tmp_path / "a.avi", 2)
    monkeypatch.setattr(Path, "open", locked)  # root may read any file, so chmod shows nothing
    with pytest.raises(SourceError) as caught:
        open_source(str(path))
    assert_one_sentence(caught.value, "Permission denied; check its permissions")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("", "is empty"), ("  ", "is empty"), ("a" * 5000, "File name too long")],
)
def test_names_that_no_path_has(text: str, sentence: str) -> None:
    with pytest.raises(SourceError, match=sentence):
        open_source(text)


def test_a_single_picture_is_no_video(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "a", [0, 1])
    with pytest.raises(SourceError, match="is a single picture; give the folder"):
        open_source(str(folder / "00000.png"))


@pytest.mark.parametrize("fps", [0.0, -1.0, math.nan, math.inf, 90000.0, 1000.1])
def test_nonsense_rates_are_none(fps: float) -> None:
    assert plausible_fps(fps) is None


@pytest.mark.parametrize("fps", [0.1, 29.97, 30.0, 240.0])
def test_real_rates_are_kept(fps: float) -> None:
    assert plausible_fps(fps) == fps


# -- folders of pictures -----------------------------------------------------------------------


def test_the_published_frames(reference: Path) -> None:
    source = open_source(str(reference / "published_frames"))
    assert source.info.kind is SourceKind.IMAGES
    assert (source.info.width, source.info.height, source.info.frame_count) == (320, 240, 11)
    frames = read_all(source)
    assert [frame.timestamp for frame in frames] == pytest.approx([i / 30 for i in range(11)])
    expected = cv2.imread(str(reference / "published_frames" / "00007.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(frames[7].image, expected)


@pytest.mark.parametrize("pattern", ["{}.png", "cam2_{:03d}_raw.bmp", "frame{:05d}.TIF"])
def test_pictures_come_in_numeric_order_and_gaps_are_time(tmp_path: Path, pattern: str) -> None:
    folder = write_pictures(tmp_path / "a", [9, 10, 11, 100, 101], pattern)
    (folder / "background.png").write_bytes(b"not one of the series")
    (folder / "._00012.png").write_bytes(b"what macOS leaves behind")
    (folder / "notes 7.txt").write_text("")
    source = open_source(str(folder), fps=10.0)
    assert (source.info.frame_count, source.info.declared_fps) == (5, 10.0)
    frames = read_all(source)
    assert [int(frame.image[0, 0]) for frame in frames] == [9, 10, 11, 100, 101]
    assert [frame.timestamp for frame in frames] == pytest.approx([0.0, 0.1, 0.2, 9.1, 9.2])
    source.close()
    source.close()


@pytest.mark.parametrize(
    ("suffix", "channels"),
    [
        ("png", 1),
        ("png", 3),
        ("png", 4),
        ("tif", 1),
        ("tif", 3),
        ("bmp", 3),
        ("jpg", 1),
        ("jpg", 3),
    ],
)
def test_grey_and_colour_pictures(tmp_path: Path, suffix: str, channels: int) -> None:
    shape = (HEIGHT, WIDTH) if channels == 1 else (HEIGHT, WIDTH, channels)
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    cv2.imwrite(str(tmp_path / f"0.{suffix}"), image)
    frame = open_source(str(tmp_path)).read()
    assert frame is not None
    assert frame.image.shape == (shape if channels < 4 else (HEIGHT, WIDTH, 3))
    if suffix != "jpg":
        np.testing.assert_array_equal(frame.image, image[..., :3] if channels == 4 else image)


def test_a_damaged_picture_in_the_middle_names_the_file(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "a", range(5))
    path = folder / "00002.png"
    path.write_bytes(path.read_bytes()[:-20])
    source = open_source(str(folder))
    assert source.read() is not None
    assert source.read() is not None
    with pytest.raises(SourceError) as caught:
        source.read()
    assert_one_sentence(caught.value, "00002.png is damaged or cut short; copy it again")


def test_pictures_of_changing_size_or_depth_are_refused(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "a", range(3))
    cv2.imwrite(str(folder / "00001.png"), picture(1, (HEIGHT, WIDTH + 2)))
    with pytest.raises(SourceError) as caught:
        read_all(open_source(str(folder)))
    assert_one_sentence(caught.value, "changes from 64x48 to 66x48 at picture 1")
    cv2.imwrite(str(folder / "00001.png"), picture(1).astype(np.uint16))
    with pytest.raises(SourceError) as caught:
        read_all(open_source(str(folder)))
    assert_one_sentence(caught.value, "uint16 pixels, but 8-bit ones")


def test_a_folder_without_pictures_or_with_two_series(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(SourceError, match="holds no numbered pictures"):
        open_source(str(tmp_path))
    write_pictures(tmp_path, [1, 2], "left_{}.png")
    write_pictures(tmp_path, [2, 3], "right_{}.png")
    with pytest.raises(SourceError, match=r"two pictures with number 2 .*one series"):
        open_source(str(tmp_path))


# -- the simulated tank ------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "seed"), [("demo", 0), ("demo:7", 7)])
def test_the_demo_is_the_simulated_tank(text: str, seed: int) -> None:
    source = open_source(text)
    assert source.info.kind is SourceKind.DEMO
    assert source.info.name == text
    assert (source.info.width, source.info.height, source.info.frame_count) == (320, 240, None)
    assert not source.info.is_live
    for number, (expected, _) in enumerate(itertools.islice(SimulatedTank(TankSpec(seed)), 10)):
        frame = source.read()
        assert frame is not None
        assert (frame.index, frame.timestamp) == (number, number / 30)
        np.testing.assert_array_equal(frame.image, expected)
    source.close()
    source.close()


@pytest.mark.parametrize("text", ["demo:", "demo:x", "demo:-1", "demo:1.5", "demo:²"])
def test_a_seed_that_is_no_number_is_one_sentence(text: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(text)
    assert_one_sentence(caught.value, "comes a whole number, such as demo:7")


def test_a_rate_that_cannot_be_simulated_is_one_sentence() -> None:
    with pytest.raises(SourceError, match="cannot be simulated: fps"):
        open_source("demo", fps=0.0)


# -- cameras and streams -----------------------------------------------------------------------


class _FakeCapture:
    """Stands in for `cv2.VideoCapture`: gives the pictures it was made with."""

    opened: list["_FakeCapture"]
    pictures: Sequence[NDArray[np.uint8]] = ()
    clock_ms: Sequence[float] = ()

    def __init__(self, target: object = None, backend: int = 0, parameters: Any = ()) -> None:
        self.target, self.backend, self.parameters = target, backend, list(parameters)
        self.settings: dict[int, float] = {}
        self.released = 0
        self.taken = 0
        type(self).opened.append(self)

    def grab(self) -> bool:
        self.taken += 1
        return self.taken <= len(self.pictures)

    def retrieve(self) -> tuple[bool, NDArray[np.uint8]]:
        return True, self.pictures[self.taken - 1]

    def get(self, name: int) -> float:
        if name == cv2.CAP_PROP_POS_MSEC and self.clock_ms:
            return self.clock_ms[self.taken - 1]
        return {cv2.CAP_PROP_FPS: 90000.0, cv2.CAP_PROP_FRAME_COUNT: -1.0}.get(name, 0.0)

    def set(self, name: int, value: float) -> bool:
        self.settings[name] = value
        return True

    def getBackendName(self) -> str:
        return "FAKE"

    def isOpened(self) -> bool:
        return not self.released

    def release(self) -> None:
        self.released += 1


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[_FakeCapture]:
    made = type("Made", (_FakeCapture,), {"opened": []})
    monkeypatch.setattr(cv2, "VideoCapture", made)
    return made


@pytest.mark.parametrize("text", ["2", "/dev/video2"])
def test_a_camera_is_stamped_on_arrival_and_queues_nothing(
    fake: type[_FakeCapture], text: str
) -> None:
    fake.pictures = [picture(number, (HEIGHT, WIDTH, 3)) for number in range(4)]
    before = time.monotonic()
    source = open_source(text)
    assert fake.opened[0].target == 2
    assert source.info.kind is SourceKind.CAMERA
    assert source.info.is_live
    assert (source.info.declared_fps, source.info.frame_count) == (None, None)
    frames = [source.read() for _ in range(4)]
    times = [frame.timestamp for frame in frames if frame]
    assert before <= times[0] <= times[1] <= times[2] <= times[3] <= time.monotonic()
    assert [int(frame.image[0, 0, 0]) for frame in frames if frame] == [0, 1, 2, 3]
    with pytest.raises(SourceError) as caught:
        source.read()
    assert_one_sentence(caught.value, "camera 2 stopped giving pictures")
    source.close()
    source.close()
    assert source.read() is None


def test_a_camera_that_is_closed_before_its_first_picture_is_read(fake: type[_FakeCapture]) -> None:
    fake.pictures = [picture(0, (HEIGHT, WIDTH, 3))] * 2
    source = open_source("0")
    source.close()
    assert source.read() is None


def test_a_camera_that_changes_its_size_is_refused(fake: type[_FakeCapture]) -> None:
    fake.pictures = [picture(0, (HEIGHT, WIDTH, 3)), picture(1, (HEIGHT, WIDTH * 2, 3))]
    source = open_source("0")
    source.read()
    with pytest.raises(SourceError, match="changes from 64x48 to 128x48 at picture 1"):
        source.read()


def test_a_camera_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(SourceError) as caught:
        open_source("97")
    assert_one_sentence(caught.value, "camera 97 cannot be opened", "another number")


def test_a_stream_has_time_outs_and_hides_its_password(fake: type[_FakeCapture]) -> None:
    fake.pictures = [picture(0, (HEIGHT, WIDTH, 3))]
    url = "rtsp://me:secret@tank.local/live?x=a@b"
    source = open_source(url)
    assert source.info.kind is SourceKind.URL
    assert source.info.name == "rtsp://tank.local/live?x=a@b"
    capture = fake.opened[0]
    assert capture.target == url
    named = dict(zip(capture.parameters[::2], capture.parameters[1::2], strict=True))
    assert named[cv2.CAP_PROP_OPEN_TIMEOUT_MSEC] == live_module.OPEN_TIMEOUT_MS
    assert named[cv2.CAP_PROP_READ_TIMEOUT_MSEC] == live_module.READ_TIMEOUT_MS
    source.read()
    with pytest.raises(SourceError) as caught:
        source.read()
    assert_one_sentence(caught.value, "rtsp://tank.local/live", "stopped giving pictures")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://u:p@h:554/a", "rtsp://h:554/a"),
        ("rtsp://u:p@ss@h/a", "rtsp://h/a"),
        ("http://h/a@b", "http://h/a@b"),
        ("http://h", "http://h"),
        ("rtsp://u:p/s?s#@h/a", "rtsp://h/a"),
        ("http://h:80/a@b", "http://h:80/a@b"),
        ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
        (
            "a location=rtsp://u:p@h/a ! b location='rtsp://u:p@i/a'",
            "a location=rtsp://h/a ! b location='rtsp://i/a'",
        ),
        (
            'rtspsrc location=rtsp://h/a user-id=u user-pw="p q" latency=0 ! b',
            "rtspsrc location=rtsp://h/a latency=0 ! b",
        ),
    ],
)
def test_without_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_an_address_that_nobody_answers_at_is_one_sentence(scheme: str) -> None:
    start = time.monotonic()
    with pytest.raises(SourceError) as caught:
        open_source(f"{scheme}://127.0.0.1:9/live")
    assert time.monotonic() - start < 5
    assert_one_sentence(caught.value, "cannot be opened", "check the address")


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_a_stream_that_never_answers_is_given_up(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(live_module, "OPEN_TIMEOUT_MS", 300)
    monkeypatch.setattr(live_module, "READ_TIMEOUT_MS", 300)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(SourceError, match="waited at most 1 s"):
            open_source(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/live")
    assert time.monotonic() - start < 3  # measured: 0.3


class _Stream(http.server.SimpleHTTPRequestHandler):
    """Serves files, and at /live an endless-looking stream of JPEG pictures, as cameras do."""

    def do_GET(self) -> None:
        if self.path != "/live":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        for number in range(60):
            data = cv2.imencode(".jpg", picture(4 * number, (HEIGHT, WIDTH, 3)))[1].tobytes()
            self.wfile.write(b"--next\r\nContent-Type: image/jpeg\r\n")
            self.wfile.write(f"Content-Length: {len(data)}\r\n\r\n".encode() + data + b"\r\n")
        return None

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    handler = functools.partial(_Stream, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_address[1]}"
        serving.shutdown()
        thread.join()


def test_a_real_stream_over_http(server: str) -> None:
    source = open_source(f"{server}/live")
    assert source.info.kind is SourceKind.URL
    frames = [source.read() for _ in range(20)]
    levels = [frame.image.mean() for frame in frames if frame]
    assert levels == pytest.approx([4 * number for number in range(20)], abs=2)
    with pytest.raises(SourceError, match="stopped giving pictures"):
        read_all(source)
    source.close()


def test_a_finished_video_behind_a_url_is_refused(server: str, tmp_path: Path) -> None:
    flat_video(tmp_path / "a.avi", 20)
    with pytest.raises(SourceError) as caught:
        open_source(f"{server}/a.avi")
    assert_one_sentence(caught.value, "finished video", "download it and give the file")


@pytest.mark.parametrize(
    ("clock_ms", "seconds"),
    [
        ([0.0, 0.0, 0.0, 0.0], [0.0, 0.1, 0.2, 0.3]),  # a raw stream has no clock
        ([80.0, 120.0, 200.0, 220.0], [0.0, 0.04, 0.12, 0.14]),  # it need not start at 0
        ([0.0, 40.0, 40.0, 200.0], [0.0, 0.04, 0.14, 0.2]),  # a stamp that is given twice
        ([0.0, 40.0, 0.0, 40.0], [0.0, 0.04, 0.14, 0.24]),  # two recordings in one file
    ],
)
def test_file_time_is_the_clock_where_it_grows(
    fake: type[_FakeCapture], tmp_path: Path, clock_ms: list[float], seconds: list[float]
) -> None:
    path = tmp_path / "a.avi"
    path.write_bytes(b"some bytes")
    fake.pictures = [picture(0, (HEIGHT, WIDTH, 3))] * 4
    fake.clock_ms = clock_ms
    source = open_source(str(path), fps=10.0)
    assert (source.info.declared_fps, source.info.frame_count) == (None, None)
    assert [frame.timestamp for frame in read_all(source)] == pytest.approx(seconds)


# -- the background ----------------------------------------------------------------------------


def still_with_a_passer_by(number: int) -> NDArray[np.uint8]:
    """A still gradient with a bright square that is elsewhere in every picture."""
    image = np.tile(np.arange(WIDTH, dtype=np.uint8), (HEIGHT, 1))
    left = 3 * number % (WIDTH - 6)
    image[10:16, left : left + 6] = 250
    return image


STILL = np.tile(np.arange(WIDTH, dtype=np.uint8), (HEIGHT, 1))
MEDIAN = PreprocessConfig(background=Background.MEDIAN, median_images=15)


def test_no_background_and_a_given_one(tmp_path: Path) -> None:
    assert learn_background("nowhere", PreprocessConfig()) is None
    cv2.imwrite(str(tmp_path / "b.png"), STILL)
    config = PreprocessConfig(background=Background.IMAGE, background_image=tmp_path / "b.png")
    np.testing.assert_array_equal(learn_background("nowhere", config), STILL)


def test_the_median_of_a_folder_leaves_what_is_still(tmp_path: Path) -> None:
    for number in range(40):
        cv2.imwrite(str(tmp_path / f"{number}.png"), still_with_a_passer_by(number))
    np.testing.assert_array_equal(learn_background(str(tmp_path), MEDIAN), STILL)
    region = MEDIAN.model_copy(update={"roi": (5, 8, 20, 10)})
    np.testing.assert_array_equal(learn_background(str(tmp_path), region), STILL[8:18, 5:25])


@pytest.mark.parametrize("way", ["decode", "seek", "unknown length"])
def test_the_median_of_a_file_looks_at_its_whole_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    # grey levels 0, 4, ... 156: the median tells whether early, late or all pictures were taken
    path = flat_video(tmp_path / "a.avi", 40)
    if way == "seek":
        monkeypatch.setattr(opencv_module, "SEEK_FROM_STRIDE", 2)
    if way == "unknown length":
        one = [cv2.imencode(".jpg", picture(4 * n))[1].tobytes() for n in range(40)]
        path = tmp_path / "a.mjpeg"
        path.write_bytes(b"".join(one))
        assert open_source(str(path)).info.frame_count is None
    background = learn_background(str(path), MEDIAN)
    assert background is not None
    assert background.shape == (HEIGHT, WIDTH)
    assert background.mean() == pytest.approx(78, abs=6)


def test_sampling_a_file_leaves_reading_alone(tmp_path: Path) -> None:
    source = opencv_module.VideoFile(flat_video(tmp_path / "a.avi", 10), 30.0)
    source.read()
    levels = [round(float(image.mean()) / 4) for image in source.spread(4)]
    assert levels == [0, 3, 6, 9]
    assert [frame.index for frame in iter(source.read, None) if frame] == list(range(1, 10))


def test_the_median_of_an_endless_source_takes_ten_seconds() -> None:
    pictures = [image for image, _ in itertools.islice(SimulatedTank(TankSpec(seed=3)), 300)]
    # 15 pictures in 10 s of 30 fps: every twentieth
    expected = np.median(np.stack(pictures[::20]), axis=0).astype(np.uint8)
    np.testing.assert_array_equal(learn_background("demo:3", MEDIAN), expected)


@pytest.mark.parametrize(("total", "count"), [(1, 5), (5, 5), (7, 3), (1000, 101), (3, 100)])
def test_spread_positions(total: int, count: int) -> None:
    positions = spread_positions(total, count)
    assert len(positions) == min(total, count)
    assert positions[0] == 0
    assert positions[-1] == (total - 1 if count > 1 else 0)
    steps = np.diff(positions)
    assert len(steps) == 0 or (steps.min() >= 1 and steps.max() - steps.min() <= 1)
