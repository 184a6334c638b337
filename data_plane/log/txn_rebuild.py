"""Read markers back from a log, and make a segment's transaction index anew from its batches."""

from collections.abc import Sequence
from pathlib import PurePath

from data_plane.log.files import File, Files
from data_plane.log.producer_state import EndedTransaction, ProducerStates
from data_plane.log.scan import headers, read_part
from data_plane.log.segment import Segment
from data_plane.log.side_files import newest_snapshot
from data_plane.log.txn_index import TxnIndex
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.primitives import Buffer
from data_plane.protocol.records.batch import BATCH_HEADER_BYTES, BatchHeader
from data_plane.protocol.records.control import Marker, decode_marker
from data_plane.protocol.records.record import decode_records

MARKER_BYTES_MAX = 4096  # A marker's batch has about 80; a length may be a lie.


def marker_of(batch: Buffer, header: BatchHeader) -> Marker | None:
    """Return the marker that a whole control batch holds; None for another kind of control."""
    try:
        records = decode_records(header, memoryview(batch)[BATCH_HEADER_BYTES : header.size_bytes])
        return decode_marker(records[0]) if records else None
    except KafkaError:
        return None


def read_marker(file: File, position: int, header: BatchHeader) -> Marker | None:
    """Return the marker in the batch at `position`, None if it holds none."""
    if not header.is_control or header.size_bytes > MARKER_BYTES_MAX:
        return None
    return marker_of(read_part(file, position, header.size_bytes), header)


def replay_segment(
    producers: ProducerStates, segment: Segment, from_offset: int, now_ms: int, *, start: int = 0
) -> list[EndedTransaction]:
    """Take a segment's batches from `from_offset` on into `producers`; return what they ended.

    start: a position of a batch before which none need be looked at.
    """
    ended = []
    file = segment.file()
    for position, header in headers(file, start, segment.size_bytes):
        if header.base_offset >= from_offset:
            one = producers.replay(header, now_ms, read_marker(file, position, header))
            if one is not None:
                ended.append(one)
    return ended


def rebuild_txn_index(
    files: Files, directory: PurePath, segments: Sequence[Segment], at: int, now_ms: int
) -> TxnIndex:
    """Return the index of `segments[at]`, from the producers' snapshot at or before its base."""
    index, wanted = TxnIndex(), segments[at]
    found = newest_snapshot(files, directory, wanted.base_offset)
    reached, producers = found or (segments[0].base_offset, ProducerStates())
    for segment in segments[: at + 1]:
        if segment is not wanted and segment.next_offset <= reached:
            continue
        for ended in replay_segment(producers, segment, reached, now_ms):
            if segment is wanted and ended.aborted is not None:
                index.append(ended.aborted)
        producers.forget_decided(segment.next_offset)
    return index
