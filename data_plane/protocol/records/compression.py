"""The four codecs of record batches, with output that never passes `bytes_max`.

Each decoder is given no more room than it may fill, so that a small bomb costs little memory
whatever sizes it claims. Concatenated frames are read one after another, as Java's streams do.
Snappy comes raw (librdkafka) or in xerial's framing (Java); we write xerial's. Source: KIP-110.
"""

import gzip
import struct
import zlib
from collections.abc import Callable
from typing import Final

import cramjam
import lz4.frame
import zstandard

from data_plane.protocol.errors import InvalidRecord, UnsupportedCompression
from data_plane.protocol.primitives import Buffer, DecodeError, read_uvarint

NONE: Final = 0
GZIP: Final = 1
SNAPPY: Final = 2
LZ4: Final = 3
ZSTD: Final = 4

CODEC_NAMES: Final = {NONE: "none", GZIP: "gzip", SNAPPY: "snappy", LZ4: "lz4", ZSTD: "zstd"}

# zlib and lz4 hand back a copy of what follows a frame: small input steps keep a long row of tiny
# frames from costing the square of its length.
_STEP_BYTES: Final = 4096
_LZ4_PIECE_BYTES: Final = 64 * 1024
_ZSTD_WINDOW_BYTES_MAX: Final = 1 << 27  # What zstd itself allows: level 22's window.
_ZSTD_READ_BYTES: Final = 1 << 17
_XERIAL_MAGIC: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER: Final = _XERIAL_MAGIC + struct.pack(">ii", 1, 1)
_XERIAL_BLOCK_BYTES: Final = 32 * 1024
_SNAPPY_RATIO_MAX: Final = 22  # A 3-byte copy yields at most 64 bytes.
_SIZE: Final = struct.Struct(">i")


class DecompressedTooLarge(InvalidRecord):
    """Records that decompress to more than the caller allows."""


def compress(codec: int, data: Buffer) -> bytes:
    """Compress the records of a batch; the same data gives the same bytes."""
    if codec == NONE:
        return bytes(data)
    if codec == GZIP:
        return gzip.compress(data, compresslevel=6, mtime=0)
    if codec == SNAPPY:
        return _compress_snappy(memoryview(data))
    if codec == LZ4:
        return bytes(
            lz4.frame.compress(
                bytes(data),
                block_size=lz4.frame.BLOCKSIZE_MAX64KB,
                block_linked=False,  # Java's reader refuses linked blocks.
                store_size=False,
            )
        )
    if codec == ZSTD:
        return zstandard.ZstdCompressor(level=3).compress(data)
    raise UnsupportedCompression(f"{codec} is not a compression codec")


def decompress(codec: int, view: Buffer, *, bytes_max: int) -> bytes:
    """Decompress the records of a batch.

    Raises DecompressedTooLarge past `bytes_max`, InvalidRecord for malformed data and
    UnsupportedCompression for a codec nobody has; at most about bytes_max are ever allocated.
    A zstd frame cut short may just yield less, which the batch's count of records then tells.
    """
    decoder = _DECODERS.get(codec)
    if decoder is None:
        raise UnsupportedCompression(f"{codec} is not a compression codec")
    try:
        return decoder(memoryview(view), bytes_max)
    except (
        zlib.error,
        zstandard.ZstdError,
        cramjam.DecompressionError,
        RuntimeError,  # lz4.frame's only error.
        EOFError,
        ValueError,
        IndexError,
        struct.error,
    ) as failure:
        raise InvalidRecord(f"{CODEC_NAMES[codec]}: {failure}") from None


def _too_large(bytes_max: int) -> DecompressedTooLarge:
    return DecompressedTooLarge(f"a batch decompresses to more than {bytes_max} bytes")


def _read_none(view: memoryview, bytes_max: int) -> bytes:
    if len(view) > bytes_max:
        raise _too_large(bytes_max)
    return bytes(view)


def _read_lz4(view: memoryview, bytes_max: int) -> bytes:
    """Read piece by piece: asked for a maximum, this decoder allocates it before it begins."""
    out: list[bytes] = []
    left = bytes_max + 1
    decoder = lz4.frame.LZ4FrameDecompressor()
    at = 0
    while at < len(view) or not (decoder.eof or decoder.needs_input):
        if decoder.eof:
            decoder = lz4.frame.LZ4FrameDecompressor()
        step = view[at : at + _STEP_BYTES] if decoder.needs_input else b""
        at += len(step)
        piece = decoder.decompress(step, min(left, _LZ4_PIECE_BYTES))
        out.append(piece)
        left -= len(piece)
        if left <= 0:
            raise _too_large(bytes_max)
        if decoder.eof:
            at -= len(decoder.unused_data or b"")
    if not decoder.eof:
        raise EOFError("the compressed data ends early")
    return b"".join(out)


def _read_gzip(view: memoryview, bytes_max: int) -> bytes:
    out: list[bytes] = []
    left = bytes_max + 1  # One more than allowed, which tells "full" from "too much".
    decoder = zlib.decompressobj(wbits=31)
    at = 0
    while at < len(view):
        if decoder.eof:
            decoder = zlib.decompressobj(wbits=31)
        step = view[at : at + _STEP_BYTES]
        piece = decoder.decompress(step, left)
        out.append(piece)
        left -= len(piece)
        if left <= 0:
            raise _too_large(bytes_max)
        at += len(step)
        if decoder.eof:
            at -= len(decoder.unused_data)
    if not decoder.eof:
        raise EOFError("the compressed data ends early")
    return b"".join(out)


def _read_zstd(view: memoryview, bytes_max: int) -> bytes:
    decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES_MAX)
    out: list[bytes] = []
    left = bytes_max
    with decoder.stream_reader(view, read_across_frames=True) as reader:
        # A reader, because one-shot calls trust the frame's size or demand one.
        while piece := reader.read(min(_ZSTD_READ_BYTES, left + 1)):
            left -= len(piece)
            if left < 0:
                raise _too_large(bytes_max)
            out.append(piece)
    return b"".join(out)


def _compress_snappy(view: memoryview) -> bytes:
    parts = [_XERIAL_HEADER]
    for at in range(0, len(view), _XERIAL_BLOCK_BYTES):
        block = bytes(cramjam.snappy.compress_raw(view[at : at + _XERIAL_BLOCK_BYTES]))
        parts += (_SIZE.pack(len(block)), block)
    return b"".join(parts)


def _read_snappy(view: memoryview, bytes_max: int) -> bytes:
    if bytes(view[: len(_XERIAL_MAGIC)]) != _XERIAL_MAGIC:
        return _read_snappy_block(view, bytes_max, bytes_max)
    out: list[bytes] = []
    left = bytes_max
    at = len(_XERIAL_HEADER)
    if at > len(view):
        raise EOFError("the xerial header ends early")
    while at < len(view):
        (size,) = _SIZE.unpack_from(view, at)
        at += _SIZE.size
        if not 0 <= size <= len(view) - at:
            raise EOFError("a snappy block runs past the end")
        block = _read_snappy_block(view[at : at + size], left, bytes_max)
        out.append(block)
        left -= len(block)
        at += size
    return b"".join(out)


def _read_snappy_block(view: memoryview, left: int, bytes_max: int) -> bytes:
    """Decompress a raw block; its own claim of a size is checked before it is believed."""
    size, start = read_uvarint(view, 0)
    if size > _SNAPPY_RATIO_MAX * (len(view) - start):
        raise DecodeError("a snappy block claims an impossible size")
    if size > left:
        raise _too_large(bytes_max)
    if size == 0:
        return b""
    return bytes(cramjam.snappy.decompress_raw(view, output_len=size))


_DECODERS: Final[dict[int, Callable[[memoryview, int], bytes]]] = {
    NONE: _read_none,
    GZIP: _read_gzip,
    SNAPPY: _read_snappy,
    LZ4: _read_lz4,
    ZSTD: _read_zstd,
}
