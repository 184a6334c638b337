"""Notice that the other end of a connection between brokers is silent, soon.

TCP is patient: what is not acknowledged is sent again after twice the time each time, so behind a
cut of 13 s the next try may come 13 s later; and whoever waits for an answer with nothing to send
hears nothing at all if the other end has given up meanwhile. Both ends of such a connection are in
one data center, so one that is not heard for a few seconds is given up and made anew, sooner than
a broker's session ends. It is the kernel that answers: a process that is paused or busy is not
silent.
"""

import asyncio
import socket
from typing import Final

SILENT_S_MAX: Final = 5  # At a fifth of all packets lost a connection lives on.
CONNECT_S_MAX: Final = 4.0  # Asked at 0, 1 and 3 s.
_IDLE_S: Final = 2  # then the kernel asks whether anybody is there
_OPTIONS: Final = (
    ("TCP_USER_TIMEOUT", SILENT_S_MAX * 1_000),
    ("TCP_KEEPIDLE", _IDLE_S),
    ("TCP_KEEPINTVL", 1),
    ("TCP_KEEPCNT", SILENT_S_MAX - _IDLE_S),
)


def notice_silence(transport: asyncio.BaseTransport | asyncio.StreamWriter) -> None:
    """Have the kernel end this connection once the other end is silent; by a socket file it is not.

    A system that lacks an option keeps its own patience there.
    """
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
