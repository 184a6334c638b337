"""Strings and counts in both forms, fixed and compact, for the hot readers and writers."""

from uuid import UUID

from data_plane.protocol.primitives import INT16, INT32, Buffer, DecodeError, read_uvarint, uvarint

ID_BYTES = 16
TopicKey = str | UUID  # How a request names a topic: by its name or, in newer versions, by its id.


def read_count(view: Buffer, at: int, is_flexible: bool) -> tuple[int, int]:
    """Return (elements, next at) of an array that may not be null."""
    if is_flexible:
        count, at = read_uvarint(view, at)
        count -= 1
    else:
        (count,) = INT32.unpack_from(view, at)
        at += 4
    if not 0 <= count <= len(view) - at:  # No element takes less than a byte.
        raise DecodeError("an array is null or cannot fit in the bytes left")
    return count, at


def read_nullable_string(view: Buffer, at: int, is_flexible: bool) -> tuple[str | None, int]:
    """Return (string, next at)."""
    if is_flexible:
        size, at = read_uvarint(view, at)
        size -= 1
    else:
        (size,) = INT16.unpack_from(view, at)
        at += 2
    if size < 0:
        return None, at
    end = at + size
    if end > len(view):
        raise DecodeError("a string runs past the end of the request")
    return str(view[at:end], "utf-8"), end


def read_name(view: Buffer, at: int, is_flexible: bool) -> tuple[str, int]:
    """Return (string, next at) of a string that may not be null."""
    name, at = read_nullable_string(view, at, is_flexible)
    if name is None:
        raise DecodeError("a topic name is null")
    return name, at


def read_topic(view: Buffer, at: int, has_ids: bool, is_flexible: bool) -> tuple[TopicKey, int]:
    """Return (id or name, next at) of a topic."""
    if not has_ids:
        return read_name(view, at, is_flexible)
    end = at + ID_BYTES
    if end > len(view):
        raise DecodeError("a topic id runs past the end of the request")
    return UUID(bytes=bytes(view[at:end])), end


def count_bytes(count: int, is_flexible: bool) -> bytes:
    """Encode the count of an array."""
    return uvarint(count + 1) if is_flexible else INT32.pack(count)


def string_bytes(text: str, is_flexible: bool) -> bytes:
    """Encode a string."""
    raw = text.encode()
    return (uvarint(len(raw) + 1) if is_flexible else INT16.pack(len(raw))) + raw


def topic_bytes(topic: TopicKey, is_flexible: bool) -> bytes:
    """Encode a topic as it was asked for."""
    return topic.bytes if isinstance(topic, UUID) else string_bytes(topic, is_flexible)


def nullable_string_bytes(text: str | None, is_flexible: bool) -> bytes:
    """Encode a string or null."""
    if text is None:
        return b"\0" if is_flexible else b"\xff\xff"
    return string_bytes(text, is_flexible)
