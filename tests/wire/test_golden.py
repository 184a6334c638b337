"""Golden frames: what we send does not change unnoticed, and what we sent can be read."""

import pytest

from data_plane.protocol.framing import frames
from data_plane.protocol.schema import decoder, encode, info_of
from tests.wire.golden_frames import Golden, header_of, make_frame, read_golden
from tests.wire.samples import cases

ALL = list(read_golden())


def test_every_case_has_its_frames() -> None:
    expected = {(case.id, fill) for case in cases() for fill in ("full", "empty")}
    assert {(golden.case.id, golden.fill) for golden in ALL} == expected


@pytest.mark.parametrize("golden", ALL, ids=lambda golden: golden.id)
def test_golden_frame(golden: Golden) -> None:
    """The encoder still makes the frame, and decoding it gives back the same bytes."""
    case = golden.case
    assert make_frame(case, golden.fill) == golden.data
    view = memoryview(golden.data)
    [(start, end)] = frames(view, len(view))
    message, at = decoder(case.cls, case.version)(view[:end], start + len(header_of(case)))
    assert at == end
    assert encode(message, case.version) == golden.data[start + len(header_of(case)) :]
    assert info_of(case.cls).api_key == case.spec.key
