"""kill -9 of a process that writes a log on a real disk: nothing it called synced is lost."""

import random
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from data_plane.log.files import DiskFiles
from data_plane.log.identity import Identity
from data_plane.log.log_config import LogConfig
from data_plane.log.log_dir import LogDir
from data_plane.log.restart import RestartKind
from tests.factories.record_batches import NOW_MS, read_all

IDENTITY = Identity("cluster", 0, UUID(int=1))
CONFIG = LogConfig(segment_bytes=20_000, index_interval_bytes=500)

WRITER = """
import sys
from pathlib import Path
from uuid import UUID
from data_plane.log.files import DiskFiles
from data_plane.log.log_dir import LogDir, NewPartition
from data_plane.log.manifest import PartitionKey
from tests.factories.record_batches import NOW_MS, append, client_batch, sync
from tests.integration.test_log_kill import CONFIG, IDENTITY

log_dir = LogDir.open(DiskFiles(), Path(sys.argv[1]), IDENTITY, boot_id="boot")
list(log_dir.recover(lambda _: CONFIG, now_ms=NOW_MS))
key = PartitionKey(UUID(int=2), 0)
log_dir.create_partitions([NewPartition(key, "t")])
log = log_dir.open_partition(key, CONFIG, now_ms=NOW_MS)
sequence = log.log_end_offset
while True:
    turn = [
        client_batch([b"%d" % (sequence + i)], producer_id=1, producer_epoch=0,
                     sequence=sequence + i)
        for i in range(7)
    ]
    append(log, *turn)
    sequence += 7
    sync(log)
    sys.stdout.write(f"{log.synced_offset}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("seed", range(3))
def test_kill_loses_nothing_that_was_synced(seed: int, tmp_path: Path) -> None:
    """Three lives of one directory, each ended by SIGKILL after a random number of syncs."""
    rng = random.Random(seed)
    said = 0
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "data")],
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            for _ in range(rng.randint(1, 120)):
                said = int(writer.stdout.readline())
            writer.kill()
    log_dir = LogDir.open(DiskFiles(), tmp_path / "data", IDENTITY, boot_id="boot")
    assert log_dir.restart_kind == RestartKind.PROCESS_CRASH
    assert len(list(log_dir.recover(lambda _: CONFIG, now_ms=NOW_MS))) == 1
    assert not log_dir.quarantined
    (log,) = log_dir.open_logs().values()
    assert log.log_end_offset >= said > 0
    batches = read_all(log)
    assert len(batches) == log.log_end_offset
    assert all(b"%d" % i in batch for i, batch in enumerate(batches))
    log_dir.close(is_clean=True)
