"""The plain table of API keys; a message module is imported at the first use of its key.

`versions` is what the broker advertises once it has a handler for the key: exactly what is
implemented (kafka-protocol.md 1.1). Declarations may reach further, for peers.
"""

import importlib
from dataclasses import dataclass
from typing import Any, Final

NEVER: Final = 1 << 15  # No version of this API is flexible.
API_VERSIONS: Final = 18


@dataclass(frozen=True, slots=True)
class ApiSpec:
    """One API key: Kafka's name for it, its versions, and where its messages are declared."""

    key: int
    name: str
    versions: range
    flexible_from: int
    module: str

    @property
    def request(self) -> type[Any]:
        """The request dataclass."""
        return self._message("Request")

    @property
    def response(self) -> type[Any]:
        """The response dataclass."""
        return self._message("Response")

    def _message(self, kind: str) -> type[Any]:
        module = importlib.import_module(f"data_plane.protocol.messages.{self.module}")
        found: type[Any] = getattr(module, self.name + kind)
        return found


# key, name, versions, flexible from, message module
_TABLE: tuple[tuple[int, str, range, int, str], ...] = (
    # Produce says 0: without it librdkafka turns compression off (KAFKA-18659); 0-2 are refused.
    (0, "Produce", range(14), 9, "produce"),
    (1, "Fetch", range(4, 19), 12, "fetch"),
    (2, "ListOffsets", range(1, 12), 6, "list_offsets"),
    (3, "Metadata", range(14), 9, "metadata"),
    (8, "OffsetCommit", range(2, 11), 8, "offset_commit"),
    (9, "OffsetFetch", range(1, 11), 6, "offset_fetch"),
    (10, "FindCoordinator", range(7), 3, "find_coordinator"),
    (11, "JoinGroup", range(10), 6, "join_group"),
    (12, "Heartbeat", range(5), 4, "heartbeat"),
    (13, "LeaveGroup", range(6), 4, "leave_group"),
    (14, "SyncGroup", range(6), 4, "sync_group"),
    (15, "DescribeGroups", range(7), 5, "describe_groups"),
    (16, "ListGroups", range(6), 3, "list_groups"),
    (17, "SaslHandshake", range(2), NEVER, "sasl_handshake"),
    (18, "ApiVersions", range(5), 3, "api_versions"),
    (19, "CreateTopics", range(8), 5, "create_topics"),
    (20, "DeleteTopics", range(7), 4, "delete_topics"),
    (21, "DeleteRecords", range(3), 2, "delete_records"),
    (22, "InitProducerId", range(6), 2, "init_producer_id"),
    (23, "OffsetForLeaderEpoch", range(2, 5), 4, "offset_for_leader_epoch"),
    # Clients stop at 3; 4 and 5 are between brokers.
    (24, "AddPartitionsToTxn", range(4), 3, "add_partitions_to_txn"),
    (25, "AddOffsetsToTxn", range(5), 3, "add_offsets_to_txn"),
    # 5 only under transaction.version 2, here and in TxnOffsetCommit; Produce 12 likewise.
    (26, "EndTxn", range(6), 3, "end_txn"),
    (27, "WriteTxnMarkers", range(1, 2), 1, "write_txn_markers"),
    (28, "TxnOffsetCommit", range(6), 3, "txn_offset_commit"),
    (29, "DescribeAcls", range(1, 4), 2, "describe_acls"),
    (30, "CreateAcls", range(1, 4), 2, "create_acls"),
    (31, "DeleteAcls", range(1, 4), 2, "delete_acls"),
    (32, "DescribeConfigs", range(5), 4, "describe_configs"),
    (33, "AlterConfigs", range(3), 2, "alter_configs"),
    (35, "DescribeLogDirs", range(1, 5), 2, "describe_log_dirs"),
    (36, "SaslAuthenticate", range(3), 2, "sasl_authenticate"),
    (37, "CreatePartitions", range(4), 2, "create_partitions"),
    (42, "DeleteGroups", range(3), 2, "delete_groups"),
    (43, "ElectLeaders", range(3), 2, "elect_leaders"),
    (44, "IncrementalAlterConfigs", range(2), 1, "incremental_alter_configs"),
    (45, "AlterPartitionReassignments", range(2), 0, "alter_partition_reassignments"),
    (46, "ListPartitionReassignments", range(1), 0, "list_partition_reassignments"),
    (47, "OffsetDelete", range(1), NEVER, "offset_delete"),
    (48, "DescribeClientQuotas", range(2), 1, "describe_client_quotas"),
    (49, "AlterClientQuotas", range(2), 1, "alter_client_quotas"),
    (50, "DescribeUserScramCredentials", range(1), 0, "describe_user_scram_credentials"),
    (51, "AlterUserScramCredentials", range(1), 0, "alter_user_scram_credentials"),
    (55, "DescribeQuorum", range(3), 0, "describe_quorum"),
    (56, "AlterPartition", range(2, 4), 2, "alter_partition"),
    (57, "UpdateFeatures", range(3), 0, "update_features"),
    (58, "Envelope", range(1), 0, "envelope"),
    (60, "DescribeCluster", range(2), 0, "describe_cluster"),
    (61, "DescribeProducers", range(1), 0, "describe_producers"),
    (62, "BrokerRegistration", range(4, 5), 4, "broker_registration"),
    (63, "BrokerHeartbeat", range(1, 2), 1, "broker_heartbeat"),
    (64, "UnregisterBroker", range(1), 0, "unregister_broker"),
    (65, "DescribeTransactions", range(1), 0, "describe_transactions"),
    # 2 has a regular expression of the client's in it.
    (66, "ListTransactions", range(2), 0, "list_transactions"),
    (67, "AllocateProducerIds", range(1), 0, "allocate_producer_ids"),
    (68, "ConsumerGroupHeartbeat", range(2), 0, "consumer_group_heartbeat"),
    (69, "ConsumerGroupDescribe", range(2), 0, "consumer_group_describe"),
    (74, "ListConfigResources", range(2), 0, "list_config_resources"),
    (75, "DescribeTopicPartitions", range(1), 0, "describe_topic_partitions"),
)

# Between brokers: neither advertised nor answered where clients come in.
INTERNAL_KEYS: Final = frozenset({56, 58, 62, 63, 67})

# Versions that brokers speak among themselves, in the newest: of 24 clients are offered others, and
# what is newer in 1 and 10 says nothing to them, and would be lost on a broker not updated yet.
VERSIONS_AMONG_BROKERS: Final = {
    1: range(4, 18),
    10: range(6),
    24: range(4, 6),
    27: range(1, 3),  # 2 tells the transaction version (KIP-1228)
}

# Level of `ottla.version` -> key -> the first version that only brokers of that level speak. A
# cluster in the middle of an upgrade stays below it (durability.md 9).
SPOKEN_FROM_LEVEL: Final[dict[int, dict[int, int]]] = {2: {27: 2}}


def versions_among_brokers(api_key: int, level: int) -> range:
    """What brokers may speak where `ottla.version` is at this level, the newest last."""
    spoken = VERSIONS_AMONG_BROKERS.get(api_key)
    if spoken is None:
        return API_KEYS[api_key].versions
    newer = [
        first[api_key] for at, first in SPOKEN_FROM_LEVEL.items() if at > level and api_key in first
    ]
    return range(spoken.start, min([spoken.stop, *newer]))


API_KEYS: Final[dict[int, ApiSpec]] = {row[0]: ApiSpec(*row) for row in _TABLE}
