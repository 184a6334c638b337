"""KIP-848 groups under random crowds: what must hold after every heartbeat, and that they settle.

Method: seeded members join, send heartbeats late or twice, lose answers, give partitions up when
they feel like it, leave, die and come back, while topics grow and the broker loses its memory. A
member owns what its last answer gave it until it says that it has given something up. No partition
may ever have two owners; once the crowd holds still, every group becomes Stable and everything that
anybody subscribes to has one owner. One case: -k "[<seed>]".
"""

import random
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from data_plane.coordinator.consumer_group import ConsumerGroupState
from data_plane.coordinator.consumer_group_records import TopicIdPartition
from data_plane.coordinator.consumer_heartbeat import Heartbeat
from data_plane.coordinator.group_config import GroupConfig
from data_plane.coordinator.groups_shard import GroupsShard
from data_plane.metadata.image import ImageDelta, MetadataImage
from data_plane.metadata.records import PartitionRecord, TopicRecord
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopic,
    ConsumerGroupHeartbeatResponse,
)
from tests.unit.data_plane.coordinator.driving import Driver

GROUP = "g"
SESSION_MS = 1_000
REBALANCE_MS = 700
CONFIG = GroupConfig(consumer_session_timeout_ms=SESSION_MS, consumer_group_size_max=6)


class Topics:
    """A growing set of topics, as an image."""

    def __init__(self) -> None:
        self.image: MetadataImage = MetadataImage()
        self._offset = 0
        for name in ("a-1", "a-2", "b-1"):
            self.grow(name, 3)

    def grow(self, name: str, count: int) -> None:
        """Give a topic, new or not, `count` more partitions."""
        known = self.image.topic(name)
        delta = ImageDelta(self.image)
        topic_id = UUID(int=len(self.image.topics) + 1) if known is None else known.topic_id
        first = 0 if known is None else len(known.partitions)
        if known is None:
            delta.replay(TopicRecord(name, topic_id))
        for index in range(first, first + count):
            delta.replay(PartitionRecord(topic_id, index, (0,), (0,), 0, 0, 0))
        self._offset += 1
        self.image = delta.publish(offset=self._offset, term=1)

    def all_of(self, names: set[str]) -> set[TopicIdPartition]:
        found = (self.image.topic(name) for name in names)
        return {(t.topic_id, p) for t in found if t is not None for p in range(len(t.partitions))}


@dataclass
class Client:
    """A consumer: what it believes and what it owns."""

    member_id: str
    names: tuple[str, ...] | None
    regex: str | None
    instance_id: str | None = None
    epoch: int = 0
    owned: set[TopicIdPartition] = field(default_factory=set)
    wanted: set[TopicIdPartition] | None = None  # as last told
    must_tell: bool = True  # its last request or answer may be lost

    def request(self, *, is_full: bool) -> ConsumerGroupHeartbeatRequest:
        joins = self.epoch == 0
        tells = is_full or joins
        by_topic: dict[UUID, list[int]] = {}
        for topic_id, partition in sorted(self.owned):
            by_topic.setdefault(topic_id, []).append(partition)
        rows = [ConsumerGroupHeartbeatRequestTopic(key, found) for key, found in by_topic.items()]
        return ConsumerGroupHeartbeatRequest(
            GROUP,
            self.member_id,
            self.epoch,
            self.instance_id,
            rebalance_timeout_ms=REBALANCE_MS if tells else -1,
            subscribed_topic_names=self.names if tells else None,
            subscribed_topic_regex=self.regex if tells else None,
            topic_partitions=rows,
        )

    def hear(self, response: ConsumerGroupHeartbeatResponse) -> None:
        self.must_tell = False
        if response.error_code:
            self.fall()
            return
        self.epoch = response.member_epoch
        if response.assignment is not None:
            self.wanted = {
                (row.topic_id, partition)
                for row in response.assignment.topic_partitions
                for partition in row.partitions
            }
            if self.wanted >= self.owned:
                self.owned = set(self.wanted)

    def give_up(self) -> None:
        """Give up what is not wanted any more, then take what is new."""
        if self.wanted is not None:
            self.owned &= self.wanted
            self.owned |= self.wanted

    def fall(self) -> None:
        """Fenced, or not known: it owns nothing, and joins again."""
        self.owned, self.wanted, self.epoch, self.must_tell = set(), None, 0, True


class Crowd:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.driver = Driver(config=CONFIG, rng=random.Random(seed))
        self.topics = Topics()
        self.clients: dict[str, Client] = {}
        self.made = 0

    @property
    def shard(self) -> GroupsShard:
        return self.driver.shard

    def come(self) -> None:
        self.made += 1
        names: tuple[str, ...] | None = tuple(self.rng.sample(["a-1", "a-2", "b-1", "later"], 2))
        regex = None
        if self.rng.random() < 0.3:
            names, regex = None, self.rng.choice(["a-.*", "[ab]-1"])
        taken = {one.instance_id for one in self.clients.values()}
        instance = self.rng.choice([None, None, "i-1", "i-2"])
        member_id = f"m{self.made}"
        self.clients[member_id] = Client(
            member_id, names, regex, None if instance in taken else instance
        )

    def beat(self, client: Client, *, is_lost: bool = False) -> None:
        """Send a heartbeat; is_lost: its answer does not arrive."""
        heartbeat = Heartbeat(
            client.request(is_full=client.must_tell),
            client.member_id,
            "c",
            "h",
            self.topics.image,
            lambda _: True,
            self.driver.now_ms,
        )
        response = self.driver.carry_out(self.shard.decide_consumer_heartbeat(heartbeat))
        if response.error_code == ErrorCode.UNRELEASED_INSTANCE_ID:
            client.fall()
        elif is_lost:
            client.must_tell = True
        else:
            client.hear(response)

    def leave(self, client: Client) -> None:
        client.owned.clear()
        client.epoch = -2 if client.instance_id is not None else -1
        self.beat(client, is_lost=True)
        del self.clients[client.member_id]

    def step(self) -> None:
        rng = self.rng
        client = rng.choice(list(self.clients.values())) if self.clients else None
        match rng.randrange(12):
            case 0 | 1:
                if len(self.clients) < 5:
                    self.come()
            case 2 if client is not None:
                self.leave(client)
            case 3 if client is not None:  # It dies: what it owned is nobody's from now on.
                del self.clients[client.member_id]
            case 4:
                self.topics.grow(rng.choice(["a-1", "b-1", "later"]), 1)
            case 5:
                self.driver.restart()
            case 6:
                self.pass_time(rng.randrange(400))
            case 7 if client is not None:
                self.beat(client, is_lost=True)
            case 8 | 9 if client is not None:
                client.give_up()
            case _ if client is not None:
                self.beat(client)

    def pass_time(self, ms: int) -> None:
        """A client that was silent for a session has stopped by itself, as real ones do."""
        before = {one: self.member_known(one) for one in self.clients}
        self.driver.advance(self.driver.now_ms + ms)
        for member_id, was_known in before.items():
            if was_known and not self.member_known(member_id):
                self.clients[member_id].fall()

    def member_known(self, member_id: str) -> bool:
        group = self.shard.consumer_groups.get(GROUP)
        return group is not None and member_id in group.members

    def check(self) -> None:
        owners: dict[TopicIdPartition, str] = {}
        for member_id, client in self.clients.items():
            for at in client.owned:
                assert at not in owners, f"{at} is owned by {owners[at]} and {member_id}"
                owners[at] = member_id
        group = self.shard.consumer_groups.get(GROUP)
        if group is None:
            return
        held = [at for one in group.current.values() for at in one.assigned | one.revoking]
        assert len(held) == len(set(held)) == len(group.owners)
        assert group.target_epoch <= group.epoch
        assert group.targets.keys() <= group.members.keys()
        assert group.current.keys() <= group.members.keys()

    def settle(self) -> None:
        """Everybody behaves from now on; those who died are forgotten after their session."""
        for _ in range(60):
            self.pass_time(100)
            for client in list(self.clients.values()):
                self.beat(client)
                client.give_up()
                self.check()


@pytest.mark.semantics("64d")
@pytest.mark.parametrize("seed", range(120))
def test_no_partition_has_two_owners_and_crowds_settle(seed: int) -> None:
    crowd = Crowd(seed)
    for _ in range(150):
        crowd.step()
        crowd.check()
    crowd.settle()
    group = crowd.shard.consumer_groups.get(GROUP)
    if not crowd.clients:
        assert group is None or group.state is ConsumerGroupState.EMPTY
        return
    assert group is not None
    assert group.state is ConsumerGroupState.STABLE
    assert set(group.members) == set(crowd.clients)
    wanted = crowd.topics.all_of(group.subscribed_names())
    owned = [at for client in crowd.clients.values() for at in client.owned]
    assert sorted(owned) == sorted(wanted)


@pytest.mark.parametrize("seed", range(20))
def test_a_loaded_shard_is_the_one_that_was_lost(seed: int) -> None:
    """Everything but deadlines is in the records."""
    crowd = Crowd(seed)
    for _ in range(120):
        crowd.step()
    before = crowd.shard.consumer_groups.get(GROUP)
    crowd.driver.restart()
    after = crowd.shard.consumer_groups.get(GROUP)
    assert (before is None) == (after is None)
    if before is not None and after is not None:
        for name in ("epoch", "target_epoch", "members", "targets", "current", "topics_hash"):
            assert getattr(after, name) == getattr(before, name), name
        assert (after.owners, after.regexes) == (before.owners, before.regexes)
