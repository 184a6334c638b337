"""A stop whose last sync fails after the time to drain is over leaves no clean mark."""

import asyncio
import errno
import threading
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from random import Random

import pytest

from data_plane.broker.broker import Broker
from data_plane.broker.config import BrokerConfig
from data_plane.broker.startup import open_broker
from data_plane.log import restart
from data_plane.log.failures import LogFailure
from data_plane.log.memory_files import MemoryFile, MemoryFiles
from data_plane.metadata.records import BrokerListener
from data_plane.replication.executor import Done, Executor, InlineExecutor, Work
from data_plane.server import process
from data_plane.server.executor import ThreadExecutor
from data_plane.server.listener import Connections
from data_plane.server.process import BrokerProcess
from data_plane.server.ticker import Ticker
from data_plane.server.turns import Turns
from tests.factories.record_batches import NOW_MS as BATCH_MS
from tests.factories.record_batches import client_batch
from tests.unit.data_plane.broker.test_metadata_host import NOW_MS, ROOT, create

DATA = PurePath("/data")


class Doing:
    """What a broker submits, done at once until there are threads."""

    def __init__(self) -> None:
        self.by: Executor = InlineExecutor()

    def submit(self, work: Sequence[Work], done: Done) -> None:
        self.by.submit(work, done)


class Stopping:
    """One broker with a record under way to a disk that takes its time."""

    def __init__(self, *, fails: bool) -> None:
        self.files = MemoryFiles()
        self.failures: list[BaseException] = []
        self._released = threading.Event()
        self._fails = fails

    def slow_sync(self) -> Callable[[MemoryFile], None]:
        """In the place of MemoryFile.sync: that of a partition's log waits a while."""

        def sync(file: MemoryFile) -> None:
            if file.path.suffix == ".log" and "metadata" not in file.path.parts:
                self._released.wait(10)
                if self._fails:
                    self._fails = False  # As a kernel does: the next sync tells of nothing.
                    file.drop()
                    raise OSError(errno.EIO, "Input/output error")
            file.make_durable()

        return sync

    async def stop(self) -> None:
        loop = asyncio.get_running_loop()
        config = BrokerConfig(
            data_dir=Path("/data"), cluster_id="c1", super_users=frozenset({ROOT})
        )
        executor, doing = ThreadExecutor(loop), Doing()
        broker = open_broker(
            config,
            self.files,
            doing,
            listeners=(BrokerListener("PLAINTEXT", "127.0.0.1", 9092),),
            rng=Random(1),
            now_ms=NOW_MS,
            boot_id="boot",
            on_failure=self.failures.append,
        )
        running = BrokerProcess(config)
        running._connections = Connections(config.limits, loop)
        turns = Turns(broker, running._clock)
        executor.after = turns.end
        create(broker, "t")
        doing.by = executor
        self._append(broker, turns)
        threading.Timer(0.3, self._released.set).start()
        await running._close(broker, turns, Ticker(turns, loop), executor)

    def _append(self, broker: Broker, turns: Turns) -> None:
        partition = broker.partition("t", 0)
        partition.append(client_batch(), now_ms=BATCH_MS)
        broker.mark_dirty(partition)
        turns.end()


@pytest.mark.parametrize("fails", [True, False])
def test_a_sync_that_ends_behind_the_draining_decides(
    fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = Stopping(fails=fails)
    monkeypatch.setattr(process, "CLOSING_SECONDS_MAX", 0.05)
    monkeypatch.setattr(MemoryFile, "sync", stopping.slow_sync())
    asyncio.run(stopping.stop())
    assert [type(each) for each in stopping.failures] == ([LogFailure] if fails else [])
    assert stopping.files.exists(DATA / restart.CLEAN_NAME) is not fails
