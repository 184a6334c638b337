"""The barrier before `synced` (durability.md 1): everything that may be committed is on disk."""

from uuid import UUID

from data_plane.metadata.records import CommitMode, PartitionRecord
from data_plane.replication.partition import Partition
from tests.factories.record_batches import NOW_MS, append, client_batch, memory_files, new_log, sync

TOPIC_ID = UUID(int=1, version=4)
FORMER, ME, OTHER = 0, 1, 2
KNOWN, END = 1, 3  # what a new leader knows to be committed, and what a former one may have told


def test_a_new_leader_counts_what_a_former_one_may_have_committed() -> None:
    """Its own watermark comes later, and none comes at the barrier; seed 96 of the worlds."""
    log = new_log(memory_files())
    append(log, client_batch())
    sync(log)
    append(log, client_batch(), client_batch())
    assert (log.synced_offset, log.log_end_offset) == (KNOWN, END)
    partition = Partition(
        "t",
        0,
        TOPIC_ID,
        log,
        leader_epoch=1,
        commit_mode=CommitMode.SPREAD,
        min_insync_replicas=2,
        broker_id=ME,
        high_watermark=KNOWN,
        isr=(ME, OTHER),
    )
    row = PartitionRecord(
        TOPIC_ID, 0, (FORMER, ME, OTHER), (ME, OTHER), ME, 1, 2, CommitMode.SPREAD
    )
    partition.apply(row, {}, NOW_MS, mode=CommitMode.SYNCED)
    follower = partition.followers[OTHER]
    partition.fetched_by(follower, END, is_synced=True, now_ms=NOW_MS)
    assert partition.is_at_barrier
    assert not partition.has_passed_barrier, "its own disk has only what it knew of"
    sync(log)
    partition.fetched_by(follower, KNOWN, is_synced=True, now_ms=NOW_MS)
    assert not partition.has_passed_barrier, "the follower's has"
    partition.fetched_by(follower, END, is_synced=True, now_ms=NOW_MS)
    assert partition.has_passed_barrier
