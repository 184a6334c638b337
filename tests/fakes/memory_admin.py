"""AdminPort in memory: what a cluster's brokers would hold, with the rules agents depend on."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from data_plane.agent.admin_state import (
    AclBinding,
    AdminFailed,
    Errors,
    FeatureSeen,
    ObservedTopic,
    QuorumSeen,
    Quotas,
    SpecOutdated,
)
from data_plane.agent.replica_moves import PartitionId, PartitionSeen
from data_plane.contract.spec import TopicSpec


class MemoryAdmin:
    """One cluster. `calls` names every changing call; `is_gone` makes each call fail."""

    def __init__(self, *_: object) -> None:
        self.held: dict[str, ObservedTopic] = {}
        self.bindings: set[AclBinding] = set()
        self.refusals: dict[str, str] = {}  # topic name -> what create_topics answers
        self.limits: dict[str, dict[str, float]] = {}
        self.calls: list[str] = []
        self.is_gone = False
        self.out_of_sync = 0  # partitions
        self.live: dict[int, str] = {0: ""}  # brokers and their racks
        self.seen: dict[PartitionId, PartitionSeen] = {}  # partitions that are being moved
        self.voting = [0]
        self.generation = 0
        self.controller = 0
        self.voters_behind = 0
        self.finalized, self.supported = 1, 1  # of ottla.version

    def close(self) -> None:
        return

    def _called(self, name: str) -> None:
        if self.is_gone:
            raise AdminFailed("cannot connect: refused")
        self.calls.append(name)

    def topics(self) -> Mapping[str, ObservedTopic]:
        if self.is_gone:
            raise AdminFailed("cannot connect: refused")
        return dict(self.held)

    def out_of_sync_count(self) -> int:
        if self.is_gone:
            raise AdminFailed("cannot connect: refused")
        return self.out_of_sync

    def quorum(self) -> QuorumSeen:
        if self.is_gone:
            raise AdminFailed("cannot connect: refused")
        return QuorumSeen(self.controller, self.voters_behind)

    def feature(self, name: str) -> FeatureSeen | None:
        if self.is_gone:
            raise AdminFailed("cannot connect: refused")
        return FeatureSeen(self.finalized, self.supported) if name == "ottla.version" else None

    def finalize(self, name: str, level: int) -> str:
        self._called("finalize")
        self.finalized = level
        return ""

    def partitions(self) -> Sequence[PartitionSeen]:
        if self.is_gone:
            raise AdminFailed("cannot connect: refused")
        return [
            self.seen.get(
                (name, number),
                PartitionSeen(name, number, 0, replicas(topic), frozenset(replicas(topic))),
            )
            for name, topic in self.held.items()
            for number in range(topic.partition_count)
        ]

    def racks(self) -> Mapping[int, str]:
        return dict(self.live)

    def move_replicas(self, targets: Mapping[PartitionId, Sequence[int]]) -> Errors:
        """Begin; a test completes a move by taking the partition out of `seen`."""
        self._called("move_replicas")
        factors = {name: topic.replication_factor for name, topic in self.held.items()}
        for (name, number), target in targets.items():
            before = factors[name]
            in_sync = frozenset(target[:before])
            adding = frozenset(target) - in_sync
            self.seen[name, number] = PartitionSeen(
                name, number, target[0], tuple(target), in_sync, adding
            )
            self.held[name] = replace(self.held[name], replication_factor=len(target))
        return {}

    def voters(self) -> Sequence[int]:
        return self.voting

    def claim(self, generation: int) -> None:
        self._called("claim")
        if generation < self.generation:
            raise SpecOutdated(f"generation {generation} is older than {self.generation}")
        self.generation = generation

    def create_topics(self, topics: Sequence[TopicSpec]) -> Errors:
        self._called("create_topics")
        for topic in topics:
            if topic.name not in self.refusals:
                self.held[topic.name] = ObservedTopic(
                    topic.partition_count, topic.replication_factor, dict(topic.configs)
                )
        return {
            topic.name: self.refusals[topic.name] for topic in topics if topic.name in self.refusals
        }

    def delete_topics(self, names: Sequence[str]) -> Errors:
        self._called("delete_topics")
        for name in names:
            del self.held[name]
        return {}

    def grow_topics(self, partition_counts: Mapping[str, int]) -> Errors:
        self._called("grow_topics")
        for name, count in partition_counts.items():
            self.held[name] = replace(self.held[name], partition_count=count)
        return {}

    def set_configs(self, changes: Mapping[str, Mapping[str, str | None]]) -> Errors:
        self._called("set_configs")
        for name, changed in changes.items():
            merged = {**self.held[name].configs, **changed}
            kept = {key: value for key, value in merged.items() if value is not None}
            self.held[name] = replace(self.held[name], configs=kept)
        return {}

    def acls(self) -> AbstractSet[AclBinding]:
        if self.is_gone:
            raise AdminFailed("cannot connect: refused")
        return set(self.bindings)

    def create_acls(self, bindings: Sequence[AclBinding]) -> Sequence[str]:
        self._called("create_acls")
        self.bindings.update(bindings)
        return []

    def delete_acls(self, bindings: Sequence[AclBinding]) -> Sequence[str]:
        self._called("delete_acls")
        self.bindings.difference_update(bindings)
        return []

    def quotas(self) -> Quotas:
        if self.is_gone:
            raise AdminFailed("cannot connect: refused")
        return {principal: dict(held) for principal, held in self.limits.items()}

    def set_quotas(self, changes: Mapping[str, Mapping[str, float | None]]) -> Sequence[str]:
        self._called("set_quotas")
        for principal, changed in changes.items():
            merged = {**self.limits.get(principal, {}), **changed}
            self.limits[principal] = {k: v for k, v in merged.items() if v is not None}
        return []


def replicas(topic: ObservedTopic) -> tuple[int, ...]:
    return tuple(range(topic.replication_factor))
