"""Bytes to frames and back: an int32 size, then a header and a body.

Responses leave in request order per connection; keeping that order is the connection's affair.
"""

from collections.abc import Iterable, Iterator, Sized

from data_plane.protocol.primitives import INT32, Buffer

FRAME_BYTES_MAX = 100 * 1024 * 1024  # Kafka's default of socket.request.max.bytes.
SIZE_BYTES = 4


class FrameTooLarge(Exception):
    """A size no frame may have; the stream cannot be resynchronised, so the caller closes it."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"a frame claims {size} bytes")


def frames(
    buffer: memoryview, filled: int, frame_bytes_max: int = FRAME_BYTES_MAX, at: int = 0
) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each whole frame body in buffer[at:filled]; the caller keeps the rest.

    A frame is an int32 size (bytes, big-endian, without itself) and its body; nothing is copied.
    Raises FrameTooLarge: a stream cannot be resynchronised, so the caller closes it.
    """
    while end := frame_end(buffer, filled, frame_bytes_max, at):
        yield at + SIZE_BYTES, end
        at = end


def frame_end(buffer: memoryview, filled: int, frame_bytes_max: int, at: int) -> int:
    """Return where the frame that begins with its size at `at` ends; 0 if it is not whole yet.

    Raises FrameTooLarge.
    """
    if filled - at < SIZE_BYTES:
        return 0
    (size,) = INT32.unpack_from(buffer, at)
    if not 0 <= size <= frame_bytes_max:
        raise FrameTooLarge(size)
    end: int = at + SIZE_BYTES + size
    return end if end <= filled else 0


def frame(*parts: Buffer) -> bytes:
    """Return one frame of header and body parts, joined."""
    return b"".join((frame_size(parts), *parts))


def frame_size(parts: Iterable[Sized], extra_bytes: int = 0) -> bytes:
    """Return the size prefix of a frame; extra_bytes: file extents sent between the parts."""
    return INT32.pack(sum(map(len, parts)) + extra_bytes)
