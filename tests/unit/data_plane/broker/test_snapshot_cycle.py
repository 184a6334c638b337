"""The metadata log under a running broker: cut when long, and safe whenever power fails."""

import errno
from pathlib import PurePath
from random import Random

import pytest

from data_plane.broker.config import Limits
from data_plane.broker.metadata_host import MetadataHost
from data_plane.log.memory_files import MemoryFiles, PowerCut
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import ConfigRecord
from data_plane.raft.durable import LOG_NAME, RaftDisk
from data_plane.raft.snapshot import SNAPSHOT_NAME
from data_plane.replication.waiting import Parked
from tests.unit.data_plane.broker.world import HeldExecutor, World

DIRECTORY = PurePath("/data/metadata")
LOG_BYTES_MAX = 300


class Quorum:
    """A metadata host on memory files; what it answered is remembered as promised."""

    def __init__(self, files: MemoryFiles, log_bytes_max: int = LOG_BYTES_MAX) -> None:
        self.executor = HeldExecutor()
        self.failures: list[BaseException] = []
        self.promised: dict[str, str] = {}
        self.controller = Controller.open(files, DIRECTORY, voter_id=1, rng=Random(1))
        self.host = MetadataHost(
            self.controller,
            self.executor,
            on_image=lambda before, after: None,
            on_committed=lambda: None,
            on_failure=self.failures.append,
            log_bytes_max=log_bytes_max,
        )

    def set(self, name: str, value: str) -> Parked:
        answer = self.host.decide(lambda _: Decision("ok", [ConfigRecord(4, "", name, value)]))
        assert isinstance(answer, Parked)
        answer.when_done(lambda said: self.promised.update({name: value} if said == "ok" else {}))
        self.host.pump()
        return answer

    @property
    def configs(self) -> dict[str, str]:
        return configs_of(self.controller.committed)


def configs_of(image: MetadataImage) -> dict[str, str]:
    return dict(image.broker_configs(None))


def work(quorum: Quorum) -> None:
    """Forty changes of five keys: a log many times its limit."""
    for number in range(40):
        quorum.set(f"key {number % 5}", f"value {number}")


def test_the_log_stays_short_and_nothing_is_lost() -> None:
    files = MemoryFiles()
    quorum = Quorum(files)
    work(quorum)
    assert files.size_bytes(DIRECTORY / LOG_NAME) < 2 * LOG_BYTES_MAX
    assert not quorum.failures
    files.crash()
    again = Quorum(files)
    assert again.configs == quorum.configs == {f"key {n}": f"value {35 + n}" for n in range(5)}
    again.set("key 0", "after the restart")
    assert again.configs["key 0"] == "after the restart"


def changes_of_a_run() -> int:
    files = MemoryFiles()
    work(Quorum(files))
    return files.changes


@pytest.mark.parametrize("changes_max", range(changes_of_a_run()))
def test_power_fails_at_any_change_of_the_disk(changes_max: int) -> None:
    """Every append, truncate, sync, rename and directory sync of a run with several snapshots.

    What had been answered is there again, nothing is there that was not asked for, and the log can
    be written and cut further. One case: -k "[<change>]".
    """
    files = MemoryFiles()
    files.changes_max = changes_max
    quorum = None
    try:
        quorum = Quorum(files)
        work(quorum)
    except PowerCut:
        pass
    files.crash(Random(changes_max))
    again = Quorum(files)
    found = again.configs
    for name, value in (quorum.promised if quorum else {}).items():
        assert int(found[name].split()[1]) >= int(value.split()[1])
    work(again)
    assert again.configs == {f"key {n}": f"value {35 + n}" for n in range(5)}
    assert not again.failures


def test_changes_go_on_while_a_snapshot_is_written() -> None:
    files = MemoryFiles()
    quorum = Quorum(files)
    quorum.executor.is_held = True
    for number in range(9):
        quorum.set("key", f"value {number}")
        work_done, quorum.executor.waiting = quorum.executor.waiting, []
        # Persists are carried out at once, the snapshot's thread is slow.
        for job, done in work_done:
            if getattr(job[0], "__name__", "") == "write":
                quorum.executor.waiting.append((job, done))
            else:
                job[0]()
                done(None)
    assert quorum.configs == {"key": "value 8"}
    assert not files.exists(DIRECTORY / SNAPSHOT_NAME)
    quorum.executor.run()
    assert files.exists(DIRECTORY / SNAPSHOT_NAME)
    assert quorum.controller.disk.log_bytes > 0, "what came meanwhile is behind the snapshot"
    files.crash()
    assert Quorum(files).configs == {"key": "value 8"}


def test_what_is_asked_during_a_cut_waits_for_it() -> None:
    files = MemoryFiles()
    quorum = Quorum(files)
    quorum.executor.is_held = True
    for _ in range(40):
        if files.exists(DIRECTORY / SNAPSHOT_NAME):
            break
        quorum.set("key", f"value {quorum.controller.next_offset}")
        job, done = quorum.executor.waiting.pop(0)
        job[0]()
        done(None)
    quorum.set("key", "value 2")
    assert len(quorum.executor.waiting) == 1, "the cut alone"
    assert quorum.promised["key"] != "value 2"
    quorum.executor.run()
    assert quorum.promised["key"] == "value 2"
    files.crash()
    assert Quorum(files).configs == {"key": "value 2"}


@pytest.mark.parametrize(
    ("operation", "path_part"), [("append", "snapshot.tmp"), ("sync", "entries.log.tmp")]
)
def test_no_room_for_a_snapshot_puts_it_off_and_stops_nothing(
    operation: str, path_part: str
) -> None:
    files = MemoryFiles()
    quorum = Quorum(files)
    files.fail(operation, errno.ENOSPC, path_part, bytes_before=3)
    quorum.set("other", "value 0")
    for number in range(10):
        quorum.set("key", f"value {number}")
    assert not files.faults, "the disk was full once"
    assert not quorum.failures
    work(quorum)
    assert files.exists(DIRECTORY / SNAPSHOT_NAME)
    assert quorum.controller.disk.log_bytes < 3 * LOG_BYTES_MAX
    files.crash()
    assert Quorum(files).configs == quorum.configs


@pytest.mark.parametrize("path_part", ["snapshot.tmp", "entries.log.tmp"])
def test_a_failed_sync_ends_the_broker(path_part: str) -> None:
    files = MemoryFiles()
    quorum = Quorum(files)
    files.fail("sync", errno.EIO, path_part)
    for number in range(20):
        quorum.set("key", f"value {number}")
        if quorum.failures:
            break
    assert len(quorum.failures) == 1
    files.crash()
    assert Quorum(files).configs.items() >= quorum.promised.items()


def test_a_whole_broker_starts_from_snapshot_and_tail() -> None:
    world = World(limits=Limits(metadata_log_bytes_max=500))
    for number in range(12):
        world.create_topic(f"topic {number}".replace(" ", "-"), 2)
    world.settle()
    before = world.broker.image
    assert world.files.exists(DIRECTORY / SNAPSHOT_NAME)
    world.restart(lambda ending: ending.files.crash(Random(3)))
    after = world.broker.image
    assert list(after.topics) == list(before.topics)
    assert after.topic_names == before.topic_names
    assert not world.failures
    disk = RaftDisk(world.files, DIRECTORY)
    disk.load()
    assert disk.snapshot is not None
