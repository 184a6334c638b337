"""CreateAcls and DeleteAcls decided (KIP-140, KIP-290)."""

from collections.abc import Callable, Sequence
from uuid import UUID

from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import (
    AccessControlEntryRecord,
    MetadataRecord,
    RemoveAccessControlEntryRecord,
)
from data_plane.protocol.errors import InvalidRequest, KafkaError, PolicyViolation
from data_plane.protocol.messages.create_acls import (
    CreateAclsRequestCreation,
    CreateAclsResponseResult,
)
from data_plane.security.acls import (
    CLUSTER_NAME,
    SUPPORTED_OPERATIONS,
    AclEntry,
    AclFilter,
    AclOperation,
    AclPermission,
    PatternType,
    ResourceType,
)
from data_plane.security.principals import InvalidPrincipal, check_principal

ACLS_MAX = 100_000

Binding = tuple[int, str, int, str, str, int, int]


def binding_of(entry: AclEntry) -> Binding:
    """Return what makes two bindings the same: all but their id."""
    return (
        entry.resource_type,
        entry.resource_name,
        entry.pattern_type,
        entry.principal,
        entry.host,
        entry.operation,
        entry.permission_type,
    )


def decide_create_acls(
    image: MetadataImage,
    creations: Sequence[CreateAclsRequestCreation],
    *,
    new_id: Callable[[], UUID],
) -> Decision[list[CreateAclsResponseResult]]:
    """Say which bindings are added. Result i answers creation i; one that is there is a success."""
    known = {binding_of(entry) for entry in image.acls.values()}
    rows: list[CreateAclsResponseResult] = []
    records: list[MetadataRecord] = []
    for creation in creations:
        try:
            _check(creation)
            if len(known) >= ACLS_MAX:
                raise PolicyViolation(f"A cluster may have at most {ACLS_MAX} ACLs.")
        except KafkaError as error:
            rows.append(CreateAclsResponseResult(error.code, error.message))
            continue
        rows.append(CreateAclsResponseResult())
        record = AccessControlEntryRecord(
            acl_id=new_id(),
            resource_type=creation.resource_type,
            resource_name=creation.resource_name,
            pattern_type=creation.resource_pattern_type,
            principal=creation.principal,
            host=creation.host,
            operation=creation.operation,
            permission_type=creation.permission_type,
        )
        if binding_of(record) not in known:
            known.add(binding_of(record))
            records.append(record)
    return Decision(rows, records)


_OPERATIONS = frozenset(AclOperation) - {AclOperation.UNKNOWN, AclOperation.ANY}


def _check(creation: CreateAclsRequestCreation) -> None:
    """Raise InvalidRequest for a binding that names nothing.

    As in Kafka, an operation that its resource type never asks for (WRITE on a group) is stored and
    has no effect: which pairs make sense is the tools' business, not the brokers'.
    """
    if creation.resource_pattern_type not in (PatternType.LITERAL, PatternType.PREFIXED):
        raise InvalidRequest(f"Invalid patternType {creation.resource_pattern_type}")
    if creation.resource_type not in SUPPORTED_OPERATIONS:
        raise InvalidRequest(f"Invalid resourceType {creation.resource_type}")
    if creation.permission_type not in (AclPermission.ALLOW, AclPermission.DENY):
        raise InvalidRequest(f"Invalid permissionType {creation.permission_type}")
    if creation.operation not in _OPERATIONS:
        raise InvalidRequest(f"Invalid operation {creation.operation}")
    if not creation.resource_name:
        raise InvalidRequest("Resource name should not be empty")
    if creation.resource_type == ResourceType.CLUSTER and (
        creation.resource_name != CLUSTER_NAME
        or creation.resource_pattern_type != PatternType.LITERAL
    ):
        raise InvalidRequest(f"The only valid name for the CLUSTER resource is {CLUSTER_NAME}")
    if not creation.host:
        raise InvalidRequest("Host should not be empty")
    try:
        check_principal(creation.principal)
    except InvalidPrincipal as error:
        raise InvalidRequest(f"Could not parse principal: {error}") from error


def matching(image: MetadataImage, chosen: AclFilter) -> list[AccessControlEntryRecord]:
    """Return the bindings a filter speaks of, in order of creation. Raises InvalidRequest."""
    if not chosen.is_valid():
        raise InvalidRequest("The filter holds a number that names nothing.")
    return [entry for entry in image.acls.values() if chosen.matches(entry)]


def decide_delete_acls(
    image: MetadataImage, filters: Sequence[AclFilter]
) -> Decision[list[list[AccessControlEntryRecord] | KafkaError]]:
    """Say which bindings go. Item i holds what filter i matched, or why it is refused.

    A binding that two filters match is listed under both and removed once.
    """
    results: list[list[AccessControlEntryRecord] | KafkaError] = []
    gone: dict[UUID, MetadataRecord] = {}
    for chosen in filters:
        try:
            found = matching(image, chosen)
        except KafkaError as error:
            results.append(error)
            continue
        results.append(found)
        for entry in found:
            gone.setdefault(entry.acl_id, RemoveAccessControlEntryRecord(entry.acl_id))
    return Decision(results, list(gone.values()))
