"""Whom SIGTERM tells to stop, with all others in the same moment, is left alone in no ISR."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from data_plane.metadata.topic_names import METADATA_TOPIC
from data_plane.protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumRequestPartition,
    DescribeQuorumRequestTopic,
)
from tests.integration.data_plane.broker_process import wait_until
from tests.integration.data_plane.kafka_clients import produce, read_all
from tests.integration.data_plane.trio import BROKERS, Trio

SECONDS_MAX = 120.0


@pytest.fixture
def trio(tmp_path: Path) -> Iterator[Trio]:
    """On one machine, as far as they know: there who has left an ISR is not eligible either."""
    made = Trio(tmp_path, node_id="node-0")
    yield made
    for each in made.processes.values():
        each.kill()


def are_in_sync(trio: Trio) -> bool:
    admin = AdminClient({"bootstrap.servers": trio.addresses, "log_level": 0})
    with suppress(KafkaException):
        partitions = admin.list_topics("t", timeout=30).topics["t"].partitions
        return [sorted(each.isrs) for each in partitions.values()] == [list(BROKERS)] * 3
    return False


def have_voters(trio: Trio, gone: set[str]) -> bool:
    """Each broker is one voter, and none of them is of a directory that is gone."""
    asked = DescribeQuorumRequestTopic(METADATA_TOPIC, [DescribeQuorumRequestPartition(0)])
    answer = trio.ask(0, DescribeQuorumRequest([asked]))
    voters = answer.topics[0].partitions[0].current_voters if not answer.error_code else []
    directories = {str(one.replica_directory_id) for one in voters}
    return sorted(one.replica_id for one in voters) == [*BROKERS] and gone.isdisjoint(directories)


@pytest.mark.timeout(600)
def test_whichever_directory_is_lost_while_all_are_stopped_nothing_is_lost(trio: Trio) -> None:
    """As test_cluster.py shows it of a supervisor, who says that all stop; here nobody does."""
    trio.start()
    admin = AdminClient({"bootstrap.servers": trio.addresses})
    admin.create_topics([NewTopic("t", 3, 3)])["t"].result(30)
    for partition in range(3):
        produce(trio.addresses, "t", [b"kept"], partition)
    gone: set[str] = set()
    for lost in BROKERS:
        wait_until(partial(are_in_sync, trio), "all in sync")
        wait_until(partial(have_voters, trio, gone), "a voter for the one that was lost")
        assert trio.stop_at_once(last=lost) == [0, 0, 0]
        gone.add(trio.lose_directory(lost))
        trio.start()
        values = [one.value() for one in read_all(trio.addresses, "t", 3, 3, SECONDS_MAX)]
        assert values == [b"kept"] * 3, f"broker {lost} has lost its directory"
