"""A network camera in a process of its own: noise at 30 frames/s, encoded and served by PyAV.

Usage: python stream_server.py http|tcp PORT
       python stream_server.py ts PORT AT HOLD

The last serves an MPEG transport stream over http, and sends picture AT and all after it HOLD
seconds late.
"""

import http.server
import itertools
import sys
import time
from typing import Any

import av
import numpy as np

WIDTH, HEIGHT, FPS = 64, 48, 30
CODECS = {"mpjpeg": ("mjpeg", "yuvj420p"), "mpegts": ("mpeg2video", "yuv420p")}


def stream(target: Any, form: str, late_from: int = 0, late_s: float = 0.0) -> None:
    """Encodes pictures into a file object or address until whoever watches has left."""
    rng = np.random.default_rng(0)
    codec, pixels = CODECS[form]
    with av.open(target, "w", format=form) as container:
        track = container.add_stream(codec, rate=FPS)
        track.width, track.height, track.pix_fmt = WIDTH, HEIGHT, pixels
        start = time.monotonic()
        for number in itertools.count():
            noise = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
            picture = av.VideoFrame.from_ndarray(noise, format="bgr24")
            picture.pts = number
            for packet in track.encode(picture):
                container.mux(packet)
            due = start + number / FPS + (late_s if number >= late_from else 0.0)
            time.sleep(max(0.0, due - time.monotonic()))


class Camera(http.server.BaseHTTPRequestHandler):
    """Serves motion JPEG as network cameras do."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=ffmpeg")
        self.end_headers()
        stream(self.wfile, "mpjpeg")

    def log_message(self, *_: object) -> None:
        pass


class LateCamera(Camera):
    """Serves a transport stream that falls behind."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        stream(self.wfile, "mpegts", int(sys.argv[3]), float(sys.argv[4]))


if __name__ == "__main__":
    way, port = sys.argv[1], int(sys.argv[2])
    if way == "ts":
        http.server.ThreadingHTTPServer(("127.0.0.1", port), LateCamera).serve_forever()
    if way == "http":
        http.server.ThreadingHTTPServer(("127.0.0.1", port), Camera).serve_forever()
    stream(f"tcp://127.0.0.1:{port}?listen=1", "mpegts")  # FFmpeg itself is the server
