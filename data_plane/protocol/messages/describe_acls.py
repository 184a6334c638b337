"""DescribeAcls (key 29) v0-3. v1: pattern types (KIP-290). v2: flexible. v3: user resources."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int8, int16, int32, request, response, since

LITERAL = 3  # The pattern type of versions that have none.


@request(api_key=29, versions=range(4), flexible_from=2)
@dataclass(frozen=True, slots=True)
class DescribeAclsRequest:
    """Filter ACLs; null matches any, and the numbers are Kafka's enums (1: any)."""

    resource_type_filter: int8 = 1
    resource_name_filter: str | None = None
    pattern_type_filter: int8 = since(1, default=LITERAL)
    principal_filter: str | None = None
    host_filter: str | None = None
    operation: int8 = 1
    permission_type: int8 = 1


@dataclass(frozen=True, slots=True)
class DescribeAclsResponseAcl:
    """Who may or may not do what, from where."""

    principal: str
    host: str
    operation: int8
    permission_type: int8


@dataclass(frozen=True, slots=True)
class DescribeAclsResponseResource:
    """One resource pattern and its ACLs."""

    resource_type: int8
    resource_name: str
    pattern_type: int8 = since(1, default=LITERAL)
    acls: Sequence[DescribeAclsResponseAcl] = ()


@response(api_key=29, versions=range(4), flexible_from=2)
@dataclass(frozen=True, slots=True)
class DescribeAclsResponse:
    """The ACLs that match."""

    throttle_time_ms: int32 = 0
    error_code: int16 = 0
    error_message: str | None = None
    resources: Sequence[DescribeAclsResponseResource] = ()
