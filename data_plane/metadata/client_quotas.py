"""AlterClientQuotas decided, DescribeClientQuotas answered (KIP-546)."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage, quota_entity
from data_plane.metadata.records import ClientQuotaRecord, MetadataRecord, QuotaEntityPart
from data_plane.protocol.errors import (
    InvalidRequest,
    KafkaError,
    PolicyViolation,
    UnsupportedVersion,
)
from data_plane.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequestEntity,
    AlterClientQuotasRequestEntry,
    AlterClientQuotasRequestOp,
    AlterClientQuotasResponseEntity,
    AlterClientQuotasResponseEntry,
)
from data_plane.protocol.messages.describe_client_quotas import (
    ANY,
    DEFAULT,
    EXACT,
    DescribeClientQuotasRequestComponent,
    DescribeClientQuotasResponseEntity,
    DescribeClientQuotasResponseEntry,
    DescribeClientQuotasResponseValue,
)
from data_plane.security.quotas import (
    CLIENT_ID,
    CONNECTION_CREATION_RATE,
    CONSUMER_BYTE_RATE,
    CONTROLLER_MUTATION_RATE,
    IP,
    PRODUCER_BYTE_RATE,
    REQUEST_PERCENTAGE,
    USER,
    QuotaEntity,
)

ENTITIES_MAX = 10_000
ENTITY_TYPES = frozenset({USER, CLIENT_ID, IP})
EXACT_MAX = float(1 << 53)  # Every whole number up to here is exact in a float64.
INT_MAX = float((1 << 31) - 1)


class QuotaKey(NamedTuple):
    """What a quota may be, after Kafka's QuotaConfig: LONG, INT or DOUBLE."""

    value_max: float
    is_whole: bool


CLIENT_KEYS: Mapping[str, QuotaKey] = {
    PRODUCER_BYTE_RATE: QuotaKey(EXACT_MAX, is_whole=True),
    CONSUMER_BYTE_RATE: QuotaKey(EXACT_MAX, is_whole=True),
    REQUEST_PERCENTAGE: QuotaKey(EXACT_MAX, is_whole=False),
    CONTROLLER_MUTATION_RATE: QuotaKey(EXACT_MAX, is_whole=False),
}
IP_KEYS: Mapping[str, QuotaKey] = {CONNECTION_CREATION_RATE: QuotaKey(INT_MAX, is_whole=True)}


def decide_alter_client_quotas(
    image: MetadataImage,
    entries: Sequence[AlterClientQuotasRequestEntry],
    *,
    validate_only: bool = False,
) -> Decision[list[AlterClientQuotasResponseEntry]]:
    """Say which quotas change. Row i answers entry i; an entry changes wholly or not at all."""
    rows: list[AlterClientQuotasResponseEntry] = []
    records: list[MetadataRecord] = []
    seen: set[QuotaEntity] = set()
    for entry in entries:
        code, message = 0, None
        try:
            entity = _entity(entry.entity)
            if entity in seen:
                raise InvalidRequest("An entity may appear once in a request.")
            seen.add(entity)
            if entity not in image.client_quotas and _count(image, seen) > ENTITIES_MAX:
                raise PolicyViolation(f"A cluster has quotas for at most {ENTITIES_MAX} entities.")
            records += _changes(image, entity, entry.ops)
        except KafkaError as error:
            code, message = error.code, error.message
        rows.append(
            AlterClientQuotasResponseEntry(
                code,
                message,
                [
                    AlterClientQuotasResponseEntity(part.entity_type, part.entity_name)
                    for part in entry.entity
                ],
            )
        )
    return Decision(rows, () if validate_only else records)


def _count(image: MetadataImage, seen: set[QuotaEntity]) -> int:
    return len(image.client_quotas) + len(seen)


def _entity(parts: Sequence[AlterClientQuotasRequestEntity]) -> QuotaEntity:
    types = [part.entity_type for part in parts]
    if not types or len(set(types)) != len(types):
        raise InvalidRequest("An entity has one to two parts of different types.")
    for part in parts:
        if part.entity_type not in ENTITY_TYPES:
            raise InvalidRequest(f"Unhandled client quota entity type: {part.entity_type}")
        if part.entity_name == "":
            raise InvalidRequest(f"Empty {part.entity_type} not supported")
    if IP in types:
        _check_ip(parts)
    return quota_entity((part.entity_type, part.entity_name) for part in parts)


def _check_ip(parts: Sequence[AlterClientQuotasRequestEntity]) -> None:
    """An address, not a name: what a name resolves to would differ by broker and by moment."""
    if len(parts) > 1:
        raise InvalidRequest("An ip cannot be combined with a user or a client-id.")
    name = parts[0].entity_name
    if name is None:
        return
    try:
        ip_address(name)
    except ValueError:
        raise InvalidRequest(f"{name} is not an IP address.") from None


def _changes(
    image: MetadataImage, entity: QuotaEntity, ops: Sequence[AlterClientQuotasRequestOp]
) -> list[MetadataRecord]:
    if len({op.key for op in ops}) != len(ops):
        raise InvalidRequest("A quota key may appear once for an entity.")
    keys = IP_KEYS if entity[0][0] == IP else CLIENT_KEYS
    before = image.client_quotas.get(entity, {})
    parts = [QuotaEntityPart(kind, name) for kind, name in entity]
    records: list[MetadataRecord] = []
    for op in ops:
        _check_op(op, keys)
        if op.remove:
            if op.key in before:
                records.append(ClientQuotaRecord(parts, op.key, 0.0, is_removed=True))
        elif before.get(op.key) != op.value:
            records.append(ClientQuotaRecord(parts, op.key, op.value))
    return records


def _check_op(op: AlterClientQuotasRequestOp, keys: Mapping[str, QuotaKey]) -> None:
    """A key that would be stored and not enforced is worse than none."""
    key = keys.get(op.key)
    if key is None:
        raise InvalidRequest(f"Invalid configuration key {op.key}: known are {', '.join(keys)}.")
    if op.remove:
        return
    if not 0 < op.value <= key.value_max:
        raise InvalidRequest(f"Quota {op.key} must be above 0 and at most {key.value_max:.0f}.")
    if key.is_whole and op.value != int(op.value):
        raise InvalidRequest(f"{op.key} cannot be a fractional value.")


def described_client_quotas(
    image: MetadataImage,
    components: Sequence[DescribeClientQuotasRequestComponent],
    *,
    strict: bool,
) -> list[DescribeClientQuotasResponseEntry]:
    """Return the entities that a filter speaks of. Raises InvalidRequest, UnsupportedVersion."""
    _check_components(components)
    return [
        DescribeClientQuotasResponseEntry(
            [DescribeClientQuotasResponseEntity(kind, name) for kind, name in entity],
            [DescribeClientQuotasResponseValue(key, value) for key, value in quotas.items()],
        )
        for entity, quotas in image.client_quotas.items()
        if _matches(dict(entity), components, strict=strict)
    ]


def _check_components(components: Sequence[DescribeClientQuotasRequestComponent]) -> None:
    types = [component.entity_type for component in components]
    if len(set(types)) != len(types):
        raise InvalidRequest("An entity type may appear once in a filter.")
    if IP in types and len(types) > 1:
        raise InvalidRequest("Invalid entity filter component combination")
    for component in components:
        if not component.entity_type:
            raise InvalidRequest("Unexpected empty entity type")
        if component.entity_type not in ENTITY_TYPES:
            raise UnsupportedVersion(
                f"Custom entity type '{component.entity_type}' is not supported"
            )
        if component.match_type not in (EXACT, DEFAULT, ANY):
            raise InvalidRequest(f"Unknown match type {component.match_type}")
        if component.match_type == EXACT and component.match is None:
            raise InvalidRequest("Request specified MATCH_TYPE_EXACT, but set match to null")
        if component.match_type != EXACT and component.match is not None:
            raise InvalidRequest("Only MATCH_TYPE_EXACT comes with a match")


def _matches(
    entity: dict[str, str | None],
    components: Sequence[DescribeClientQuotasRequestComponent],
    *,
    strict: bool,
) -> bool:
    if strict and len(entity) != len(components):
        return False
    return all(
        component.entity_type in entity
        and (
            component.match_type == ANY
            # DEFAULT comes with match None, which is how the default is named.
            or entity[component.entity_type] == component.match
        )
        for component in components
    )
