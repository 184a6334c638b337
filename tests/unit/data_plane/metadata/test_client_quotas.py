"""AlterClientQuotas and DescribeClientQuotas: what is stored, refused and found again."""

import math

import pytest

from data_plane.metadata.client_quotas import (
    decide_alter_client_quotas,
    described_client_quotas,
)
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequestEntity,
    AlterClientQuotasRequestEntry,
    AlterClientQuotasRequestOp,
)
from data_plane.protocol.messages.describe_client_quotas import (
    ANY,
    DEFAULT,
    EXACT,
    DescribeClientQuotasRequestComponent,
)
from tests.unit.data_plane.metadata.worlds import after

PRODUCE, CONSUME = "producer_byte_rate", "consumer_byte_rate"
Names = dict[str, str | None]


def entry(names: Names, **values: float | None) -> AlterClientQuotasRequestEntry:
    """A value of None removes."""
    return AlterClientQuotasRequestEntry(
        [AlterClientQuotasRequestEntity(kind, name) for kind, name in names.items()],
        [
            AlterClientQuotasRequestOp(key, value or 0.0, remove=value is None)
            for key, value in values.items()
        ],
    )


def altered(image: MetadataImage, *entries: AlterClientQuotasRequestEntry) -> MetadataImage:
    decision = decide_alter_client_quotas(image, entries)
    assert [row.error_code for row in decision.response] == [0] * len(entries)
    return after(image, decision)


def found(image: MetadataImage, strict: bool, *components: tuple[str, int, str | None]) -> int:
    asked = [DescribeClientQuotasRequestComponent(*component) for component in components]
    return len(described_client_quotas(image, asked, strict=strict))


EVERYBODY = altered(
    MetadataImage(),
    entry({"user": "alice"}, producer_byte_rate=1),
    entry({"user": "alice", "client-id": "app"}, producer_byte_rate=2, consumer_byte_rate=3),
    entry({"user": None}, consumer_byte_rate=4),
    entry({"client-id": "app"}, consumer_byte_rate=5),
)


def test_set_change_and_remove() -> None:
    entity = (("client-id", "app"), ("user", "alice"))
    assert EVERYBODY.client_quotas[entity] == {PRODUCE: 2, CONSUME: 3}
    names: Names = {"client-id": "app", "user": "alice"}
    image = altered(EVERYBODY, entry(names, producer_byte_rate=None, consumer_byte_rate=9))
    assert image.client_quotas[entity] == {CONSUME: 9}
    image = altered(image, entry(names, consumer_byte_rate=None))
    assert entity not in image.client_quotas


def test_what_changes_nothing_writes_nothing() -> None:
    same = entry({"user": "alice"}, producer_byte_rate=1, consumer_byte_rate=None)
    assert not decide_alter_client_quotas(EVERYBODY, [same]).records


def test_validate_only_writes_nothing() -> None:
    asked = [entry({"user": "bob"}, producer_byte_rate=1)]
    assert not decide_alter_client_quotas(EVERYBODY, asked, validate_only=True).records


@pytest.mark.parametrize(
    "refused",
    [
        entry({}, producer_byte_rate=1),
        entry({"user": ""}, producer_byte_rate=1),
        entry({"ip": "10.0.0.1"}, producer_byte_rate=1),
        entry({"ip": "10.0.0.1"}, connection_creation_rate=1.5),
        entry({"ip": "10.0.0.1"}, connection_creation_rate=1 << 31),
        entry({"ip": "broker.example"}, connection_creation_rate=1),
        entry({"ip": "10.0.0.1", "user": "a"}, connection_creation_rate=1),
        entry({"colour": "red"}, producer_byte_rate=1),
        entry({"user": "a"}, connection_creation_rate=1),
        entry({"user": "a"}, request_percentage=0),
        entry({"user": "a"}, anything=1),
        entry({"user": "a"}, producer_byte_rate=0),
        entry({"user": "a"}, producer_byte_rate=-1),
        entry({"user": "a"}, producer_byte_rate=1.5),
        entry({"user": "a"}, producer_byte_rate=math.nan),
        entry({"user": "a"}, producer_byte_rate=math.inf),
        entry({"user": "a"}, producer_byte_rate=1e300),
    ],
)
def test_what_is_not_enforced_or_makes_no_sense_is_refused(
    refused: AlterClientQuotasRequestEntry,
) -> None:
    kept = entry({"user": "kept"}, producer_byte_rate=1)
    decision = decide_alter_client_quotas(EVERYBODY, [refused, kept])
    assert [row.error_code for row in decision.response] == [ErrorCode.INVALID_REQUEST, 0]
    assert len(decision.records) == 1


def test_each_kind_of_entity_has_its_keys() -> None:
    image = altered(
        MetadataImage(),
        entry({"user": "a"}, request_percentage=12.5, controller_mutation_rate=0.5),
        entry({"ip": "10.0.0.1"}, connection_creation_rate=5),
        entry({"ip": None}, connection_creation_rate=2),
    )
    assert image.client_quotas[(("ip", None),)] == {"connection_creation_rate": 2}
    assert found(image, True, ("ip", ANY, None)) == 2
    assert found(image, True, ("ip", EXACT, "10.0.0.1")) == 1
    assert found(image, True, ("ip", DEFAULT, None)) == 1


def test_the_same_type_entity_or_key_twice_is_refused() -> None:
    part = AlterClientQuotasRequestEntity("user", "a")
    op = AlterClientQuotasRequestOp(PRODUCE, 1.0)
    twice = AlterClientQuotasRequestEntry([part, part], [op])
    keys = AlterClientQuotasRequestEntry([part], [op, op])
    rows = decide_alter_client_quotas(EVERYBODY, [twice, keys, keys]).response
    assert {row.error_code for row in rows} == {ErrorCode.INVALID_REQUEST}


def test_filters() -> None:
    assert found(EVERYBODY, False) == 4
    assert found(EVERYBODY, True) == 0
    assert found(EVERYBODY, False, ("user", ANY, None)) == 3
    assert found(EVERYBODY, True, ("user", ANY, None)) == 2
    assert found(EVERYBODY, False, ("user", DEFAULT, None)) == 1
    assert found(EVERYBODY, False, ("user", EXACT, "alice")) == 2
    assert found(EVERYBODY, True, ("user", EXACT, "alice"), ("client-id", EXACT, "app")) == 1
    assert found(EVERYBODY, False, ("client-id", EXACT, "other")) == 0
    assert found(EVERYBODY, False, ("ip", ANY, None)) == 0


@pytest.mark.parametrize(
    ("components", "code"),
    [
        ([("user", ANY, None), ("user", ANY, None)], ErrorCode.INVALID_REQUEST),
        ([("ip", ANY, None), ("user", ANY, None)], ErrorCode.INVALID_REQUEST),
        ([("", ANY, None)], ErrorCode.INVALID_REQUEST),
        ([("user", 3, None)], ErrorCode.INVALID_REQUEST),
        ([("user", EXACT, None)], ErrorCode.INVALID_REQUEST),
        ([("user", ANY, "alice")], ErrorCode.INVALID_REQUEST),
        ([("colour", ANY, None)], ErrorCode.UNSUPPORTED_VERSION),
    ],
)
def test_filters_that_make_no_sense(
    components: list[tuple[str, int, str | None]], code: ErrorCode
) -> None:
    with pytest.raises(KafkaError) as refusal:
        found(EVERYBODY, False, *components)
    assert refusal.value.code == code
