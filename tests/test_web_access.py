"""The page's address, and who may see it: what is let in and what is not."""

import socket

import pytest

from fishrt.cli.optional_value import with_empty_values
from fishrt.errors import OutputError
from realtime.web.access import Access, origin_is_ours, own_names
from realtime.web.address import WebAddress, is_loopback, listen, page_url, parse_address
from realtime.web.messages import shown_camera


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("", "127.0.0.1", 8765),
        ("9000", "127.0.0.1", 9000),
        (":9000", "127.0.0.1", 9000),
        ("0.0.0.0", "0.0.0.0", 8765),
        ("tank.local:80", "tank.local", 80),
        ("[::1]:9000", "::1", 9000),
        ("::1", "::1", 8765),
        ("[::]", "::", 8765),
        (" localhost:0 ", "localhost", 0),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    assert parse_address(text) == WebAddress(host, port)


@pytest.mark.parametrize("text", ["127.0.0.1:http", "a:70000", "[::1]:x", "host:-1"])
def test_a_wrong_port_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no port; write HOST:PORT"):
        parse_address(text)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (["--web"], ["--web="]),
        (["--web", "--frames", "6"], ["--web=", "--frames", "6"]),
        (["--web", "0.0.0.0:1", "-o", "-"], ["--web", "0.0.0.0:1", "-o", "-"]),
        (["-c", "demo", "--web=9"], ["-c", "demo", "--web=9"]),
        ([], []),
    ],
)
def test_the_address_may_be_left_out(written: list[str], meant: list[str]) -> None:
    assert with_empty_values(written, ("--web",)) == meant


def test_a_port_in_use_is_one_sentence_that_names_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OutputError, match=rf"uses that port.*--web 127\.0\.0\.1:{port + 1}\.$"):
            listen(WebAddress(port=port))


@pytest.mark.parametrize("host", ["192.0.2.77", "no-such-host.invalid", "x" * 70])
def test_what_is_no_address_of_this_machine_is_said(host: str) -> None:
    with pytest.raises(OutputError, match="no address of this machine"):
        listen(WebAddress(host, 0))


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_only_other_machines_need_a_token(host: str, loopback: bool) -> None:
    with listen(WebAddress(host, 0)) as listener:
        assert is_loopback(listener) is loopback
        url = page_url(WebAddress(host, 0), listener, None if loopback else "abc")
    assert f":{listener.getsockname()[1] if listener.fileno() >= 0 else ''}" in url
    assert url.endswith("/?token=abc") is not loopback
    assert "0.0.0.0" not in url  # that is no address to open


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8765", True),
        ("localhost:9", True),
        ("LOCALHOST", True),
        ("[::1]:8765", True),
        ("10.1.2.3:8765", True),  # an address cannot be pointed elsewhere, a name can
        ("tank.lab:8765", True),  # what the user called it
        ("evil.example:8765", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("127.0.0.1:8765; script-src *", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_hosts_that_are_ours(host: str, ours: bool) -> None:
    access = Access(None, "c", own_names("tank.lab", loopback=True))
    assert access.host_is_ours(host) is ours


@pytest.mark.parametrize(
    ("origin", "ours"),
    [
        (None, True),  # a program, no browser
        ("http://127.0.0.1:8765", True),
        ("https://127.0.0.1:8765", True),  # through a proxy
        ("http://127.0.0.1:3000", False),  # another program of this machine
        ("http://evil.example", False),
        ("http://127.0.0.1:8765.evil.example", False),
        ("null", False),
        ("", False),
        ("http://[", False),
    ],
)
def test_origins_that_are_ours(origin: str | None, ours: bool) -> None:
    assert origin_is_ours(origin, "127.0.0.1:8765") is ours


@pytest.mark.parametrize(
    ("shown", "right"),
    [("abc", True), ("abd", False), ("ab", False), ("", False), (None, False), ("ä", False)],
)
def test_tokens(shown: str | None, right: bool) -> None:
    assert Access("abc", "c").token_is_right(shown) is right
    assert Access(None, "c").token_is_right(shown)


@pytest.mark.parametrize(
    ("camera", "shown"),
    [
        ("0", "0"),
        ("demo:7", "demo:7"),
        ("/data/tank@night.mp4", "/data/tank@night.mp4"),
        ("rtsp://me:secret@192.168.1.7:554/s?key=secret", "rtsp://192.168.1.7:554/s"),
        ("http://tank/live.mjpg", "http://tank/live.mjpg"),
        ("rtsp://me:secret@host:port/s", "rtsp://host:port/s"),
        (
            "rtspsrc location=rtsp://me:secret@cam/1?key=secret ! decodebin ! appsink",
            "rtspsrc location=rtsp://cam/1 ! decodebin ! appsink",
        ),
        (
            "gst:souphttpsrc location='http://me:secret@cam/1?key=secret' is-live=1 ! jpegdec",
            "gst:souphttpsrc location='http://cam/1' is-live=1 ! jpegdec",
        ),
    ],
)
def test_passwords_of_cameras_are_not_shown(camera: str, shown: str) -> None:
    assert shown_camera(camera) == shown
