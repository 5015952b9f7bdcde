"""The server: a thread with an event loop of its own, apart from the loop that forecasts."""

import asyncio
import socket
import threading
from collections.abc import Callable

from aiohttp import web

STOP_TIMEOUT_S = 5.0  # for the thread to end
SHUTDOWN_TIMEOUT_S = 0.5  # for answers that are on their way when the run ends


class ServerThread:
    """Serves an application on a socket until it is stopped."""

    def __init__(
        self,
        make: Callable[[], web.Application],
        listener: socket.socket,
        failed: Callable[[Exception], None],
    ) -> None:
        """Starts the thread.

        Args:
            make: Makes the application, on the thread.
            listener: A listening socket; the thread closes it.
            failed: Takes, on the thread, the error that ended the server.
        """
        self._make = make
        self._listener = listener
        self._failed = failed
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fishrt-web", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the server and waits for it, not for ever; may be called more than once."""
        self._started.wait(STOP_TIMEOUT_S)
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            try:
                self._loop.call_soon_threadsafe(self._stop.set)
            except RuntimeError:  # the loop ended meanwhile
                return
        self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            self._failed(error)
        finally:
            self._started.set()
            self._listener.close()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._started.set()
        runner = web.AppRunner(
            self._make(),
            handle_signals=False,
            access_log=None,
            shutdown_timeout=SHUTDOWN_TIMEOUT_S,
        )
        await runner.setup()
        try:
            await web.SockSite(runner, self._listener).start()
            await self._stop.wait()
        finally:
            await runner.cleanup()
