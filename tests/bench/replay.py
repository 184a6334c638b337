"""A client that costs next to nothing: frames made before, answers counted and not decoded."""

import socket
import ssl
import struct
from pathlib import Path

READ_BYTES = 1 << 20


class Connection:
    """One blocking connection, plain or mTLS."""

    def __init__(
        self,
        host: str,
        port: int,
        tls_folder: Path | None = None,
        *,
        read_bytes: int = READ_BYTES,
    ) -> None:
        plain = socket.create_connection((host, port), timeout=60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket: socket.socket = plain
        if tls_folder is not None:
            self.socket = client_context(tls_folder).wrap_socket(plain, server_hostname=host)
        self._into = bytearray(read_bytes)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, frame: bytes) -> None:
        self.socket.sendall(frame)

    def receive(self) -> bytes:
        """One frame's body."""
        (size,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(size)

    def _exactly(self, count: int) -> bytes:
        got = bytearray()
        while len(got) < count:
            part = self.socket.recv(count - len(got))
            assert part, "the broker closed the connection"
            got += part
        return bytes(got)

    def replay(self, frame: bytes, count: int, depth: int) -> None:
        """Send `frame` `count` times with `depth` in flight; answers must be of equal size."""
        first = self._first_answer_bytes(frame)
        sent, answered, pending = min(depth, count), 0, 0
        self.send(frame * sent)
        while answered < count:
            got = self.socket.recv_into(self._into)
            assert got, "the broker closed the connection"
            pending += got
            done, pending = divmod(pending, first)
            answered += done
            more = min(done, count - sent)
            if more:
                self.send(frame * more)
                sent += more
        assert pending == 0, "answers differ in size"

    def _first_answer_bytes(self, frame: bytes) -> int:
        self.send(frame)
        return 4 + len(self.receive())


def client_context(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.load_cert_chain(folder / "client.crt", folder / "client.key")
    return context
