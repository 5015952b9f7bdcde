"""A network camera for benchmarks: the simulated tank, encoded once and served at 30 frames/s.

    python -m benchmarks.picture_server h264 1024 8799 sent.txt

Serves http://127.0.0.1:8799/ to one viewer after another. When it sent each picture, in Unix
seconds, is one line each of the last argument, written anew for every viewer. Nothing is encoded
meanwhile, so that whoever watches has the processor to itself.
"""

import argparse
import contextlib
import http.server
import itertools
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from io import BufferedIOBase
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from fishrt.simulate import SimulatedTank, TankSpec

FPS = 30
CLIP_S = 10  # served again and again
JPEG_QUALITY = 90
NOISE = 3.0  # of a sensor, in grey levels; a picture without any is decoded in no time
TICKS = 90_000  # a second of the transport stream's clock
BOUNDARY = b"picture"


def clip(size: int) -> Iterator[NDArray[np.uint8]]:
    """Pictures of the tank, uint8 `(size, size)`."""
    tank = SimulatedTank(TankSpec(seed=0, width=320, height=240, fps=FPS))
    rng = np.random.default_rng(0)
    for _ in range(CLIP_S * FPS):
        picture = cv2.resize(tank.render(tank.advance()), (size, size)).astype(np.float32)
        picture += NOISE * rng.standard_normal((size, size), np.float32)
        yield np.asarray(np.clip(picture, 0, 255), np.uint8)


def serve_mjpeg(size: int) -> Callable[[BufferedIOBase, Callable[[], None]], None]:
    """Encodes the clip; what is returned sends it for ever, and asks before every picture."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    pictures = [cv2.imencode(".jpg", cv2.merge([p] * 3), quality)[1].tobytes() for p in clip(size)]

    def send(target: BufferedIOBase, wait: Callable[[], None]) -> None:
        for jpeg in itertools.cycle(pictures):
            head = b"--%b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
            wait()
            target.write(head % (BOUNDARY, len(jpeg)) + jpeg + b"\r\n")

    return send


def serve_h264(size: int) -> Callable[[BufferedIOBase, Callable[[], None]], None]:
    """As `serve_mjpeg`, as an MPEG transport stream of H.264 without B pictures."""

    def track_of(container: Any) -> Any:
        track = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        track.width, track.height, track.pix_fmt = size, size, "yuv420p"
        track.codec_context.max_b_frames, track.codec_context.gop_size = 0, FPS
        return track

    with av.open("/dev/null", "w", format="mpegts") as container:
        track = track_of(container)
        frames = (av.VideoFrame.from_ndarray(picture, format="gray") for picture in clip(size))
        encoded = [packet for frame in frames for packet in track.encode(frame)]
        pictures = [(bytes(p), p.is_keyframe) for p in (*encoded, *track.encode(None))]

    def send(target: BufferedIOBase, wait: Callable[[], None]) -> None:
        with av.open(target, "w", format="mpegts", options={"flush_packets": "1"}) as container:
            track = track_of(container)
            for number, (data, is_key) in enumerate(itertools.cycle(pictures)):
                packet = av.Packet(data)
                packet.stream, packet.time_base = track, Fraction(1, TICKS)
                packet.pts = packet.dts = number * TICKS // FPS
                packet.is_keyframe = is_key
                wait()
                container.mux(packet)

    return send


CODECS = {"mjpeg": serve_mjpeg, "h264": serve_h264}
TYPES = {"mjpeg": f"multipart/x-mixed-replace; boundary={BOUNDARY.decode()}", "h264": "video/mp2t"}


def main() -> None:
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codec", choices=CODECS)
    parser.add_argument("size", type=int)
    parser.add_argument("port", type=int)
    parser.add_argument("log")
    options = parser.parse_args()
    send = CODECS[options.codec](options.size)

    class Viewer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", TYPES[options.codec])
            self.end_headers()
            start, numbers = time.monotonic(), itertools.count()
            with open(options.log, "w", buffering=1) as log:  # noqa: PTH123

                def wait() -> None:
                    due = start + next(numbers) / FPS
                    time.sleep(max(0.0, due - time.monotonic()))
                    log.write(f"{time.time():.6f}\n")

                send(self.wfile, wait)

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            with contextlib.suppress(OSError, av.FFmpegError):  # the viewer has left
                super().handle()

    http.server.HTTPServer(("127.0.0.1", options.port), Viewer).serve_forever()


if __name__ == "__main__":
    main()
