"""Who leads instead, and where that is: tagged fields of Produce v10 and Fetch v16 (KIP-951)."""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from data_plane.protocol.hot.fields import count_bytes, nullable_string_bytes, string_bytes
from data_plane.protocol.primitives import INT32, uvarint

PRODUCE_FROM: Final = 10
FETCH_FROM: Final = 16
PRODUCE_LEADER_TAG: Final = 0
FETCH_LEADER_TAG: Final = 1
ENDPOINTS_TAG: Final = 0
_LEADER: Final = struct.Struct(">BBBiiB").pack  # one tag, its number, size 9, leader, epoch, none


class Leader(NamedTuple):
    """Who leads a partition, and since which epoch."""

    broker_id: int
    epoch: int


class Endpoint(NamedTuple):
    """Where clients of the listener that was asked reach a broker."""

    broker_id: int
    host: str
    port: int
    rack: str | None


def leader_tags(tag: int, leader: Leader) -> bytes:
    """The tagged fields of a partition that tell of its leader and nothing else."""
    return _LEADER(1, tag, 9, *leader, 0)


def endpoints_tags(endpoints: Sequence[Endpoint]) -> bytes:
    """The tagged fields at the end of a response; none where there is nobody to tell of."""
    if not endpoints:
        return b"\0"
    rows = bytearray(count_bytes(len(endpoints), True))
    for one in endpoints:
        rows += INT32.pack(one.broker_id)
        rows += string_bytes(one.host, True)
        rows += INT32.pack(one.port)
        rows += nullable_string_bytes(one.rack, True)
        rows.append(0)
    return bytes((1, ENDPOINTS_TAG)) + uvarint(len(rows)) + bytes(rows)
