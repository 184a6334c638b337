"""DeleteAcls (key 31) v0-3. v1: pattern types (KIP-290). v2: flexible. v3: user resources."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int8, int16, int32, request, response, since

LITERAL = 3  # The pattern type of versions that have none.


@dataclass(frozen=True, slots=True)
class DeleteAclsRequestFilter:
    """Which ACLs to delete; null matches any, and the numbers are Kafka's enums (1: any)."""

    resource_type_filter: int8 = 1
    resource_name_filter: str | None = None
    pattern_type_filter: int8 = since(1, default=LITERAL)
    principal_filter: str | None = None
    host_filter: str | None = None
    operation: int8 = 1
    permission_type: int8 = 1


@request(api_key=31, versions=range(4), flexible_from=2)
@dataclass(frozen=True, slots=True)
class DeleteAclsRequest:
    """Delete ACLs by filters."""

    filters: Sequence[DeleteAclsRequestFilter] = ()


@dataclass(frozen=True, slots=True)
class DeleteAclsResponseMatchingAcl:
    """One ACL that was deleted, or could not be."""

    error_code: int16 = 0
    error_message: str | None = None
    resource_type: int8 = 0
    resource_name: str = ""
    pattern_type: int8 = since(1, default=LITERAL)
    principal: str = ""
    host: str = ""
    operation: int8 = 0
    permission_type: int8 = 0


@dataclass(frozen=True, slots=True)
class DeleteAclsResponseFilterResult:
    """What one filter matched, in the order of the request."""

    error_code: int16 = 0
    error_message: str | None = None
    matching_acls: Sequence[DeleteAclsResponseMatchingAcl] = ()


@response(api_key=31, versions=range(4), flexible_from=2)
@dataclass(frozen=True, slots=True)
class DeleteAclsResponse:
    """What each filter matched."""

    throttle_time_ms: int32 = 0
    filter_results: Sequence[DeleteAclsResponseFilterResult] = ()
