"""The receive buffer keeps every byte, whatever sizes reads and frames come in."""

import random

import pytest

from data_plane.protocol.framing import frames
from data_plane.server.receive_buffer import (
    BELIEVED_BYTES_MAX,
    GROWN_BYTES_MAX,
    IDLE_BYTES,
    ReceiveBuffer,
)


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def feed(buffer: ReceiveBuffer, data: bytes, read_bytes_max: int) -> list[bytes]:
    """Land `data` in reads of at most that size; returns the frames parsed on the way."""
    found: list[bytes] = []
    while data:
        space = buffer.space()
        count = min(len(space), len(data), read_bytes_max)
        assert count > 0
        space[:count] = data[:count]
        data = data[count:]
        buffer.landed(count)
        at = buffer.start
        for start, end in frames(buffer.view, buffer.filled, 1 << 30, at):
            found.append(bytes(buffer.view[start:end]))
            at = end
        buffer.consumed(at)
        if buffer.filled - buffer.start >= 4:
            size = int.from_bytes(buffer.view[buffer.start : buffer.start + 4], "big")
            buffer.expect(size + 4)
    return found


@pytest.mark.semantics("1a")
@pytest.mark.parametrize("seed", range(40))
def test_frames_of_any_size_in_reads_of_any_size(seed: int) -> None:
    """Method: seeded bodies around the buffer's own sizes, cut into seeded reads."""
    rng = random.Random(seed)
    sizes = [0, 1, 100, IDLE_BYTES - 4, IDLE_BYTES, GROWN_BYTES_MAX, 3 * GROWN_BYTES_MAX]
    bodies = [rng.randbytes(rng.choice(sizes) + rng.randrange(3)) for _ in range(12)]
    data = b"".join(map(frame, bodies))
    assert feed(ReceiveBuffer(), data, rng.choice([5_000, 70_000, 1 << 30])) == bodies


def test_an_idle_buffer_gives_its_memory_back() -> None:
    buffer = ReceiveBuffer()
    feed(buffer, frame(b"x" * GROWN_BYTES_MAX), 1 << 30)
    assert len(buffer.view) > IDLE_BYTES
    buffer.shrink_if_idle()
    buffer.shrink_if_idle()
    assert len(buffer.view) == IDLE_BYTES
    assert feed(buffer, frame(b"still works"), 5) == [b"still works"]


def test_a_busy_buffer_keeps_its_memory() -> None:
    buffer = ReceiveBuffer()
    feed(buffer, frame(b"x" * GROWN_BYTES_MAX), 1 << 30)
    size = len(buffer.view)
    for _ in range(3):
        buffer.shrink_if_idle()
        feed(buffer, frame(b"x"), 10)
    assert len(buffer.view) == size


def test_a_claimed_size_is_not_paid_for_before_its_bytes_come() -> None:
    """A client that announces 100 MB and sends ten bytes costs about a megabyte."""
    buffer = ReceiveBuffer()
    assert feed(buffer, (100 << 20).to_bytes(4, "big") + b"begun", 1 << 30) == []
    buffer.space()
    assert len(buffer.view) <= BELIEVED_BYTES_MAX + IDLE_BYTES


def test_slices_of_an_outgrown_buffer_stay_valid() -> None:
    """What was staged from the old buffer is written later in the same turn."""
    buffer = ReceiveBuffer()
    buffer.space()[:8] = frame(b"kept")
    buffer.landed(8)
    kept = buffer.view[4:8]
    feed(buffer, frame(b"x" * GROWN_BYTES_MAX)[: GROWN_BYTES_MAX - 100], 1 << 30)
    assert bytes(kept) == b"kept"


def test_more_of_an_unfinished_frame_is_nothing_to_look_at() -> None:
    buffer = ReceiveBuffer()
    data = frame(b"x" * 10_000)
    looks = 0
    for at in range(0, len(data), 1_000):
        piece = data[at : at + 1_000]
        buffer.space()[: len(piece)] = piece
        looks += buffer.landed(len(piece))
        if at == 0:
            buffer.expect(len(data))
    assert looks == 2, "once to learn its size, once when it is there"
    buffer.consumed(len(data))
    assert buffer.landed(0)
