"""The words of ACLs: enumerations with Kafka's numbers, one binding, and filters (KIP-290)."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

WILDCARD = "*"
CLUSTER_NAME = "kafka-cluster"  # The one resource of type CLUSTER, as clients spell it.


class ResourceType(IntEnum):
    UNKNOWN = 0
    ANY = 1
    TOPIC = 2
    GROUP = 3
    CLUSTER = 4
    TRANSACTIONAL_ID = 5
    DELEGATION_TOKEN = 6
    USER = 7


class PatternType(IntEnum):
    UNKNOWN = 0
    ANY = 1
    MATCH = 2
    LITERAL = 3
    PREFIXED = 4


class AclOperation(IntEnum):
    UNKNOWN = 0
    ANY = 1
    ALL = 2
    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    CLUSTER_ACTION = 9
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11
    IDEMPOTENT_WRITE = 12
    CREATE_TOKENS = 13
    DESCRIBE_TOKENS = 14
    TWO_PHASE_COMMIT = 15


class AclPermission(IntEnum):
    UNKNOWN = 0
    ANY = 1
    DENY = 2
    ALLOW = 3


_O = AclOperation

# Which operations mean something for a resource (Kafka's AclEntry.supportedOperations): what may
# be bound to it, and what the authorized-operations bitfield of KIP-430 may show.
SUPPORTED_OPERATIONS: dict[ResourceType, frozenset[AclOperation]] = {
    ResourceType.TOPIC: frozenset(
        {
            _O.READ,
            _O.WRITE,
            _O.CREATE,
            _O.DELETE,
            _O.ALTER,
            _O.DESCRIBE,
            _O.DESCRIBE_CONFIGS,
            _O.ALTER_CONFIGS,
        }
    ),
    ResourceType.GROUP: frozenset(
        {_O.READ, _O.DELETE, _O.DESCRIBE, _O.DESCRIBE_CONFIGS, _O.ALTER_CONFIGS}
    ),
    ResourceType.CLUSTER: frozenset(
        {
            _O.CREATE,
            _O.CLUSTER_ACTION,
            _O.DESCRIBE_CONFIGS,
            _O.ALTER_CONFIGS,
            _O.IDEMPOTENT_WRITE,
            _O.ALTER,
            _O.DESCRIBE,
        }
    ),
    ResourceType.TRANSACTIONAL_ID: frozenset({_O.DESCRIBE, _O.WRITE, _O.TWO_PHASE_COMMIT}),
    ResourceType.DELEGATION_TOKEN: frozenset({_O.DESCRIBE}),
    ResourceType.USER: frozenset({_O.CREATE_TOKENS, _O.DESCRIBE_TOKENS}),
}


class AclEntry(Protocol):
    """One binding, by whatever record holds it; integers are the enums above."""

    @property
    def resource_type(self) -> int: ...
    @property
    def resource_name(self) -> str: ...
    @property
    def pattern_type(self) -> int: ...
    @property
    def principal(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def operation(self) -> int: ...
    @property
    def permission_type(self) -> int: ...


@dataclass(frozen=True, slots=True)
class AclFilter:
    """Which bindings a describe or delete speaks of; None and ANY match everything."""

    resource_type: int
    resource_name: str | None
    pattern_type: int
    principal: str | None
    host: str | None
    operation: int
    permission_type: int

    def is_valid(self) -> bool:
        """UNKNOWN (0) and numbers beyond the tables ask for nothing that can exist."""
        return (
            self.resource_type in _KNOWN_RESOURCES
            and self.pattern_type in _KNOWN_PATTERNS
            and self.operation in _KNOWN_OPERATIONS
            and self.permission_type in _KNOWN_PERMISSIONS
        )

    def matches(self, entry: AclEntry) -> bool:
        return (
            self.resource_type in (ResourceType.ANY, entry.resource_type)
            and self._matches_pattern(entry)
            and self.principal in (None, entry.principal)
            and self.host in (None, entry.host)
            and self.operation in (AclOperation.ANY, entry.operation)
            and self.permission_type in (AclPermission.ANY, entry.permission_type)
        )

    def _matches_pattern(self, entry: AclEntry) -> bool:
        """MATCH asks which bindings would apply to a name; the others compare the spelling."""
        if self.pattern_type == PatternType.MATCH:
            return self.resource_name is None or covers(entry, self.resource_name)
        return self.pattern_type in (PatternType.ANY, entry.pattern_type) and (
            self.resource_name in (None, entry.resource_name)
        )


_KNOWN_RESOURCES = frozenset(int(item) for item in ResourceType if item)
_KNOWN_PATTERNS = frozenset(int(item) for item in PatternType if item)
_KNOWN_OPERATIONS = frozenset(int(item) for item in AclOperation if item)
_KNOWN_PERMISSIONS = frozenset(int(item) for item in AclPermission if item)


def covers(entry: AclEntry, resource_name: str) -> bool:
    """Tell whether a binding's pattern holds for a resource name of its type."""
    if entry.pattern_type == PatternType.PREFIXED:
        return resource_name.startswith(entry.resource_name)
    return entry.resource_name in (WILDCARD, resource_name)
