"""The features, in the table's order, each with the scenario that shows it."""

from collections.abc import Callable
from functools import partial
from typing import Final

from tests.conformance.record import CODECS
from tests.conformance.scenarios import admin, groups, records, secured, transactions
from tests.conformance.security import KINDS
from tests.conformance.world import World

Scenario = Callable[[World], None]

FEATURES: Final[dict[str, Scenario]] = {
    **{name: partial(records.codec, name=name) for name in CODECS},
    "keys, headers, nulls": records.keys_headers_nulls,
    "empty, not null": records.empty_is_not_null,
    "null header": records.null_header,
    "partitions, times": records.partitions_and_timestamps,
    "append time": records.log_append_time,
    "1 MB": records.one_megabyte,
    "idempotent": records.idempotent,
    "rebalance": groups.rebalance,
    "cooperative": groups.cooperative_rebalance,
    "static members": groups.static_members,
    "KIP-848": groups.consumer_protocol,
    "migration": groups.migration,
    "commit, resume": groups.commit_and_resume,
    "commit inside": groups.commit_inside_a_batch,
    "transactions": transactions.commit_and_abort,
    "exactly once": transactions.consume_transform_produce,
    "topics": admin.topics,
    "add partitions": admin.add_partitions,
    "configs": admin.configs,
    "groups": admin.groups,
    "ACLs": admin.acls,
    "offsets by time": admin.offsets_by_time,
    "delete records": admin.delete_records,
    **{name: partial(secured.produce_and_consume, kind=name) for name in KINDS},
    "beyond a session": secured.longer_than_a_session,
}
