"""Groups whose members speak both protocols, and change them: one owner for a partition, always.

Method: the crowd of test_consumer_group_model.py with classic consumers among it, eager ones or
cooperative ones, that join, sync and send heartbeats late, leave, die, and come back with the other
protocol; the coordinator loses its memory in any phase of it. A classic consumer owns what its last
SyncGroup gave it until it joins again (eager) or is given less (cooperative). No partition may ever
have two owners; once the crowd holds still, everything that anybody subscribes to has one, and the
group is of the kind that its members ask for. One case: -k "[<seed>]".
"""

import random
from dataclasses import dataclass, field
from itertools import count

import pytest

from data_plane.coordinator.classic_member import GroupState
from data_plane.coordinator.classic_sync import Leaving
from data_plane.coordinator.consumer_group import ConsumerGroupState
from data_plane.coordinator.consumer_group_records import TopicIdPartition
from data_plane.coordinator.consumer_protocol import (
    INT16,
    Subscription,
    TopicPartitions,
    read_assignment,
    read_subscription,
    write_assignment,
)
from data_plane.coordinator.group_config import GroupConfig
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.join_group import JoinGroupResponse
from data_plane.protocol.messages.sync_group import SyncGroupResponse
from data_plane.protocol.schema import encode
from tests.unit.data_plane.coordinator.driving import Driver
from tests.unit.data_plane.coordinator.test_consumer_group_model import (
    GROUP,
    REBALANCE_MS,
    SESSION_MS,
    Client,
    Crowd,
)

VERSION = 1
CONFIG = GroupConfig(
    initial_rebalance_delay_ms=0,
    session_timeout_ms_min=1,
    consumer_session_timeout_ms=SESSION_MS,
    new_member_join_timeout_ms=5 * SESSION_MS,
)
RETRIED = (ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.NOT_COORDINATOR)


@dataclass
class Classic:
    """A classic consumer: what it believes and what it owns."""

    name: str
    names: tuple[str, ...]
    is_cooperative: bool
    instance_id: str | None = None
    member_id: str = ""
    generation: int = -1
    owned: set[tuple[str, int]] = field(default_factory=set)
    waits_for: str | None = None  # the request it has not been answered
    must_join: bool = True
    must_sync: JoinGroupResponse | None = None

    def metadata(self) -> bytes:
        owned: dict[str, list[int]] = {}
        for topic, partition in sorted(self.owned):
            owned.setdefault(topic, []).append(partition)
        rows = [TopicPartitions(topic, found) for topic, found in owned.items()]
        wants = Subscription(self.names, owned_partitions=rows)
        return INT16.pack(VERSION) + encode(wants, VERSION)

    def fall(self, *, is_unknown: bool = True) -> None:
        self.owned, self.generation, self.must_join, self.must_sync = set(), -1, True, None
        if is_unknown:
            self.member_id = ""

    def join(self, driver: Driver, token: str) -> None:
        if not self.is_cooperative:
            self.owned = set()
        self.must_join, self.must_sync, self.waits_for = False, None, token
        driver.join(
            token,
            self.member_id,
            instance=self.instance_id,
            protocols=[("a", self.metadata())],
            session_ms=SESSION_MS,
            rebalance_ms=REBALANCE_MS,
        )

    def sync(self, driver: Driver, token: str, assigned: dict[str, bytes]) -> None:
        self.must_sync, self.waits_for = None, token
        driver.sync(token, self.member_id, self.generation, assigned, instance=self.instance_id)

    def hear(self, answer: object) -> None:
        self.waits_for = None
        match answer:
            case JoinGroupResponse(error_code=ErrorCode.NONE):
                self.member_id, self.generation = answer.member_id, answer.generation_id
                self.must_sync = answer
            case SyncGroupResponse(error_code=ErrorCode.NONE):
                self._take(answer.assignment)
            case JoinGroupResponse(error_code=ErrorCode.MEMBER_ID_REQUIRED):
                self.member_id, self.must_join = answer.member_id, True
            case JoinGroupResponse() | SyncGroupResponse():
                self.must_join = True
                if answer.error_code not in RETRIED:
                    self.fall()

    def _take(self, assignment: bytes) -> None:
        rows = read_assignment(assignment).assigned_partitions
        given = {(row.topic, partition) for row in rows for partition in row.partitions}
        # A cooperative consumer that had to give something up joins again, so that it can be given.
        self.must_join = self.is_cooperative and bool(self.owned - given)
        self.owned = given


class MixedCrowd(Crowd):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.driver = Driver(config=CONFIG, rng=random.Random(seed))
        self.driver.image = self.topics.image
        self.is_cooperative = self.rng.random() < 0.5
        self.classics: dict[str, Classic] = {}
        self.tokens = count()

    # --- classic consumers -------------------------------------------------------------------

    def come_classic(self, instance_id: str | None = None) -> None:
        self.made += 1
        name = f"k{self.made}"
        names = tuple(self.rng.sample(["a-1", "a-2", "b-1", "later"], 2))
        self.classics[name] = Classic(name, names, self.is_cooperative, instance_id)

    def act(self, one: Classic) -> None:
        """Whatever the consumer does next."""
        if one.waits_for is not None:
            return
        token = f"{one.name}.{next(self.tokens)}"
        if one.must_join:
            one.join(self.driver, token)
        elif one.must_sync is not None:
            one.sync(self.driver, token, self.assigned(one.must_sync))
        else:
            code = self.driver.heartbeat(one.member_id, one.generation, one.instance_id)
            if code is ErrorCode.REBALANCE_IN_PROGRESS:
                one.must_join = True
            elif code is not ErrorCode.NONE:
                one.fall(is_unknown=code is not ErrorCode.ILLEGAL_GENERATION)
        self.deliver()

    def assigned(self, joined: JoinGroupResponse) -> dict[str, bytes]:
        """The leader's work; a cooperative one gives nobody what another still owns."""
        wants = {row.member_id: read_subscription(row.metadata) for row in joined.members}
        shares: dict[str, dict[str, list[int]]] = {member_id: {} for member_id in wants}
        owner = {
            (row.topic, partition): member_id
            for member_id, one in wants.items()
            for row in one.owned_partitions
            for partition in row.partitions
        }
        for topic, image in sorted(self.topics.image.topics.items()):
            wanting = sorted(one for one in wants if topic in wants[one].topics)
            for partition in range(len(image.partitions)) if wanting else ():
                taker = wanting[partition % len(wanting)]
                if owner.get((topic, partition), taker) == taker or not self.is_cooperative:
                    shares[taker].setdefault(topic, []).append(partition)
        version = INT16.pack(VERSION)
        return {one: write_assignment(share, version) for one, share in shares.items()}

    def deliver(self) -> None:
        for one in self.classics.values():
            if one.waits_for is not None and one.waits_for in self.driver.answers:
                one.hear(self.driver.answers.pop(one.waits_for))

    def leave_classic(self, one: Classic) -> None:
        del self.classics[one.name]
        if one.member_id and one.instance_id is None:
            leaving = [Leaving(one.member_id)]
            self.driver.carry_out(
                self.shard.decide_leave_group(GROUP, leaving, now_ms=self.driver.now_ms)
            )
        self.deliver()

    # --- the crowd ---------------------------------------------------------------------------

    def beat(self, client: Client, *, is_lost: bool = False) -> None:
        super().beat(client, is_lost=is_lost)
        self.deliver()

    def step(self) -> None:
        rng = self.rng
        one = rng.choice(list(self.classics.values())) if self.classics else None
        match rng.randrange(20):
            case 0:
                if len(self.classics) < 4:
                    self.come_classic(rng.choice([None, None, self.free_instance()]))
            case 1 if one is not None:
                self.leave_classic(one)
            case 2 if one is not None and one.instance_id is None:  # It dies.
                del self.classics[one.name]
            case 3 if one is not None and one.instance_id is None:  # It comes back the other way.
                self.leave_classic(one)
                self.come()
            case 4 if self.clients:
                self.leave(rng.choice(list(self.clients.values())))
                self.come_classic()
            case 5 | 6 | 7 | 8 | 9 | 10 if one is not None:
                self.act(one)
            case _:
                super().step()
        self.driver.image = self.topics.image
        self.deliver()

    def free_instance(self) -> str | None:
        """Static consumers stay what they are here: their places are never contended for."""
        self.made += 1
        return f"s-{self.made}"

    def pass_time(self, ms: int) -> None:
        before = {name: self.is_member(one) for name, one in self.classics.items()}
        super().pass_time(ms)
        self.deliver()
        for name, was_member in before.items():
            one = self.classics.get(name)
            if one is not None and was_member and not self.is_member(one):
                one.fall()
                one.waits_for = None

    def is_member(self, one: Classic) -> bool:
        group = self.shard.groups.get(GROUP)
        is_classic = group is not None and one.member_id in group.members
        return is_classic or self.member_known(one.member_id)

    def check(self) -> None:
        super().check()
        owners: dict[TopicIdPartition, str] = {}
        for member_id, client in self.clients.items():
            owners.update(dict.fromkeys(client.owned, member_id))
        for name, one in self.classics.items():
            for topic, partition in one.owned:
                image = self.topics.image.topic(topic)
                assert image is not None
                at = (image.topic_id, partition)
                assert at not in owners, f"{topic}-{partition} is owned by {owners[at]} and {name}"
                owners[at] = name

    def settle(self) -> None:
        for _ in range(150):
            self.pass_time(20)
            for client in list(self.clients.values()):
                self.beat(client)
                client.give_up()
                self.check()
            for one in list(self.classics.values()):
                self.act(one)
                self.check()


@pytest.mark.semantics("64d", "64i")
@pytest.mark.parametrize("seed", range(120))
def test_members_of_both_protocols_share_everything(seed: int) -> None:
    crowd = MixedCrowd(seed)
    for _ in range(200):
        crowd.step()
        crowd.check()
    crowd.settle()
    expect_all_shared(crowd)


@pytest.mark.semantics("64i")
@pytest.mark.parametrize("seed", range(40))
def test_who_is_left_shares_everything_though_the_coordinator_dies(seed: int) -> None:
    """Every member of KIP-848 leaves, and nobody has gathered when the shard is lost."""
    crowd = MixedCrowd(seed)
    for _ in range(150):
        crowd.step()
    crowd.settle()  # Who died is out of it: nothing but the leaving has them gather.
    for client in list(crowd.clients.values()):
        crowd.leave(client)
    crowd.driver.restart()
    crowd.deliver()
    crowd.settle()
    expect_all_shared(crowd)


def expect_all_shared(crowd: MixedCrowd) -> None:
    classic, consumers = crowd.shard.groups.get(GROUP), crowd.shard.consumer_groups.get(GROUP)
    if crowd.clients:
        assert classic is None
        assert consumers is not None
        assert consumers.state is ConsumerGroupState.STABLE
        wanted = {
            (crowd.topics.image.topic_names[topic_id], partition)
            for topic_id, partition in crowd.topics.all_of(consumers.subscribed_names())
        }
    elif crowd.classics:
        assert consumers is None
        assert classic is not None
        assert classic.is_in(GroupState.STABLE)
        names = {name for one in crowd.classics.values() for name in one.names}
        topics = crowd.topics.image.topics
        wanted = {(n, p) for n in names & topics.keys() for p in range(len(topics[n].partitions))}
    else:
        assert classic is None or not classic.members
        assert consumers is None or not consumers.members
        return
    owned = [at for one in crowd.classics.values() for at in one.owned]
    names_of = crowd.topics.image.topic_names
    owned += [(names_of[topic], at) for one in crowd.clients.values() for topic, at in one.owned]
    assert sorted(owned) == sorted(wanted)


@pytest.mark.parametrize("seed", range(40))
def test_a_loaded_shard_is_the_one_that_was_lost(seed: int) -> None:
    """In any phase of a rebalance or a migration: what was journaled is all there is."""
    crowd = MixedCrowd(seed)
    for _ in range(150):
        crowd.step()
    classic, consumers = crowd.shard.groups.get(GROUP), crowd.shard.consumer_groups.get(GROUP)
    crowd.driver.restart()
    after, consumers_after = crowd.shard.groups.get(GROUP), crowd.shard.consumer_groups.get(GROUP)
    assert (consumers is None) == (consumers_after is None)
    if consumers is not None and consumers_after is not None:
        for name in ("epoch", "target_epoch", "members", "targets", "current", "topics_hash"):
            assert getattr(consumers_after, name) == getattr(consumers, name), name
    if classic is None or classic.generation == 0:
        assert after is None
    elif classic.is_in(GroupState.STABLE, GroupState.EMPTY):
        assert after is not None
        assert (after.state, after.generation) == (classic.state, classic.generation)
        assert {one: m.assignment for one, m in after.members.items()} == {
            one: m.assignment for one, m in classic.members.items()
        }
