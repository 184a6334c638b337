"""Mutated frames never raise anything but DecodeError, and never cost much memory.

Method: every golden frame's body, damaged a few times by one seeded generator: bytes flipped or
replaced by telling values, cuts, insertions. One case: -k "[<message>-<fill>]".
"""

import random
import tracemalloc
from collections import Counter
from collections.abc import Callable

import pytest

from data_plane.protocol.headers import read_request_header, read_response_header
from data_plane.protocol.hot.fetch import read_fetch
from data_plane.protocol.hot.produce import read_produce
from data_plane.protocol.primitives import DecodeError
from data_plane.protocol.schema import decoder, info_of
from tests.wire.golden_frames import Golden, header_of, read_golden

MUTATIONS = 40  # About 1,100 frames: some 45,000 decodes in a few seconds.
TELLING = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
ALL = list(read_golden())


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Return `data` damaged in one to four places."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out) + 1)
        kind = rng.randrange(5)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(out):
            out[at] = rng.choice(TELLING)
        elif kind == 2:
            del out[at:]
        elif kind == 3:
            out[at:at] = bytes(rng.choice(TELLING) for _ in range(rng.randint(1, 5)))
        else:
            out[at : at + 4] = rng.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\0"))
    return bytes(out)


@pytest.mark.parametrize("golden", ALL, ids=lambda golden: golden.id)
def test_only_decode_error_comes_out(golden: Golden) -> None:
    case = golden.case
    body = golden.data[4 + len(header_of(case)) :]
    decode = decoder(case.cls, case.version)
    rng = random.Random(golden.id)
    outcomes: Counter[str] = Counter()
    for _ in range(MUTATIONS):
        data = mutated(rng, body)
        try:
            _, at = decode(memoryview(data), 0)
        except DecodeError:
            outcomes["refused"] += 1
        else:
            assert 0 <= at <= len(data)
            outcomes["read"] += 1
    assert outcomes.total() == MUTATIONS


HOT = [
    golden
    for golden in ALL
    if info_of(golden.case.cls).kind == "request"
    and (
        (golden.case.spec.key == 0 and 3 <= golden.case.version <= 12)
        or (golden.case.spec.key == 1 and 4 <= golden.case.version <= 12)
    )
]


def is_read_by(read: Callable[[memoryview, int], object], data: bytes, argument: int) -> bool:
    try:
        read(memoryview(data), argument)
    except DecodeError:
        return False
    return True


@pytest.mark.parametrize("golden", HOT, ids=lambda golden: golden.id)
def test_hot_readers_refuse_what_the_codec_refuses(golden: Golden) -> None:
    """They agree on damaged input, but that Fetch v12 steps over the cluster id in its tag."""
    case = golden.case
    hot = read_produce if case.spec.key == 0 else read_fetch
    steps_over_tag = case.spec.key == 1 and case.version >= 12
    body = golden.data[4 + len(header_of(case)) :]
    decode = decoder(case.cls, case.version)
    rng = random.Random(golden.id)
    for _ in range(10 * MUTATIONS):
        data = mutated(rng, body)
        is_hot_read, is_read = is_read_by(hot, data, case.version), is_read_by(decode, data, 0)
        if steps_over_tag:
            assert is_hot_read or not is_read, data.hex()
        else:
            assert is_hot_read == is_read, data.hex()


def test_headers_raise_decode_error_only() -> None:
    rng = random.Random(7)
    for golden in ALL:
        for _ in range(10):
            data = memoryview(mutated(rng, golden.data[4:40]))
            try:
                if info_of(golden.case.cls).kind == "request":
                    read_request_header(data)
                else:
                    read_response_header(golden.case.spec.key, golden.case.version, data)
            except DecodeError:
                continue


@pytest.mark.parametrize("golden", ALL, ids=lambda golden: golden.id)
def test_lying_counts_allocate_nothing(golden: Golden) -> None:
    """Every four bytes in turn claim 2^31-1 elements or bytes; the peak stays small."""
    case = golden.case
    body = golden.data[4 + len(header_of(case)) :]
    decode = decoder(case.cls, case.version)
    tracemalloc.start()
    try:
        for at in range(0, max(1, len(body) - 5), max(1, len(body) // 12)):
            for claim in (b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff\x07"):
                lying = body[:at] + claim + body[at + len(claim) :]
                try:
                    decode(memoryview(lying), 0)
                except DecodeError:
                    continue
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1_000_000
