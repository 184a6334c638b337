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
    (0, "Produce", range(12), 9, "produce"),
    (1, "Fetch", range(4, 13), 12, "fetch"),
    (2, "ListOffsets", range(1, 9), 6, "list_offsets"),
    (3, "Metadata", range(13), 9, "metadata"),
    (8, "OffsetCommit", range(2, 10), 8, "offset_commit"),
    (9, "OffsetFetch", range(1, 10), 6, "offset_fetch"),
    (10, "FindCoordinator", range(6), 3, "find_coordinator"),
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
    (22, "InitProducerId", range(6), 2, "init_producer_id"),
    (29, "DescribeAcls", range(1, 4), 2, "describe_acls"),
    (30, "CreateAcls", range(1, 4), 2, "create_acls"),
    (31, "DeleteAcls", range(1, 4), 2, "delete_acls"),
    (32, "DescribeConfigs", range(5), 4, "describe_configs"),
    (36, "SaslAuthenticate", range(3), 2, "sasl_authenticate"),
    (37, "CreatePartitions", range(4), 2, "create_partitions"),
    (42, "DeleteGroups", range(3), 2, "delete_groups"),
    (44, "IncrementalAlterConfigs", range(2), 1, "incremental_alter_configs"),
    (47, "OffsetDelete", range(1), NEVER, "offset_delete"),
    (60, "DescribeCluster", range(2), 0, "describe_cluster"),
)

API_KEYS: Final[dict[int, ApiSpec]] = {row[0]: ApiSpec(*row) for row in _TABLE}
