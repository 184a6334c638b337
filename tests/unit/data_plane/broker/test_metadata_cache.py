"""What is remembered of Metadata is, byte for byte, what would be told without a memory."""

import dataclasses
from random import Random
from typing import Any
from uuid import UUID

import pytest

from data_plane.broker.admin_access import allows_topic, cluster_operations
from data_plane.broker.context import RequestContext
from data_plane.broker.handlers import metadata
from data_plane.broker.metadata_cache import MetadataCache
from data_plane.broker.metadata_rows import TopicRows, broker_rows
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import (
    AccessControlEntryRecord,
    BrokerListener,
    PartitionRecord,
    RemoveAccessControlEntryRecord,
    RemoveTopicRecord,
    TopicRecord,
)
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.metadata import (
    OPERATIONS_UNKNOWN,
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseTopic,
)
from data_plane.protocol.schema import encode
from data_plane.security.acls import (
    AclAuthorizer,
    AclOperation,
    AclPermission,
    PatternType,
    ResourceType,
)
from tests.unit.data_plane.broker.handlers.admin_broker import ADMIN, ALICE, StandIn
from tests.unit.data_plane.metadata.worlds import broker as registration

BOB = "User:CN=bob,O=c1"
HOSTS = ("10.0.0.8", "10.0.0.9")
NAMES = tuple(f"{tenant}.{number}" for tenant in ("alice", "bob") for number in range(4))
IDS = (1, 2, 3)
STEPS = 30


class World(StandIn):
    """Three brokers, whose metadata log takes random turns; one authorizer per set of rules."""

    def __init__(self, rng: Random, bytes_max: int) -> None:
        super().__init__()
        self.rng = rng
        self.metadata_cache = MetadataCache(bytes_max)
        self._authorizer = super().authorizer
        self._rules: object = None

    @property
    def authorizer(self) -> AclAuthorizer:
        if self._rules is not self.image.acls:
            self._rules, self._authorizer = self.image.acls, super().authorizer
        return self._authorizer

    def step(self) -> None:
        changes = (self.create_topic, self.remove_topic, self.move, self.register, self.rule)
        (change,) = self.rng.choices(changes, (2, 1, 2, 3, 2))
        change()

    def create_topic(self) -> None:
        name = self.rng.choice(NAMES)
        if name not in self.image.topics:
            topic_id = self.controller.new_id()
            count = self.rng.randint(1, 3)
            rows = [self.partition(topic_id, index) for index in range(count)]
            self.write(TopicRecord(name, topic_id), *rows)

    def remove_topic(self) -> None:
        if self.image.topics:
            name = self.rng.choice(sorted(self.image.topics))
            self.write(RemoveTopicRecord(self.image.topics[name].topic_id))

    def move(self) -> None:
        """A partition gets another leader, other replicas, another epoch."""
        if self.image.topics:
            topic = self.image.topics[self.rng.choice(sorted(self.image.topics))]
            index = self.rng.randrange(len(topic.partitions))
            self.write(self.partition(topic.topic_id, index))

    def partition(self, topic_id: UUID, index: int) -> PartitionRecord:
        replicas = self.rng.sample(IDS, self.rng.randint(1, 3))
        leader = self.rng.choice([-1, *replicas])
        epoch = self.rng.randrange(100)
        return PartitionRecord(topic_id, index, replicas, replicas[:1], leader, epoch, epoch)

    def register(self) -> None:
        """A broker comes, goes, or is reached elsewhere."""
        found = registration(self.rng.choice(IDS), is_fenced=self.rng.random() < 0.4)
        if self.rng.random() < 0.5:
            internal = BrokerListener("INTERNAL", "10.0.0.1", self.rng.randrange(7000, 7003))
            found = dataclasses.replace(found, listeners=(*found.listeners, internal))
        self.write(found)

    def rule(self) -> None:
        if self.image.acls and self.rng.random() < 0.3:
            self.write(RemoveAccessControlEntryRecord(self.rng.choice(sorted(self.image.acls))))
            return
        self.write(
            AccessControlEntryRecord(
                self.controller.new_id(),
                ResourceType.TOPIC,
                self.rng.choice(("alice.", "bob.", *NAMES)),
                self.rng.choice((PatternType.LITERAL, PatternType.PREFIXED)),
                self.rng.choice((ALICE, BOB)),
                self.rng.choice(("*", *HOSTS)),
                self.rng.choice((AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE)),
                self.rng.choice((AclPermission.ALLOW, AclPermission.ALLOW, AclPermission.DENY)),
            )
        )


def asked(rng: Random, version: int, image: MetadataImage) -> MetadataRequest:
    """A random request that `version` can carry."""
    topics: list[MetadataRequestTopic] | None = None
    if version == 0 or rng.random() < 0.6:
        topics = [MetadataRequestTopic(name=rng.choice((*NAMES, "absent"))) for _ in range(3)]
    if version >= metadata.IDS_FROM and topics is not None and image.topics:
        topic = image.topics[rng.choice(sorted(image.topics))]
        topics.append(MetadataRequestTopic(topic.topic_id, None))
    if version == 0 and rng.random() < 0.5:
        topics = []
    return MetadataRequest(
        topics,
        include_cluster_authorized_operations=8 <= version < 11 and rng.random() < 0.5,
        include_topic_authorized_operations=version >= 8 and rng.random() < 0.5,
    )


def plain(world: World, ctx: RequestContext, request: MetadataRequest) -> MetadataResponse:
    """The answer by the rules alone, one object per row."""
    image, rows = world.image, TopicRows(world.image, ctx)

    def operations_on(name: str) -> int:
        if not request.include_topic_authorized_operations:
            return OPERATIONS_UNKNOWN
        return world.authorizer.authorized_operations(
            ctx.principal, ResourceType.TOPIC, name, ctx.client_host
        )

    def row(name: str) -> MetadataResponseTopic:
        return rows.row(image.topics[name], operations_on(name))

    def named(each: MetadataRequestTopic) -> MetadataResponseTopic:
        name = image.topic_names[each.topic_id] if each.name is None else each.name
        if not allows_topic(world, ctx, AclOperation.DESCRIBE, name):
            code: int = ErrorCode.TOPIC_AUTHORIZATION_FAILED
            return MetadataResponseTopic(code, each.name, each.topic_id)
        if name not in image.topics:
            code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            return MetadataResponseTopic(
                code,
                each.name,
                each.topic_id,
                topic_authorized_operations=operations_on(name),
            )
        return row(name)

    if request.topics is None or (ctx.api_version == 0 and not request.topics):
        names = [
            n for n in sorted(image.topics) if allows_topic(world, ctx, AclOperation.DESCRIBE, n)
        ]
        topics = [row(name) for name in names]
    else:
        topics = [named(each) for each in dict.fromkeys(request.topics)]
    operations = OPERATIONS_UNKNOWN
    if request.include_cluster_authorized_operations:
        operations = cluster_operations(world, ctx)
    return MetadataResponse(
        brokers=broker_rows(image, ctx.listener, world.config.broker_id),
        cluster_id="c1",
        controller_id=1,
        topics=topics,
        cluster_authorized_operations=operations,
    )


@pytest.mark.parametrize("bytes_max", [0, 2_000, 1 << 20])
@pytest.mark.parametrize("version", metadata.VERSIONS)
def test_every_answer_is_what_the_image_says(version: int, bytes_max: int) -> None:
    """Random changes of topics, brokers and rules; after each, random askers ask twice."""
    rng = Random(version)
    world = World(rng, bytes_max)
    for _ in range(4):
        world.create_topic()
    for _ in range(STEPS):
        world.step()
        everything = MetadataRequest(None if version else [])
        check(world, ALICE, HOSTS[0], "TLS", version, everything)
        check(world, ADMIN, HOSTS[0], "INTERNAL", version, everything)
        for _ in range(3):
            principal = rng.choice((ADMIN, ALICE, BOB))
            request = asked(rng, version, world.image)
            listener = rng.choice(("TLS", "INTERNAL"))
            check(world, principal, rng.choice(HOSTS), listener, version, request)


def check(
    world: World, principal: str, host: str, listener: str, version: int, request: MetadataRequest
) -> None:
    ctx = RequestContext(principal, None, host, metadata.API_KEY, version, listener, 1_000)
    expected = encode(plain(world, ctx, request), version)
    for _ in range(2):
        assert encode(metadata.handle(world, ctx, request), version) == expected


class Counting(MetadataCache):
    """Tells how often a list had to be made."""

    made = 0

    def row(self, *args: Any) -> bytes:
        self.made += 1
        return super().row(*args)


def test_a_list_of_all_topics_is_made_once_for_all_askers_of_equal_standing() -> None:
    world = World(Random(1), 0)
    world.metadata_cache = cache = Counting(1 << 20)
    world.create("a", "b")
    request = MetadataRequest(None)
    for host in (*HOSTS, "10.0.0.10"):
        world.ask(request, 12, host=host)
    assert cache.made == 2
    world.ask(request, 9)
    world.ask(request, 12, principal=ALICE)
    assert cache.made == 4
    world.create("c")
    assert len(world.ask(request, 12).topics) == 3
    assert cache.made == 7


def test_an_answer_that_creates_leaves_the_cache_to_the_loop() -> None:
    """It is made where the controller decides, which may be another thread."""
    world = StandIn(auto_create_topics=True)
    world.create("old")
    world.metadata_cache = cache = Counting(1 << 20)
    names = [MetadataRequestTopic(name=name) for name in ("old", "new")]
    assert [row.error_code for row in world.ask(MetadataRequest(names), 12).topics] == [0, 0]
    assert cache.made == 0
    assert [row.error_code for row in world.ask(MetadataRequest(names), 12).topics] == [0, 0]
    assert cache.made == 2


def test_memory_stays_below_its_bound() -> None:
    world = StandIn()
    world.metadata_cache = cache = MetadataCache(20_000)
    for number in range(100):
        world.create(f"topic-{number:03}", partition_count=5)
        world.ask(MetadataRequest([MetadataRequestTopic(name=f"topic-{number:03}")]), 12)
        held = [row.encoded for row in cache._rows.values()]
        held += [rows.data for rows in cache._lists.values()]
        assert sum(map(len, held)) <= 20_000
        assert len(held) <= 20_000 // 300
