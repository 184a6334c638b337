"""A data directory: whose it is, who has it, how it ended, what it holds, what it lost."""

import errno
import json
import random
from contextlib import suppress
from pathlib import Path, PurePath
from uuid import UUID

import pytest

from data_plane.log.creation import Creation
from data_plane.log.failures import DamagedLog, DirectoryRefused, DiskFull, LogFailure, LostLog
from data_plane.log.files import DiskFiles, read_whole
from data_plane.log.identity import Identity
from data_plane.log.log_config import LogConfig
from data_plane.log.log_dir import LogDir, NewPartition
from data_plane.log.manifest import PartitionKey
from data_plane.log.memory_files import MemoryFiles, PowerCut
from data_plane.log.restart import RestartKind
from data_plane.protocol.errors import ErrorCode, UnknownTopicOrPartition
from tests.factories.record_batches import NOW_MS, append, client_batch, read_all, sync

ROOT = PurePath("/data")
OURS = Identity("cluster-a", 3, UUID(int=1))
CONFIG = LogConfig(segment_bytes=600)
KEYS = [PartitionKey(UUID(int=100 + i // 2), i % 2) for i in range(6)]


def start(files: MemoryFiles, identity: Identity = OURS, boot_id: str = "boot-1") -> LogDir:
    return LogDir.open(files, ROOT, identity, boot_id=boot_id)


def filled(files: MemoryFiles) -> LogDir:
    """Six partitions; the i-th holds i + 1 synced records."""
    log_dir = start(files)
    log_dir.create_partitions([NewPartition(key, "topic") for key in KEYS])
    for i, key in enumerate(KEYS):
        log = log_dir.open_partition(key, CONFIG, now_ms=NOW_MS)
        append(log, *[client_batch([b"x" * 200]) for _ in range(i + 1)])
        sync(log)
    return log_dir


def recover(log_dir: LogDir) -> None:
    assert list(log_dir.recover(lambda _: CONFIG, now_ms=NOW_MS)) is not None


def ends(log_dir: LogDir) -> list[int]:
    return [log_dir.open_partition(k, CONFIG, now_ms=NOW_MS).log_end_offset for k in KEYS]


def test_a_new_directory_is_stamped_and_kept() -> None:
    files = MemoryFiles()
    log_dir = start(files)
    assert (log_dir.restart_kind, log_dir.identity) == (RestartKind.NEW_DIRECTORY, OURS)
    log_dir.close(is_clean=True)
    other = Identity("cluster-a", 3, UUID(int=2))
    assert start(files, other).identity == OURS, "the directory id is the directory's own"


@pytest.mark.parametrize(
    ("identity", "words"),
    [(Identity("cluster-b", 3, UUID(int=1)), "cluster cluster-a"),
     (Identity("cluster-a", 4, UUID(int=1)), "broker 3")],
)  # fmt: skip
def test_another_clusters_or_brokers_directory_is_refused(identity: Identity, words: str) -> None:
    files = MemoryFiles()
    filled(files).close(is_clean=True)
    with pytest.raises(DirectoryRefused, match=words):
        start(files, identity)
    again = start(files)  # The refusal changed nothing, and holds no lock.
    assert again.restart_kind == RestartKind.CLEAN
    assert ends(again) == [1, 2, 3, 4, 5, 6]


IDENTITY_NAMES = ["meta.json", "meta.copy.json"]
NOT_WHOLE = [b"", b"{}", b"[]", b'{"version": 9}', b"\xff"]


def replace_content(files: MemoryFiles, name: str, content: bytes) -> None:
    file = files.open(ROOT / name, create=True)
    file.truncate(0)
    file.append([content], len(content))


@pytest.mark.parametrize("content", NOT_WHOLE)
def test_an_unreadable_identity_is_refused_and_not_replaced(content: bytes) -> None:
    files = MemoryFiles()
    filled(files).close(is_clean=True)
    for name in IDENTITY_NAMES:
        replace_content(files, name, content)
    with pytest.raises(DirectoryRefused, match=r"restore meta\.json from a backup"):
        start(files)
    for name in IDENTITY_NAMES:
        assert read_whole(files, ROOT / name) == content


@pytest.mark.parametrize("name", IDENTITY_NAMES)
@pytest.mark.parametrize("content", [*NOT_WHOLE, None])
def test_a_damaged_or_missing_identity_is_restored_from_its_twin(
    content: bytes | None, name: str
) -> None:
    files = MemoryFiles()
    filled(files).close(is_clean=True)
    whole = read_whole(files, ROOT / name)
    if content is None:
        files.remove(ROOT / name)
    else:
        replace_content(files, name, content)
    again = start(files, Identity("cluster-a", 3, UUID(int=2)))
    assert (again.identity, again.restart_kind) == (OURS, RestartKind.CLEAN)
    assert read_whole(files, ROOT / name) == whole
    assert ends(again) == [1, 2, 3, 4, 5, 6]


def test_two_identities_that_contradict_each_other_are_refused() -> None:
    files, foreign = MemoryFiles(), MemoryFiles()
    filled(files).close(is_clean=True)
    start(foreign, Identity("cluster-a", 3, UUID(int=2)))
    copied = read_whole(foreign, ROOT / "meta.json")
    assert copied is not None
    replace_content(files, "meta.json", copied)
    with pytest.raises(DirectoryRefused, match="different directories"):
        start(files)


def test_an_identity_of_the_version_before_is_read_and_given_a_checksum_and_a_copy() -> None:
    files = MemoryFiles()
    filled(files).close(is_clean=True)
    new_form = read_whole(files, ROOT / "meta.json")
    files.remove(ROOT / "meta.copy.json")
    old_form = {
        "version": 1,
        "cluster_id": "cluster-a",
        "broker_id": 3,
        "directory_id": str(UUID(int=1)),
    }
    replace_content(files, "meta.json", json.dumps(old_form, indent=1).encode() + b"\n")
    again = start(files, Identity("cluster-a", 3, UUID(int=2)))
    assert (again.identity, again.restart_kind) == (OURS, RestartKind.CLEAN)
    assert [read_whole(files, ROOT / name) for name in IDENTITY_NAMES] == [new_form] * 2
    assert new_form is not None
    assert json.loads(new_form).items() >= old_form.items(), "that version reads this one too"


def test_a_used_directory_without_its_identity_is_refused() -> None:
    """A new identity would have the cluster take its partitions for lost, whole as they are."""
    files = MemoryFiles()
    filled(files).close(is_clean=True)
    kept = read_whole(files, ROOT / "meta.json")
    assert kept is not None
    for name in IDENTITY_NAMES:
        files.remove(ROOT / name)
    with pytest.raises(DirectoryRefused, match=r"meta\.json is missing"):
        start(files)
    files.open(ROOT / "meta.json", create=True).append([kept], len(kept))
    assert ends(start(files)) == [1, 2, 3, 4, 5, 6]


def test_a_second_opener_is_refused(tmp_path: Path) -> None:
    first = LogDir.open(DiskFiles(), tmp_path / "data", OURS)
    with pytest.raises(DirectoryRefused, match="in use"):
        LogDir.open(DiskFiles(), tmp_path / "data", OURS)
    first.close(is_clean=True)
    LogDir.open(DiskFiles(), tmp_path / "data", OURS).close(is_clean=True)


@pytest.mark.parametrize(
    ("boot_id", "has_failed", "kind"),
    [
        ("boot-1", False, RestartKind.PROCESS_CRASH),
        ("boot-2", False, RestartKind.POWER_LOSS),
        ("", False, RestartKind.POWER_LOSS),
        ("boot-1", True, RestartKind.POWER_LOSS),
    ],
)
def test_the_kind_of_restart(boot_id: str, has_failed: bool, kind: RestartKind) -> None:
    files = MemoryFiles()
    log_dir = filled(files)
    if has_failed:
        log_dir.mark_failure(LogFailure(ROOT, "sync", OSError(errno.EIO, "broken")))
    files.kill()
    again = start(files, boot_id=boot_id)
    assert again.restart_kind == kind
    recover(again)
    assert ends(again) == [1, 2, 3, 4, 5, 6]
    again.close(is_clean=True)
    assert start(files).restart_kind == RestartKind.CLEAN


@pytest.mark.semantics("98a")
def test_a_failure_is_remembered_until_a_recovery_has_come_to_its_end() -> None:
    files = MemoryFiles()
    filled(files).mark_failure(LogFailure(ROOT, "sync", OSError(errno.EIO, "broken")))
    files.kill()
    next(start(files).recover(lambda _: CONFIG, now_ms=NOW_MS))
    files.kill()
    again = start(files)
    assert again.restart_kind == RestartKind.POWER_LOSS
    recover(again)
    files.kill()
    assert start(files).restart_kind == RestartKind.PROCESS_CRASH


@pytest.mark.semantics("98a")
def test_a_power_loss_is_told_until_a_recovery_has_come_to_its_end() -> None:
    """A process that dies before the controller has heard of it must not make it a mere crash."""
    files = MemoryFiles()
    filled(files)
    files.crash()
    assert start(files, boot_id="boot-2").restart_kind == RestartKind.POWER_LOSS
    files.kill()  # Nobody was told, nothing is recovered; the machine went on.
    again = start(files, boot_id="boot-2")
    assert again.restart_kind == RestartKind.POWER_LOSS
    recover(again)
    files.kill()
    assert start(files, boot_id="boot-2").restart_kind == RestartKind.PROCESS_CRASH


def test_a_clean_mark_is_gone_as_soon_as_the_directory_is_in_use() -> None:
    files = MemoryFiles()
    filled(files).close(is_clean=True)
    start(files)
    files.crash()
    assert start(files).restart_kind != RestartKind.CLEAN


def test_no_clean_mark_before_everything_was_recovered() -> None:
    files = MemoryFiles()
    filled(files)
    files.kill()
    start(files).close(is_clean=True)
    assert start(files).restart_kind == RestartKind.PROCESS_CRASH


@pytest.mark.parametrize("seed", range(25))
def test_created_partitions_and_synced_records_survive_power_loss(seed: int) -> None:
    files = MemoryFiles()
    log_dir = filled(files)
    extra = log_dir.open_partition(KEYS[0], CONFIG, now_ms=NOW_MS)
    append(extra, *[client_batch() for _ in range(seed % 4)])
    files.crash(random.Random(seed))
    again = start(files)
    recover(again)
    assert not again.quarantined
    first, *rest = ends(again)
    assert rest == [2, 3, 4, 5, 6]
    assert 1 <= first <= 1 + seed % 4


def test_a_creation_that_was_cut_off_is_done_anew() -> None:
    """Found by `make chaos`: the bare directory was taken for a partition that had lost its log,
    and the replica was lost for good."""
    files = MemoryFiles()
    filled(files)
    cut_off = PartitionKey(UUID(int=900), 0)
    files.make_directory(ROOT / cut_off.directory_name)
    files.kill()
    again = start(files)
    recover(again)
    assert again.partitions() == KEYS
    assert not again.quarantined
    again.create_partitions([NewPartition(cut_off, "topic")])
    assert again.open_partition(cut_off, CONFIG, now_ms=NOW_MS).log_end_offset == 0


def test_a_bare_directory_of_a_known_partition_is_a_loss() -> None:
    files = MemoryFiles()
    filled(files)
    directory = ROOT / KEYS[2].directory_name
    for name in files.list_names(directory):
        files.remove(directory / name)
    files.kill()
    again = start(files)
    recover(again)
    assert list(again.quarantined) == [KEYS[2]]


@pytest.mark.parametrize("step", range(8))
@pytest.mark.parametrize("has_power", [True, False])
def test_a_stop_while_partitions_are_created_quarantines_none(step: int, has_power: bool) -> None:
    """Whatever of their names and files is there, they are there or can be made."""
    files = MemoryFiles()
    log_dir = filled(files)
    new = [PartitionKey(UUID(int=900), index) for index in range(4)]
    files.changes_max = files.changes + step
    with suppress(PowerCut):
        log_dir.create_partitions([NewPartition(key, "topic") for key in new])
    if has_power:
        files.kill()
    else:
        files.crash(random.Random(step))
    again = start(files)
    recover(again)
    assert not again.quarantined
    again.create_partitions([NewPartition(key, "topic") for key in new])
    for key in new:
        assert again.open_partition(key, CONFIG, now_ms=NOW_MS).log_end_offset == 0


@pytest.mark.parametrize("count", [1, 8, 9, 40])
@pytest.mark.parametrize("has_syncfs", [True, False])
def test_creation_is_durable_when_it_returns(count: int, has_syncfs: bool) -> None:
    files = MemoryFiles()
    files.has_syncfs = has_syncfs
    log_dir = start(files)
    keys = [PartitionKey(UUID(int=7), i) for i in range(count)]
    log_dir.create_partitions([NewPartition(key, "t") for key in keys])
    files.crash()
    again = start(files)
    recover(again)
    assert again.partitions() == keys
    assert not again.quarantined


@pytest.mark.parametrize("has_syncfs", [True, False])
def test_what_recovery_kept_is_durable_when_it_ends(has_syncfs: bool) -> None:
    files = MemoryFiles()
    log_dir = filled(files)
    for key in KEYS:
        append(log_dir.open_partition(key, CONFIG, now_ms=NOW_MS), client_batch([b"y" * 200]))
    files.kill()
    files.has_syncfs = has_syncfs
    recover(start(files))
    files.crash()
    again = start(files)
    recover(again)
    assert not again.quarantined
    assert ends(again) == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("seed", range(10))
def test_a_recovery_cut_short_by_a_power_loss_loses_nothing_synced(seed: int) -> None:
    files = MemoryFiles()
    filled(files)
    files.kill()
    steps = start(files).recover(lambda _: CONFIG, now_ms=NOW_MS)
    for _ in range(seed % 7):
        next(steps, None)
    files.crash(random.Random(seed))
    again = start(files)
    recover(again)
    assert not again.quarantined
    assert ends(again) == [1, 2, 3, 4, 5, 6]


def test_recovery_syncs_many_partitions_at_once() -> None:
    files = MemoryFiles()
    log_dir = filled(files)
    for key in KEYS:
        append(log_dir.open_partition(key, CONFIG, now_ms=NOW_MS), client_batch())
    files.kill()
    again = start(files)
    files.fail("sync_directory", errno.EIO)  # None is asked for.
    files.fail("sync_file_system", errno.EIO)
    with pytest.raises(LogFailure):
        recover(again)
    assert [fault.operation for fault in files.faults] == ["sync_directory"]


@pytest.mark.parametrize("has_syncfs", [True, False])
def test_a_log_begun_anew_by_its_recovery_is_synced_as_it_is(has_syncfs: bool) -> None:
    """Its deleted records reached beyond what a power loss left."""
    files = MemoryFiles()
    log_dir = filled(files)
    log = log_dir.open_partition(KEYS[5], CONFIG, now_ms=NOW_MS)
    append(log, client_batch())
    log.delete_records_before(7)
    files.open(ROOT / KEYS[5].directory_name / "checkpoint").sync()
    files.sync_directory(ROOT / KEYS[5].directory_name)
    files.crash()
    files.has_syncfs = has_syncfs
    for _ in range(2):
        again = start(files)
        recover(again)
        assert ends(again)[5] == 7
        files.crash()


def created_unsynced(files: MemoryFiles) -> tuple[LogDir, Creation]:
    """Partitions that are there, and whose lines in the manifest are not synced yet."""
    log_dir = start(files)
    creation = log_dir.begin_create([NewPartition(key, "topic") for key in KEYS])
    assert creation is not None
    creation.make()
    log_dir.note_created(creation)
    return log_dir, creation


@pytest.mark.parametrize("has_failed", [False, True])
def test_a_start_makes_the_manifest_durable_that_a_stop_had_left_unsynced(has_failed: bool) -> None:
    """Recovery syncs what it keeps; so it does with what says that it was there."""
    files = MemoryFiles()
    log_dir, creation = created_unsynced(files)
    if has_failed:
        files.fail("sync", errno.EIO, "manifest")
        with pytest.raises(LogFailure) as failed:
            creation.sync_manifest()
        log_dir.mark_failure(failed.value)
    files.kill()
    recover(start(files))
    files.crash()
    for key in KEYS:
        files.remove_tree(ROOT / key.directory_name)
    assert start(files).partitions() == KEYS


def test_a_start_without_room_for_the_manifest_makes_it_durable_too() -> None:
    files = MemoryFiles()
    created_unsynced(files)
    files.kill()
    files.fail("append", errno.ENOSPC, "manifest", times=100)
    recover(start(files))
    files.crash()
    assert start(files).partitions() == KEYS


def test_a_missing_partition_is_lost_and_never_made_anew() -> None:
    files = MemoryFiles()
    filled(files).close(is_clean=True)
    files.remove_tree(ROOT / KEYS[2].directory_name)
    again = start(files)
    with pytest.raises(LostLog) as caught:
        again.open_partition(KEYS[2], CONFIG, now_ms=NOW_MS)
    assert caught.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    again.create_partitions([NewPartition(KEYS[2], "topic")])
    with pytest.raises(DamagedLog):
        again.open_partition(KEYS[2], CONFIG, now_ms=NOW_MS)
    assert list(again.quarantined) == [KEYS[2]]
    assert not files.exists(ROOT / KEYS[2].directory_name)


@pytest.mark.parametrize("seed", range(150))
def test_a_mutated_directory_costs_one_partition_and_never_the_broker(seed: int) -> None:
    """Seeded damage to one partition's files; all others must open whole."""
    rng = random.Random(seed)
    files = MemoryFiles()
    log_dir = filled(files)
    if rng.random() < 0.5:
        log_dir.close(is_clean=True)
    files.kill()
    victim = rng.choice(KEYS)
    directory = ROOT / victim.directory_name
    for name in rng.sample(names := files.list_names(directory), rng.randint(1, len(names))):
        content = files.open(directory / name).content
        match rng.randint(0, 3):
            case 0:
                files.remove(directory / name)
            case 1:
                del content[rng.randint(0, len(content)) :]
            case 2 if content:
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            case _:
                content += rng.randbytes(rng.randint(1, 200))
    if rng.random() < 0.2:
        files.make_directory(directory / f"{99:020d}.log")
    again = start(files)
    recover(again)
    for i, key in enumerate(KEYS):
        try:
            log = again.open_partition(key, CONFIG, now_ms=NOW_MS)
            assert len(read_all(log)) <= i + 1
        except DamagedLog:
            assert key == victim
        else:
            assert key == victim or log.log_end_offset == i + 1


def test_a_quarantine_lasts_over_restarts_and_ends_with_its_note() -> None:
    files = MemoryFiles()
    log_dir = filled(files)
    log_dir.quarantine(KEYS[1], "a reader met a wrong checksum")
    log_dir.close(is_clean=True)
    again = start(files)
    assert again.quarantined == {KEYS[1]: "a reader met a wrong checksum"}
    with pytest.raises(DamagedLog, match="wrong checksum"):
        again.open_partition(KEYS[1], CONFIG, now_ms=NOW_MS)
    again.close(is_clean=True)
    files.remove(ROOT / KEYS[1].directory_name / "quarantine")
    assert ends(start(files)) == [1, 2, 3, 4, 5, 6]


def test_deletion_is_durable_and_unlinks_later() -> None:
    files = MemoryFiles()
    log_dir = filled(files)
    log_dir.delete_partitions(KEYS[:2])
    assert log_dir.partitions() == KEYS[2:]
    with pytest.raises(UnknownTopicOrPartition):
        log_dir.open_partition(KEYS[0], CONFIG, now_ms=NOW_MS)
    assert files.exists(ROOT / (KEYS[0].directory_name + ".deleted"))
    job = log_dir.garbage_job()
    assert job is not None
    job()
    assert not [n for n in files.list_names(ROOT) if n.endswith(".deleted")]
    assert log_dir.garbage_job() is None
    files.kill()
    assert start(files).partitions() == KEYS[2:]


def test_a_crash_during_deletion_leaves_the_unlinking_to_the_next_start() -> None:
    files = MemoryFiles()
    filled(files).delete_partitions(KEYS[:2])
    files.kill()
    again = start(files)
    job = again.garbage_job()
    assert job is not None
    job()
    assert not [n for n in files.list_names(ROOT) if n.endswith(".deleted")]


def test_a_directory_the_manifest_does_not_know_is_adopted() -> None:
    """A crash between making it and noting it; the controller decides what becomes of it."""
    files = MemoryFiles()
    filled(files).close(is_clean=True)
    files.remove(ROOT / "partitions.manifest")
    again = start(files)
    assert sorted(again.partitions()) == sorted(KEYS)
    assert ends(again) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_manifest_line_stops_nobody(seed: int) -> None:
    rng = random.Random(seed)
    files = MemoryFiles()
    filled(files).close(is_clean=True)
    content = files.open(ROOT / "partitions.manifest").content
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    again = start(files)
    assert again.manifest.damaged_lines >= 1
    assert ends(again) == [1, 2, 3, 4, 5, 6]
    again.close(is_clean=True)
    assert start(files).manifest.damaged_lines == 0


def test_a_torn_manifest_line_is_dropped_and_written_over() -> None:
    files = MemoryFiles()
    filled(files).close(is_clean=True)
    content = files.open(ROOT / "partitions.manifest").content
    del content[-5:]
    again = start(files)
    key = PartitionKey(UUID(int=500), 0)
    again.create_partitions([NewPartition(key, "later")])
    again.close(is_clean=True)
    assert sorted(start(files).partitions()) == sorted([*KEYS, key])


def test_no_room_to_create_is_a_full_disk_and_may_be_tried_again() -> None:
    files = MemoryFiles()
    log_dir = start(files)
    files.fail("append", errno.ENOSPC, "manifest")
    with pytest.raises(DiskFull):
        log_dir.create_partitions([NewPartition(KEYS[0], "t")])
    assert log_dir.partitions() == []
    log_dir.create_partitions([NewPartition(KEYS[0], "t")])
    assert log_dir.open_partition(KEYS[0], CONFIG, now_ms=NOW_MS).log_end_offset == 0


@pytest.mark.parametrize("operation", ["append", "sync", "sync_directory"])
def test_a_disk_that_fails_during_creation_stops_the_broker(operation: str) -> None:
    files = MemoryFiles()
    log_dir = start(files)
    files.fail(operation, errno.EIO)
    with pytest.raises(LogFailure):
        log_dir.create_partitions([NewPartition(KEYS[0], "t")])


def test_used_bytes_count_open_and_unopened_partitions() -> None:
    files = MemoryFiles()
    log_dir = filled(files)
    used = log_dir.used_bytes
    assert used == sum(log.size_bytes for log in log_dir.open_logs().values())
    log_dir.close(is_clean=True)
    again = start(files)
    assert again.used_bytes == used
    ends(again)
    assert again.used_bytes == used
    again.delete_partitions(KEYS)
    assert again.used_bytes == 0


def test_partitions_are_opened_one_by_one_when_asked_for() -> None:
    files = MemoryFiles()
    log_dir = start(files)
    keys = [PartitionKey(UUID(int=9), i) for i in range(200)]
    log_dir.create_partitions([NewPartition(key, "wide") for key in keys])
    log_dir.close(is_clean=True)
    again = start(files)
    assert len(again.partitions()) == 200
    assert not again.open_logs()
    assert again.open_partition(keys[123], CONFIG, now_ms=NOW_MS).log_end_offset == 0
    assert len(again.open_logs()) == 1


@pytest.mark.parametrize("has_syncfs", [True, False])
def test_what_a_failed_sync_has_dropped_is_written_anew(has_syncfs: bool) -> None:
    """The page cache still shows it, and takes every later sync for a success (durability.md 2)."""
    files = MemoryFiles()
    files.has_syncfs = has_syncfs
    log_dir = filled(files)
    log = log_dir.open_partition(KEYS[3], CONFIG, now_ms=NOW_MS)
    append(log, client_batch([b"y" * 200]))
    files.fail("sync", errno.EIO)
    with pytest.raises(LogFailure) as failed:
        log.sync_ticket().run()
    log_dir.mark_failure(failed.value)
    files.kill()
    again = start(files)
    recover(again)
    assert ends(again)[3] == 5
    files.crash()
    last = start(files)
    recover(last)
    assert ends(last) == [1, 2, 3, 5, 5, 6]


def test_a_failed_sync_of_a_recovery_is_remembered_by_who_starts_it() -> None:
    files = MemoryFiles()
    log_dir = filled(files)
    append(log_dir.open_partition(KEYS[0], CONFIG, now_ms=NOW_MS), client_batch())
    files.kill()
    again = start(files)
    files.fail("sync", errno.EIO, ".log")
    with pytest.raises(LogFailure) as failed:
        recover(again)
    again.abandon(failed.value)
    last = start(files)
    assert last.is_distrusted
    recover(last)
    files.crash()
    final = start(files)
    recover(final)
    assert ends(final)[0] == 2
