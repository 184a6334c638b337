"""How fast this machine is at what brokers do, beside the machine that the targets were set on.

The same code costs several times the CPU on a machine whose neighbours are busy. Copying memory and
answering over loopback tell by how much; a missed target is to be read with that.
"""

import os
import socket
import time
from collections.abc import Callable

COPY_BYTES = 1_000_000
COPIES, QUESTIONS, ROUNDS = 500, 5_000, 5
QUESTION, ANSWER = b"q" * 200, b"a" * 60
TARGETS_COPY_US, TARGETS_TURN_US = 36.0, 8.0  # on the machine of the targets, quiet


def yardstick() -> str:
    """Two lines for the head of the report; CPU, best of ROUNDS."""
    copy_us = min(copying_us() for _ in range(ROUNDS))
    turn_us = min(turn_us_over_loopback() for _ in range(ROUNDS))
    return (
        f"yardstick copy 1 MB {told(copy_us, TARGETS_COPY_US)}; question and answer over loopback "
        f"{told(turn_us, TARGETS_TURN_US)}\n"
        "          of CPU; in brackets against the machine that the targets were set on"
    )


def told(us: float, targets_us: float) -> str:
    return f"{us:.0f} us ({us / targets_us:.1f}x)"


def copying_us() -> float:
    """CPU to copy 1 MB, microseconds."""
    source, target = bytes(COPY_BYTES), bytearray(COPY_BYTES)

    def copy() -> None:
        target[:] = source

    return cpu_us_each(copy, COPIES)


def turn_us_over_loopback() -> float:
    """CPU of the one who asks, microseconds per question; another process answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = os.fork()
        if child == 0:
            answer_all(server)
        with socket.create_connection(server.getsockname()) as ours:
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def ask() -> None:
                ours.sendall(QUESTION)
                ours.recv(1024)

            used_us = cpu_us_each(ask, QUESTIONS)
    os.waitpid(child, 0)
    return used_us


def answer_all(server: socket.socket) -> None:
    """In the child: until the other one hangs up."""
    status = 1
    try:
        theirs, _ = server.accept()
        theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while theirs.recv(1024):
            theirs.sendall(ANSWER)
        status = 0
    finally:
        os._exit(status)  # Nothing of the parent's runs twice.


def cpu_us_each(work: Callable[[], None], count: int) -> float:
    began_s = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - began_s) / count * 1e6
