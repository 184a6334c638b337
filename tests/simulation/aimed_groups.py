"""Aimed blows at a group that changes its protocol, there and back, as its coordinator dies."""

from collections.abc import Mapping

from data_plane.coordinator.classic_member import GroupState
from data_plane.coordinator.consumer_group import ConsumerGroupState
from data_plane.coordinator.group_partition import partition_for
from data_plane.coordinator.groups_shard import GroupsShard
from data_plane.protocol.errors import KafkaError
from tests.simulation.aimed import Act, Aimed, Led
from tests.simulation.commits import GROUPS_TOPIC
from tests.simulation.mixed_groups import AWAY, CLASSIC, CONSUMER, MixedMember

GATHERED_MS = 9_000  # in which a group has come to rest
LOOKS_EVERY_MS = 20


class AimedGroups(Aimed):
    """Members that are told what to be; the last of them is the one that changes."""

    _is_under_way = False  # One at a time: each takes longer than others do.

    @property
    def kinds(self) -> Mapping[str, Act]:
        return {
            "group turned back, unled": self._turned_back_unled,
            "group changed, too few in sync": self._changed_with_too_few,
        }

    def _turned_back_unled(self) -> None:
        """The last member of the new protocol goes, and the coordinator before the others gather.

        They own a part of the partitions until they do.
        """
        if self._is_under_way or not self._told:
            return
        self._world.count("group turned back, unled")
        self._is_under_way = True
        self._told[-1].wish = CONSUMER
        # It stays away, or another rebalance would hide that this one did not come.
        self._until(
            self._has_settled,
            self._told_to_go,
            ms_max=GATHERED_MS,
            otherwise=self._ends,
            every_ms=LOOKS_EVERY_MS,
        )

    def _told_to_go(self) -> None:
        self._told[-1].wish = AWAY

        def lose() -> None:
            led = self._led_group
            if led is not None:
                self._crash(led.leader, back_ms=self._rng.choice([20, 500, 3_000]))
            if self._rng.random() < 0.5:  # Else the end shows what has become of it.
                self._ends()

        self._until(self._is_unled, lose, ms_max=4_000, otherwise=self._ends)

    def _changed_with_too_few(self) -> None:
        """A member changes the group's kind while its coordinator's followers are out of sync.

        Once they are back, another one coordinates.
        """
        if self._is_under_way or not self._told:
            return
        self._world.count("group changed, too few in sync")
        self._is_under_way = True
        # It comes without having left, and goes for good: no other rebalance is under way then.
        last = self._told[-1]
        wish = AWAY if last.wish == CONSUMER else CONSUMER
        last.wish = CONSUMER if wish == AWAY else AWAY
        led, controller = self._led_group, self._controller()
        if led is None or controller is None:
            self._ends()
            return
        others = [one for one in led.row.replicas if one != controller]

        def is_ready() -> bool:
            return led.row.leader == controller and self._has_settled()

        # A leader that is the controller itself gets another ISR though its ways are blocked.
        self._order(led, [controller, *others], lambda: None)
        self._until(
            is_ready,
            lambda: self._leave_alone(led, controller, wish),
            ms_max=GATHERED_MS,
            otherwise=self._ends,
            every_ms=LOOKS_EVERY_MS,
        )

    def _leave_alone(self, led: Led, leader: int, wish: str) -> None:
        followers = [one for one in led.row.replicas if one != leader]
        ways = {(leader, one) for one in followers} | {(one, leader) for one in followers}
        blocked = self._world.streams.blocked
        blocked |= ways
        last, kind = self._told[-1], CONSUMER if wish == CONSUMER else CLASSIC

        def mend() -> None:
            blocked.difference_update(ways)
            self._until(
                lambda: len(led.row.isr) == len(led.row.replicas),
                lambda: self._after(self._rng.choice([200, 800]), lose),
                ms_max=4_000,
                otherwise=self._ends,
            )

        def lose() -> None:
            self._crash(leader, back_ms=self._rng.choice([500, 3_000]))
            self._ends()

        def change() -> None:
            last.wish = wish
            self._until(
                lambda: self._kind == kind,
                lambda: self._after(self._rng.choice([20, 500, 2_000]), mend),
                ms_max=8_000,
                otherwise=mend,
                every_ms=LOOKS_EVERY_MS,
            )

        self._until(lambda: led.row.isr == (leader,), change, ms_max=4_000, otherwise=mend)

    def _ends(self) -> None:
        self._is_under_way = False

    # --- what its coordinator knows of the group -----------------------------------------------

    @property
    def _told(self) -> list[MixedMember]:
        return [one for one in self._world.workers if isinstance(one, MixedMember)]

    @property
    def _group_id(self) -> str:
        return self._told[-1].book.group_id

    @property
    def _led_group(self) -> Led | None:
        """The partition that the group's records are in, if anybody leads it."""
        topic = self._world.invariants.image.topics.get(GROUPS_TOPIC)
        if topic is None:
            return None
        row = topic.partitions[partition_for(self._group_id, len(topic.partitions))]
        return Led(self._world, GROUPS_TOPIC, row) if row.leader >= 0 else None

    @property
    def _shard(self) -> GroupsShard | None:
        led = self._led_group
        broker = None if led is None else self._machine(led.leader).broker
        try:
            return None if broker is None else broker.group_shard(self._group_id)
        except KafkaError:
            return None

    @property
    def _kind(self) -> str:
        """Of the group, as its coordinator has it in memory."""
        shard = self._shard
        if shard is None:
            return ""
        return CONSUMER if shard.consumer_groups.get(self._group_id) is not None else CLASSIC

    def _has_settled(self) -> bool:
        """Everybody who is to be there is, as what it is to be, in the newest generation."""
        shard = self._shard
        there = [one for one in self._told if one.wish != AWAY]
        if shard is None or any(one.mode != one.wish for one in self._told):
            return False
        consumers = shard.consumer_groups.get(self._group_id)
        classic = shard.groups.get(self._group_id)
        if consumers is not None:
            is_still = consumers.state is ConsumerGroupState.STABLE
            count, generation = len(consumers.members), consumers.epoch
        elif classic is not None:
            is_still = classic.is_in(GroupState.STABLE)
            count, generation = len(classic.members), classic.generation
        else:
            return False
        is_known = all(one.generation == generation for one in there)
        return is_still and is_known and count == len(there)

    def _is_unled(self) -> bool:
        """It is classic again, which is committed, and nobody has gathered yet."""
        shard = self._shard
        group = None if shard is None else shard.groups.get(self._group_id)
        is_gone = self._told[-1].mode == AWAY
        return is_gone and group is not None and bool(group.members) and group.leader_id is None
