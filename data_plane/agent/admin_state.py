"""Topics, their configs, ACLs and quotas: how spec and brokers differ, and what is done about it.

The control plane owns the topic list: a topic that is not in the spec is deleted, a principal that
is not in it loses its ACLs and its quotas; other quotas are left alone. Internal topics are never
touched. The differences are pure functions; `apply` carries them out over any AdminPort
(kafka_admin.py, or a twin in tests).

Where a cluster is spread over nodes, several agents do this for the same cluster, each by the spec
that it has. Before anything is changed the cluster itself is told by which generation; it refuses
one older than it has seen. So an agent that was cut off never deletes what it has not heard of.
"""

import logging
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Protocol

from data_plane.agent.replica_moves import PartitionId, PartitionSeen, lost, moves, under_way
from data_plane.contract.report import TopicStatus
from data_plane.contract.rolling import RollView
from data_plane.contract.spec import AclSpec, ClusterSpec, PrincipalSpec, TopicSpec

MIN_INSYNC = "min.insync.replicas"
IN_SYNC_ENOUGH = 2  # replicas that must be in sync before two are asked for
VOTERS_MAX = 3


OTTLA_VERSION = "ottla.version"  # gates record formats and peer RPCs (durability.md 9)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ObservedTopic:
    """A topic as brokers describe it; `configs` holds its own overrides only."""

    partition_count: int
    replication_factor: int
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class AclBinding:
    """One ACL in Kafka's words, comparable and hashable."""

    principal: str
    resource_type: str
    resource_name: str
    pattern_type: str
    operation: str
    permission: str
    host: str


Errors = Mapping[str, str]  # topic name -> why it was refused, in words
Quotas = Mapping[str, Mapping[str, float]]  # principal -> quota, by Kafka's name -> per second


@dataclass(frozen=True, slots=True)
class QuorumSeen:
    controller_id: int | None
    voters_behind_count: int


@dataclass(frozen=True, slots=True)
class FeatureSeen:
    """The finalized level, and the highest one of the broker that was asked."""

    finalized: int
    supported_max: int


class AdminPort(Protocol):
    """What is asked of the Kafka admin protocol. Calls block; each raises AdminFailed."""

    def topics(self) -> Mapping[str, ObservedTopic]:
        """All topics but internal ones."""

    def out_of_sync_count(self) -> int:
        """How many partitions, internal ones included, lack a replica in their ISR."""

    def partitions(self) -> Sequence[PartitionSeen]:
        """All partitions, internal ones included, with the moves under way."""

    def racks(self) -> Mapping[int, str]:
        """Of the brokers that live, by id; "" where a broker says none."""

    def move_replicas(self, targets: Mapping[PartitionId, Sequence[int]]) -> Errors: ...
    def voters(self) -> Sequence[int]:
        """The brokers that vote in the metadata quorum."""

    def quorum(self) -> QuorumSeen:
        """Who leads the metadata quorum, and how many voters lack something committed."""

    def feature(self, name: str) -> FeatureSeen | None:
        """None: the brokers have no such feature."""

    def finalize(self, name: str, level: int) -> str:
        """Raise a feature; returns why that was refused, in words, or an empty text."""

    def claim(self, generation: int) -> None:
        """Have the cluster note by which generation it is changed. Raises SpecOutdated."""

    def create_topics(self, topics: Sequence[TopicSpec]) -> Errors: ...
    def delete_topics(self, names: Sequence[str]) -> Errors: ...
    def grow_topics(self, partition_counts: Mapping[str, int]) -> Errors: ...
    def set_configs(self, changes: Mapping[str, Mapping[str, str | None]]) -> Errors:
        """Per topic the overrides to set; None removes one."""

    def acls(self) -> AbstractSet[AclBinding]: ...
    def create_acls(self, bindings: Sequence[AclBinding]) -> Sequence[str]:
        """Returns what was refused, in words."""

    def delete_acls(self, bindings: Sequence[AclBinding]) -> Sequence[str]: ...

    def quotas(self) -> Quotas:
        """Those of single users, by principal."""

    def set_quotas(self, changes: Mapping[str, Mapping[str, float | None]]) -> Sequence[str]:
        """Per principal the quotas to set; None removes one. Returns what was refused."""


class AdminFailed(Exception):
    """The brokers could not be asked, or answered with an error of the whole request."""


class SpecOutdated(AdminFailed):
    """Another node's agent has applied a newer generation: this one has to get that first."""


@dataclass(frozen=True, slots=True)
class TopicChanges:
    create: Sequence[TopicSpec]
    delete: Sequence[str]
    grow: Mapping[str, int]
    configs: Mapping[str, Mapping[str, str | None]]
    refused: Errors  # what no admin call could bring about

    def __bool__(self) -> bool:
        return bool(self.create or self.delete or self.grow or self.configs)


@dataclass(frozen=True, slots=True)
class AdminOutcome:
    """What `apply` did and found. It is wholly applied where nothing was refused."""

    topics: Sequence[TopicStatus]
    changes: int  # admin calls that changed something; 0 the second time
    acl_errors: Sequence[str]  # of quotas too: both are about principals
    voters: Sequence[int] | None = None  # None: not asked, as one broker is the whole cluster
    out_of_sync_count: int | None = None
    voters_wanted: int = 1
    feature_level: int | None = None  # finalized, of `ottla.version`
    controller_id: int | None = None
    voters_behind_count: int | None = None
    live_brokers: Sequence[int] | None = None  # that the active controller hears
    lost: Sequence[PartitionId] = ()  # nobody has their records any more

    @property
    def is_settled(self) -> bool:
        """Nothing is on its way that the next look should follow."""
        is_moving = any(topic.pending for topic in self.topics)
        voters = self.voters_wanted if self.voters is None else len(self.voters)
        return not is_moving and not self.out_of_sync_count and voters >= self.voters_wanted

    @property
    def topic_errors(self) -> Sequence[str]:
        """Why topics are not as asked for; a topic nobody refused may still be on its way."""
        return [
            f"{topic.name}: {topic.error or 'not visible yet'}"
            for topic in self.topics
            if topic.error or not topic.partition_count
        ]

    @property
    def is_whole(self) -> bool:
        return not self.topic_errors and not self.acl_errors


def topic_changes(
    desired: Sequence[TopicSpec],
    observed: Mapping[str, ObservedTopic],
    *,
    may_move: bool = False,
    waiting: AbstractSet[str] = frozenset(),
) -> TopicChanges:
    """may_move: there are several brokers, so that replication factors can change.

    waiting: topics whose new replicas are not in sync yet; what asks more of them waits, too.
    """
    wanted = {topic.name: topic for topic in desired}
    refused = {
        name: why
        for name, topic in wanted.items()
        if name in observed and (why := _impossible(topic, observed[name], may_move=may_move))
    }
    return TopicChanges(
        create=[topic for name, topic in wanted.items() if name not in observed],
        delete=sorted(observed.keys() - wanted.keys()),
        grow={
            name: topic.partition_count
            for name, topic in wanted.items()
            if name in observed and topic.partition_count > observed[name].partition_count
        },
        configs={
            name: changes
            for name, topic in wanted.items()
            if name in observed
            and (
                changes := _changes_now(
                    topic.configs, observed[name].configs, is_waiting=name in waiting
                )
            )
        },
        refused=refused,
    )


def _changes_now(
    desired: Mapping[str, str], observed: Mapping[str, str], *, is_waiting: bool
) -> Mapping[str, str | None]:
    """While replicas are on their way min.insync.replicas stays: more would refuse acks=all."""
    changes = config_changes(desired, observed)
    return {k: v for k, v in changes.items() if k != MIN_INSYNC} if is_waiting else changes


def _impossible(topic: TopicSpec, observed: ObservedTopic, *, may_move: bool) -> str:
    if topic.partition_count < observed.partition_count:
        return (
            f"the number of partitions cannot shrink from {observed.partition_count} to "
            f"{topic.partition_count}"
        )
    if topic.replication_factor != observed.replication_factor and not may_move:
        return (
            f"the replication factor cannot be changed from {observed.replication_factor} to "
            f"{topic.replication_factor} in place"
        )
    return ""


def config_changes(
    desired: Mapping[str, str], observed: Mapping[str, str]
) -> Mapping[str, str | None]:
    changed: dict[str, str | None] = {
        name: value for name, value in desired.items() if observed.get(name) != value
    }
    return changed | dict.fromkeys(observed.keys() - desired.keys())


def bindings_of(principals: Sequence[PrincipalSpec]) -> set[AclBinding]:
    return {_binding(principal.name, acl) for principal in principals for acl in principal.acls}


def _binding(principal: str, acl: AclSpec) -> AclBinding:
    return AclBinding(
        principal=principal,
        resource_type=acl.resource_type,
        resource_name=acl.resource_name,
        pattern_type=acl.pattern_type,
        operation=acl.operation,
        permission=acl.permission,
        host=acl.host,
    )


def quotas_of(principals: Sequence[PrincipalSpec]) -> dict[str, dict[str, float]]:
    return {principal.name: principal.quotas for principal in principals if principal.quotas}


def quota_changes(desired: Quotas, observed: Quotas) -> dict[str, dict[str, float | None]]:
    changes: dict[str, dict[str, float | None]] = {}
    for name in desired.keys() | observed.keys():
        wanted, held = desired.get(name, {}), observed.get(name, {})
        changed: dict[str, float | None] = {
            key: value for key, value in wanted.items() if held.get(key) != value
        }
        changed |= dict.fromkeys(held.keys() - wanted.keys())
        if changed:
            changes[name] = changed
    return changes


def roll_view(port: AdminPort) -> RollView:
    """What the admin protocol tells of a cluster that is to be rolled. Raises AdminFailed.

    Two voters need each other: then the third is about to come in, and counts as behind.
    """
    quorum = port.quorum()
    is_third_missing = len(port.voters()) == VOTERS_MAX - 1
    out_of_sync = port.out_of_sync_count()
    if out_of_sync:
        # No restart makes those worse, and nothing would ever be restarted again.
        out_of_sync = max(0, out_of_sync - len(_look(port).lost))
    return RollView(
        out_of_sync_count=out_of_sync,
        voters_behind_count=quorum.voters_behind_count + is_third_missing,
        controller_id=quorum.controller_id,
    )


def apply(port: AdminPort, spec: ClusterSpec, *, may_finalize: bool = False) -> AdminOutcome:
    """Bring topics, ACLs and quotas to what `spec` says, and describe what is there then.

    Order: rights are taken before anything else and given last, behind the limits that go with
    them, so that a failure on the way leaves too few rights rather than too many. Everything is
    read before the generation is claimed, and nothing is done before: what was read then is of
    this generation or an older one. may_finalize: the brokers here run what they shall, so that
    `ottla.version` may be raised, as far as the cluster's other brokers know it, too.
    Raises AdminFailed, SpecOutdated; a repetition goes on.
    """
    is_several = bool(spec.members)
    held, wanted = port.acls(), bindings_of(spec.principals)
    limits = quota_changes(quotas_of(spec.principals), port.quotas())
    partitions = _look(port).rest if is_several else ()
    observed = port.topics()
    change = topic_changes(
        spec.topics, observed, may_move=is_several, waiting=_waiting(spec, partitions)
    )
    factors = {t.name: t.replication_factor for t in spec.topics if t.name in observed}
    targets = moves(factors, partitions, port.racks()) if is_several else {}
    if spec.peers == "tls" and (held != wanted or limits or change or targets):
        port.claim(spec.generation)
    changes = 0
    acl_errors: list[str] = []
    if surplus := sorted(held - wanted):
        acl_errors += port.delete_acls(surplus)
        changes += 1
    errors, topic_changes_made = _apply_topics(port, change, targets)
    if topic_changes_made:
        observed = port.topics()
        errors = _still_true(spec.topics, observed, errors)
    if limits:
        acl_errors += port.set_quotas(limits)
        changes += 1
    if missing := sorted(wanted - held):
        acl_errors += port.create_acls(missing)
        changes += 1
    outcome = AdminOutcome(
        topics=_statuses(spec.topics, observed, errors),
        changes=changes + topic_changes_made,
        acl_errors=acl_errors,
        feature_level=_feature_level(port, may_finalize=may_finalize),
    )
    return _with_replication(port, spec, outcome) if is_several else outcome


def _feature_level(port: AdminPort, *, may_finalize: bool) -> int | None:
    """The finalized level of `ottla.version`, raised if that may be.

    It is refused while a broker anywhere does not know the new one: the last of them is rolled
    yet, and whoever looks after it asks again.
    """
    seen = port.feature(OTTLA_VERSION)
    if seen is None:
        return None
    if not may_finalize or seen.finalized >= seen.supported_max:
        return seen.finalized
    refused = port.finalize(OTTLA_VERSION, seen.supported_max)
    if refused:
        logger.info("%s %d is not finalized yet: %s", OTTLA_VERSION, seen.supported_max, refused)
        return seen.finalized
    logger.info("%s %d is finalized", OTTLA_VERSION, seen.supported_max)
    return seen.supported_max


def _waiting(spec: ClusterSpec, partitions: Sequence[PartitionSeen]) -> AbstractSet[str]:
    """Topics of which a partition has fewer replicas in sync than it shall have."""
    wanted = {topic.name: topic.replication_factor for topic in spec.topics}
    return {
        one.topic
        for one in partitions
        if one.adding or len(one.in_sync) < min(wanted.get(one.topic, 0), IN_SYNC_ENOUGH)
    }


def _apply_topics(
    port: AdminPort, change: TopicChanges, targets: Mapping[PartitionId, Sequence[int]]
) -> tuple[Errors, int]:
    errors = dict(change.refused)
    made = 0
    if change.delete:
        errors |= port.delete_topics(change.delete)
        made += 1
    if change.create:
        errors |= port.create_topics(change.create)
        made += 1
    if change.grow:
        errors |= port.grow_topics(change.grow)
        made += 1
    if change.configs:
        errors |= port.set_configs(change.configs)
        made += 1
    if targets:
        errors |= port.move_replicas(targets)
        made += 1
    return errors, made


def _still_true(
    desired: Sequence[TopicSpec], observed: Mapping[str, ObservedTopic], errors: Errors
) -> Errors:
    """Without refusals that no longer matter: another agent, or a lost answer, had done it."""
    change = topic_changes(desired, observed, may_move=True)
    wrong = {topic.name for topic in change.create} | set(change.delete) | change.grow.keys()
    shapes = {topic.name: topic.replication_factor for topic in desired}
    wrong |= {
        name
        for name, factor in shapes.items()
        if name in observed and observed[name].replication_factor != factor
    }
    wrong |= change.configs.keys() | change.refused.keys()
    return {name: why for name, why in errors.items() if name in wrong}


def _with_replication(port: AdminPort, spec: ClusterSpec, outcome: AdminOutcome) -> AdminOutcome:
    """Add how far moves and the quorum have come."""
    look = _look(port)
    wanted = {topic.name: topic.replication_factor for topic in spec.topics}
    left = under_way(wanted, look.rest)
    quorum = port.quorum()
    topics = [
        topic.model_copy(update={"pending": _words(*left[topic.name])})
        if topic.name in left
        else topic
        for topic in outcome.topics
    ]
    return replace(
        outcome,
        topics=topics,
        voters=sorted(port.voters()),
        voters_wanted=min(VOTERS_MAX, len(spec.members)) if len(spec.members) > 2 else 1,
        out_of_sync_count=sum(not one.is_in_sync for one in look.rest),
        controller_id=quorum.controller_id,
        voters_behind_count=quorum.voters_behind_count,
        live_brokers=sorted(look.live),
        lost=sorted(look.lost),
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """The partitions that something can still be done for, and those that are lost."""

    rest: Sequence[PartitionSeen]
    lost: AbstractSet[PartitionId]
    live: AbstractSet[int]


def _look(port: AdminPort) -> _Look:
    before = port.racks().keys()
    partitions = port.partitions()
    live = port.racks().keys()
    gone = lost(partitions, before & live)
    rest = [one for one in partitions if (one.topic, one.partition) not in gone]
    return _Look(rest, gone, live)


def _words(left: int, total: int) -> str:
    return f"replicas of {left} of {total} partitions are being moved"


def _statuses(
    desired: Sequence[TopicSpec], observed: Mapping[str, ObservedTopic], errors: Errors
) -> list[TopicStatus]:
    """Every topic of the spec and every one that is there, with what went wrong."""
    names = sorted({topic.name for topic in desired} | observed.keys())
    nothing = ObservedTopic(0, 0)
    return [
        TopicStatus(
            name=name,
            partition_count=observed.get(name, nothing).partition_count,
            replication_factor=observed.get(name, nothing).replication_factor,
            error=errors.get(name, ""),
        )
        for name in names
    ]
