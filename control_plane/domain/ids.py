"""UUID version 7: ids that sort by their time of birth (RFC 9562, 5.7)."""

import uuid


def uuid7(unix_ns: int, random_bits: int) -> uuid.UUID:
    """Make a version 7 UUID.

    unix_ns: nanoseconds since the Unix epoch; its milliseconds fill 48 bits, the rest of it the
    12 bits after the version (RFC 9562, 6.2, method 3), so ids of one process stay in order.
    random_bits: at least 62 bits of randomness; only the lowest 62 are used.
    """
    unix_ms, rest_ns = divmod(unix_ns, 1_000_000)
    fraction = rest_ns * 4096 // 1_000_000
    value = (unix_ms & (1 << 48) - 1) << 80
    value |= 0x7 << 76 | fraction << 64
    value |= 0b10 << 62 | random_bits & (1 << 62) - 1
    return uuid.UUID(int=value)
