"""Addresses of brokers among themselves: a socket file on one node, host and port between nodes."""

import asyncio
import os
import socket
import ssl
import struct
from contextlib import suppress
from pathlib import Path

UNIX = "unix:"
UNIX_PATH_BYTES_MAX = 107  # sockaddr_un has 108, with a zero behind the path
_PEER = struct.Struct("3i")  # struct ucred: process, user and group id

Connected = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class AddressRefused(Exception):
    """This cannot be listened at or connected to; the text says why."""


class ForeignPeer(Exception):
    """Whoever is at the other end is no broker of this cluster."""


def unix_path(address: str) -> str | None:
    """The path of a `unix:PATH` address, None for another. Raises AddressRefused if too long."""
    if not address.startswith(UNIX):
        return None
    path = address.removeprefix(UNIX)
    if len(os.fsencode(path)) > UNIX_PATH_BYTES_MAX:
        raise AddressRefused(f"{path}: longer than the {UNIX_PATH_BYTES_MAX} bytes of a socket")
    return path


def host_and_port(address: str) -> tuple[str, int]:
    """Split `HOST:PORT`, or `[HOST]:PORT` of IPv6. Raises AddressRefused."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise AddressRefused(f"{address!r} is neither unix:PATH nor HOST:PORT")
    return host.strip("[]"), int(port)


def bound(address: str) -> socket.socket:
    """Bind and listen; a socket file that a dead process left is replaced.

    Its data directory's lock says that no other process of this broker lives. Raises
    AddressRefused.
    """
    path = unix_path(address)
    if path is None:
        host, port = host_and_port(address)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        where: tuple[str, int] | str = (host, port)
    else:
        with suppress(FileNotFoundError):
            Path(path).unlink()
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        where = path
    try:
        made.bind(where)
        if path is not None:
            Path(path).chmod(0o600)
        made.listen()
    except OSError as error:
        made.close()
        raise AddressRefused(f"cannot listen at {address}: {error.strerror}") from error
    made.setblocking(False)
    return made


async def connect(address: str, tls: ssl.SSLContext | None) -> Connected:
    """Open a connection to a broker; raises OSError, ssl.SSLError or AddressRefused."""
    path = unix_path(address)
    if path is not None:
        return await asyncio.open_unix_connection(path)
    if tls is None:
        raise AddressRefused(f"{address}: between nodes TLS is needed, and none is configured")
    host, port = host_and_port(address)
    return await asyncio.open_connection(host, port, ssl=tls)


def check_same_user(peer: socket.socket) -> None:
    """Raise ForeignPeer unless the process at the other end of a socket file runs as we do.

    Where the system does not tell (no SO_PEERCRED), the mode of the file and of its directory is
    what keeps others out.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return
    _, user_id, _ = _PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, option, _PEER.size))
    if user_id != os.getuid():
        raise ForeignPeer(f"a process of user {user_id}")
