"""A start that is told to stop: nothing is lost, and the directory is free again."""

import random
from pathlib import Path
from uuid import UUID

import pytest

from data_plane.broker.config import BrokerConfig, InitialVoter, PeerListenerConfig
from data_plane.broker.startup import StartAbandoned, open_broker, open_controller, open_log_dir
from data_plane.log.failures import DirectoryRefused
from data_plane.log.memory_files import MemoryFiles
from data_plane.metadata.records import BrokerListener
from data_plane.replication.executor import InlineExecutor
from tests.unit.data_plane.broker.world import World, batch_of, produced


def test_a_recovery_that_is_told_to_stop_ends_between_two_logs() -> None:
    world = World()
    world.create_topic("t", 3)
    asked = world.produce("t", batch_of(b"a", b"b"))
    world.settle()
    assert produced(asked).error_code == 0
    asked_to_stop: list[int] = []

    def is_stopped() -> bool:
        asked_to_stop.append(1)
        return len(asked_to_stop) == 2

    def crash(one: World) -> None:
        one.files.crash()
        with pytest.raises(StartAbandoned):
            open_broker(
                one.config,
                one.files,
                one.executor,
                listeners=(BrokerListener("PLAINTEXT", "broker.test", 9092),),
                rng=random.Random(6),
                now_ms=one.now_ms,
                boot_id="another boot",
                on_failure=one.failures.append,
                is_stopped=is_stopped,
            )

    world.restart(crash)
    assert len(asked_to_stop) == 2
    assert world.broker.partition("t", 0).log.log_end_offset == 2
    assert not world.failures


def test_a_voters_directory_is_no_broker_of_its_own() -> None:
    """Whoever runs one member of a cluster alone reads why that is refused, and harms nothing."""
    files, rng = MemoryFiles(), random.Random(7)
    ids = [UUID(int=one + 1) for one in range(3)]
    member = BrokerConfig(
        data_dir=Path("/data"),
        cluster_id="c",
        quorum_listener=PeerListenerConfig("unix:/q/0"),
        initial_voters=tuple(InitialVoter(at, ids[at], f"unix:/q/{at}") for at in range(3)),
        directory_id=ids[0],
    )
    member, log_dir = open_log_dir(member, files, rng=rng, boot_id="boot")
    voters = open_controller(member, files, log_dir, rng=rng).node.voters
    log_dir.close(is_clean=False)
    with pytest.raises(DirectoryRefused, match="of a cluster of several"):
        open_broker(
            BrokerConfig(data_dir=Path("/data")),
            files,
            InlineExecutor(),
            listeners=(BrokerListener("PLAINTEXT", "broker.test", 9092),),
            rng=rng,
            now_ms=1,
            boot_id="boot",
            on_failure=lambda _: None,
        )
    member, log_dir = open_log_dir(member, files, rng=rng, boot_id="boot")
    assert open_controller(member, files, log_dir, rng=rng).node.voters == voters
