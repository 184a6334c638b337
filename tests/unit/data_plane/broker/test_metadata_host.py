"""Answers leave when their record is committed; a full disk fails them and costs no hot loop."""

import errno
from collections.abc import Sequence
from pathlib import PurePath
from random import Random
from typing import Any

import pytest

from data_plane.broker.metadata_host import MetadataHost
from data_plane.log.memory_files import MemoryFiles
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import TopicRecord
from data_plane.protocol.errors import NotController
from data_plane.raft.durable import LOG_NAME
from data_plane.replication.executor import Done, Work
from data_plane.replication.waiting import Parked


class LaterExecutor:
    """Keeps work until the test runs it."""

    def __init__(self) -> None:
        self.kept: list[tuple[Sequence[Work], Done]] = []

    def submit(self, work: Sequence[Work], done: Done) -> None:
        self.kept.append((work, done))

    def run(self) -> None:
        kept, self.kept = self.kept, []
        for work, done in kept:
            error: BaseException | None = None
            try:
                for one in work:
                    one()
            except Exception as caught:
                error = caught
            done(error)


class World:
    def __init__(self) -> None:
        self.files = MemoryFiles()
        self.executor = LaterExecutor()
        self.images: list[MetadataImage] = []
        self.failures: list[BaseException] = []
        self.host = MetadataHost(
            Controller.open(self.files, PurePath("/data/meta"), voter_id=1, rng=Random(1)),
            self.executor,
            on_image=lambda _, after: self.images.append(after),
            on_committed=lambda: None,
            on_failure=self.failures.append,
        )

    def turn(self) -> None:
        self.host.pump()

    def create(self, name: str) -> Parked:
        record = TopicRecord(name, self.host.controller.new_id())
        parked: Any = self.host.propose(Decision(name, [record]))
        assert isinstance(parked, Parked)
        return parked


def test_an_answer_leaves_after_the_image_it_speaks_of() -> None:
    world = World()
    parked = world.create("a")
    told: list[bool] = []
    parked.when_done(lambda _: told.append("a" in world.images[-1].topics))
    world.turn()
    assert not parked.is_done
    world.executor.run()
    assert parked.response == "a"
    assert told == [True]


def test_decisions_made_during_a_persist_share_the_next() -> None:
    world = World()
    first = world.create("a")
    world.turn()
    others = [world.create(name) for name in "bcd"]
    world.turn()
    assert len(world.executor.kept) == 1
    world.executor.run()
    assert first.is_done
    assert not any(parked.is_done for parked in others)
    world.executor.run()
    assert [parked.response for parked in others] == ["b", "c", "d"]


def test_a_decision_without_records_waits_for_those_before_it() -> None:
    world = World()
    world.create("a")
    reading: Any = world.host.propose(Decision("seen"))
    assert isinstance(reading, Parked)
    world.turn()
    world.executor.run()
    assert reading.response == "seen"
    assert world.host.propose(Decision("at once")) == "at once"


def test_a_full_disk_fails_who_waits_and_is_tried_again_only_on_retry() -> None:
    world = World()
    lost = world.create("lost")
    world.files.fail("append", errno.ENOSPC, LOG_NAME)
    world.turn()
    world.executor.run()
    assert isinstance(lost.response, NotController)
    for _ in range(3):
        world.turn()
    assert not world.executor.kept, "each try writes, so turns must not try"
    with pytest.raises(NotController):
        world.create("refused")
    world.host.retry()
    world.turn()
    world.executor.run()
    kept = world.create("kept")
    world.turn()
    world.executor.run()
    assert kept.response == "kept"
    assert list(world.images[-1].topics) == ["kept"]
    assert not world.failures


def test_any_other_failure_of_the_disk_ends_the_broker() -> None:
    world = World()
    parked = world.create("a")
    world.files.fail("sync", errno.EIO, LOG_NAME)
    world.turn()
    world.executor.run()
    assert len(world.failures) == 1
    assert not parked.is_done
    assert not world.images
