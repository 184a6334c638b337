"""GET from a broker on this machine: one connection, one bounded answer, no more than is needed.

A general client costs more per request than the answer; hundreds of brokers are asked again and
again.
"""

import asyncio
import contextlib

ANSWER_BYTES_MAX = 4 << 20
SECONDS_MAX = 2.0


class Unanswered(Exception):
    """Nobody listens, or the answer was late, too long, or no HTTP."""


class Declined(Unanswered):
    """Somebody lives there: the answer was not 200."""


async def get(port: int, path: str) -> str:
    """Return the body of `GET 127.0.0.1:port/path`. Raises Unanswered or Declined."""
    try:
        async with asyncio.timeout(SECONDS_MAX):
            answer = await _exchange(port, path)
    except (OSError, TimeoutError) as problem:
        raise Unanswered(str(problem)) from None
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if not status:
        raise Unanswered("answered no HTTP")
    if status != [b"200"]:
        raise Declined(f"answered {status[0].decode(errors='replace')}")
    return body.decode(errors="replace")


async def _exchange(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        host = f"127.0.0.1:{port}"
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = bytearray()
        while chunk := await reader.read(65536):
            answer += chunk
            if len(answer) > ANSWER_BYTES_MAX:
                raise Unanswered(f"answer longer than {ANSWER_BYTES_MAX} bytes")
        return bytes(answer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
