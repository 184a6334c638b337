"""A server that receives frames and does nothing with them: `bare_server [TLS FOLDER]`.

What a connection costs before any Kafka: the floor under the figures of TLS. It prints its port,
answers each frame with eight bytes, and ends when its standard input does.
"""

import asyncio
import ssl
import sys
from pathlib import Path
from typing import Any, cast

from data_plane.server.process import keep_large_blocks
from data_plane.server.receive_buffer import ReceiveBuffer

ANSWER = bytes.fromhex("0000000400000007")


class Sink(asyncio.BufferedProtocol):
    """Counts frames."""

    def __init__(self) -> None:
        self._buffer = ReceiveBuffer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> Any:
        return self._buffer.space()

    def buffer_updated(self, nbytes: int) -> None:
        buffer = self._buffer
        has_frame = buffer.landed(nbytes)
        while has_frame and buffer.filled - buffer.start >= 4:
            size = int.from_bytes(buffer.view[buffer.start : buffer.start + 4], "big") + 4
            buffer.expect(size)
            has_frame = buffer.filled - buffer.start >= size
            if has_frame:
                buffer.consumed(buffer.start + size)
                self._transport.write(ANSWER)


def context_of(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    context.load_verify_locations(folder / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def serve(context: ssl.SSLContext | None) -> None:
    keep_large_blocks()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    try:
        import uvloop
    except ImportError:
        pass
    else:
        uvloop.install()
    asyncio.run(serve(context_of(Path(sys.argv[1])) if len(sys.argv) > 1 else None))


if __name__ == "__main__":
    main()
