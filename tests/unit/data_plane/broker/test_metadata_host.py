"""A whole broker on in-memory files: what the metadata log promises, seen through its handlers."""

import errno
from pathlib import Path
from random import Random
from typing import Any

import pytest

from data_plane.broker.broker import DISK_INTERVAL_MS, Broker
from data_plane.broker.config import BrokerConfig
from data_plane.broker.context import RequestContext
from data_plane.broker.handlers import create_topics, metadata
from data_plane.broker.startup import open_broker
from data_plane.log.memory_files import MemoryFiles
from data_plane.metadata.records import BrokerListener
from data_plane.protocol.errors import ErrorCode, NotController
from data_plane.protocol.messages.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestTopic,
)
from data_plane.protocol.messages.metadata import MetadataRequest, MetadataResponse
from data_plane.protocol.schema import decode, encode
from data_plane.raft.durable import LOG_NAME
from data_plane.replication.executor import InlineExecutor
from data_plane.replication.waiting import Parked

ROOT = "User:CN=root,O=c1"
NOW_MS = 1_000_000


def opened(files: MemoryFiles, failures: list[BaseException]) -> Broker:
    config = BrokerConfig(data_dir=Path("/data"), cluster_id="c1", super_users=frozenset({ROOT}))
    return open_broker(
        config,
        files,
        InlineExecutor(),
        listeners=(BrokerListener("PLAINTEXT", "127.0.0.1", 9092),),
        rng=Random(1),
        now_ms=NOW_MS,
        boot_id="boot",
        on_failure=failures.append,
    )


def context(key: int) -> RequestContext:
    return RequestContext(ROOT, None, "127.0.0.1", key, 7, "PLAINTEXT", NOW_MS)


def create(broker: Broker, name: str) -> Any:
    """Ask for a topic and let the turn end; returns the response or the error."""
    request = CreateTopicsRequest([CreateTopicsRequestTopic(name, 1, 1)])
    answer = create_topics.handle(broker, context(19), request)
    broker.end_turn(NOW_MS)
    return answer.response if isinstance(answer, Parked) else answer


def names(broker: Broker) -> list[str]:
    ctx = context(3)
    answer = metadata.handle(broker, ctx, MetadataRequest(None))
    assert not isinstance(answer, Parked)
    response = decode(MetadataResponse, ctx.api_version, encode(answer, ctx.api_version))
    return [row.name or "" for row in response.topics]


def test_a_created_topic_is_there_after_the_answer_and_after_a_power_loss() -> None:
    files = MemoryFiles()
    failures: list[BaseException] = []
    broker = opened(files, failures)
    assert [row.error_code for row in create(broker, "flights").topics] == [0]
    assert names(broker) == ["flights"]
    epoch = broker.image.topics["flights"].partitions[0].leader_epoch
    files.crash(Random(2))
    again = opened(files, failures)
    assert names(again) == ["flights"]
    assert again.image.topics["flights"].partitions[0].leader_epoch == epoch + 1
    assert not failures


def test_a_full_disk_refuses_the_change_in_words_and_a_later_tick_takes_changes_again() -> None:
    files = MemoryFiles()
    failures: list[BaseException] = []
    broker = opened(files, failures)
    files.fail("append", errno.ENOSPC, LOG_NAME)
    refused = create(broker, "lost")
    assert isinstance(refused, NotController)
    with pytest.raises(NotController):
        create(broker, "refused")
    broker.tick(NOW_MS + DISK_INTERVAL_MS)
    assert [row.error_code for row in create(broker, "kept").topics] == [ErrorCode.NONE]
    assert names(broker) == ["kept"]
    files.crash()
    assert names(opened(files, failures)) == ["kept"]
    assert not failures


def test_a_failed_sync_of_the_metadata_ends_the_broker_and_promises_nothing() -> None:
    files = MemoryFiles()
    failures: list[BaseException] = []
    broker = opened(files, failures)
    files.fail("sync", errno.EIO, LOG_NAME)
    assert create(broker, "never") is None
    assert len(failures) == 1
    assert names(broker) == []
