"""`ottla-broker group-offsets DIR`: committed offsets, read from the log of __consumer_offsets."""

import json
from collections.abc import Iterator
from pathlib import Path

import click

from data_plane.coordinator.group_partition import OFFSETS_TOPIC
from data_plane.coordinator.group_records import (
    OffsetCommitted,
    OffsetRemoved,
    decode_record,
)
from data_plane.log.failures import DamagedLog
from data_plane.log.files import DiskFiles
from data_plane.log.manifest import PartitionKey, read_topics
from data_plane.log.record_scan import Batch, whole_batches
from data_plane.log.segment import LOG, segment_path
from data_plane.log.side_files import base_offsets
from data_plane.protocol.primitives import DecodeError
from data_plane.server.commands.dump_log import records_of

Place = tuple[str, str, int]


@click.command("group-offsets")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--group", help="Only this group.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object per offset.")
def group_offsets(directory: Path, group: str | None, is_json: bool) -> None:
    """Show what groups have committed in DIRECTORY, of a running or a stopped broker.

    A commit inside a transaction is shown once its batch is written, decided or not.
    """
    offsets = committed(DiskFiles(is_read_only=True), directory)
    for (group_id, topic, index), found in sorted(offsets.items()):
        if group not in (None, group_id):
            continue
        row = {
            "group": group_id,
            "topic": topic,
            "partition": index,
            "offset": found.offset,
            "leader_epoch": found.leader_epoch,
            "metadata": found.metadata,
            "commit_ms": found.commit_ms,
        }
        click.echo(json.dumps(row) if is_json else f"{group_id}\t{topic}-{index}\t{found.offset}")


def committed(files: DiskFiles, directory: Path) -> dict[Place, OffsetCommitted]:
    """Replay the offsets topic: the last commit of each group and partition."""
    offsets: dict[Place, OffsetCommitted] = {}
    for key, topic in read_topics(files, directory).items():
        if topic != OFFSETS_TOPIC:
            continue
        for batch in batches_of(files, directory, key):
            for record in records_of(batch):
                take(offsets, record.key or b"", record.value)
    return offsets


def take(offsets: dict[Place, OffsetCommitted], key: bytes, value: bytes | None) -> None:
    try:
        record = decode_record(key, value)
    except DecodeError:
        return  # Of a version that is newer than this program.
    match record:
        case OffsetCommitted():
            offsets[record.group_id, record.topic, record.partition] = record
        case OffsetRemoved():
            offsets.pop((record.group_id, record.topic, record.partition), None)


def batches_of(files: DiskFiles, directory: Path, key: PartitionKey) -> Iterator[Batch]:
    """Yield the data batches of a partition; the end of a log being written may be torn."""
    path = directory / key.directory_name
    for base in base_offsets(files, path):
        file = files.open(segment_path(path, base, LOG))
        try:
            for batch in whole_batches(file, file.size_bytes()):
                if not batch.header.is_control:
                    yield batch
        except DamagedLog:
            return
