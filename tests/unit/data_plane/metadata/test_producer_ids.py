"""Producer ids are never given twice, whatever happens to the log in between."""

import errno
import random
from pathlib import PurePath

import pytest

from data_plane.log.memory_files import MemoryFiles
from data_plane.metadata.controller import Controller
from data_plane.metadata.producer_ids import BLOCK_SIZE
from data_plane.protocol.errors import NotController
from data_plane.raft.durable import LOG_NAME


def opened(files: MemoryFiles) -> Controller:
    return Controller.open(files, PurePath("/data/meta"), voter_id=1, rng=random.Random(1))


def draw(controller: Controller) -> int:
    """Draw one id and wait until it may be told. Raises NotController if it never may."""
    decision = controller.producer_ids.decide_next(controller.image, broker_id=1, broker_epoch=0)
    controller.append(decision.records)
    controller.drive()
    return decision.response


def test_ids_count_up_and_a_block_costs_one_record() -> None:
    controller = opened(MemoryFiles())
    before = controller.next_offset
    assert [draw(controller) for _ in range(BLOCK_SIZE)] == list(range(BLOCK_SIZE))
    assert controller.next_offset == before + 1
    assert draw(controller) == BLOCK_SIZE
    assert controller.next_offset == before + 2


def test_a_restart_begins_a_new_block() -> None:
    files = MemoryFiles()
    assert draw(opened(files)) == 0
    files.crash()
    assert draw(opened(files)) == BLOCK_SIZE


@pytest.mark.parametrize("seed", range(20))
def test_no_id_is_told_twice(seed: int) -> None:
    """Restarts and full disks at random; every id that was told is told once."""
    rng = random.Random(seed)
    files = MemoryFiles()
    controller = opened(files)
    told: list[int] = []
    for _ in range(400):
        if rng.random() < 0.02:
            files.crash(rng)
            controller = opened(files)
        if rng.random() < 0.05:
            files.fail("append", errno.ENOSPC, LOG_NAME)
        try:
            told.append(draw(controller))
        except NotController:
            files.faults.clear()
            controller.resume()
            controller.drive()
    assert len(set(told)) == len(told)
    assert told
