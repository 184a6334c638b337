"""FindCoordinator (key 10) v0-6. v1: key types. v3: flexible. v4: several keys (KIP-699).
v5: TRANSACTION_ABORTABLE. v6: share groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int8, int16, int32, request, response, since, until

GROUP = 0
TRANSACTION = 1
SHARE = 2


@request(api_key=10, versions=range(7), flexible_from=3)
@dataclass(frozen=True, slots=True)
class FindCoordinatorRequest:
    """Ask who coordinates groups or transactional ids: `key` before v4, `coordinator_keys` then."""

    key: str = until(4, default="")
    key_type: int8 = since(1, default=GROUP)
    coordinator_keys: Sequence[str] = since(4, default=())


@dataclass(frozen=True, slots=True)
class FindCoordinatorResponseCoordinator:
    """The coordinator of one key."""

    key: str
    node_id: int32 = -1
    host: str = ""
    port: int32 = -1
    error_code: int16 = 0
    error_message: str | None = None


@response(api_key=10, versions=range(7), flexible_from=3)
@dataclass(frozen=True, slots=True)
class FindCoordinatorResponse:
    """The coordinator, before v4 in the fields of the response itself."""

    throttle_time_ms: int32 = since(1, default=0)
    error_code: int16 = until(4, default=0)
    error_message: str | None = since(1, until=4, default=None)
    node_id: int32 = until(4, default=-1)
    host: str = until(4, default="")
    port: int32 = until(4, default=-1)
    coordinators: Sequence[FindCoordinatorResponseCoordinator] = since(4, default=())
