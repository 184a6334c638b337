"""Who may do what: the authorizer compiled from ACL bindings.

Rules (KIP-290, KIP-679, Kafka's StandardAuthorizer): a super user may do all; otherwise any
matching DENY refuses, then any matching ALLOW permits, and what nothing matches is refused.
READ, WRITE, DELETE or ALTER allowed imply DESCRIBE allowed, ALTER_CONFIGS implies
DESCRIBE_CONFIGS; a DENY implies nothing.
"""

from collections.abc import Iterable

from data_plane.security.acl_bindings import (
    CLUSTER_NAME,
    SUPPORTED_OPERATIONS,
    WILDCARD,
    AclEntry,
    AclFilter,
    AclOperation,
    AclPermission,
    PatternType,
    ResourceType,
)

__all__ = [
    "CLUSTER_NAME",
    "SUPPORTED_OPERATIONS",
    "WILDCARD",
    "AclAuthorizer",
    "AclEntry",
    "AclFilter",
    "AclOperation",
    "AclPermission",
    "PatternType",
    "ResourceType",
]

WILDCARD_PRINCIPAL = "User:*"
# What an ALLOW of the left operation allows too.
IMPLIED: dict[AclOperation, AclOperation] = {
    AclOperation.READ: AclOperation.DESCRIBE,
    AclOperation.WRITE: AclOperation.DESCRIBE,
    AclOperation.DELETE: AclOperation.DESCRIBE,
    AclOperation.ALTER: AclOperation.DESCRIBE,
    AclOperation.ALTER_CONFIGS: AclOperation.DESCRIBE_CONFIGS,
}

ALL_BITS = sum(1 << operation for operation in AclOperation if operation > AclOperation.ALL)
CACHE_ENTRIES_MAX = 10_000


def _bits(operation: int, permission: int) -> int:
    """Return the operations, as a bit set, that one binding decides."""
    if operation == AclOperation.ALL:
        return ALL_BITS
    bits = 1 << operation
    if permission == AclPermission.ALLOW and operation in IMPLIED:
        bits |= 1 << IMPLIED[AclOperation(operation)]
    return bits


class _Grants:
    """What the bindings of one (resource type, principal) say: pattern -> host -> bits."""

    def __init__(self) -> None:
        self.literal: dict[str, dict[str, int]] = {}
        self.prefixed: dict[str, dict[str, int]] = {}
        self._prefix_lengths: list[int] = []

    def add(self, entry: AclEntry) -> None:
        is_prefix = entry.pattern_type == PatternType.PREFIXED
        by_host = (self.prefixed if is_prefix else self.literal).setdefault(entry.resource_name, {})
        bits = _bits(entry.operation, entry.permission_type)
        by_host[entry.host] = by_host.get(entry.host, 0) | bits
        if is_prefix:
            self._prefix_lengths = sorted({len(prefix) for prefix in self.prefixed})

    def bits(self, resource_name: str, host: str) -> int:
        found = _of_host(self.literal.get(resource_name), host)
        found |= _of_host(self.literal.get(WILDCARD), host)
        for length in self._prefix_lengths:
            if length > len(resource_name):
                break
            found |= _of_host(self.prefixed.get(resource_name[:length]), host)
        return found

    def bits_of_prefix(self, prefix: str, host: str) -> int:
        """Bits that hold for every name with this prefix."""
        found = _of_host(self.literal.get(WILDCARD), host)
        for length in self._prefix_lengths:
            found |= (
                _of_host(self.prefixed.get(prefix[:length]), host) if length <= len(prefix) else 0
            )
        return found


def _of_host(by_host: dict[str, int] | None, host: str) -> int:
    if by_host is None:
        return 0
    return by_host.get(host, 0) | by_host.get(WILDCARD, 0)


class AclAuthorizer:
    """Decides from a fixed set of bindings; a changed set makes a new authorizer.

    Answers are remembered per (principal, host, resource), so a check on the hot path is one
    dictionary look-up; the memory is bounded by CACHE_ENTRIES_MAX and dropped when full.
    """

    def __init__(
        self,
        entries: Iterable[AclEntry] = (),
        *,
        super_users: Iterable[str] = (),
        allow_everyone_if_no_acl_found: bool = False,
    ) -> None:
        self._super_users = frozenset(super_users)
        self._names_hosts = False  # Some binding asks where its principal comes from.
        self._allow_everyone = allow_everyone_if_no_acl_found
        self._allows: dict[tuple[int, str], _Grants] = {}
        self._denies: dict[tuple[int, str], _Grants] = {}
        self._patterns: dict[int, _Grants] = {}  # Of any principal, to know bare resources.
        self._remembered: dict[tuple[str, str, int, str], int] = {}
        for entry in entries:
            self._add(entry)

    def _add(self, entry: AclEntry) -> None:
        self._names_hosts |= entry.host != WILDCARD
        is_deny = entry.permission_type == AclPermission.DENY
        index = self._denies if is_deny else self._allows
        key = (entry.resource_type, entry.principal)
        index.setdefault(key, _Grants()).add(entry)
        self._patterns.setdefault(entry.resource_type, _Grants()).add(entry)

    def allows(
        self,
        principal: str,
        operation: int,
        resource_type: int,
        resource_name: str,
        host: str = WILDCARD,
    ) -> bool:
        """Tell whether `principal`, connected from `host` (an address), may do `operation`."""
        return bool(self._bits(principal, resource_type, resource_name, host) & (1 << operation))

    def allows_cluster(self, principal: str, operation: int, host: str = WILDCARD) -> bool:
        return self.allows(principal, operation, ResourceType.CLUSTER, CLUSTER_NAME, host)

    def standing(self, principal: str, host: str) -> tuple[str, str]:
        """Return what is equal for askers to whom every answer is the same."""
        if principal in self._super_users:
            return ("", "")  # No principal has an empty name.
        return (principal, host if self._names_hosts else WILDCARD)

    def authorized_operations(
        self, principal: str, resource_type: ResourceType, resource_name: str, host: str = WILDCARD
    ) -> int:
        """Return the allowed operations as the bitfield of KIP-430: bit n is operation n."""
        bits = self._bits(principal, resource_type, resource_name, host)
        supported = SUPPORTED_OPERATIONS[resource_type]
        return sum(1 << op for op in supported if bits & (1 << op))

    def allows_on_any(
        self, principal: str, operation: int, resource_type: int, host: str = WILDCARD
    ) -> bool:
        """Tell whether at least one name of `resource_type` is allowed and not denied.

        This is what lets WRITE on any topic stand for IDEMPOTENT_WRITE (KIP-679).
        """
        if principal in self._super_users or self._allow_everyone:
            return True
        bit = 1 << operation
        for grants in self._of(self._allows, resource_type, principal):
            for name, by_host in grants.literal.items():
                if _of_host(by_host, host) & bit and not self._is_denied(
                    principal, bit, resource_type, name, host, is_prefix=name == WILDCARD
                ):
                    return True
            for prefix, by_host in grants.prefixed.items():
                if _of_host(by_host, host) & bit and not self._is_denied(
                    principal, bit, resource_type, prefix, host, is_prefix=True
                ):
                    return True
        return False

    def _is_denied(
        self,
        principal: str,
        bit: int,
        resource_type: int,
        name: str,
        host: str,
        *,
        is_prefix: bool,
    ) -> bool:
        """Tell whether a DENY takes a whole literal name or prefix ("*": the empty prefix)."""
        prefix = "" if name == WILDCARD else name
        return any(
            (grants.bits_of_prefix(prefix, host) if is_prefix else grants.bits(name, host)) & bit
            for grants in self._of(self._denies, resource_type, principal)
        )

    @staticmethod
    def _of(
        index: dict[tuple[int, str], _Grants], resource_type: int, principal: str
    ) -> list[_Grants]:
        keys = ((resource_type, principal), (resource_type, WILDCARD_PRINCIPAL))
        return [found for key in keys if (found := index.get(key)) is not None]

    def _bits(self, principal: str, resource_type: int, resource_name: str, host: str) -> int:
        key = (principal, host, resource_type, resource_name)
        bits = self._remembered.get(key)
        if bits is None:
            if len(self._remembered) >= CACHE_ENTRIES_MAX:
                self._remembered.clear()
            bits = self._remembered[key] = self._decide(*key)
        return bits

    def _decide(self, principal: str, host: str, resource_type: int, resource_name: str) -> int:
        if principal in self._super_users:
            return ALL_BITS
        if self._allow_everyone and not self._has_acl(resource_type, resource_name):
            return ALL_BITS
        allowed = denied = 0
        for grants in self._of(self._allows, resource_type, principal):
            allowed |= grants.bits(resource_name, host)
        for grants in self._of(self._denies, resource_type, principal):
            denied |= grants.bits(resource_name, host)
        return allowed & ~denied

    def _has_acl(self, resource_type: int, resource_name: str) -> bool:
        patterns = self._patterns.get(resource_type)
        if patterns is None:
            return False
        return (
            resource_name in patterns.literal
            or WILDCARD in patterns.literal
            or any(resource_name.startswith(prefix) for prefix in patterns.prefixed)
        )
