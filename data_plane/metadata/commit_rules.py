"""What a partition is judged by: which brokers may lead, on which machines, how safe it shall be.

The rules are those of durability.md 1; `covers` is its W(I).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from data_plane.metadata.configs import TOPIC_CONFIGS
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import CommitMode

KEYS = (
    "min.insync.replicas",
    "flush.messages",
    "ack.durability",
    "unclean.leader.election.enable",
)


@dataclass(frozen=True, slots=True)
class TopicRules:
    """The configs of a topic that the controller decides by."""

    min_insync_replicas: int
    is_flushed_each: bool  # flush.messages=1
    is_replicated: bool  # ack.durability=replicated
    may_lose_records: bool  # unclean.leader.election.enable


def topic_rules(values: Mapping[str, str]) -> TopicRules:
    """values: at least `KEYS`, as text."""
    return TopicRules(
        min_insync_replicas=int(values["min.insync.replicas"]),
        is_flushed_each=int(values["flush.messages"]) == 1,
        is_replicated=values["ack.durability"] == "replicated",
        may_lose_records=values["unclean.leader.election.enable"] == "true",
    )


def effective_min_insync(min_insync_replicas: int, replica_count: int) -> int:
    """No more replicas than there are can be asked for (KAFKA-15583)."""
    return min(min_insync_replicas, replica_count)


@dataclass(frozen=True, slots=True)
class Judge:
    """The rules of one topic over the brokers of one image.

    active: those that may be in an ISR and lead. node_of: broker id -> machine; brokers that are
    not registered any more are on no machine.
    """

    rules: TopicRules
    active: frozenset[int]
    node_of: Mapping[int, str]

    def covers(self, isr: Collection[int], replicas: Collection[int]) -> bool:
        """W(I): enough of them, on two machines at least."""
        needed = effective_min_insync(self.rules.min_insync_replicas, len(replicas))
        return len(isr) >= needed and len(self._nodes(isr)) >= 2

    def wanted_mode(self, replicas: Sequence[int]) -> CommitMode:
        """When records of a partition on these brokers shall count as committed."""
        if self.rules.is_replicated:
            return CommitMode.REPLICATED
        if (
            len(replicas) <= 2
            or len(self._nodes(replicas)) <= 1
            or self.rules.min_insync_replicas == 1
            or self.rules.is_flushed_each
        ):
            return CommitMode.SYNCED
        return CommitMode.SPREAD

    def first_mode(self, replicas: Sequence[int], isr: Collection[int]) -> CommitMode:
        """The mode of a partition that holds nothing yet; `spread` begins only where W(I) holds."""
        mode = self.wanted_mode(replicas)
        if mode is CommitMode.SPREAD and not self.covers(isr, replicas):
            return CommitMode.SYNCED
        return mode

    def _nodes(self, brokers: Collection[int]) -> set[str]:
        return {self.node_of[each] for each in brokers if each in self.node_of}


class Judges:
    """One judge per topic of `scope.image`; topics without overrides share theirs.

    inactive, active: brokers that the decision under way fences, or lets in.
    """

    def __init__(
        self, scope: ConfigScope, *, inactive: Collection[int] = (), active: Collection[int] = ()
    ) -> None:
        self._scope = scope
        self._image = scope.image
        self.active = scope.image.active_brokers().difference(inactive).union(active)
        self._node_of = {key: broker.node_id for key, broker in scope.image.brokers.items()}
        self._default = self._judge(_values(scope, {}))

    def of(self, topic: str) -> Judge:
        """The judge of a topic of the image."""
        overrides = self._image.topic_configs(topic)
        if not any(key in overrides for key in KEYS):
            return self._default
        return self.under(overrides)

    def under(self, overrides: Mapping[str, str]) -> Judge:
        """The judge of a topic that has these overrides."""
        return self._judge(_values(self._scope, overrides))

    def _judge(self, values: Mapping[str, str]) -> Judge:
        return Judge(topic_rules(values), self.active, self._node_of)


def judge_of_values(image: MetadataImage, values: Mapping[str, str]) -> Judge:
    """The judge of a topic whose configs in force are known already."""
    nodes = {key: broker.node_id for key, broker in image.brokers.items()}
    return Judge(topic_rules(values), image.active_brokers(), nodes)


def _values(scope: ConfigScope, overrides: Mapping[str, str]) -> dict[str, str]:
    return {
        key: scope.topic_candidates(TOPIC_CONFIGS[key], overrides)[0].value or "" for key in KEYS
    }
