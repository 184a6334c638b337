"""dump-log, verify-log-dir and group-offsets on a directory that a broker has written."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from data_plane.coordinator.group_partition import OFFSETS_TOPIC
from data_plane.coordinator.group_records import OffsetCommitted, OffsetRemoved, encode_record
from data_plane.log.files import DiskFiles
from data_plane.log.identity import Identity
from data_plane.log.log_config import LogConfig
from data_plane.log.log_dir import LogDir, NewPartition
from data_plane.log.manifest import PartitionKey
from data_plane.log.partition_log import PartitionLog
from data_plane.protocol.records.control import Marker, MarkerType, encode_marker
from data_plane.protocol.records.record import Record, encode_batch
from data_plane.server.main import main
from tests.factories.record_batches import NOW_MS, sync

TOPIC_ID, OFFSETS_ID = UUID(int=1), UUID(int=2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Topic t with three batches, and an offsets topic; the directory is still in use."""
    root = tmp_path / "data"
    log_dir = LogDir.open(DiskFiles(), root, Identity("c", 0, TOPIC_ID), boot_id="b")
    t, offsets = PartitionKey(TOPIC_ID, 0), PartitionKey(OFFSETS_ID, 0)
    log_dir.create_partitions([NewPartition(t, "t"), NewPartition(offsets, OFFSETS_TOPIC)])
    log = log_dir.open_partition(t, LogConfig(), now_ms=NOW_MS)
    write(log, [(b"k", b"text"), (b"\xff", None)], compression=4, headers=(("h", b"v"),))
    write(log, [(None, b"two")], producer_id=7, producer_epoch=1, base_sequence=0)
    marker = Marker(MarkerType.ABORT, 3)
    stage(log, encode_marker(marker, producer_id=7, producer_epoch=1, timestamp_ms=NOW_MS))
    log = log_dir.open_partition(offsets, LogConfig(), now_ms=NOW_MS)
    for offset in (4, 9):
        write(log, [encode_record(OffsetCommitted("g", "t", 0, offset, -1, "m", NOW_MS))])
    write(log, [encode_record(OffsetCommitted("other", "t", 0, 5, -1, "", NOW_MS))])
    write(log, [encode_record(OffsetCommitted("gone", "t", 0, 1, -1, "", NOW_MS))])
    write(log, [encode_record(OffsetRemoved("gone", "t", 0))])
    return root


def write(log: PartitionLog, pairs: list[tuple[bytes | None, bytes | None]], **more: Any) -> None:
    headers = more.pop("headers", ())
    records = [Record(at, 0, key, value, headers) for at, (key, value) in enumerate(pairs)]
    stage(log, encode_batch(records, base_timestamp_ms=NOW_MS, **more))


def stage(log: PartitionLog, batch: bytes) -> None:
    log.stage(memoryview(bytearray(batch)), leader_epoch=2, now_ms=NOW_MS, is_client=False)
    log.write()
    sync(log)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


def log_file(root: Path) -> Path:
    return root / f"{TOPIC_ID}-0" / f"{0:020d}.log"


def tree(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_dump_log_tells_batches_and_records(root: Path) -> None:
    before = tree(root)
    result = run("dump-log", log_file(root), "--records", "--json")
    assert result.exit_code == 0, result.output
    first, second, third = map(json.loads, result.output.splitlines())
    assert (first["base_offset"], first["last_offset"], first["compression"]) == (0, 1, "zstd")
    assert first["records"][0] == {
        "offset": 0, "timestamp_ms": NOW_MS, "key": "k", "value": "text", "headers": [["h", "v"]],
    }  # fmt: skip
    assert (first["records"][1]["key"], first["records"][1]["value"]) == ("0xff", None)
    assert (second["producer_id"], second["leader_epoch"]) == (7, 2)
    assert third["records"][0]["marker"] == "ABORT"
    plain = run("dump-log", log_file(root)).output.splitlines()
    assert len(plain) == 3
    assert "base_offset=2" in plain[1]
    assert tree(root) == before


def test_dump_log_stops_at_damage_with_its_own_code(root: Path) -> None:
    path = log_file(root)
    content = bytearray(path.read_bytes())
    content[70] ^= 1
    path.write_bytes(content)
    result = run("dump-log", path)
    assert result.exit_code == 65
    assert "checksum" in result.output


def test_verify_log_dir_says_what_is_there_and_what_is_damaged(root: Path) -> None:
    before = tree(root)
    result = run("verify-log-dir", root)
    assert result.exit_code == 0, result.output
    assert "t-0  [0, 4)" in result.output
    assert "2 partitions, 0 damaged" in result.output
    rows = [json.loads(line) for line in run("verify-log-dir", root, "--json").output.splitlines()]
    assert {row["partition"]: row["records"] for row in rows} == {"t-0": 4, f"{OFFSETS_TOPIC}-0": 5}
    assert tree(root) == before
    log_file(root).unlink()
    result = run("verify-log-dir", root, "--quiet")
    assert result.exit_code == 65
    assert "DAMAGED t-0" in result.output
    assert OFFSETS_TOPIC not in result.output


def test_verify_log_dir_misses_what_the_manifest_knows(root: Path) -> None:
    directory = log_file(root).parent
    log_file(root).rename(root / "aside")
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()
    result = run("verify-log-dir", root)
    assert result.exit_code == 65
    assert "missing" in result.output


def test_group_offsets_tells_the_last_commit_of_each(root: Path) -> None:
    assert run("group-offsets", root).output == "g\tt-0\t9\nother\tt-0\t5\n"
    (row,) = map(
        json.loads, run("group-offsets", root, "--group", "g", "--json").output.splitlines()
    )
    assert (row["offset"], row["metadata"], row["commit_ms"]) == (9, "m", NOW_MS)
    assert run("group-offsets", root, "--group", "none").output == ""


def test_help_names_every_command() -> None:
    output = run("--help").output
    assert all(name in output for name in ("run", "dump-log", "verify-log-dir", "group-offsets"))


def test_an_unknown_command_is_a_usage_error() -> None:
    assert run("no-such-thing").exit_code == 2
