"""Control records: the commit and abort markers that end a transaction (KIP-98).

A marker is the one record of a control batch and takes one offset, no more (redpanda#13364).
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from data_plane.protocol.errors import InvalidRecord
from data_plane.protocol.records.record import Record, encode_batch

_KEY: Final = struct.Struct(">hh")  # version, type
_VALUE: Final = struct.Struct(">hi")  # version, coordinator epoch
BUMPING_VERSION: Final = 2  # of transaction.version: every end raises the epoch (KIP-890)


class MarkerType(IntEnum):
    """How a transaction ended."""

    ABORT = 0
    COMMIT = 1


@dataclass(frozen=True, slots=True)
class Marker:
    """The end of one producer's transaction on one partition.

    transaction_version: not in the log. Under 2 the marker's epoch is above that of what it ends.
    """

    type: MarkerType
    coordinator_epoch: int
    transaction_version: int = 0

    @property
    def is_bumping(self) -> bool:
        return self.transaction_version >= BUMPING_VERSION


def encode_marker(
    marker: Marker, *, producer_id: int, producer_epoch: int, timestamp_ms: int
) -> bytes:
    """Return the control batch of one marker."""
    record = Record(0, 0, _KEY.pack(0, marker.type), _VALUE.pack(0, marker.coordinator_epoch))
    return encode_batch(
        [record],
        base_timestamp_ms=timestamp_ms,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        is_transactional=True,
        is_control=True,
    )


def decode_marker(record: Record) -> Marker | None:
    """Return the marker in a control record, or None for a control type of another kind.

    Later versions may only append fields. Raises InvalidRecord if it is too short.
    """
    try:
        _, kind = _KEY.unpack_from(record.key or b"")
        if kind not in (MarkerType.ABORT, MarkerType.COMMIT):
            return None
        _, coordinator_epoch = _VALUE.unpack_from(record.value or b"")
    except struct.error as failure:
        raise InvalidRecord(f"control record: {failure}") from None
    return Marker(MarkerType(kind), coordinator_epoch)
