"""What a record of the workload carries: its unique value, and the value it is a copy of."""

import struct

HEAD = struct.Struct(">qq")  # value, source or -1
SIZE_BYTES = 200  # of a whole payload, as in the standard rig


def encode(value: int, source: int | None = None) -> bytes:
    return HEAD.pack(value, -1 if source is None else source).ljust(SIZE_BYTES, b".")


def decode(payload: bytes) -> int:
    """The value; a payload that is no record of ours gives a value that nobody sent."""
    if len(payload) != SIZE_BYTES:
        return -1
    value: int = HEAD.unpack_from(payload)[0]
    return value


def key_of(key: int) -> bytes:
    return b"%d" % key
