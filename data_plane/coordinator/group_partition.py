"""Which partition of its internal topic a group, or a transactional id, lives in.

Clients and tools compute the same.
"""

OFFSETS_TOPIC = "__consumer_offsets"


def java_hash(text: str) -> int:
    """Java's String.hashCode: h = 31 h + unit over UTF-16 code units, as a signed int32."""
    units = text.encode("utf-16-be", "surrogatepass")
    value = 0
    for at in range(0, len(units), 2):
        value = (31 * value + (units[at] << 8 | units[at + 1])) & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def partition_for(name: str, partition_count: int) -> int:
    """Index of the partition of a group or a transactional id, 0..partition_count-1.

    Kafka's Utils.abs clears nothing but the sign; the one int32 without an absolute value counts
    as 0 (Utils.abs, KIP-699 leaves it unchanged).
    """
    value = java_hash(name)
    return (0 if value == -(1 << 31) else abs(value)) % partition_count
