"""What each API asks for, after Kafka's published table of operations and resources.

One row per need: `request` uses nothing but the names below; `needs` are all that it must be
allowed; every one of them, taken away, is told by its `code`, or leaves its name out of `shown`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages import add_offsets_to_txn as add_offsets
from data_plane.protocol.messages import add_partitions_to_txn as add_partitions
from data_plane.protocol.messages import alter_client_quotas as alter_quotas
from data_plane.protocol.messages import (
    alter_configs,
    consumer_group_describe,
    consumer_group_heartbeat,
    create_acls,
    create_partitions,
    create_topics,
    delete_acls,
    delete_groups,
    delete_records,
    delete_topics,
    describe_acls,
    describe_client_quotas,
    describe_cluster,
    describe_configs,
    describe_groups,
    describe_log_dirs,
    describe_producers,
    describe_quorum,
    describe_transactions,
    elect_leaders,
    end_txn,
    fetch,
    find_coordinator,
    heartbeat,
    init_producer_id,
    join_group,
    leave_group,
    list_config_resources,
    list_groups,
    list_offsets,
    list_partition_reassignments,
    list_transactions,
    metadata,
    offset_commit,
    offset_delete,
    offset_fetch,
    offset_for_leader_epoch,
    produce,
    sync_group,
    txn_offset_commit,
    unregister_broker,
    update_features,
    write_txn_markers,
)
from data_plane.protocol.messages import alter_partition_reassignments as reassign
from data_plane.protocol.messages import alter_user_scram_credentials as alter_scram
from data_plane.protocol.messages import describe_topic_partitions as topic_pages
from data_plane.protocol.messages import describe_user_scram_credentials as describe_scram
from data_plane.protocol.messages import incremental_alter_configs as incremental
from data_plane.security.acls import CLUSTER_NAME, AclOperation, ResourceType
from tests.unit.data_plane.broker.world import batch_of

TOPIC, GROUP, PAYER = "orders", "billing", "payer"
O, R = AclOperation, ResourceType  # noqa: E741 - Kafka's word is Operation


@dataclass(frozen=True, slots=True)
class Need:
    """One operation on one resource, and the code that tells that it is not allowed.

    also: operations that Kafka lets do as well, so that nothing is said about them.
    """

    kind: ResourceType
    name: str
    operation: AclOperation
    code: int
    also: frozenset[AclOperation] = frozenset()


@dataclass(frozen=True, slots=True)
class Row:
    """One API asked in one way; shown: the names an answer lists, where hiding tells, no code."""

    label: str
    key: int
    version: int
    request: Callable[[], Any]
    needs: tuple[Need, ...] = ()
    shown: Callable[[Any], list[str | None]] | None = None


def topic(operation: AclOperation, code: int = ErrorCode.TOPIC_AUTHORIZATION_FAILED) -> Need:
    return Need(R.TOPIC, TOPIC, operation, code)


def group(operation: AclOperation) -> Need:
    return Need(R.GROUP, GROUP, operation, ErrorCode.GROUP_AUTHORIZATION_FAILED)


def payer(operation: AclOperation) -> Need:
    code = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    return Need(R.TRANSACTIONAL_ID, PAYER, operation, code)


def cluster(
    operation: AclOperation,
    code: int = ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    *also: AclOperation,
) -> Need:
    return Need(R.CLUSTER, CLUSTER_NAME, operation, code, frozenset(also))


TOPIC_FAILED = ErrorCode.TOPIC_AUTHORIZATION_FAILED


def produced() -> produce.ProduceRequest:
    rows = [produce.ProduceRequestPartition(0, batch_of(b"v"))]
    return produce.ProduceRequest(
        acks=1, topic_data=[produce.ProduceRequestTopic(TOPIC, partition_data=rows)]
    )


def fetched() -> fetch.FetchRequest:
    rows = [fetch.FetchRequestPartition(0, fetch_offset=0)]
    return fetch.FetchRequest(
        max_wait_ms=0, topics=[fetch.FetchRequestTopic(TOPIC, partitions=rows)]
    )


def committed() -> offset_commit.OffsetCommitRequest:
    rows = [offset_commit.OffsetCommitRequestPartition(0, 0)]
    return offset_commit.OffsetCommitRequest(
        GROUP, topics=[offset_commit.OffsetCommitRequestTopic(TOPIC, partitions=rows)]
    )


def offsets_fetched() -> offset_fetch.OffsetFetchRequest:
    rows = [offset_fetch.OffsetFetchRequestGroupTopic(TOPIC, partition_indexes=[0])]
    return offset_fetch.OffsetFetchRequest(
        groups=[offset_fetch.OffsetFetchRequestGroup(GROUP, topics=rows)]
    )


def txn_committed() -> txn_offset_commit.TxnOffsetCommitRequest:
    rows = [txn_offset_commit.TxnOffsetCommitRequestPartition(0, 0)]
    return txn_offset_commit.TxnOffsetCommitRequest(
        PAYER, GROUP, 0, 0, topics=[txn_offset_commit.TxnOffsetCommitRequestTopic(TOPIC, rows)]
    )


def topics_created() -> create_topics.CreateTopicsRequest:
    return create_topics.CreateTopicsRequest([create_topics.CreateTopicsRequestTopic(TOPIC, 1, 1)])


def acl_created() -> create_acls.CreateAclsRequest:
    return create_acls.CreateAclsRequest(
        [create_acls.CreateAclsRequestCreation(2, "t", 3, "User:x", "*", 3, 3)]
    )


def quorum() -> describe_quorum.DescribeQuorumRequest:
    rows = [describe_quorum.DescribeQuorumRequestPartition(0)]
    return describe_quorum.DescribeQuorumRequest(
        [describe_quorum.DescribeQuorumRequestTopic("__cluster_metadata", rows)]
    )


def marker() -> write_txn_markers.WriteTxnMarkersRequest:
    rows = [write_txn_markers.WriteTxnMarkersRequestTopic(TOPIC, [0])]
    return write_txn_markers.WriteTxnMarkersRequest(
        [write_txn_markers.WriteTxnMarkersRequestMarker(7, 0, False, rows, 0)]
    )


def quota_altered() -> alter_quotas.AlterClientQuotasRequest:
    entity = [alter_quotas.AlterClientQuotasRequestEntity("user", "somebody")]
    ops = [alter_quotas.AlterClientQuotasRequestOp("producer_byte_rate", 1e6)]
    entry = alter_quotas.AlterClientQuotasRequestEntry(entity, ops)
    return alter_quotas.AlterClientQuotasRequest([entry])


def incrementally(kind: int, name: str) -> incremental.IncrementalAlterConfigsRequest:
    return incremental.IncrementalAlterConfigsRequest(
        [incremental.IncrementalAlterConfigsRequestResource(kind, name)]
    )


def wholly(kind: int, name: str) -> alter_configs.AlterConfigsRequest:
    return alter_configs.AlterConfigsRequest(
        [alter_configs.AlterConfigsRequestResource(kind, name)]
    )


def configs_described(kind: int, name: str) -> describe_configs.DescribeConfigsRequest:
    return describe_configs.DescribeConfigsRequest(
        [describe_configs.DescribeConfigsRequestResource(kind, name)]
    )


def topics_shown(response: Any) -> list[str | None]:
    return [row.name for row in response.topics]


def groups_shown(response: Any) -> list[str | None]:
    return [row.group_id for row in response.groups]


TABLE: tuple[Row, ...] = (
    Row("Produce", 0, 9, produced, (topic(O.WRITE),)),
    Row("Fetch", 1, 12, fetched, (topic(O.READ),)),
    Row(
        "ListOffsets",
        2,
        8,
        lambda: list_offsets.ListOffsetsRequest(
            topics=[
                list_offsets.ListOffsetsRequestTopic(
                    TOPIC, [list_offsets.ListOffsetsRequestPartition(0)]
                )
            ]
        ),
        (topic(O.DESCRIBE),),
    ),
    Row(
        "Metadata of one",
        3,
        12,
        lambda: metadata.MetadataRequest([metadata.MetadataRequestTopic(name=TOPIC)]),
        (topic(O.DESCRIBE),),
    ),
    Row(
        "Metadata of all",
        3,
        12,
        lambda: metadata.MetadataRequest(None),
        (topic(O.DESCRIBE),),
        topics_shown,
    ),
    Row("OffsetCommit", 8, 9, committed, (group(O.READ), topic(O.READ))),
    Row("OffsetFetch", 9, 9, offsets_fetched, (group(O.DESCRIBE), topic(O.DESCRIBE))),
    Row(
        "FindCoordinator of a group",
        10,
        5,
        lambda: find_coordinator.FindCoordinatorRequest(key_type=0, coordinator_keys=[GROUP]),
        (group(O.DESCRIBE),),
    ),
    Row(
        "FindCoordinator of a transactional id",
        10,
        5,
        lambda: find_coordinator.FindCoordinatorRequest(key_type=1, coordinator_keys=[PAYER]),
        (payer(O.DESCRIBE),),
    ),
    Row(
        "JoinGroup",
        11,
        9,
        lambda: join_group.JoinGroupRequest(
            GROUP,
            10_000,
            10_000,
            protocol_type="consumer",
            protocols=[join_group.JoinGroupRequestProtocol("range")],
        ),
        (group(O.READ),),
    ),
    Row("Heartbeat", 12, 4, lambda: heartbeat.HeartbeatRequest(GROUP, 1, "m"), (group(O.READ),)),
    Row(
        "LeaveGroup",
        13,
        5,
        lambda: leave_group.LeaveGroupRequest(
            GROUP, members=[leave_group.LeaveGroupRequestMember("m")]
        ),
        (group(O.READ),),
    ),
    Row("SyncGroup", 14, 4, lambda: sync_group.SyncGroupRequest(GROUP, 1, "m"), (group(O.READ),)),
    Row(
        "DescribeGroups",
        15,
        5,
        lambda: describe_groups.DescribeGroupsRequest([GROUP]),
        (group(O.DESCRIBE),),
    ),
    Row(
        "ListGroups by group",
        16,
        5,
        list_groups.ListGroupsRequest,
        (group(O.DESCRIBE),),
        groups_shown,
    ),
    Row(
        "ListGroups by cluster",
        16,
        5,
        list_groups.ListGroupsRequest,
        (cluster(O.DESCRIBE),),
        groups_shown,
    ),
    Row("CreateTopics by cluster", 19, 7, topics_created, (cluster(O.CREATE, TOPIC_FAILED),)),
    Row("CreateTopics by topic", 19, 7, topics_created, (topic(O.CREATE),)),
    Row(
        "DeleteTopics",
        20,
        5,
        lambda: delete_topics.DeleteTopicsRequest(topic_names=[TOPIC]),
        (topic(O.DELETE),),
    ),
    Row(
        "DeleteRecords",
        21,
        2,
        lambda: delete_records.DeleteRecordsRequest(
            [
                delete_records.DeleteRecordsRequestTopic(
                    TOPIC, [delete_records.DeleteRecordsRequestPartition(0, 0)]
                )
            ]
        ),
        (topic(O.DELETE),),
    ),
    Row(
        "InitProducerId by cluster",
        22,
        5,
        init_producer_id.InitProducerIdRequest,
        (cluster(O.IDEMPOTENT_WRITE),),
    ),
    Row(
        "InitProducerId by any topic",
        22,
        5,
        init_producer_id.InitProducerIdRequest,
        (topic(O.WRITE, ErrorCode.CLUSTER_AUTHORIZATION_FAILED),),
    ),
    Row(
        "InitProducerId of a transactional id",
        22,
        5,
        lambda: init_producer_id.InitProducerIdRequest(PAYER),
        (payer(O.WRITE),),
    ),
    Row(
        "OffsetForLeaderEpoch",
        23,
        4,
        lambda: offset_for_leader_epoch.OffsetForLeaderEpochRequest(
            topics=[
                offset_for_leader_epoch.OffsetForLeaderEpochRequestTopic(
                    TOPIC,
                    [offset_for_leader_epoch.OffsetForLeaderEpochRequestPartition(0, -1, 0)],
                )
            ]
        ),
        (topic(O.DESCRIBE),),
    ),
    Row(
        "AddPartitionsToTxn",
        24,
        3,
        lambda: add_partitions.AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=PAYER,
            v3_and_below_producer_id=7,
            v3_and_below_producer_epoch=0,
            v3_and_below_topics=[add_partitions.AddPartitionsToTxnRequestTopic(TOPIC, [0])],
        ),
        (payer(O.WRITE), topic(O.WRITE)),
    ),
    Row(
        "AddOffsetsToTxn",
        25,
        3,
        lambda: add_offsets.AddOffsetsToTxnRequest(PAYER, 0, 0, GROUP),
        (payer(O.WRITE), group(O.READ)),
    ),
    Row("EndTxn", 26, 3, lambda: end_txn.EndTxnRequest(PAYER, 7, 0, True), (payer(O.WRITE),)),
    Row(
        "WriteTxnMarkers",
        27,
        1,
        marker,
        (cluster(O.CLUSTER_ACTION, ErrorCode.CLUSTER_AUTHORIZATION_FAILED, O.ALTER),),
    ),
    Row(
        "TxnOffsetCommit",
        28,
        3,
        txn_committed,
        (payer(O.WRITE), group(O.READ), topic(O.READ)),
    ),
    Row(
        "DescribeAcls",
        29,
        3,
        lambda: describe_acls.DescribeAclsRequest(1, None, 1, None, None, 1, 1),
        (cluster(O.DESCRIBE),),
    ),
    Row("CreateAcls", 30, 3, acl_created, (cluster(O.ALTER),)),
    Row(
        "DeleteAcls",
        31,
        3,
        lambda: delete_acls.DeleteAclsRequest(
            [delete_acls.DeleteAclsRequestFilter(2, "t", 3, "User:x", "*", 3, 3)]
        ),
        (cluster(O.ALTER),),
    ),
    Row(
        "DescribeConfigs of a topic",
        32,
        4,
        lambda: configs_described(2, TOPIC),
        (topic(O.DESCRIBE_CONFIGS),),
    ),
    Row(
        "DescribeConfigs of a broker",
        32,
        4,
        lambda: configs_described(4, "0"),
        (cluster(O.DESCRIBE_CONFIGS),),
    ),
    Row("AlterConfigs of a topic", 33, 2, lambda: wholly(2, TOPIC), (topic(O.ALTER_CONFIGS),)),
    Row("AlterConfigs of a broker", 33, 2, lambda: wholly(4, "0"), (cluster(O.ALTER_CONFIGS),)),
    Row(
        "DescribeLogDirs",
        35,
        4,
        describe_log_dirs.DescribeLogDirsRequest,
        (cluster(O.DESCRIBE),),
    ),
    Row(
        "CreatePartitions",
        37,
        3,
        lambda: create_partitions.CreatePartitionsRequest(
            [create_partitions.CreatePartitionsRequestTopic(TOPIC, 1)]
        ),
        (topic(O.ALTER),),
    ),
    Row(
        "DeleteGroups",
        42,
        2,
        lambda: delete_groups.DeleteGroupsRequest([GROUP]),
        (group(O.DELETE),),
    ),
    Row(
        "ElectLeaders",
        43,
        2,
        lambda: elect_leaders.ElectLeadersRequest(
            topic_partitions=[elect_leaders.ElectLeadersRequestTopic(TOPIC, [0])]
        ),
        (cluster(O.ALTER),),
    ),
    Row(
        "IncrementalAlterConfigs of a topic",
        44,
        1,
        lambda: incrementally(2, TOPIC),
        (topic(O.ALTER_CONFIGS),),
    ),
    Row(
        "IncrementalAlterConfigs of a broker",
        44,
        1,
        lambda: incrementally(4, "0"),
        (cluster(O.ALTER_CONFIGS),),
    ),
    Row(
        "AlterPartitionReassignments",
        45,
        0,
        lambda: reassign.AlterPartitionReassignmentsRequest(
            topics=[
                reassign.AlterPartitionReassignmentsRequestTopic(
                    TOPIC, [reassign.AlterPartitionReassignmentsRequestPartition(0, [0])]
                )
            ]
        ),
        (cluster(O.ALTER),),
    ),
    Row(
        "ListPartitionReassignments",
        46,
        0,
        list_partition_reassignments.ListPartitionReassignmentsRequest,
        (cluster(O.DESCRIBE),),
    ),
    Row(
        "OffsetDelete",
        47,
        0,
        lambda: offset_delete.OffsetDeleteRequest(
            GROUP,
            [
                offset_delete.OffsetDeleteRequestTopic(
                    TOPIC, [offset_delete.OffsetDeleteRequestPartition(0)]
                )
            ],
        ),
        (group(O.DELETE), topic(O.READ)),
    ),
    Row(
        "ConsumerGroupHeartbeat",
        68,
        1,
        lambda: consumer_group_heartbeat.ConsumerGroupHeartbeatRequest(
            GROUP,
            "m",
            rebalance_timeout_ms=1_000,
            subscribed_topic_names=[TOPIC],
            topic_partitions=[],
        ),
        (group(O.READ), topic(O.DESCRIBE)),
    ),
    Row(
        "ConsumerGroupDescribe",
        69,
        1,
        lambda: consumer_group_describe.ConsumerGroupDescribeRequest([GROUP]),
        (group(O.DESCRIBE),),
    ),
    Row(
        "DescribeClientQuotas",
        48,
        1,
        describe_client_quotas.DescribeClientQuotasRequest,
        (cluster(O.DESCRIBE_CONFIGS),),
    ),
    Row("AlterClientQuotas", 49, 1, quota_altered, (cluster(O.ALTER_CONFIGS),)),
    Row(
        "DescribeUserScramCredentials",
        50,
        0,
        describe_scram.DescribeUserScramCredentialsRequest,
        (cluster(O.DESCRIBE),),
    ),
    Row(
        "AlterUserScramCredentials",
        51,
        0,
        lambda: alter_scram.AlterUserScramCredentialsRequest(
            [alter_scram.AlterUserScramCredentialsRequestDeletion("nobody", 1)]
        ),
        (cluster(O.ALTER),),
    ),
    Row("DescribeQuorum", 55, 2, quorum, (cluster(O.DESCRIBE),)),
    Row("UpdateFeatures", 57, 1, update_features.UpdateFeaturesRequest, (cluster(O.ALTER),)),
    Row("DescribeCluster", 60, 1, describe_cluster.DescribeClusterRequest),
    Row(
        "DescribeProducers",
        61,
        0,
        lambda: describe_producers.DescribeProducersRequest(
            [describe_producers.DescribeProducersRequestTopic(TOPIC, [0])]
        ),
        (topic(O.READ),),
    ),
    Row(
        "UnregisterBroker",
        64,
        0,
        lambda: unregister_broker.UnregisterBrokerRequest(99),
        (cluster(O.ALTER),),
    ),
    Row(
        "DescribeTransactions",
        65,
        0,
        lambda: describe_transactions.DescribeTransactionsRequest([PAYER]),
        (payer(O.DESCRIBE),),
    ),
    Row(
        "ListTransactions",
        66,
        1,
        list_transactions.ListTransactionsRequest,
        (payer(O.DESCRIBE),),
        lambda response: [row.transactional_id for row in response.transaction_states],
    ),
    Row(
        "ListConfigResources",
        74,
        1,
        list_config_resources.ListConfigResourcesRequest,
        (cluster(O.DESCRIBE_CONFIGS),),
    ),
    Row(
        "DescribeTopicPartitions of one",
        75,
        0,
        lambda: topic_pages.DescribeTopicPartitionsRequest(
            [topic_pages.DescribeTopicPartitionsRequestTopic(TOPIC)]
        ),
        (topic(O.DESCRIBE),),
    ),
    Row(
        "DescribeTopicPartitions of all",
        75,
        0,
        topic_pages.DescribeTopicPartitionsRequest,
        (topic(O.DESCRIBE),),
        topics_shown,
    ),
)
