"""AlterClientQuotas decided, DescribeClientQuotas answered (KIP-546)."""

from collections.abc import Sequence

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
    CONSUMER_BYTE_RATE,
    PRODUCER_BYTE_RATE,
    USER,
    QuotaEntity,
)

ENTITIES_MAX = 10_000
RATE_MAX = float(1 << 53)  # Every whole number up to here is exact in a float64.
ENTITY_TYPES = frozenset({USER, CLIENT_ID})
ENFORCED_KEYS = (PRODUCER_BYTE_RATE, CONSUMER_BYTE_RATE)
IP = "ip"


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
        _check_type(part.entity_type)
        if part.entity_name == "":
            raise InvalidRequest(f"Empty {part.entity_type} not supported")
    return quota_entity((part.entity_type, part.entity_name) for part in parts)


def _check_type(entity_type: str) -> None:
    if entity_type == IP:
        raise InvalidRequest("Quotas by ip are not enforced by this broker.")
    if entity_type not in ENTITY_TYPES:
        raise InvalidRequest(f"Unhandled client quota entity type: {entity_type}")


def _changes(
    image: MetadataImage, entity: QuotaEntity, ops: Sequence[AlterClientQuotasRequestOp]
) -> list[MetadataRecord]:
    if len({op.key for op in ops}) != len(ops):
        raise InvalidRequest("A quota key may appear once for an entity.")
    before = image.client_quotas.get(entity, {})
    parts = [QuotaEntityPart(kind, name) for kind, name in entity]
    records: list[MetadataRecord] = []
    for op in ops:
        _check_op(op)
        if op.remove:
            if op.key in before:
                records.append(ClientQuotaRecord(parts, op.key, 0.0, is_removed=True))
        elif before.get(op.key) != op.value:
            records.append(ClientQuotaRecord(parts, op.key, op.value))
    return records


def _check_op(op: AlterClientQuotasRequestOp) -> None:
    """A key that would be stored and not enforced is worse than none."""
    if op.key not in ENFORCED_KEYS:
        raise InvalidRequest(
            f"Invalid configuration key {op.key}: enforced are {', '.join(ENFORCED_KEYS)}."
        )
    if op.remove:
        return
    if not 0 < op.value <= RATE_MAX or op.value != int(op.value):
        raise InvalidRequest(f"Configuration {op.key} must be a whole number above 0.")


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
        if component.entity_type not in ENTITY_TYPES | {IP}:
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
