"""A TCP relay before one broker: `python -m tests.chaos.relay HOST PORT TO_PORT`.

It can delay what passes, and hold a connection's requests back until the client has long made a new
one: what was sent first then arrives last (the stale connection of KIP-890). Commands come as JSON
lines on standard input; the end of the input ends it.
"""

import asyncio
import json
import os
import sys
from typing import Any

CHUNK_BYTES = 64 * 1024
HELD_BYTES_MAX = 8 * 1024 * 1024


class Connection:
    """One client's connection and its own to the broker."""

    def __init__(self, client: asyncio.StreamWriter, broker: asyncio.StreamWriter) -> None:
        self.client = client
        self.broker = broker
        self.held = bytearray()
        self.released = asyncio.Event()
        self.released.set()

    @property
    def is_held(self) -> bool:
        return not self.released.is_set()

    def take(self, data: bytes) -> None:
        """Pass a request on, or keep it for later."""
        if self.is_held and len(self.held) < HELD_BYTES_MAX:
            self.held += data
        elif not self.is_held:
            self.broker.write(data)

    def release(self) -> int:
        """Deliver what was held, so many bytes; a client that is gone gets no answer."""
        late_bytes = len(self.held)
        self.broker.write(bytes(self.held))
        self.held.clear()
        self.released.set()
        return late_bytes


class Relay:
    """All connections of one broker."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connections: set[Connection] = set()
        self._delay_s = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, broker = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.close()
            return
        connection = Connection(writer, broker)
        self._connections.add(connection)
        try:
            await asyncio.gather(self._ask(reader, connection), self._answer(answers, connection))
        except OSError:
            pass
        finally:
            self._connections.discard(connection)
            writer.close()
            broker.close()

    async def _ask(self, reader: asyncio.StreamReader, connection: Connection) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await asyncio.sleep(self._delay_s)
            connection.take(data)
            await connection.broker.drain()
        await connection.released.wait()  # The client is gone; what it sent is still on its way.
        connection.broker.write_eof()

    async def _answer(self, answers: asyncio.StreamReader, connection: Connection) -> None:
        while data := await answers.read(CHUNK_BYTES):
            await asyncio.sleep(self._delay_s)
            if not connection.client.is_closing():
                connection.client.write(data)
                await connection.client.drain()
        connection.client.close()

    def obey(self, command: dict[str, Any]) -> int:
        """Returns how many bytes it released, or how many are held back."""
        late_bytes = 0
        self._delay_s = command.get("delay_ms", self._delay_s * 1000) / 1000
        for connection in self._connections:
            if command.get("hold") is True:
                connection.released.clear()
            if connection.is_held and command.get("cut"):
                connection.client.close()
            if connection.is_held and command.get("hold") is False:
                late_bytes += connection.release()
        return late_bytes or sum(len(connection.held) for connection in self._connections)


async def main(host: str, port: int, to_port: int) -> None:
    relay = Relay(to_port)
    server = await asyncio.start_server(relay.serve, host, port)
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while line := await commands.readline():
        sys.stdout.write(f"done {relay.obey(json.loads(line))}\n")
        sys.stdout.flush()
    server.close()
    os._exit(0)  # Connections go with the process.


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
