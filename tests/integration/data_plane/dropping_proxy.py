"""A TCP proxy that can swallow what the broker answers, as a network that fails in between."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any


class DroppingProxy:
    """Forwards one port to another until `drop_next_reply`: then the broker's next bytes on any
    connection that has just asked for a produce are swallowed and the connection is cut.

    Runs on a thread and loop of its own, so that blocking clients may use it.
    """

    def __init__(self) -> None:
        self.upstream = ("127.0.0.1", 0)  # set once the broker's port is known
        self._drops_left = 0
        self.dropped = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = self._on_loop(self._open)

    def drop_next_reply(self, count: int = 1) -> None:
        """Swallow the next `count` answers to produces."""
        self._drops_left = count

    def close(self) -> None:
        self._on_loop(self._shut)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _on_loop(self, work: Callable[[], Coroutine[Any, Any, int]]) -> int:
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)

    async def _open(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _shut(self) -> int:
        self._server.close()
        for task in asyncio.all_tasks(self._loop):
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.sleep(0)
        return 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(*self.upstream)
        produced = asyncio.Event()
        try:
            await asyncio.gather(
                self._requests(reader, upstream_writer, produced),
                self._replies(upstream_reader, writer, produced),
            )
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()
            upstream_writer.close()

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, produced: asyncio.Event
    ) -> None:
        while True:
            frame = await read_frame(reader)
            if frame[4:6] == b"\0\0":
                produced.set()
            writer.write(frame)
            await writer.drain()

    async def _replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, produced: asyncio.Event
    ) -> None:
        while True:
            frame = await read_frame(reader)
            if produced.is_set() and self._drops_left > 0:
                self._drops_left -= 1
                self.dropped += 1
                raise ConnectionResetError("the answer is lost")
            writer.write(frame)
            await writer.drain()


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """One frame, its size included."""
    head = await reader.readexactly(4)
    return head + await reader.readexactly(int.from_bytes(head, "big"))
