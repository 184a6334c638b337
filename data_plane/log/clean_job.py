"""What a cleaning is told and what it answers; as JSON where it runs in a process of its own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

from data_plane.log.txn_index import AbortedTransaction

NO_OFFSET = -1
NEVER_MS = -1


class SourceSegment(NamedTuple):
    """One closed segment: its offsets are [base_offset, end_offset), gaps allowed."""

    base_offset: int
    end_offset: int
    size_bytes: int


class LastWrite(NamedTuple):
    """The last data offset of a producer that is still active, -1 if a marker was the last."""

    last_offset: int
    producer_epoch: int


@dataclass(frozen=True, slots=True)
class CleanJob:
    """Segments of one log from its first on, closed and never written to again.

    first_dirty_offset: below it each key was once unique. run_ms: names this run's drafts.
    """

    directory: PurePath
    segments: Sequence[SourceSegment]
    first_dirty_offset: int
    run_ms: int
    delete_retention_ms: int
    segment_bytes: int
    index_interval_bytes: int
    producers: Mapping[int, LastWrite]
    aborted: Sequence[AbortedTransaction] = ()

    @property
    def end_offset(self) -> int:
        return self.segments[-1].end_offset


class CleanedGroup(NamedTuple):
    """One draft that takes the place of the segments in [base_offset, end_offset)."""

    base_offset: int
    end_offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class CleanResult:
    """The drafts, durable, in order of offset.

    clean_end_offset: below it each key is unique now. next_horizon_ms: when the next tombstone or
    marker may go, -1 if there is none.
    """

    groups: Sequence[CleanedGroup]
    clean_end_offset: int
    next_horizon_ms: int
    records_read: int
    records_kept: int
    bytes_read: int
    bytes_written: int


def encode_job(job: CleanJob) -> bytes:
    """Return one line of JSON."""
    fields = asdict(job) | {"directory": str(job.directory)}
    return json.dumps(fields).encode() + b"\n"


def decode_job(line: bytes) -> CleanJob:
    """Read a line of our own making."""
    fields = json.loads(line)
    fields["directory"] = PurePath(fields["directory"])
    fields["segments"] = tuple(SourceSegment(*one) for one in fields["segments"])
    fields["producers"] = {int(key): LastWrite(*one) for key, one in fields["producers"].items()}
    fields["aborted"] = tuple(AbortedTransaction(*one) for one in fields["aborted"])
    return CleanJob(**fields)


def encode_result(result: CleanResult) -> bytes:
    """Return one line of JSON."""
    return json.dumps(asdict(result)).encode() + b"\n"


def decode_result(fields: Mapping[str, Any]) -> CleanResult:
    """Read the fields of a line of our own making."""
    groups = tuple(CleanedGroup(*one) for one in fields["groups"])
    return CleanResult(**{**fields, "groups": groups})
