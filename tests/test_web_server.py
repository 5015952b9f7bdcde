"""The page's server, asked by clients that share no code with it."""

import contextlib
import http.client
import io
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from web_run import HORIZON, Run, picture
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from fishrt.errors import OutputError
from realtime.event import Event, EventKind
from realtime.sinks.video import VideoRecorder
from realtime.update import Truth, Update
from realtime.web import handlers
from realtime.web import picture as picture_module
from realtime.web.address import WebAddress
from realtime.web.handlers import TICK_S
from realtime.web.messages import Messages

PATIENCE_S = 30.0


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    run.page.close()


@pytest.fixture
def open_run(tmp_path: Path) -> Iterator[Run]:
    """A run that other machines may look at."""
    run = Run(tmp_path, WebAddress("0.0.0.0", 0))
    yield run
    run.page.close()


def port_of(run: Run) -> int:
    return int(re.search(r":(\d+)/", run.page.url)[1])  # type: ignore[index]


def token_of(run: Run) -> str:
    return run.page.url.partition("?token=")[2]


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(run: Run, path: str, method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(run), timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        return Answer(connection.getresponse())


@contextlib.contextmanager
def watching(run: Run, **headers: str) -> Iterator[ClientConnection]:
    url = f"ws://127.0.0.1:{port_of(run)}/stream"
    options: dict[str, Any] = {"additional_headers": headers, "max_size": None}
    with connect(url, **options) as viewer:
        yield viewer


def told(viewer: ClientConnection) -> dict[str, Any]:
    """The next message, pictures left out."""
    while isinstance(message := viewer.recv(PATIENCE_S), bytes):
        pass
    return json.loads(message)


def hear_out(viewer: ClientConnection) -> None:
    """Takes messages until the connection is closed."""
    while True:
        told(viewer)


# -- what it answers ---------------------------------------------------------------------------


def test_the_page_comes_whole_and_asks_for_nothing_from_elsewhere(run: Run) -> None:
    page = ask(run, "/")
    assert page.status == 200
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    paths = ["/", *re.findall(r'(?:src|href)="(/[^"]+)"', page.body.decode())]
    kinds = {"/": "text/html", ".css": "text/css", ".js": "text/javascript"}
    assert len(paths) == 3
    while paths:
        path = paths.pop()
        answer = ask(run, path)
        kind = kinds.get(path) or kinds[path[path.rindex(".") :]]
        assert (answer.status, answer.headers.get_content_type()) == (200, kind), path
        text = answer.body.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", text), path
        paths += [f"/page/{name}" for name in re.findall(r'from "\./([^"]+)"', text)]


@pytest.mark.parametrize("path", ["/page/../sink.py", "/page/%2e%2e%2fsink.py", "/page/x.js", "/x"])
def test_there_is_nothing_but_the_page(run: Run, path: str) -> None:
    assert ask(run, path).status == 404


def test_the_status_says_what_is_known(run: Run) -> None:
    assert ask(run, "/healthz").status == 503  # no picture has come yet
    assert ask(run, "/picture.jpg").status == 503
    first = ask(run, "/api/status").json
    assert (first["frame"], first["probability"]) == (None, None)
    run.write(0.25)
    run.write(0.75, alarm=True)
    assert ask(run, "/healthz").json == {"running": True}
    until(lambda: ask(run, "/api/status").json["stats"]["frames"] == 2)
    status = ask(run, "/api/status").json
    assert (status["frame"], status["probability"], status["alarm"]) == (1, 0.75, True)
    assert status["state"]["name"] == "Burst ahead"
    assert status["camera"] == "rtsp://tank.local:554/stream"
    assert "secret" not in json.dumps(status)


def test_a_forecast_from_before_the_camera_was_lost_does_not_stand(run: Run) -> None:
    run.write(0.75, alarm=True)
    run.event(EventKind.CAMERA_LOST, "the camera is lost")
    status = ask(run, "/api/status").json
    assert (status["frame"], status["probability"], status["alarm"]) == (0, None, False)
    assert ask(run, "/healthz").status == 503
    run.event(EventKind.CAMERA_BACK, "the camera is back")
    run.write(0.25)
    assert ask(run, "/api/status").json["probability"] == 0.25


def test_the_stream_tells_every_frame_once_and_in_order(run: Run) -> None:
    for _ in range(5):
        run.write(None)
    run.event(EventKind.CAMERA_BACK, "the camera is back")
    frames: list[int] = []
    truths: list[list[int]] = []
    with watching(run) as viewer:
        hello = told(viewer)
        assert (hello["type"], hello["fps"], hello["threshold"]) == ("hello", 30.0, 0.6)
        while len(frames) < 200:
            for _ in range(20 if run.frame < 200 else 0):
                known = run.frame - HORIZON - 1
                run.write(0.5, truth=Truth(known, 1) if known >= 0 else None)
            news = told(viewer)
            frames += [point[0] for point in news["points"]]
            truths += news["truths"]
            if "the camera is back" in json.dumps(news["events"]):
                assert len(frames) <= 25  # at once, and not again
    assert frames == list(range(run.frame))
    assert truths == [[frame, 1] for frame in range(run.frame - HORIZON - 1)]


def test_pictures_come_when_asked_for_and_are_encoded_only_then(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    jpeg = picture_module.jpeg

    def counting(image: NDArray[np.uint8]) -> bytes:
        encoded.append(int(image[0, 0, 0]))
        return jpeg(image)

    monkeypatch.setattr(picture_module, "jpeg", counting)
    with watching(run) as viewer, watching(run) as other:
        told(viewer)
        for _ in range(3):
            run.write(image=picture(48, 64, 40))
            told(viewer)
        assert encoded == []
        for level in (80, 120):
            run.write(image=picture(48, 64, level))
            for asking in (viewer, other):
                asking.send("picture")
                while isinstance(message := asking.recv(PATIENCE_S), str):
                    pass
                shown = np.asarray(Image.open(io.BytesIO(message)))
                assert shown.shape == (48, 64, 3)
                assert np.abs(shown.astype(int) - level).max() <= 2
        assert encoded == [80, 120]  # once, for both
        run.write()
        assert {type(viewer.recv(PATIENCE_S)) for _ in range(4)} == {str}  # none unasked
    assert ask(run, "/picture.jpg").headers.get_content_type() == "image/jpeg"


# -- who is let in -----------------------------------------------------------------------------


def refused(run: Run, **headers: str) -> int:
    """The status with which a stream is refused."""
    with pytest.raises(InvalidStatus) as refusal, watching(run, **headers):
        pass
    return refusal.value.response.status_code


def test_without_the_token_other_addresses_show_nothing(open_run: Run) -> None:
    run, token = open_run, token_of(open_run)
    assert len(token) >= 22  # 128 bits
    run.write()
    for path in ("/", "/page/main.js", "/picture.jpg", "/api/status", "/?token=x", "/x"):
        answer = ask(run, path)
        assert answer.status == 401, path
        assert "Set-Cookie" not in answer.headers
    assert ask(run, "/api/recording/start", "POST").status == 401
    assert ask(run, "/api/status", Authorization=f"Bearer {token}x").status == 401
    assert refused(run) == 401
    assert ask(run, "/healthz").json == {"running": True}  # says no more than that


def test_the_token_lets_in_by_address_cookie_and_header(open_run: Run) -> None:
    run, token = open_run, token_of(open_run)
    answer = ask(run, f"/?token={token}")
    assert answer.status == 200
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    name_and_value = cookie.partition(";")[0]
    assert ask(run, "/api/status", Cookie=name_and_value).status == 200
    assert ask(run, "/api/status", Authorization=f"Bearer {token}").status == 200
    with watching(run, Cookie=name_and_value) as viewer:
        assert told(viewer)["type"] == "hello"


def test_names_that_may_have_been_pointed_here_are_refused(run: Run, open_run: Run) -> None:
    for each in (run, open_run):
        path = f"/?token={token_of(each)}"
        assert ask(each, path, Host="evil.example").status == 403
        assert ask(each, path, Host=f"localhost:{port_of(each)}").status == 200
    assert ask(run, "/healthz", Host="evil.example").status == 403


def test_pages_of_other_sites_cannot_press_buttons_or_watch(run: Run, tmp_path: Path) -> None:
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{port_of(run) + 1}"):
        assert ask(run, "/api/recording/start", "POST", Origin=origin).status == 403
        assert refused(run, Origin=origin) == 403
    assert list(tmp_path.iterdir()) == []
    assert ask(run, "/api/recording/start").status == 405  # no link or picture starts anything
    own = f"http://127.0.0.1:{port_of(run)}"
    with watching(run, Origin=own) as viewer:
        assert told(viewer)["type"] == "hello"
    assert ask(run, "/api/recording/stop", "POST", Origin=own).status == 200


# -- recording ---------------------------------------------------------------------------------


def frames_in(path: Path) -> int:
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        count += 1
    return count


def test_recordings_hold_the_frames_between_start_and_stop(run: Run, tmp_path: Path) -> None:
    files = []
    for count in (7, 4):
        run.write()
        started = ask(run, "/api/recording/start", "POST").json
        assert started["active"]
        files.append(started["file"])
        run.write()
        until(lambda: (tmp_path / files[-1]).exists())
        assert ask(run, "/api/recording/start", "POST").json["file"] == files[-1]  # still the same
        for _ in range(count - 1):
            run.write()
        stopped = ask(run, "/api/recording/stop", "POST").json
        assert (stopped["active"], stopped["frames"], stopped["dropped"]) == (False, count, 0)
        assert frames_in(tmp_path / files[-1]) == count  # whole as soon as it is said
    assert re.fullmatch(r"fishrt-\d{4}-\d\d-\d\d-\d{6}\.mp4", files[0])
    assert len(set(files)) == 2  # though in the same second, maybe


def test_the_end_of_the_run_finishes_a_recording(run: Run, tmp_path: Path) -> None:
    file = ask(run, "/api/recording/start", "POST").json["file"]
    for _ in range(5):
        run.write()
    run.page.close()
    run.page.close()
    assert frames_in(tmp_path / file) == 5


def test_a_folder_for_recordings_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"does not exist; create it, .*--web-record-dir"):
        Run(tmp_path / "none")


class FullDisk:
    """A recorder that fails at its third frame."""

    dropped = 0

    def __init__(self) -> None:
        self.frames = 0
        self.closed = False

    def write(self, update: Update) -> None:
        self.frames += 1
        if self.frames == 3:
            raise OutputError("the disk is full.")

    def event(self, event: Event) -> None:
        pass

    def close(self) -> None:
        self.closed = True
        raise OutputError("the disk is full.")


def test_a_recording_that_fails_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    made: list[FullDisk] = []
    run = Run(tmp_path, make_recorder=lambda _: made.append(FullDisk()) or made[-1])
    ask(run, "/api/recording/start", "POST")
    for _ in range(6):
        run.write()
    assert run.told == [(EventKind.SINK_FAILED, "the disk is full.")]
    until(lambda: made[0].closed)
    recording = ask(run, "/api/status").json["recording"]
    assert (recording["active"], recording["problem"]) == (False, "the disk is full.")
    assert ask(run, "/api/recording/start", "POST").json["active"]  # it may be tried again
    run.write()
    answer = ask(run, "/api/recording/stop", "POST")
    assert (answer.status, answer.json["problem"]) == (409, "the disk is full.")
    assert ask(run, "/api/status").json["recording"]["problem"] == "the disk is full."
    run.page.close()


def test_a_recording_that_cannot_begin_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    run = Run(folder)
    folder.rmdir()
    answer = ask(run, "/api/recording/start", "POST")
    assert answer.status == 409
    assert "folder does not exist" in answer.json["problem"]
    assert ask(run, "/api/status").json["recording"] == answer.json  # and it stays said
    run.write()
    run.page.close()


def test_recordings_are_made_by_the_recorder_of_the_command_line(run: Run) -> None:
    assert isinstance(run._recorder(Path("x.mp4").absolute()), VideoRecorder)


# -- what it survives --------------------------------------------------------------------------


@contextlib.contextmanager
def not_reading(run: Run) -> Iterator[ClientConnection]:
    """A viewer whose machine takes next to nothing from its socket until `recv` is called."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", port_of(run)))
    url = f"ws://127.0.0.1:{port_of(run)}/stream"
    with connect(url, sock=narrow, max_size=None, max_queue=1, close_timeout=0.1) as viewer:
        yield viewer


def test_a_viewer_who_does_not_read_is_not_queued_for(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    news = Messages.news
    monkeypatch.setattr(Messages, "news", lambda *args: made.append(1) or news(*args))
    noise = np.random.default_rng(0).integers(0, 255, (720, 960, 3), np.uint8)

    def stalls() -> bool:
        """Whether asking for one more picture brings no more messages."""
        count = len(made)
        run.write(image=noise)
        viewer.send("picture")
        time.sleep(3 * TICK_S)
        return len(made) == count

    with not_reading(run) as viewer:
        until(lambda: stalls() and stalls())
        before = len(made)
        for _ in range(3000):
            run.write(image=noise)
        time.sleep(3 * TICK_S)
        assert len(made) == before
        assert ask(run, "/api/status").status == 200  # others are answered
        until(lambda: told(viewer).get("frame") == run.frame - 1)  # and it is up to date again
        for _ in range(8):
            run.write(image=noise)
            viewer.send("picture")
            time.sleep(TICK_S)
        run.page.close()
        assert not run.page._server._thread.is_alive()  # the end does not wait for him either
    assert run.told == []


def test_a_viewer_who_is_gone_makes_room(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "MAX_VIEWERS", 1)
    monkeypatch.setattr(handlers, "HEARTBEAT_S", 0.4)
    with not_reading(run):  # so it answers no ping
        assert refuses(run)
        until(lambda: not refuses(run))
    assert run.told == []


def test_there_is_an_end_to_viewers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "MAX_VIEWERS", 1)
    with watching(run) as viewer:
        told(viewer)
        assert refused(run) == 503
    until(lambda: not refuses(run))  # there is room again


def refuses(run: Run) -> bool:
    try:
        with watching(run):
            return False
    except InvalidStatus:
        return True


def test_a_mistake_in_an_answer_is_told_once_and_ends_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Messages, *_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Messages, "status", broken)
    assert [ask(run, "/api/status").status for _ in range(3)] == [500] * 3
    text = "the page could not answer a request (RuntimeError: broken)"
    assert run.told == [(EventKind.WARNING, text)]
    monkeypatch.setattr(Messages, "news", broken)
    with watching(run) as viewer, pytest.raises(ConnectionClosed) as closed:
        hear_out(viewer)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011
    monkeypatch.undo()
    run.write()
    assert ask(run, "/api/status").json["frame"] == 0


def test_a_server_that_ends_is_told_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: handlers.Handlers) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(handlers.Handlers, "application", broken)
    run = Run(tmp_path)
    until(lambda: run.told != [])
    kind, text = run.told[0]
    assert kind is EventKind.SINK_FAILED
    assert text == "the page stopped (RuntimeError: broken); the run goes on without it"
    run.write()
    run.event(EventKind.WARNING, "still here")
    run.page.close()


def test_the_end_of_the_run_is_said_and_frees_the_port(run: Run) -> None:
    with watching(run) as viewer:
        told(viewer)
        run.page.close()
        with pytest.raises(ConnectionClosed) as closed:
            hear_out(viewer)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "the run has ended")
    with socket.create_server(("127.0.0.1", port_of(run))):
        pass
