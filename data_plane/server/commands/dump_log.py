"""`ottla-broker dump-log SEGMENT`: the batches of one .log file, and their records if asked."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from data_plane.log.failures import DamagedLog
from data_plane.log.files import DiskFiles
from data_plane.log.record_scan import Batch, whole_batches
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.records.batch import DELETE_HORIZON
from data_plane.protocol.records.compression import CODEC_NAMES
from data_plane.protocol.records.control import decode_marker
from data_plane.protocol.records.record import Record, decode_records

EXIT_DAMAGED = 65


@click.command("dump-log")
@click.argument("segment", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--records", is_flag=True, help="Show each record, too.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object per batch.")
def dump_log(segment: Path, records: bool, is_json: bool) -> None:
    """Show the batches of SEGMENT, a .log file of a running or a stopped broker."""
    file = DiskFiles(is_read_only=True).open(segment)
    position = 0
    try:
        for batch in whole_batches(file, file.size_bytes()):
            row = batch_row(batch, position)
            if records:
                row["records"] = [record_row(batch, one) for one in records_of(batch)]
            click.echo(json.dumps(row) if is_json else text_of(row))
            position += batch.header.size_bytes
    except (DamagedLog, KafkaError) as error:
        click.echo(f"ottla-broker: byte {position}: {error.message}", err=True)
        sys.exit(EXIT_DAMAGED)


def batch_row(batch: Batch, position: int) -> dict[str, Any]:
    header = batch.header
    row: dict[str, Any] = {
        "position": position,
        "size_bytes": header.size_bytes,
        "base_offset": header.base_offset,
        "last_offset": header.last_offset,
        "records_count": header.records_count,
        "leader_epoch": header.partition_leader_epoch,
        "compression": CODEC_NAMES.get(header.compression, str(header.compression)),
        "timestamp_type": "LogAppendTime" if header.timestamp_type else "CreateTime",
        "base_timestamp_ms": header.base_timestamp,
        "max_timestamp_ms": header.max_timestamp,
        "is_transactional": header.is_transactional,
        "is_control": header.is_control,
    }
    if header.has_producer_id:
        row |= {
            "producer_id": header.producer_id,
            "producer_epoch": header.producer_epoch,
            "base_sequence": header.base_sequence,
        }
    if header.attributes & DELETE_HORIZON:
        row["delete_horizon_ms"] = header.base_timestamp
    return row


def records_of(batch: Batch) -> list[Record]:
    data, at, end = batch.records()
    plain = batch.header._replace(attributes=batch.header.attributes & ~7)
    return decode_records(plain, memoryview(data)[at:end])


def record_row(batch: Batch, record: Record) -> dict[str, Any]:
    """Bytes that are no text are shown as hex."""
    header = batch.header
    row: dict[str, Any] = {
        "offset": header.base_offset + record.offset_delta,
        "timestamp_ms": header.base_timestamp + record.timestamp_delta,
    }
    marker = decode_marker(record) if header.is_control else None
    if marker is not None:
        return row | {
            "marker": marker.type.name,
            "coordinator_epoch": marker.coordinator_epoch,
        }
    row |= {"key": shown(record.key), "value": shown(record.value)}
    if record.headers:
        row["headers"] = [[name, shown(value)] for name, value in record.headers]
    return row


def shown(data: bytes | None) -> str | None:
    if data is None:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f"0x{data.hex()}"
    return text if text.isprintable() else f"0x{data.hex()}"


def text_of(row: dict[str, Any]) -> str:
    records = row.pop("records", [])
    lines = ["  ".join(f"{name}={value}" for name, value in row.items())]
    lines += (
        "    " + "  ".join(f"{name}={value}" for name, value in record.items())
        for record in records
    )
    return "\n".join(lines)
