"""Small clusters for the tests of decisions."""

from collections.abc import Mapping, Sequence
from random import Random
from uuid import UUID

from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.image import ImageDelta, MetadataImage
from data_plane.metadata.records import BrokerListener, RegisterBrokerRecord, metadata_records
from data_plane.metadata.topics import CreateRules, decide_create_topics
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.messages.create_topics import (
    CreateTopicsRequestConfig,
    CreateTopicsRequestTopic,
    CreateTopicsResponseTopic,
)

NO_STATIC: Mapping[str, str] = {}


def broker(
    broker_id: int, rack: str = "r", *, node_id: str | None = None, is_fenced: bool = False
) -> RegisterBrokerRecord:
    listener = BrokerListener("TLS", f"broker-{broker_id}.test", 9000 + broker_id)
    node = f"node-{broker_id}" if node_id is None else node_id
    identity = UUID(int=broker_id)
    return RegisterBrokerRecord(
        broker_id, identity, 0, identity, node, rack, (listener,), is_fenced=is_fenced
    )


def cluster(*brokers: RegisterBrokerRecord) -> MetadataImage:
    return after(MetadataImage(), Decision(None, brokers or (broker(1),)))


def after(image: MetadataImage, decision: Decision[object]) -> MetadataImage:
    """Return the image once a decision's records are committed."""
    delta = ImageDelta(image)
    delta.replay_all(metadata_records(decision.records))
    return delta.publish(offset=image.offset + len(decision.records), term=1)


def scope_of(image: MetadataImage, static: Mapping[str, str] = NO_STATIC) -> ConfigScope:
    return ConfigScope(image, 1, static)


class Ids:
    """Counts up instead of drawing."""

    def __init__(self) -> None:
        self.last = 100

    def __call__(self) -> UUID:
        self.last += 1
        return UUID(int=self.last)


def rules_for(image: MetadataImage, **changes: object) -> CreateRules:
    values: dict[str, object] = {
        "new_id": Ids(),
        "rng": Random(1),
        "scope": scope_of(image),
        **changes,
    }
    return CreateRules(**values)  # type: ignore[arg-type]  # made up by the test


def topic(
    name: str = "flights",
    partition_count: int = 1,
    replication_factor: int = 1,
    **configs: str | None,
) -> CreateTopicsRequestTopic:
    """Config names are written with `_` for `.`."""
    rows = [CreateTopicsRequestConfig(key.replace("_", "."), v) for key, v in configs.items()]
    return CreateTopicsRequestTopic(name, partition_count, replication_factor, configs=rows)


def create(
    image: MetadataImage, *topics: CreateTopicsRequestTopic, **changes: object
) -> Decision[list[CreateTopicsResponseTopic]]:
    return decide_create_topics(topics, rules_for(image, **changes))


def with_topics(image: MetadataImage, *topics: CreateTopicsRequestTopic) -> MetadataImage:
    decision = create(image, *topics)
    failed = [row for row in decision.response if row.error_code]
    assert not failed, failed
    return after(image, decision)


def applied(controller: Controller, decision: Decision[object]) -> None:
    controller.append(decision.records)
    controller.drive()


def refusal(code: int) -> KafkaError:
    error = KafkaError("not for you")
    error.code = code  # type: ignore[assignment]  # seen from inside
    return error


def codes(rows: Sequence[object]) -> list[int]:
    return [row.error_code for row in rows]  # type: ignore[attr-defined]  # seen from inside
