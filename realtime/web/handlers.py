"""What the server answers: the page, its stream, the status, the buttons."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files

from aiohttp import WSCloseCode, web
from aiohttp.typedefs import Handler

from fishrt.errors import OutputError
from realtime.web.access import OPEN_TO_ALL, Access, guard, keep_token
from realtime.web.feed import Cursor
from realtime.web.messages import Json, Messages
from realtime.web.picture import Pictures
from realtime.web.recording import RecordingControl

TICK_S = 0.08  # from one message to the next, and from one picture to the next
CLOSE_S = 1.0  # for browsers to say goodbye when the run ends
HEARTBEAT_S = 10.0  # a browser that does not answer for half of this is gone
MAX_VIEWERS = 16
WANT_PICTURE = "picture"
FULL = f"{MAX_VIEWERS} pages are open already; close one of them."
NO_PICTURE = "There is no picture yet."
FAILED = "The page's server failed at this; the run goes on."
ENDED = b"the run has ended"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


class Handlers:
    """Answers requests; all of it runs on the server's thread."""

    def __init__(
        self,
        access: Access,
        messages: Messages,
        pictures: Pictures,
        recording: RecordingControl,
        failed: Callable[[Exception], None],
    ) -> None:
        """Reads the page's files.

        Args:
            access: What lets a request in.
            messages: What the page is told.
            pictures: The picture for the page.
            recording: Recording from the page.
            failed: Takes what went wrong while answering.
        """
        self._access = access
        self._messages = messages
        self._pictures = pictures
        self._recording = recording
        self._failed = failed
        self._viewers: set[web.WebSocketResponse] = set()
        self._files = {
            item.name: item.read_bytes()
            for item in (files("realtime.web") / "page").iterdir()
            if item.name.endswith(tuple(TYPES))
        }

    def application(self) -> web.Application:
        """The application that a runner serves."""
        application = guard(self._access)
        application.middlewares.append(self._catch)
        application.on_shutdown.append(self._say_goodbye)
        application.add_routes(
            [
                web.get("/", self._index),
                web.get("/page/{name}", self._file),
                web.get("/stream", self._stream),
                web.get("/picture.jpg", self._picture),
                web.get("/api/status", self._status),
                web.post("/api/recording/start", self._start),
                web.post("/api/recording/stop", self._stop),
                web.get(OPEN_TO_ALL, self._health),
            ]
        )
        return application

    @web.middleware
    async def _catch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Tells of mistakes of our own instead of writing them to a log that nobody reads."""
        try:
            return await handler(request)
        except (web.HTTPException, ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            self._failed(error)
            return web.Response(status=500, text=FAILED)

    async def _index(self, request: web.Request) -> web.Response:
        response = self._content("index.html")
        keep_token(request, response, self._access)
        return response

    async def _file(self, request: web.Request) -> web.Response:
        return self._content(request.match_info["name"])

    def _content(self, name: str) -> web.Response:
        if name not in self._files:
            raise web.HTTPNotFound
        kind = TYPES[name[name.rindex(".") :]]
        return web.Response(body=self._files[name], content_type=kind, charset="utf-8")

    async def _status(self, _: web.Request) -> web.Response:
        return web.json_response(self._messages.status())

    async def _health(self, _: web.Request) -> web.Response:
        running = self._messages.is_running()
        return web.json_response({"running": running}, status=200 if running else 503)

    async def _picture(self, _: web.Request) -> web.Response:
        encoded = self._pictures.newest()[1]
        if encoded is None:
            return web.Response(status=503, text=NO_PICTURE)
        return web.Response(body=encoded, content_type="image/jpeg")

    async def _start(self, _: web.Request) -> web.Response:
        return await self._record(self._recording.start)

    async def _stop(self, _: web.Request) -> web.Response:
        return await self._record(self._recording.stop)

    async def _record(self, action: Callable[[], None]) -> web.Response:
        problem: Json = {}
        try:
            await asyncio.to_thread(action)  # finishing a video takes a while
        except OutputError as error:
            problem = {"problem": str(error)}
        answer = {**asdict(self._recording.status()), **problem}
        return web.json_response(answer, status=409 if problem else 200)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """A WebSocket: news as text at every tick, and a picture whenever one was asked for."""
        if len(self._viewers) >= MAX_VIEWERS:
            return web.Response(status=503, text=FULL)
        socket = web.WebSocketResponse(
            timeout=CLOSE_S, heartbeat=HEARTBEAT_S, max_msg_size=1024, compress=False
        )
        await socket.prepare(request)
        self._viewers.add(socket)
        wanted = asyncio.Event()
        sending = asyncio.create_task(self._send(socket, wanted))
        try:
            async for message in socket:
                if message.data == WANT_PICTURE:
                    wanted.set()
        finally:
            self._viewers.discard(socket)
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending
        return socket

    async def _send(self, socket: web.WebSocketResponse, wanted: asyncio.Event) -> None:
        try:
            await self._tell(socket, wanted)
        except ConnectionError:
            return  # the viewer left
        except Exception as error:
            self._failed(error)
            await socket.close(code=WSCloseCode.INTERNAL_ERROR)

    async def _tell(self, socket: web.WebSocketResponse, wanted: asyncio.Event) -> None:
        """Tells one viewer what is new; one who is slow is told less often, and never queued for.

        The wait for room in the connection is in here, so what he has not taken yet is at most one
        message and one picture.
        """
        await socket.send_json(self._messages.hello())
        cursor, shown = Cursor(), 0
        while not socket.closed:
            news, cursor = self._messages.news(cursor)
            await socket.send_str(json.dumps(news, separators=(",", ":"), allow_nan=False))
            if wanted.is_set() and self._pictures.is_newer(shown):
                shown, encoded = self._pictures.newest()
                if encoded is not None:
                    wanted.clear()
                    await socket.send_bytes(encoded)
            await asyncio.sleep(TICK_S)

    async def _say_goodbye(self, _: web.Application) -> None:
        closing = [
            asyncio.create_task(socket.close(code=WSCloseCode.GOING_AWAY, message=ENDED))
            for socket in self._viewers
        ]
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_S)  # one who does not read holds up nothing
