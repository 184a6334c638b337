"""One flipped bit is put right, more than one is not taken for it."""

import random

from crc32c import crc32c

from data_plane.log.mending import mended, mended_file

MAGIC = b"OTX9"


def sealed(body: bytes) -> bytes:
    return MAGIC + crc32c(body).to_bytes(4) + body


def flipped(content: bytes, *bits: int) -> bytes:
    changed = bytearray(content)
    for bit in bits:
        changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_every_single_bit_of_a_file_is_put_right() -> None:
    rng = random.Random(1)
    for size in (0, 1, 7, 60):
        whole = sealed(rng.randbytes(size))
        assert mended_file(whole, MAGIC) == whole
        for bit in range(len(whole) * 8):
            assert mended_file(flipped(whole, bit), MAGIC) == whole, (size, bit)


def test_a_long_body_is_put_right() -> None:
    body = random.Random(2).randbytes(100_000)
    for bit in (0, 1, 399_999, 799_999):
        assert mended(flipped(body, bit), crc32c(body)) == body


def test_two_bits_are_never_taken_for_one() -> None:
    """Exhaustive over a short body and its checksum; what comes back then is what was given."""
    whole = sealed(b"0123456789")
    for one in range(32, len(whole) * 8):
        for other in range(one):
            damaged = flipped(whole, one, other)
            assert mended_file(damaged, MAGIC) == damaged, (one, other)


def test_noise_and_cut_files_come_back_as_they_are() -> None:
    rng = random.Random(3)
    whole = sealed(rng.randbytes(40))
    for size in range(len(whole)):
        assert mended_file(whole[:size], MAGIC) == whole[:size]
    for _ in range(2_000):
        noise = MAGIC + rng.randbytes(44)
        assert mended_file(noise, MAGIC) == noise
