"""Producer ids are never given twice, whatever happens to the log in between."""

import errno
import random
from collections.abc import Callable
from pathlib import PurePath
from typing import TypeVar

import pytest

from data_plane.broker.producer_id_blocks import ProducerIdBlocks
from data_plane.log.memory_files import MemoryFiles
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.producer_ids import BLOCK_SIZE
from data_plane.protocol.errors import KafkaError, NotController
from data_plane.protocol.messages.allocate_producer_ids import (
    AllocateProducerIdsRequest,
    AllocateProducerIdsResponse,
)
from data_plane.raft.durable import LOG_NAME
from data_plane.replication.peers import OnReply, PeerLost
from data_plane.replication.waiting import Parked
from tests.unit.data_plane.metadata.worlds import broker

R = TypeVar("R")


class Drawing:
    """Broker 1, whose own controller decides unless another one does."""

    def __init__(self, files: MemoryFiles) -> None:
        self.controller = Controller.open(
            files, PurePath("/data/meta"), voter_id=1, rng=random.Random(1)
        )
        if not self.controller.committed.brokers:
            self.decide(lambda _: Decision(None, [broker(1)]))
        self.peers = self
        self.elsewhere = False
        self.asked: list[tuple[int, AllocateProducerIdsRequest, OnReply]] = []
        self.blocks = ProducerIdBlocks(self, 1)

    @property
    def image(self) -> MetadataImage:
        return self.controller.committed

    @property
    def controller_id(self) -> int | None:
        return 2 if self.elsewhere else 1

    def decide(self, choose: Callable[[Controller], Decision[R]]) -> R | Parked:
        if getattr(self, "elsewhere", False):
            raise NotController
        decision = choose(self.controller)
        self.controller.append(decision.records)
        self.controller.drive()
        return decision.response

    def request(
        self, broker_id: int, request: object, on_reply: OnReply, *, timeout_ms: int
    ) -> None:
        assert isinstance(request, AllocateProducerIdsRequest)
        assert timeout_ms > 0
        self.asked.append((broker_id, request, on_reply))

    def forget(self, broker_id: int) -> None:
        raise AssertionError("only a broker hears of incarnations")

    def draw(self) -> int:
        drawn = self.blocks.draw()
        assert isinstance(drawn, int)
        return drawn


def test_ids_count_up_and_a_block_costs_one_record() -> None:
    drawing = Drawing(MemoryFiles())
    before = drawing.controller.next_offset
    assert [drawing.draw() for _ in range(BLOCK_SIZE)] == list(range(BLOCK_SIZE))
    assert drawing.controller.next_offset == before + 1
    assert drawing.draw() == BLOCK_SIZE
    assert drawing.controller.next_offset == before + 2


def test_a_restart_begins_a_new_block() -> None:
    files = MemoryFiles()
    assert Drawing(files).draw() == 0
    files.crash()
    assert Drawing(files).draw() == BLOCK_SIZE


def test_another_brokers_controller_is_asked_once_for_all_who_wait() -> None:
    drawing = Drawing(MemoryFiles())
    drawing.elsewhere = True
    waiting = [drawing.blocks.draw() for _ in range(3)]
    [(asked, request, on_reply)] = drawing.asked
    assert (asked, request.broker_id) == (2, 1)
    on_reply(AllocateProducerIdsResponse(producer_id_start=5_000, producer_id_len=2))
    answers = [one.response for one in waiting if isinstance(one, Parked)]
    assert answers[:2] == [5_000, 5_001]
    assert isinstance(answers[2], KafkaError), "the block was for two"


def test_a_controller_that_is_lost_is_told_to_who_waits() -> None:
    drawing = Drawing(MemoryFiles())
    drawing.elsewhere = True
    waiting = drawing.blocks.draw()
    drawing.asked[0][2](PeerLost("gone"))
    assert isinstance(waiting, Parked)
    assert isinstance(waiting.response, NotController)
    drawing.blocks.draw()
    assert len(drawing.asked) == 2, "the next one asks again"


@pytest.mark.parametrize("seed", range(20))
def test_no_id_is_told_twice(seed: int) -> None:
    """Restarts and full disks at random; every id that was told is told once."""
    rng = random.Random(seed)
    files = MemoryFiles()
    drawing = Drawing(files)
    told: list[int] = []
    for _ in range(400):
        if rng.random() < 0.02:
            files.crash(rng)
            drawing = Drawing(files)
        if rng.random() < 0.05:
            files.fail("append", errno.ENOSPC, LOG_NAME)
        try:
            told.append(drawing.draw())
        except NotController:
            files.faults.clear()
            drawing.controller.resume()
            drawing.controller.drive()
    assert len(set(told)) == len(told)
    assert told
