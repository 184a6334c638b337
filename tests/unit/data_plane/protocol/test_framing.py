"""Frames in any split of the stream, and sizes that lie (kafka-protocol.md 2, item 1)."""

import pytest

from data_plane.protocol.framing import (
    FRAME_BYTES_MAX,
    FrameTooLarge,
    frame,
    frame_size,
    frames,
)

STREAM = frame(b"one") + frame(b"") + frame(b"th", b"ree")


def bodies(filled: int) -> list[bytes]:
    view = memoryview(STREAM)
    return [bytes(view[start:end]) for start, end in frames(view, filled, 100)]


@pytest.mark.semantics("1a")
@pytest.mark.parametrize("filled", range(len(STREAM) + 1))
def test_whole_frames_only(filled: int) -> None:
    """At every cut of the stream, what is whole comes out and the rest waits."""
    ends = [7, 11, len(STREAM)]
    whole = sum(filled >= end for end in ends)
    assert bodies(filled) == [b"one", b"", b"three"][:whole]


@pytest.mark.semantics("1b", "1c")
@pytest.mark.parametrize("size", ["80000000", "ffffffff", "00000065", "7fffffff"])
def test_a_size_out_of_range_ends_the_stream(size: str) -> None:
    view = memoryview(frame(b"good") + bytes.fromhex(size) + b"...")
    found = frames(view, len(view), 100)
    assert next(found) == (4, 8)
    with pytest.raises(FrameTooLarge):
        next(found)


def test_the_largest_frame_is_allowed() -> None:
    view = memoryview(frame(b"x" * 100))
    assert list(frames(view, len(view), 100)) == [(4, 104)]
    assert FRAME_BYTES_MAX == 104_857_600


def test_size_counts_file_extents_between_parts() -> None:
    assert frame_size((b"head", b"tail"), extra_bytes=1000) == (1008).to_bytes(4, "big")
