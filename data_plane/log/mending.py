"""Put right one flipped bit of what CRC-32C covers, found by the checksum itself.

A flipped bit changes the checksum by a pattern that depends only on how far from the end the bit
lies, so the pattern seen tells the bit: walking from the end towards the beginning, the pattern is
taken back by one byte a step until it is that of one bit of the last byte. Two to five flipped bits
never look like one over the lengths met here (CRC-32C's distance), and noise does once in 2^32 per
bit, so what is put right is what was written.
"""

from typing import Final

from crc32c import crc32c

MENDED_BYTES_MAX: Final = 16 << 20  # One step a byte: some seconds. More is told as damage.
CHECKSUM_BITS: Final = 32


def _entry(byte: int) -> int:
    """What CRC-32C's table holds for one byte (reflected polynomial 0x82F63B78)."""
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_TABLE: Final = tuple(map(_entry, range(256)))
_BY_TOP_BYTE: Final = {entry >> 24: index for index, entry in enumerate(_TABLE)}
_BIT_OF_PATTERN: Final = {_TABLE[1 << bit]: bit for bit in range(8)}


def mended(body: bytes | memoryview, checksum: int) -> bytes | None:
    """Return the body whose checksum this is, if one flipped bit in either explains the difference.

    A body that is whole, or whose checksum lost the bit, comes back as it is; None: more is wrong.
    """
    pattern = crc32c(body) ^ checksum
    if pattern.bit_count() <= 1:
        return bytes(body)
    if len(body) > MENDED_BYTES_MAX:
        return None
    for at in range(len(body) - 1, -1, -1):
        bit = _BIT_OF_PATTERN.get(pattern)
        if bit is not None:
            content = bytearray(body)
            content[at] ^= 1 << bit
            return bytes(content)
        index = _BY_TOP_BYTE[pattern >> 24]
        pattern = ((pattern ^ _TABLE[index]) << 8 | index) & 0xFFFF_FFFF
    return None


def mended_file(content: bytes, magic: bytes) -> bytes:
    """Return a file of magic, CRC-32C and body with one flipped bit put right.

    What is whole, or cannot be put right, comes back as it is.
    """
    if len(content) < len(magic) + 4:
        return content
    body, at = content[len(magic) + 4 :], len(magic)
    checksum = int.from_bytes(content[at : at + 4])
    wrong_bits = (int.from_bytes(content[:at]) ^ int.from_bytes(magic)).bit_count()
    whole = mended(body, checksum) if not wrong_bits else body
    if whole is None or wrong_bits > 1 or (wrong_bits and crc32c(body) != checksum):
        return content
    return magic + crc32c(whole).to_bytes(4) + whole
