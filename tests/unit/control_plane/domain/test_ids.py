"""UUID version 7 (RFC 9562)."""

import random
import uuid

from control_plane.domain.ids import uuid7

# RFC 9562, appendix A.6: 2022-02-22 14:22:22 -05:00, and the random bits it shows.
RFC_MS = 0x017F22E279B0


def test_version_variant_and_time() -> None:
    made = uuid7(RFC_MS * 1_000_000, 0x18C4DC0C0C07398F)
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == RFC_MS
    assert made.int & (1 << 62) - 1 == 0x18C4DC0C0C07398F


def test_later_ids_sort_later() -> None:
    rng = random.Random(3)
    times = sorted(rng.randrange(2**60) for _ in range(500))
    made = [uuid7(time, rng.getrandbits(64)) for time in times]
    assert made == sorted(made)
