"""One file per API key. Each has the same header and the same signature:

    API_KEY, VERSIONS = 12, range(0, 5)
    def handle(broker: Broker, ctx: RequestContext, request: XRequest) -> XResponse | Parked: ...

A handler may also define `error_response(request, error: KafkaError) -> XResponse`, used
for a KafkaError it raised where the response has no `error_code` field at its top. Produce and
Fetch say IS_RAW: they get the body as a memoryview and answer with buffers (performance.md 12).
A module is imported at the first use of its key.
"""

from functools import cache
from importlib import import_module
from types import ModuleType

HANDLERS: dict[int, str] = {  # API key -> module of this package
    0: "produce",
    1: "fetch",
    2: "list_offsets",
    3: "metadata",
    8: "offset_commit",
    9: "offset_fetch",
    10: "find_coordinator",
    11: "join_group",
    12: "heartbeat",
    13: "leave_group",
    14: "sync_group",
    15: "describe_groups",
    16: "list_groups",
    17: "sasl_handshake",
    18: "api_versions",
    19: "create_topics",
    20: "delete_topics",
    21: "delete_records",
    22: "init_producer_id",
    23: "offset_for_leader_epoch",
    24: "add_partitions_to_txn",
    25: "add_offsets_to_txn",
    26: "end_txn",
    27: "write_txn_markers",
    28: "txn_offset_commit",
    29: "describe_acls",
    30: "create_acls",
    31: "delete_acls",
    32: "describe_configs",
    33: "alter_configs",
    35: "describe_log_dirs",
    36: "sasl_authenticate",
    37: "create_partitions",
    42: "delete_groups",
    43: "elect_leaders",
    44: "incremental_alter_configs",
    45: "alter_partition_reassignments",
    46: "list_partition_reassignments",
    47: "offset_delete",
    48: "describe_client_quotas",
    49: "alter_client_quotas",
    50: "describe_user_scram_credentials",
    51: "alter_user_scram_credentials",
    55: "describe_quorum",
    56: "alter_partition",
    57: "update_features",
    58: "envelope",
    60: "describe_cluster",
    61: "describe_producers",
    62: "broker_registration",
    63: "broker_heartbeat",
    64: "unregister_broker",
    65: "describe_transactions",
    66: "list_transactions",
    67: "allocate_producer_ids",
    68: "consumer_group_heartbeat",
    69: "consumer_group_describe",
    74: "list_config_resources",
    75: "describe_topic_partitions",
}


@cache
def handler(api_key: int) -> ModuleType:
    """The module that answers `api_key`. Raises KeyError if there is none."""
    return import_module(f"{__name__}.{HANDLERS[api_key]}")
