"""CreateAcls (key 30) v0-3. v1: pattern types (KIP-290). v2: flexible. v3: user resources."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int8, int16, int32, request, response, since

LITERAL = 3  # The pattern type of versions that have none.


@dataclass(frozen=True, slots=True)
class CreateAclsRequestCreation:
    """One ACL to create; the numbers are Kafka's enums."""

    resource_type: int8
    resource_name: str
    resource_pattern_type: int8 = since(1, default=LITERAL)
    principal: str = ""
    host: str = "*"
    operation: int8 = 0
    permission_type: int8 = 0


@request(api_key=30, versions=range(4), flexible_from=2)
@dataclass(frozen=True, slots=True)
class CreateAclsRequest:
    """Create ACLs."""

    creations: Sequence[CreateAclsRequestCreation] = ()


@dataclass(frozen=True, slots=True)
class CreateAclsResponseResult:
    """What became of one ACL, in the order of the request."""

    error_code: int16 = 0
    error_message: str | None = None


@response(api_key=30, versions=range(4), flexible_from=2)
@dataclass(frozen=True, slots=True)
class CreateAclsResponse:
    """What became of each ACL."""

    throttle_time_ms: int32 = 0
    results: Sequence[CreateAclsResponseResult] = ()
