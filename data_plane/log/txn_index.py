"""The aborted transactions whose markers lie in one segment: what read_committed readers skip.

File `.txnindex`, big-endian: magic `OTX1`, CRC-32C of the body, then per transaction producer id,
first offset, last offset (the marker's) and last stable offset after the marker, int64 each, by
ascending last offset. A segment without an aborted transaction has no file. Kafka's own file has
no checksum; a wrong entry here would hide committed records or show aborted ones, so a damaged
file is recognised and made anew from the log (txn_rebuild.py).
Source: KIP-98, Kafka's TransactionIndex.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import crc32c

_MAGIC = b"OTX1"
_CRC = struct.Struct(">I")
_ENTRY = struct.Struct(">qqqq")


class AbortedTransaction(NamedTuple):
    """One aborted transaction of one producer; its records lie in [first_offset, last_offset]."""

    producer_id: int
    first_offset: int
    last_offset: int
    # The log's last stable offset once the marker counts: every transaction that began before it
    # is decided, so a search for a range that ends at or below it may end here.
    last_stable_offset: int


class TxnIndex:
    """Aborted transactions by ascending last offset."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: list[AbortedTransaction] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[AbortedTransaction]:
        return iter(self._entries)

    def append(self, aborted: AbortedTransaction) -> None:
        self._entries.append(aborted)

    def truncate(self, offset: int) -> None:
        """Forget the transactions whose marker lies at or behind an offset."""
        while self._entries and self._entries[-1].last_offset >= offset:
            self._entries.pop()

    def encode(self) -> bytes:
        body = b"".join(_ENTRY.pack(*entry) for entry in self._entries)
        return _MAGIC + _CRC.pack(crc32c.crc32c(body)) + body


def decode_txn_index(content: bytes, base_offset: int, next_offset: int) -> TxnIndex:
    """Read a .txnindex file of the segment [base_offset, next_offset).

    Raises ValueError if it is cut, damaged, or not of this segment.
    """
    body = content[8:]
    if content[:8] != _MAGIC + _CRC.pack(crc32c.crc32c(body)) or len(body) % _ENTRY.size:
        raise ValueError("not a whole transaction index")
    index, last = TxnIndex(), base_offset - 1
    for entry in map(AbortedTransaction._make, _ENTRY.iter_unpack(body)):
        if not (last < entry.last_offset < next_offset and entry.first_offset < entry.last_offset):
            raise ValueError("transaction index entries do not grow within the segment")
        last = entry.last_offset
        index.append(entry)
    return index
