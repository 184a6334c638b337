"""What is encoded decodes to an equal message, at every version, from any kind of buffer."""

import random

import pytest

from data_plane.protocol.schema import decoder, encode
from tests.wire.samples import Case, cases, sample


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.id)
def test_round_trip(case: Case) -> None:
    """Method: ten seeded messages between empty and full; the decoder starts inside the view."""
    rng = random.Random(case.id)
    for fullness in (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.0):
        message = sample(case, rng, fullness)
        body = encode(message, case.version)
        for buffer in (b"\xaa" * 3 + body, memoryview(bytearray(b"\xaa" * 3 + body))):
            decoded, at = decoder(case.cls, case.version)(buffer, 3)
            assert decoded == message
            assert at == len(buffer)
