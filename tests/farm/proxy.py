"""A TCP proxy that forwards, falls silent, or cuts every connection, as a network does on a bad day."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Literal

Mode = Literal["forward", "silent", "cut"]
BLOCK = 65536


class Proxy:
    """Listens on a free port of the loopback interface and forwards to another port of it.

    `silent` swallows what either side sends, as a cable that was pulled does; `cut` closes every connection
    and refuses new ones. Use it as a context manager.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._mode: Mode = "forward"
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def __enter__(self) -> "Proxy":
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def set(self, mode: Mode) -> None:
        """Behave differently from now on; connections that fell silent are closed, as bytes are missing."""
        self._call(self._set(mode))

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server:
            self._server.close()
        self._drop_all()
        await asyncio.sleep(0.1)

    async def _set(self, mode: Mode) -> None:
        was, self._mode = self._mode, mode
        if mode == "cut" or was == "silent":
            self._drop_all()

    def _drop_all(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode == "cut":
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        self._open -= {writer, back}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while block := await reader.read(BLOCK):
                if self._mode == "forward":
                    writer.write(block)
                    await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.close()
