"""Every admin call works on every broker, and its answer can be read there at once (KIP-590)."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages import alter_client_quotas as quotas
from data_plane.protocol.messages import alter_partition_reassignments as moves
from data_plane.protocol.messages import alter_user_scram_credentials as scram
from data_plane.protocol.messages import create_acls as acls
from data_plane.protocol.messages import create_partitions as growing
from data_plane.protocol.messages import create_topics as topics
from data_plane.protocol.messages import delete_acls as removed_acls
from data_plane.protocol.messages import describe_acls as seen_acls
from data_plane.protocol.messages import describe_client_quotas as seen_quotas
from data_plane.protocol.messages import describe_configs as seen_configs
from data_plane.protocol.messages import describe_user_scram_credentials as seen_scram
from data_plane.protocol.messages import incremental_alter_configs as configs
from data_plane.protocol.messages.delete_topics import (
    DeleteTopicsRequest,
    DeleteTopicsRequestTopic,
)
from data_plane.protocol.messages.describe_cluster import DescribeClusterRequest
from data_plane.protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumRequestPartition,
    DescribeQuorumRequestTopic,
)
from data_plane.protocol.messages.elect_leaders import (
    PREFERRED,
    ElectLeadersRequest,
    ElectLeadersRequestTopic,
)
from data_plane.protocol.messages.find_coordinator import FindCoordinatorRequest
from data_plane.protocol.messages.init_producer_id import InitProducerIdRequest
from data_plane.protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponseTopic,
)
from data_plane.protocol.messages.unregister_broker import UnregisterBrokerRequest
from data_plane.protocol.messages.update_features import (
    UpdateFeaturesRequest,
    UpdateFeaturesRequestFeature,
)
from tests.integration.data_plane.trio import BROKERS, Trio

EVERYWHERE = pytest.mark.parametrize("broker_id", BROKERS)


@pytest.fixture(scope="module")
def trio() -> Iterator[Trio]:
    with TemporaryDirectory(prefix="trio") as folder:
        trio = Trio(Path(folder), auto_create_topics=True)
        try:
            trio.start()
            yield trio
        finally:
            trio.stop()


def shown(trio: Trio, broker_id: int, name: str) -> MetadataResponseTopic:
    """The topic as one broker has it now; nobody is asked to create it."""
    request = MetadataRequest([MetadataRequestTopic(name=name)], allow_auto_topic_creation=False)
    (row,) = trio.ask(broker_id, request).topics
    assert isinstance(row, MetadataResponseTopic)
    return row


def create(trio: Trio, broker_id: int, name: str, partition_count: int = 1) -> None:
    asked = topics.CreateTopicsRequestTopic(name, partition_count, 3)
    (row,) = trio.ask(broker_id, topics.CreateTopicsRequest([asked])).topics
    assert row.error_code == ErrorCode.NONE, row
    assert row.replication_factor == 3


@EVERYWHERE
def test_topics(trio: Trio, broker_id: int) -> None:
    name = f"topic-{broker_id}"
    create(trio, broker_id, name, 2)
    row = shown(trio, broker_id, name)
    assert [sorted(each.isr_nodes) for each in row.partitions] == [[0, 1, 2]] * 2
    again = topics.CreateTopicsRequest([topics.CreateTopicsRequestTopic(name, 1, 3)])
    (row,) = trio.ask(broker_id, again).topics
    assert row.error_code == ErrorCode.TOPIC_ALREADY_EXISTS
    more = growing.CreatePartitionsRequest([growing.CreatePartitionsRequestTopic(name, 5)])
    assert trio.ask(broker_id, more).results[0].error_code == ErrorCode.NONE
    assert len(shown(trio, broker_id, name).partitions) == 5
    gone = DeleteTopicsRequest([DeleteTopicsRequestTopic(name)])
    assert trio.ask(broker_id, gone).responses[0].error_code == ErrorCode.NONE
    assert shown(trio, broker_id, name).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


@EVERYWHERE
def test_topics_that_are_named_are_created_from_anywhere(trio: Trio, broker_id: int) -> None:
    name = f"named-{broker_id}"
    request = MetadataRequest([MetadataRequestTopic(name=name)], allow_auto_topic_creation=True)
    (row,) = trio.ask(broker_id, request).topics
    assert row.error_code == ErrorCode.NONE, row
    assert shown(trio, broker_id, name).topic_id == row.topic_id


@EVERYWHERE
def test_configs_quotas_and_acls(trio: Trio, broker_id: int) -> None:
    name = f"configs-{broker_id}"
    create(trio, broker_id, name)
    change = configs.IncrementalAlterConfigsRequestConfig("retention.ms", configs.SET, "12345")
    resource = configs.IncrementalAlterConfigsRequestResource(2, name, [change])
    changed = trio.ask(broker_id, configs.IncrementalAlterConfigsRequest([resource]))
    assert changed.responses[0].error_code == ErrorCode.NONE
    wanted = seen_configs.DescribeConfigsRequestResource(2, name, ["retention.ms"])
    (found,) = trio.ask(broker_id, seen_configs.DescribeConfigsRequest([wanted])).results
    assert [(row.name, row.value) for row in found.configs] == [("retention.ms", "12345")]

    entity = [quotas.AlterClientQuotasRequestEntity("user", f"user-{broker_id}")]
    op = quotas.AlterClientQuotasRequestOp("producer_byte_rate", 5e9, remove=False)
    entry = quotas.AlterClientQuotasRequestEntry(entity, [op])
    changed = trio.ask(broker_id, quotas.AlterClientQuotasRequest([entry]))
    assert changed.entries[0].error_code == ErrorCode.NONE
    component = seen_quotas.DescribeClientQuotasRequestComponent("user", 0, f"user-{broker_id}")
    seen = trio.ask(broker_id, seen_quotas.DescribeClientQuotasRequest([component], strict=True))
    assert [row.values[0].value for row in seen.entries] == [5e9]

    creation = acls.CreateAclsRequestCreation(2, name, 3, f"User:{broker_id}", "*", 3, 3)
    created = trio.ask(broker_id, acls.CreateAclsRequest([creation]))
    assert created.results[0].error_code == ErrorCode.NONE
    request = seen_acls.DescribeAclsRequest(2, name, 3, None, None, 1, 1)
    (resource_row,) = trio.ask(broker_id, request).resources
    assert [row.principal for row in resource_row.acls] == [f"User:{broker_id}"]

    gone = removed_acls.DeleteAclsRequestFilter(2, name, 3)
    removed = trio.ask(broker_id, removed_acls.DeleteAclsRequest([gone]))
    assert len(removed.filter_results[0].matching_acls) == 1
    assert not trio.ask(broker_id, request).resources


@EVERYWHERE
def test_scram_credentials(trio: Trio, broker_id: int) -> None:
    """Set, seen, taken away and no longer seen, each on the same broker at once."""
    name = f"scram-{broker_id}"
    wanted = seen_scram.DescribeUserScramCredentialsRequest(
        [seen_scram.DescribeUserScramCredentialsRequestUser(name)]
    )
    new = scram.AlterUserScramCredentialsRequestUpsertion(name, 1, 4096, b"s" * 16, b"p" * 32)
    changed = trio.ask(broker_id, scram.AlterUserScramCredentialsRequest(upsertions=[new]))
    assert changed.results[0].error_code == ErrorCode.NONE
    (found,) = trio.ask(broker_id, wanted).results
    assert [(row.mechanism, row.iterations) for row in found.credential_infos] == [(1, 4096)]
    old = scram.AlterUserScramCredentialsRequestDeletion(name, 1)
    changed = trio.ask(broker_id, scram.AlterUserScramCredentialsRequest(deletions=[old]))
    assert changed.results[0].error_code == ErrorCode.NONE
    (found,) = trio.ask(broker_id, wanted).results
    assert found.error_code == ErrorCode.RESOURCE_NOT_FOUND


@EVERYWHERE
def test_a_partition_moves_and_its_preferred_replica_leads(trio: Trio, broker_id: int) -> None:
    name = f"moves-{broker_id}"
    create(trio, broker_id, name)
    replicas = list(shown(trio, broker_id, name).partitions[0].replica_nodes)
    target = replicas[::-1]
    partition = moves.AlterPartitionReassignmentsRequestPartition(0, target)
    topic = moves.AlterPartitionReassignmentsRequestTopic(name, [partition])
    moved = trio.ask(broker_id, moves.AlterPartitionReassignmentsRequest(topics=[topic]))
    assert moved.responses[0].partitions[0].error_code == ErrorCode.NONE
    request = ElectLeadersRequest(PREFERRED, [ElectLeadersRequestTopic(name, [0])])
    (elected,) = trio.ask(broker_id, request).replica_election_results
    assert elected.partition_result[0].error_code == ErrorCode.NONE
    assert shown(trio, broker_id, name).partitions[0].leader_id == target[0]


@EVERYWHERE
def test_cluster_and_quorum(trio: Trio, broker_id: int) -> None:
    described = trio.ask(broker_id, DescribeClusterRequest())
    assert [row.broker_id for row in described.brokers] == [0, 1, 2]
    assert described.controller_id == trio.controller_id(broker_id)
    asked = DescribeQuorumRequestTopic("__cluster_metadata", [DescribeQuorumRequestPartition(0)])
    (topic,) = trio.ask(broker_id, DescribeQuorumRequest([asked])).topics
    assert sorted(row.replica_id for row in topic.partitions[0].current_voters) == [0, 1, 2]
    unknown = trio.ask(broker_id, UnregisterBrokerRequest(99))
    assert unknown.error_code == ErrorCode.BROKER_ID_NOT_REGISTERED
    feature = UpdateFeaturesRequestFeature("group.version", 1)
    for version in (1, 2):  # v2 has no rows any more.
        kept = trio.ask(broker_id, UpdateFeaturesRequest(feature_updates=[feature]), version)
        assert kept.error_code == ErrorCode.NONE
        assert [row.error_code for row in kept.results] == [ErrorCode.NONE] * (2 - version)


def test_producer_ids_of_all_brokers_differ(trio: Trio) -> None:
    drawn = [
        trio.ask(broker_id, InitProducerIdRequest(None, 1_000)).producer_id
        for broker_id in BROKERS
        for _ in range(3)
    ]
    assert len(set(drawn)) == 9
    assert min(drawn) >= 0


def test_internal_topics_have_three_replicas_and_fifty_partitions(trio: Trio) -> None:
    coordinators = set()
    for broker_id in BROKERS:
        request = FindCoordinatorRequest(key_type=0, coordinator_keys=["g"])
        (row,) = trio.ask(broker_id, request).coordinators
        assert row.error_code == ErrorCode.NONE, row
        coordinators.add(row.node_id)
    assert len(coordinators) == 1
    topic = shown(trio, 0, "__consumer_offsets")
    assert [len(row.replica_nodes) for row in topic.partitions] == [3] * 50
