"""Codecs: what other clients write can be read, and bombs stay small."""

import gzip
import random
import struct
import tracemalloc
from collections.abc import Callable

import cramjam
import lz4.frame
import pytest
import zstandard
from kafka import codec as theirs

from data_plane.protocol.errors import InvalidRecord, UnsupportedCompression
from data_plane.protocol.records import compression as codecs
from data_plane.protocol.records.compression import DecompressedTooLarge, compress, decompress

REAL = [codecs.GZIP, codecs.SNAPPY, codecs.LZ4, codecs.ZSTD]
DATA = b"".join(b'{"carrier": "UA", "line": %d}' % line for line in range(5000))


@pytest.mark.parametrize("codec", codecs.CODEC_NAMES)
@pytest.mark.parametrize("data", [b"", b"x", DATA], ids=["empty", "one", "many"])
def test_round_trip_and_exact_limit(codec: int, data: bytes) -> None:
    packed = compress(codec, memoryview(data))
    assert decompress(codec, memoryview(packed), bytes_max=len(data)) == data
    if data:
        with pytest.raises(DecompressedTooLarge):
            decompress(codec, packed, bytes_max=len(data) - 1)


@pytest.mark.parametrize("codec", REAL)
def test_the_same_data_gives_the_same_bytes(codec: int) -> None:
    assert compress(codec, DATA) == compress(codec, DATA)


@pytest.mark.parametrize(
    ("codec", "read", "write"),
    [
        (codecs.GZIP, theirs.gzip_decode, theirs.gzip_encode),
        (codecs.LZ4, theirs.lz4_decode, theirs.lz4_encode),
        (codecs.ZSTD, theirs.zstd_decode, theirs.zstd_encode),
    ],
)
def test_kafka_python_agrees(
    codec: int, read: Callable[[bytes], bytes], write: Callable[[bytes], bytes]
) -> None:
    assert bytes(read(compress(codec, DATA))) == DATA
    assert decompress(codec, bytes(write(DATA)), bytes_max=len(DATA)) == DATA


def test_raw_snappy_of_librdkafka() -> None:
    packed = bytes(cramjam.snappy.compress_raw(DATA))
    assert decompress(codecs.SNAPPY, packed, bytes_max=len(DATA)) == DATA


def test_xerial_snappy_of_java() -> None:
    """A 16-byte header, then each 32 KiB as an int32 size and a raw block."""
    step = 32 * 1024
    blocks = [DATA[at : at + step] for at in range(0, len(DATA), step)]
    packed = xerial(*(bytes(cramjam.snappy.compress_raw(block)) for block in blocks))
    assert len(blocks) > 2
    assert compress(codecs.SNAPPY, DATA) == packed
    assert decompress(codecs.SNAPPY, packed, bytes_max=len(DATA)) == DATA


def test_zstd_without_a_content_size() -> None:
    """Java's stream writes such frames; one-shot decoders refuse them."""
    stream = zstandard.ZstdCompressor().compressobj()
    packed = stream.compress(DATA) + stream.flush()
    assert zstandard.frame_content_size(packed) == -1
    assert decompress(codecs.ZSTD, packed, bytes_max=len(DATA)) == DATA


@pytest.mark.parametrize("codec", [codecs.GZIP, codecs.LZ4, codecs.ZSTD])
def test_concatenated_frames(codec: int) -> None:
    packed = compress(codec, DATA) + compress(codec, b"") + compress(codec, b"tail")
    assert decompress(codec, packed, bytes_max=len(DATA) + 4) == DATA + b"tail"
    with pytest.raises(DecompressedTooLarge):
        decompress(codec, packed, bytes_max=len(DATA) + 3)


@pytest.mark.parametrize("codec", [codecs.GZIP, codecs.LZ4])
def test_many_empty_frames_are_read_in_steps(codec: int) -> None:
    assert decompress(codec, compress(codec, b"") * 5000, bytes_max=10) == b""


def xerial(*blocks: bytes) -> bytes:
    framed = (struct.pack(">i", len(block)) + block for block in blocks)
    return b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1) + b"".join(framed)


@pytest.mark.parametrize(
    "packed",
    [
        b"\xff\xff\xff\xff\x0f" + b"\x00a",  # Raw, claims 4 GiB.
        b"\x20" + b"\x00a",  # Raw, claims more than it holds.
        b"",
        b"\x82SNAPPY\0\0",
        xerial(b"\xff\xff\xff\xff\x0f\x00a"),
        xerial(b"\x01\x00a")[:-1],
        xerial(b"") + b"\xff\xff\xff\xff",
        xerial() + b"\x7f\xff\xff\xff",
        xerial() + b"\0",
    ],
    ids=str,
)
def test_lying_snappy_is_refused(packed: bytes) -> None:
    with pytest.raises(InvalidRecord):
        decompress(codecs.SNAPPY, packed, bytes_max=1 << 30)


@pytest.mark.parametrize("codec", REAL)
@pytest.mark.parametrize("packed", [b"\1", b"not compressed at all", b"\xff" * 100], ids=len)
def test_garbage_is_refused(codec: int, packed: bytes) -> None:
    with pytest.raises(InvalidRecord):
        decompress(codec, packed, bytes_max=1000)


@pytest.mark.parametrize("codec", [codecs.GZIP, codecs.LZ4])
def test_a_frame_cut_short_is_refused(codec: int) -> None:
    with pytest.raises(InvalidRecord):
        decompress(codec, compress(codec, DATA)[:-1], bytes_max=len(DATA))


@pytest.mark.parametrize("codec", [-1, 5, 6, 7])
def test_codecs_nobody_has(codec: int) -> None:
    with pytest.raises(UnsupportedCompression):
        decompress(codec, b"", bytes_max=1)
    with pytest.raises(UnsupportedCompression):
        compress(codec, b"")


BOMB = bytes(64 << 20)
BOMBS = {
    "gzip": (codecs.GZIP, gzip.compress(BOMB)),
    "snappy raw": (codecs.SNAPPY, bytes(cramjam.snappy.compress_raw(BOMB))),
    "snappy xerial": (codecs.SNAPPY, compress(codecs.SNAPPY, BOMB)),
    "lz4": (codecs.LZ4, compress(codecs.LZ4, BOMB)),
    "lz4 with its size": (codecs.LZ4, lz4.frame.compress(BOMB, store_size=True)),
    "zstd": (codecs.ZSTD, compress(codecs.ZSTD, BOMB)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_stay_small(name: str) -> None:
    """64 MiB of zeros under a limit of 1 MiB; what Python allocates on the way stays near it."""
    codec, packed = BOMBS[name]
    tracemalloc.start()
    try:
        with pytest.raises(DecompressedTooLarge):
            decompress(codec, packed, bytes_max=1 << 20)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4 << 20


def test_a_small_lz4_frame_asks_for_little_memory() -> None:
    """Told how much it may give at most, the decoder would allocate just that, for any frame."""
    packed = compress(codecs.LZ4, b"x" * 1_000)
    tracemalloc.start()
    try:
        assert decompress(codecs.LZ4, memoryview(packed), bytes_max=64 << 20) == b"x" * 1_000
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1 << 20


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 131_072, 1_000_000])
def test_lz4_frames_larger_than_a_piece_come_whole(size: int) -> None:
    data = random.Random(size).randbytes(size // 2) + bytes(size - size // 2)
    packed = memoryview(compress(codecs.LZ4, data))
    assert decompress(codecs.LZ4, packed, bytes_max=size) == data
    with pytest.raises(DecompressedTooLarge):
        decompress(codecs.LZ4, packed, bytes_max=size - 1)
