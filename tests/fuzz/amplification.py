"""What reading one request may allocate: 16 times its bytes and a megabyte (reliability.md F2).

Method: into every place of every empty request a count is put, followed by so many elements of
zeros or ones. Where that is read as an array, it is made as long as a frame of half a megabyte
allows, and the decoder's peak is measured.
"""

import random
import tracemalloc
from collections import Counter

from data_plane.protocol.primitives import DecodeError, uvarint
from data_plane.protocol.schema import decoder, info_of
from tests.wire.golden_frames import Golden, header_of, read_golden

ALLOCATED_PER_BYTE, ALLOCATED_FREE = 16, 1 << 20
PROBE, WHOLE = 2_000, 500_000  # bytes of elements
ELEMENT_BYTES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 17, 18, 19, 21, 26, 27)
FILLERS = (b"\0", b"\1")


def run(seed: int, share: float = 1.0) -> Counter[str]:
    """Measure every array found; return how many, and the worst ratio. Raises AssertionError."""
    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    for golden in newest():
        body = golden.data[4 + len(header_of(golden.case)) :]
        for at in range(len(body)):
            if rng.random() >= share:
                continue
            for size in ELEMENT_BYTES:
                for filler in FILLERS:
                    outcomes["tried"] += 1
                    if is_array(golden, body, at, size, filler):
                        outcomes["arrays"] += 1
                        ratio = measured(golden, body, at, size, filler)
                        outcomes["worst"] = max(outcomes["worst"], ratio)
    return outcomes


def newest() -> list[Golden]:
    """The empty request of each API at its newest version that is served."""
    found: dict[int, Golden] = {}
    for golden in read_golden():
        case = golden.case
        is_served = case.version in case.spec.versions
        if info_of(case.cls).kind == "request" and golden.fill == "empty" and is_served:
            before = found.get(case.spec.key)
            if before is None or before.case.version < case.version:
                found[case.spec.key] = golden
    return list(found.values())


def swollen(
    golden: Golden, body: bytes, at: int, size: int, filler: bytes, element_bytes: int
) -> bytes:
    """The body with a count and elements in the place of one byte."""
    count = element_bytes // size
    is_flexible = golden.case.version >= info_of(golden.case.cls).flexible_from
    head = uvarint(count + 1) if is_flexible else count.to_bytes(4, "big")
    replaced = 1 if is_flexible else 4
    return body[:at] + head + filler * (count * size) + body[at + replaced :]


def is_array(golden: Golden, body: bytes, at: int, size: int, filler: bytes) -> bool:
    """True if the elements are read as such: with one byte less the request is another."""
    data = swollen(golden, body, at, size, filler, PROBE)
    try:
        _, end = decoder(golden.case.cls, golden.case.version)(memoryview(data), 0)
    except DecodeError:
        return False
    return end >= len(data) - len(body)


def measured(golden: Golden, body: bytes, at: int, size: int, filler: bytes) -> int:
    """Bytes allocated per byte of the request."""
    data = memoryview(swollen(golden, body, at, size, filler, WHOLE))
    decode = decoder(golden.case.cls, golden.case.version)
    tracemalloc.start()
    try:
        decode(data, 0)
    except DecodeError:
        pass
    finally:
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    allowed = ALLOCATED_PER_BYTE * len(data) + ALLOCATED_FREE
    what = f"{golden.id}: {size} byte elements of {filler!r} at {at}"
    assert peak_bytes <= allowed, f"{what}: {peak_bytes / len(data):.1f} bytes per byte"
    return round(peak_bytes / len(data))
